"""The page of a run in a real browser: every control, what is heard on its console, and what it shows."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from graph.folder import RunFolder
from graph.report import write_report
from tests.browser.hostile import poison_run

pytestmark = pytest.mark.browser


@pytest.fixture
def page(browser: Any, run: Path) -> Iterator[Any]:
    from tests.browser.browsing import listen, opened

    shown = browser.new_page(viewport={"width": 1200, "height": 900}, reduced_motion="reduce")
    heard = listen(shown)
    yield opened(shown, run / "report.html")
    assert heard.said == []
    assert heard.asked == [(run / "report.html").as_uri()], "the page asks for nothing but itself"
    shown.close()


def picture(page: Any, where: str) -> str:
    return str(page.inner_html(f"#{where} .chart svg"))


def ready(page: Any) -> None:
    page.wait_for_selector("#theatre .stages[aria-busy=false]")


def told(page: Any, side: int = 0) -> str:
    return str(page.locator(".line-told").nth(side).inner_text())


@pytest.mark.parametrize(
    ("control", "value"),
    [
        ("#accuracy-set", "heldout"),
        ("#accuracy-grid", "1"),
        ("#accuracy-cost", "sequential"),
        ("#accuracy-bands", "all"),
        ("#accuracy-bands", "none"),
    ],
)
def test_each_choice_redraws_the_accuracy(page: Any, control: str, value: str) -> None:
    before = picture(page, "accuracy")
    page.select_option(control, value)
    assert picture(page, "accuracy") != before


def test_rounds_and_series_can_be_left_out(page: Any) -> None:
    every = page.locator("#accuracy .line").count()
    page.fill("#accuracy-rounds", "0")
    assert page.locator("#accuracy .line").count() < every
    assert "baselines alone" in page.inner_text("#accuracy")
    page.fill("#accuracy-rounds", "2")
    page.check("#accuracy-all")
    assert page.locator("#accuracy .line").count() > every
    page.uncheck("#accuracy-all")
    page.click("#accuracy [data-series=asc]")
    assert page.get_attribute("#accuracy [data-series=asc]", "aria-pressed") == "false"
    assert page.locator("#accuracy .line").count() < every + page.locator("#accuracy .legend .line").count()
    page.click("#accuracy [data-series=asc]")
    assert page.locator("#accuracy .line").count() == every


def test_points_tell_their_settings_by_mouse_and_by_keyboard(page: Any) -> None:
    page.locator("#accuracy .chart .mark").last.hover(force=True)
    assert "sequential" in page.inner_text("#accuracy .tip")
    page.focus("#accuracy .chart")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    spoken = page.text_content("#accuracy .unseen")
    assert "β" in spoken
    assert "…" in spoken
    page.keyboard.press("Escape")
    assert page.locator("#accuracy .tip").is_hidden()


def test_the_search_is_shown_against_minutes_too(page: Any) -> None:
    before = picture(page, "trajectory")
    page.select_option("#trajectory-axis", "minutes")
    assert picture(page, "trajectory") != before
    page.click("#trajectory summary")
    page.wait_for_selector("#trajectory tbody tr")
    assert page.locator("#trajectory tbody tr").count() == 2


def test_a_round_shows_reasoning_code_knobs_and_measurements(page: Any, run: Path) -> None:
    page.evaluate("document.querySelectorAll('details.round').forEach((each) => { each.open = true; })")
    page.click("#candidate-r2-01 > summary")
    page.wait_for_selector("#candidate-r2-01 pre.code")
    body = page.inner_text("#candidate-r2-01")
    assert "Knobs over β" in body
    assert page.locator("#candidate-r2-01 figure").count() > 1
    page.select_option("[data-source=r2-01]", "")
    source = (run / "round-002" / "candidates" / "r2-01.py").read_text()
    lines = page.locator("#candidate-r2-01 pre.code .row").all_text_contents()
    assert "".join(line[1:] for line in lines).rstrip("\n") == source.rstrip("\n")
    page.select_option("[data-source=r2-01]", "r1-01")
    changed = page.locator("#candidate-r2-01 .row.added, #candidate-r2-01 .row.removed").count()
    assert changed > 0
    best = page.locator(".round summary:has-text('★')").first
    best.click()
    assert "Stop reasons" in page.inner_text("#rounds")
    assert "Spending by action" in page.inner_text("#rounds")


def test_the_theatre_plays_pauses_and_steps(page: Any) -> None:
    ready(page)
    last = page.inner_text("#theatre-where").split(" / ")[1]
    assert page.inner_text("#theatre-where") == f"{last} / {last}"
    page.click("#theatre-start")
    assert page.inner_text("#theatre-where") == f"0 / {last}"
    assert "Nothing yet" in told(page)
    page.click("#theatre-step")
    assert page.inner_text("#theatre-where") == f"1 / {last}"
    page.click("#theatre-back")
    assert page.inner_text("#theatre-where") == f"0 / {last}"
    page.select_option("#theatre-speed", "32")
    page.click("#theatre-play")
    page.wait_for_function(f"() => document.querySelector('#theatre-where').textContent === '{last} / {last}'")
    page.wait_for_function("() => document.querySelector('#theatre-play').textContent.includes('Play')")
    page.select_option("#theatre-speed", "1")
    page.click("#theatre-play")
    assert "Pause" in page.inner_text("#theatre-play")
    page.click("#theatre-play")
    assert "Play" in page.inner_text("#theatre-play")
    page.click("#theatre-end")
    page.fill("#theatre-scrub", "2")
    assert page.inner_text("#theatre-where") == f"2 / {last}"
    page.focus("#theatre")
    height = page.locator(".stage").first.bounding_box()["height"]
    page.check("#theatre-all")
    assert page.locator(".stage").first.bounding_box()["height"] > height


def test_the_theatre_shows_what_the_traces_say(page: Any, run: Path) -> None:
    episodes = pq.read_table(run / "round-000" / "evaluation.parquet").to_pylist()
    page.select_option("#theatre-a", "esc")
    page.select_option("#theatre-b", "cmc")
    for beta in (0, 1):
        page.select_option("#theatre-beta-a", str(beta))
        ready(page)
        page.select_option("#theatre-beta-b", str(beta))
        ready(page)
        for question in (0, 3, 5):
            page.select_option("#theatre-question", str(question))
            page.wait_for_function(
                f"() => (document.querySelector('.stages').dataset.ready || '').endsWith('{beta},0,{question},0]')"
            )
            for side, label in enumerate(("esc", "cmc")):
                (own,) = [
                    row for row in episodes
                    if (row["controller"], row["beta"], row["question"], row["repeat"]) == (label, beta, question, 0)
                    and row["grid"].endswith("one.parquet")
                ]  # fmt: skip
                verdict = "right" if own["correct"] else "wrong"
                assert f"ANSWER {own['answer']}: {verdict}" in told(page, side)
                fact = page.locator(".fact").nth(side).inner_text()
                assert f"{own['tokens']:,} tokens · {own['branches']} branches, {own['pruned']} pruned" in fact
                assert f"{own['finished']} read to the end" in fact


def test_questions_grids_and_one_controller_alone_can_be_chosen(page: Any) -> None:
    ready(page)
    page.click("#theatre-next")
    page.wait_for_function("() => document.querySelector('#theatre .question').textContent.includes('Question 1.')")
    page.click("[aria-label='Previous question']")
    page.wait_for_function("() => document.querySelector('#theatre .question').textContent.includes('Question 0.')")
    page.select_option("#theatre-grid", "1")
    page.wait_for_function("() => document.querySelector('#theatre .question').textContent.includes('seed 1')")
    page.select_option("#theatre-b", "")
    page.wait_for_function("() => document.querySelectorAll('.side').length === 1")
    assert page.locator("#theatre-repeat").is_disabled()
    assert "stored sample of traces" in page.inner_text("#theatre")


def test_failures_are_sorted_and_lead_into_the_theatre(page: Any) -> None:
    def gaps() -> list[float]:
        cells = page.locator("#failures tbody tr td:nth-child(5)").all_inner_texts()
        return [float(cell.replace("−", "-")) for cell in cells]

    assert gaps() == sorted(gaps())
    for control, value in (("#failures-grid", "0"), ("#failures-a", "sc"), ("#failures-b", "cmc")):
        page.select_option(control, value)
    page.select_option("#failures-beta-a", "1")
    page.select_option("#failures-beta-b", "0")
    page.wait_for_function(
        '() => (document.querySelector(\'#failures [data-ready]\').dataset.ready) === \'["sc","cmc",1,0,"0","",20]\''
    )
    assert len(gaps()) == 6
    question = page.locator("#failures tbody tr").first.inner_text().split(":")[0].strip()
    page.locator("#failures .watch").first.click()
    page.wait_for_function(
        f"() => (document.querySelector('.stages').dataset.ready || '') === '[\"sc\",\"cmc\",1,0,0,{question},0]'"
    )
    page.select_option("#failures-kind", "right_pruned")
    page.wait_for_function(
        "() => document.querySelector('#failures [data-ready]').dataset.ready.includes('right_pruned')"
    )


def test_the_page_fits_a_phone_and_the_dark(browser: Any, run: Path) -> None:
    from tests.browser.browsing import listen, opened

    phone = browser.new_page(viewport={"width": 390, "height": 800}, color_scheme="dark", has_touch=True)
    heard = listen(phone)
    opened(phone, run / "report.html")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    paper = phone.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(int(part) for part in paper.strip("rgb()").split(",")) < 60
    assert heard.said == []
    phone.close()


def test_every_control_has_a_name(page: Any) -> None:
    nameless = page.evaluate(
        "[...document.querySelectorAll('select,input,button')].filter((each) => !(each.labels && each.labels.length)"
        " && !each.getAttribute('aria-label') && !each.textContent.trim()).map((each) => each.outerHTML)"
    )
    assert nameless == []


def test_nothing_that_candidates_or_models_wrote_runs(browser: Any, run: Path, tmp_path: Path) -> None:
    from tests.browser.browsing import listen, opened

    hostile = tmp_path / "run"
    shutil.copytree(run, hostile)
    poison_run(hostile)
    write_report(RunFolder(hostile))
    page = browser.new_page()
    heard = listen(page)
    opened(page, hostile / "report.html")
    page.evaluate("document.querySelectorAll('details.round').forEach((each) => { each.open = true; })")
    page.wait_for_selector("details.candidate")
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    page.wait_for_selector("#candidate-r1-01 pre.code")
    page.select_option("#theatre-grid", "1")
    page.wait_for_function("() => document.querySelector('#theatre .question').textContent.includes('window.taken')")
    ready(page)
    assert "window.taken=2" in page.inner_text("#rounds")
    assert page.evaluate("window.taken") is None
    assert page.locator("main img, main [onerror], main [onload]").count() == 0
    assert page.locator("script").count() == 2
    # The policy holds by itself too: markup that got in would not run.
    page.evaluate("document.body.insertAdjacentHTML('beforeend', `<img src=x onerror='window.taken=9'>`)")
    page.wait_for_timeout(100)
    assert page.evaluate("window.taken") is None
    assert all("Content Security Policy" in line for line in heard.said), heard.said
    page.close()

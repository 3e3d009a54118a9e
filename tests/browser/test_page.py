"""The page of a run in a real browser: every control, what is heard on its console, and what it shows."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from graph.report.page.render import write_report
from graph.run.paths import RunFolder
from tests.browser.hostile import poison_run
from tests.graph.test_ui import started

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
        ("#accuracy-set", "search"),
        ("#accuracy-grid", "0"),
        ("#accuracy-cost", "sequential"),
        ("#accuracy-bands", "all"),
        ("#accuracy-bands", "none"),
    ],
)
def test_each_choice_redraws_the_accuracy(page: Any, control: str, value: str) -> None:
    before = picture(page, "accuracy")
    page.select_option(control, value)
    assert picture(page, "accuracy") != before


def test_the_page_opens_with_the_finding_and_its_held_out_differences(page: Any) -> None:
    assert page.inner_text(".headline").startswith("Held out: ")
    assert "The search took" in page.inner_text("header")
    assert page.input_value("#accuracy-set") == "heldout"
    assert "held-out set" in page.inner_text("#differences")
    assert page.locator("#differences .band").count() == page.locator("#differences .legend > span").count() > 0
    page.click("#differences summary")
    page.wait_for_selector("#differences tbody tr")
    page.select_option("#accuracy-cost", "sequential")
    assert page.locator("#differences *").count() == 0


def test_rounds_and_series_can_be_left_out(page: Any) -> None:
    page.select_option("#accuracy-set", "search")
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
    assert page.locator("#accuracy .tip").first.is_hidden()


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
    best = page.locator(".round summary:has-text('best of the round')").first
    best.click()
    page.wait_for_function("() => document.querySelector('#rounds').innerText.includes('Stop reasons')")
    assert "Spending by action" in page.inner_text("#rounds")


def test_the_theatre_plays_pauses_and_steps(page: Any) -> None:
    ready(page)
    last = page.inner_text("#theatre-where").split(" / ")[1]
    assert page.inner_text("#theatre-where") == f"{last} / {last}"
    page.click("#theatre-start")
    assert page.inner_text("#theatre-where") == f"0 / {last}"
    assert "Nothing yet" in told(page)
    assert page.locator("#theatre .legend .not-yet").count() == page.locator("#theatre .legend [data-class]").count()
    page.click("#theatre-step")
    assert page.inner_text("#theatre-where") == f"1 / {last}"
    page.click("#theatre-back")
    assert page.inner_text("#theatre-where") == f"0 / {last}"
    page.select_option("#theatre-speed", "8")
    page.click("#theatre-play")
    page.wait_for_function(f"() => document.querySelector('#theatre-where').textContent === '{last} / {last}'")
    page.wait_for_function("() => document.querySelector('#theatre-play').textContent.includes('Play')")
    page.select_option("#theatre-speed", "0.5")
    page.click("#theatre-play")
    assert "Pause" in page.inner_text("#theatre-play")
    page.click("#theatre-play")
    assert "Play" in page.inner_text("#theatre-play")
    page.click("#theatre-end")
    page.fill("#theatre-scrub", "2")
    assert page.inner_text("#theatre-where") == f"2 / {last}"
    # Self-consistency with one sample opens fewer branches than there are.
    page.select_option("#theatre-a", "sc")
    page.select_option("#theatre-beta-a", "0")
    page.select_option("#theatre-b", "")
    page.wait_for_function("() => document.querySelectorAll('.side').length === 1")
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
                assert f"Answers {own['answer']}: {verdict}." in told(page, side)
                fact = page.locator(".fact").nth(side).inner_text()
                assert f"{own['tokens']:,} tokens · {own['branches']} branches, {own['pruned']} pruned" in fact
                assert f"{own['finished']} read to the end" in fact


def test_questions_grids_and_one_controller_alone_can_be_chosen(page: Any) -> None:
    ready(page)
    page.select_option("#theatre-question", "0")
    page.wait_for_function("() => document.querySelector('#theatre .question').textContent.includes('Question 0.')")
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


def test_a_link_leads_back_to_the_step_it_was_taken_at(page: Any, browser: Any, run: Path) -> None:
    ready(page)
    page.select_option("#theatre-a", "esc")
    page.select_option("#theatre-question", "3")
    page.wait_for_function("() => document.querySelector('#theatre .question').textContent.includes('Question 3.')")
    page.fill("#theatre-scrub", "2")
    page.wait_for_function("() => location.hash.includes('question=3') && location.hash.includes('step=2')")
    other = browser.new_page(reduced_motion="reduce")
    other.goto(page.url)
    other.wait_for_function("() => (document.querySelector('#theatre-where') || {}).textContent?.startsWith('2 /')")
    assert other.input_value("#theatre-a") == "esc"
    assert "Question 3." in other.inner_text("#theatre .question")
    for hostile in ("#theatre?question=99&a=<img>&step=-1", "#theatre?question=1&betaA=x&step=1e9"):
        other.goto("about:blank")
        other.goto((run / "report.html").as_uri() + hostile)
        ready(other)
        assert other.locator(".stage").count() > 0
    other.close()


def test_links_lead_back_to_the_choices_of_curves_and_failures(page: Any, browser: Any, run: Path) -> None:
    page.select_option("#accuracy-set", "search")
    page.select_option("#accuracy-grid", "1")
    page.click("#accuracy [data-series=asc]")
    page.wait_for_function("() => location.hash.includes('hidden=asc')")
    curves = page.url
    page.select_option("#failures-a", "esc")
    page.select_option("#failures-grid", "1")
    page.wait_for_function("() => location.hash.includes('#failures?a=esc') && location.hash.includes('grid=1')")
    other = browser.new_page(reduced_motion="reduce")
    other.goto(curves)
    other.wait_for_selector("html[data-ready=yes]")
    assert (other.input_value("#accuracy-set"), other.input_value("#accuracy-grid")) == ("search", "1")
    assert other.get_attribute("#accuracy [data-series=asc]", "aria-pressed") == "false"
    assert picture(other, "accuracy").count('class="mark') == picture(page, "accuracy").count('class="mark')
    for link in (page.url, (run / "report.html").as_uri() + "#failures?a=<img>&betaA=x&grid=99&kind=none"):
        other.goto("about:blank")
        other.goto(link)
        other.wait_for_selector("#failures [data-ready]")
    other.goto("about:blank")
    other.goto(page.url)
    other.wait_for_selector("#failures [data-ready]")
    assert (other.input_value("#failures-a"), other.input_value("#failures-grid")) == ("esc", "1")
    other.close()


def test_candidates_are_found_in_their_genealogy_and_compared(page: Any, run: Path) -> None:
    assert page.locator("#genealogy .kin-node").count() == page.locator("#genealogy tbody tr").count() == 6
    page.fill("#genealogy-text", "r2-0")
    assert page.locator("#genealogy tbody tr").count() == 3
    assert page.locator("#genealogy .kin-node.faint-node").count() == 3
    page.wait_for_function("() => location.hash.includes('genealogy?text=r2-0')")
    page.locator("#genealogy [aria-label^='Compare']").first.click()
    page.select_option("#compare-a", "r1-01")
    page.select_option("#compare-b", "r2-01")
    page.wait_for_function(
        "() => document.querySelector('#compare [data-ready]').dataset.ready === '[\"r1-01\",\"r2-01\"]'"
    )
    assert page.locator("#compare .row.added, #compare .row.removed").count() > 0
    own = (run / "round-002" / "candidates" / "r2-01.py").read_text().split("\n")
    for row in page.locator("#compare .row.added").all():
        assert own[int(row.get_attribute("data-own")) - 1] == row.locator(
            "css=span:not(.sign):not(.unseen)"
        ).evaluate_all("parts => parts.map((part) => part.textContent).join('')")
    page.click("#compare-swap")
    page.wait_for_function(
        "() => document.querySelector('#compare [data-ready]').dataset.ready === '[\"r2-01\",\"r1-01\"]'"
    )
    page.wait_for_function(
        "() => location.hash === '#compare?a=r2-01&b=r1-01' || location.hash === '#compare?b=r1-01&a=r2-01'"
    )


def test_the_theatre_plays_itself_when_it_comes_into_view(browser: Any, run: Path) -> None:
    from tests.browser.browsing import opened

    moving = browser.new_page(viewport={"width": 1200, "height": 900})
    opened(moving, run / "report.html")
    moving.locator("#theatre .stages").scroll_into_view_if_needed()
    moving.wait_for_function("() => document.querySelector('#theatre-play').textContent.includes('Pause')")
    moving.click("#theatre-play")
    assert "Play" in moving.inner_text("#theatre-play")
    moving.close()


def test_the_page_of_a_run_in_progress_follows_it(browser: Any, run: Path, tmp_path: Path) -> None:
    going = tmp_path / "going"
    shutil.copytree(run, going)
    (going / "result.json").unlink()
    shutil.move(going / "round-002", tmp_path / "later")
    with started(tmp_path) as server:
        page = browser.new_page(viewport={"width": 1200, "height": 900}, reduced_motion="reduce")
        page.goto(f"{server.url}runs/going/")
        page.wait_for_selector("#compare [data-ready]")
        page.select_option("#accuracy-cost", "sequential")
        page.evaluate("document.querySelector('#round-1').open = true")
        page.wait_for_selector("#candidate-r1-01")
        page.evaluate("document.querySelector('#rounds').scrollIntoView({ behavior: 'instant' })")
        place = page.evaluate("document.querySelector('#rounds').getBoundingClientRect().top")
        page.focus("#genealogy-text")
        page.evaluate("scrollBy(0, 1)")
        shutil.copytree(tmp_path / "later", going / "round-002")
        page.wait_for_selector("#news-link")
        page.evaluate("document.activeElement.blur()")
        page.evaluate("document.querySelector('#rounds').scrollIntoView({ behavior: 'instant' })")
        page.wait_for_selector("#round-2")
        page.wait_for_selector("#candidate-r1-01")
        assert page.input_value("#accuracy-cost") == "sequential"
        page.wait_for_function(
            f"() => Math.abs(document.querySelector('#rounds').getBoundingClientRect().top - {place}) < 40"
        )
        page.close()


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

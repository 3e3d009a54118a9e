"""The page of a study in a real browser: its charts, what is heard on its console, and a phone's width."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.test_accessible import serious
from tests.graph.running import autotts

pytestmark = pytest.mark.browser

PLAN = """\
seeds = [0]
explorers = ["evolution", "</script><img src=x onerror=alert(1)>"]
[discover]
grid = ["small.parquet"]
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, run: Path) -> Path:
    """The page of a study of one run that is there, and of one by an explorer with a hostile name that is not."""
    folder = tmp_path_factory.mktemp("study")
    plan = folder / "study.toml"
    plan.write_text(PLAN)
    shutil.copytree(run, folder / "out" / "runs" / "evolution--none--seed-0")
    done = autotts("study", plan, "--out", folder / "out", "--only-page")
    assert done.returncode == 0, done.stderr
    return folder / "out" / "study.html"


@pytest.fixture(params=[(390, "light"), (1440, "dark")], ids=str)
def page(browser: Any, study: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    from tests.browser.browsing import listen

    width, scheme = request.param
    shown = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    heard = listen(shown)
    shown.goto(study.as_uri())
    shown.wait_for_selector("html[data-ready=yes]")
    yield shown
    assert heard.said == []
    assert heard.asked == [study.as_uri()], "the page asks for nothing but itself"
    shown.close()


def test_charts_are_drawn_and_told_of_and_fit_a_phone(page: Any) -> None:
    assert page.locator(".chart svg").count() == page.locator("figure").count() >= 4
    assert page.locator("#gain-round path.line").count() == 1
    assert page.locator("#gain .legend svg").count() == 2
    page.focus("#gain-round .chart")
    page.keyboard.press("ArrowRight")
    assert page.text_content("#gain-round .unseen") == "evolution, 0.00 (0.00 … 0.00), round 0"
    assert page.evaluate("document.documentElement.scrollWidth") == page.viewport_size["width"]
    assert "1 of 2 runs are complete" in page.inner_text(".findings")
    assert page.get_attribute("#arms a", "href") == "runs/evolution--none--seed-0/report.html"
    assert [each for each in page.locator("section.panel").all() if not each.locator("td, svg").count()] == []
    page.click("#gain-round + details summary")
    assert page.locator("#gain-round + details tbody tr").count() == 3


def test_the_page_of_a_study_is_accessible(page: Any) -> None:
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert serious(page) == []

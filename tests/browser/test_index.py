"""The list of runs in a real browser: search, order, runs side by side, and that it follows runs."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.graph.test_ui import started

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def runs(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a complete run, a run in its second round, and a damaged one with a hostile name."""
    folder = tmp_path_factory.mktemp("runs")
    for name in ("made", "going", "<img src=x onerror=alert(1)>"):
        shutil.copytree(run, folder / name)
    (folder / "going" / "result.json").unlink()
    shutil.move(folder / "going" / "round-002", folder.parent / "later")
    (folder / "<img src=x onerror=alert(1)>" / "round-001" / "metrics.json").write_text("{")
    return folder


@pytest.fixture(params=[1440, 390])
def page(browser: Any, runs: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    from tests.browser.browsing import listen

    with started(runs) as server:
        shown = browser.new_page(viewport={"width": request.param, "height": 900})
        heard = listen(shown)
        shown.goto(server.url)
        shown.wait_for_selector("html[data-ready=yes]")
        yield shown
        assert heard.said == []
        assert all(url.startswith(server.url) for url in heard.asked)
        shown.close()


def names(page: Any) -> list[str]:
    return [str(name) for name in page.locator(".runs tbody .run-name").all_inner_texts()]


def test_runs_are_searched_sorted_and_laid_over_one_another(page: Any, runs: Path) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") == page.viewport_size["width"]
    assert "It cannot be read" in page.inner_text("#runs")
    assert "3 runs, 1 going on" in page.inner_text("#runs")
    page.select_option("#runs-sort", "name")
    assert names(page) == ["<img src=x onerror=alert(1)>", "going", "made"]
    page.select_option("#overlay-set", "search")
    assert page.locator("#overlay .legend svg").count() == 3  # both runs and self-consistency
    assert page.locator("#overlay .chart .line.strong, #overlay .chart .line").count() == 5
    page.uncheck("[data-run=going]")
    assert page.locator("#overlay .legend svg").count() == 2
    page.uncheck("[data-run=made]")
    assert "Tick runs" in page.inner_text("#overlay")
    page.check("[data-run=made]")
    page.click("#overlay summary")
    page.wait_for_selector("#overlay tbody tr")
    assert page.locator("#overlay tbody tr").count() == 3
    idea = json.loads((runs / "made" / "round-001" / "metrics.json").read_text())["candidates"][0]
    page.fill("#runs-text", "made nowhere")
    assert "No run has" in page.inner_text("#runs")
    page.fill("#runs-text", idea["label"])
    assert names(page) == ["going", "made"]
    page.fill("#runs-text", "made")
    assert names(page) == ["made"]
    assert page.inner_text("#runs mark") == "made"
    page.wait_for_function("() => location.hash.includes('text=made')")
    other = page.context.browser.new_page()
    other.goto(page.url)
    other.wait_for_selector("html[data-ready=yes]")
    assert other.input_value("#runs-text") == "made"
    assert other.is_checked("[data-run=made]")
    other.close()


def test_the_list_follows_a_run(page: Any, runs: Path) -> None:
    page.wait_for_selector("text=1 of 2,")
    shutil.copytree(runs.parent / "later", runs / "going" / "round-002")
    page.wait_for_selector("text=2 of 2,")
    shutil.rmtree(runs / "going" / "round-002")
    page.wait_for_selector("text=1 of 2,")

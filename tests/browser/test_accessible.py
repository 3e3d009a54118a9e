"""The pages by axe-core's rules: nothing serious and nothing critical, light and dark, on a desk and on a phone."""

from pathlib import Path
from typing import Any

import pytest

from tests.graph.test_ui import started

pytestmark = pytest.mark.browser

LOOKS = [(1440, "light"), (390, "dark")]


def serious(page: Any) -> list[str]:
    """What axe-core finds serious or critical, with the first element of each kind."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page).response["violations"]
    return [
        f"{each['id']} ({len(each['nodes'])}): {each['nodes'][0]['html'][:200]} {each['nodes'][0]['failureSummary']}"
        for each in found
        if each["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_the_page_of_a_run_is_accessible(browser: Any, run: Path, width: int, scheme: str) -> None:
    from tests.browser.browsing import opened

    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce")
    opened(page, run / "report.html")
    page.evaluate(
        "document.querySelectorAll('#round-2, #accuracy details, #result details').forEach((e) => { e.open = true; })"
    )
    page.wait_for_selector("#candidate-r2-01")
    page.evaluate("document.querySelectorAll('#candidate-r2-01, #round-2 details').forEach((e) => { e.open = true; })")
    page.wait_for_selector("#candidate-r2-01 pre.code")
    assert serious(page) == []
    page.close()


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_the_list_of_runs_is_accessible(browser: Any, run: Path, width: int, scheme: str) -> None:
    with started(run.parent) as server:
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.goto(server.url)
        page.wait_for_selector("html[data-ready=yes]")
        page.click("#overlay summary")
        assert serious(page) == []
        page.close()

"""What is saved from the page without a server: SVG, CSV, LaTeX, PNG and copied code."""

import csv
import io
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from envdata.paper_files import write_latex
from tests.graph.test_report import data_of

pytestmark = pytest.mark.browser


@pytest.fixture
def page(browser: Any, run: Path) -> Iterator[Any]:
    from tests.browser.browsing import listen, opened

    shown = browser.new_page(viewport={"width": 1200, "height": 900}, color_scheme="dark", reduced_motion="reduce")
    heard = listen(shown)
    yield opened(shown, run / "report.html")
    assert heard.said == []
    assert [url for url in heard.asked if not url.startswith("blob:")] == [(run / "report.html").as_uri()]
    shown.close()


def saved(page: Any, button: str) -> bytes:
    with page.expect_download() as download:
        page.locator(button).first.click()
    return Path(download.value.path()).read_bytes()


def test_a_chart_is_saved_in_light_colours_with_its_legend(page: Any) -> None:
    text = saved(page, "#accuracy .save button").decode()
    drawing = ElementTree.fromstring(text.encode())
    assert drawing.tag == "{http://www.w3.org/2000/svg}svg"
    said = "".join(drawing.itertext())
    assert "self-consistency" in said or "SC" in said
    assert "CMC" in said
    assert "var(" not in text
    assert "class=" not in text
    assert 'fill="#ffffff"' in text
    assert "rgb(233, 232, 227)" not in text, "the dark scheme's ink"


def test_a_figure_is_printed_alone(page: Any) -> None:
    page.evaluate("() => { window.print = () => { window.told = document.querySelector('#sheet svg').textContent; }; }")
    page.click("#accuracy [aria-label$='as PDF']")
    assert "CMC" in page.evaluate("window.told")
    page.emulate_media(media="print")
    assert page.locator("#sheet svg").is_visible()
    assert not page.locator("main").is_visible()
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("main").is_visible()
    assert page.locator("#sheet").count() == 0


def test_tables_are_saved_as_csv_and_as_the_package_writes_latex(page: Any, run: Path, tmp_path: Path) -> None:
    page.click("#accuracy > details summary")
    rows = list(csv.DictReader(io.StringIO(saved(page, "#accuracy > details .save button").decode())))
    data = data_of((run / "report.html").read_text())
    for label in ("sc", data["selected"]):
        for _, tokens, _, accuracy, low, high in data["curves"][label]["heldout"]["mean"]:
            wanted = {"accuracy, %": accuracy, "interval low": low, "interval high": high}
            assert any(
                all(float(row[name]) == pytest.approx(value, abs=0.006) for name, value in wanted.items())
                and float(row["tokens"]) == pytest.approx(tokens, abs=0.6)
                for row in rows
            )
    found = saved(page, "#result .save button:text('LaTeX')").decode()
    cells = page.locator("#result table").first.evaluate(
        "table => [...table.rows].map(row => [...row.cells].map(cell => cell.textContent.trim()))"
    )
    write_latex(tmp_path / "table.tex", cells[0], cells[1:], note="Objective")
    assert found == (tmp_path / "table.tex").read_text()


def test_every_row_is_saved_and_not_the_shown_ones_alone(page: Any) -> None:
    shown = page.locator("#failures tbody tr").count()
    rows = list(csv.reader(io.StringIO(saved(page, "#failures .save button").decode())))
    assert len(rows) - 1 >= shown
    assert "" not in rows[0]


def test_the_stage_is_saved_and_code_is_copied(page: Any, run: Path) -> None:
    assert saved(page, "#theatre .save button").startswith(b"\x89PNG")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("#result summary")
    page.click("#result .copy")
    page.wait_for_selector("#result .copy:text('Copied')")
    assert page.evaluate("navigator.clipboard.readText()") == (run / "selected.py").read_text()


def test_what_cannot_be_used_on_paper_is_not_printed(page: Any) -> None:
    page.click("#result summary")
    unprinted = page.locator("nav, .controls, .save, .copy")
    assert unprinted.count() > 4
    page.emulate_media(media="print")
    assert [each.inner_text() for each in unprinted.all() if each.is_visible()] == []
    assert page.locator("#result table").first.is_visible()

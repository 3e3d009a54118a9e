"""Tables on terminals of any width: no digit is cut, and a path is shortened in its middle."""

import io

import pytest
from rich.console import Console

from envdata.tabular import layout_rows, short_path

HEADS = ("controller", "accuracy %", "difference", "gain")
PATH = "/home/somebody/controllers/a_controller_of_mine.py"
ROWS = [("sc", "62.50 (47.66 … 76.03)", "+0.00 (+0.00 … +0.00)", "0.00 (0.00 … 0.00)"),
        (PATH, "61.46 (46.95 … 74.61)", "−1.04 (−6.39 … +4.28)", "1.24 (−0.90 … 2.90)")]  # fmt: skip


def printed(width: int, rows: list[tuple[str, ...]] = ROWS) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    for part in layout_rows("title", HEADS, rows, width, names=("controller",), headed=1):
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [40, 66, 72, 80, 81, 95, 100, 130, 160])
def test_every_digit_is_there_and_no_line_is_wider(width: int) -> None:
    text = printed(width)
    assert all(cell in text for row in ROWS for cell in row[1:])
    assert max(map(len, text.splitlines())) <= width


def test_a_path_loses_its_middle_before_the_table_loses_its_shape() -> None:
    assert PATH in printed(160)
    assert "a_controller_of_mine" not in printed(95)
    assert f"{short_path(PATH, 20)} │" in printed(95)
    assert short_path(PATH, 20) == "/home…ler_of_mine.py"
    assert PATH.replace("/", "") in printed(66).replace("\n", "").replace("/", "")


def test_two_paths_that_would_look_alike_stay_whole() -> None:
    other = PATH.replace("somebody", "someone")
    text = printed(95, [(PATH, *ROWS[0][1:]), (other, *ROWS[1][1:])])
    assert "…ler" not in text


def test_without_lines_a_table_fits_two_columns_more() -> None:
    assert "│" in printed(67)
    assert "│" not in printed(66)
    assert "accuracy %" in printed(66).splitlines()[2]

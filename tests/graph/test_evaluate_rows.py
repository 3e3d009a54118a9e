"""`autotts evaluate`: rows, widths and files, on a grid worked out by hand."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from graph.cli import cli
from sandbox.results import EPISODES
from tests import grids

TERMS = ["--betas", "0,1", "--repeats", "2", "--jobs", "1", "--quiet", "--sandbox", "bubblewrap"]


def evaluate(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["evaluate", *map(str, arguments)])


@pytest.fixture
def two(tmp_path: Path) -> list[str]:
    """Two grids as options; the second asks other questions."""
    one = grids.write_worked(tmp_path)
    rows = grids.rows("q: 7\n 0 15 7 7\n 1 16 5 5\nr: 8\n 0 15 8 8\n 1 16 8 8")
    return ["--grid", str(one), "--grid", str(grids.write(tmp_path / "other.parquet", rows))]


@pytest.mark.bubblewrap
def test_of_several_grids_there_is_a_row_for_the_mean(two: list[str]) -> None:
    done = evaluate("sc", *two, *TERMS, "--json")
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(Path(row["grid"]).name, row["beta"]) for row in rows] == [
        ("worked.parquet", 0), ("worked.parquet", 1), ("other.parquet", 0), ("other.parquet", 1), ("mean", 0),
        ("mean", 1),
    ]  # fmt: skip
    first, second, mean = rows[0], rows[2], rows[4]
    for figure in ("accuracy", "tokens", "sequential_tokens", "branches"):
        assert mean[figure] == pytest.approx((first[figure] + second[figure]) / 2)
    assert mean["episodes"] == first["episodes"] + second["episodes"]
    assert mean["accuracy_low"] < mean["accuracy"] < mean["accuracy_high"]


@pytest.mark.bubblewrap
@pytest.mark.parametrize("width", [80, *(pytest.param(width, marks=pytest.mark.slow) for width in (200, 60))])
def test_no_digit_is_cut_whatever_the_width(two: list[str], width: int) -> None:
    said = [json.loads(line) for line in evaluate("sc", *two, *TERMS, "--json").stdout.splitlines()]
    text = on_terminal(width, "evaluate", "sc", *two, *TERMS)
    for row in said:
        interval = f"({row['accuracy_low']:.2f} … {row['accuracy_high']:.2f})"
        assert f"{row['accuracy']:.2f} {interval}" in text
        assert f"{row['tokens']:,.0f}" in text
    assert max(map(len, text.splitlines())) <= width


@pytest.mark.slow
@pytest.mark.bubblewrap
@pytest.mark.parametrize("width", [200, 80, 60])
def test_no_digit_of_a_comparison_is_cut_whatever_the_width(two: list[str], width: int) -> None:
    compared = json.loads(CliRunner().invoke(cli, ["compare", "sc", "asc", *two, *TERMS, "--json"]).stdout)
    text = on_terminal(width, "compare", "sc", "asc", *two, *TERMS)
    assert "mean over 2 grids" in text
    for point in compared["points"]:
        # The two act alike here, and a difference of 0 has no sign.
        value, low, high = (point["accuracy"][name] for name in ("difference", "difference_low", "difference_high"))
        assert (value, low, high) == (0, 0, 0)
        assert f"{value:.1f} ({low:.1f} … {high:.1f})" in text
        assert f"{point['tokens']['a']:,.0f}" in text
    for own in (compared, *compared["by_grid"].values()):
        assert f"A {own['area']['a']:.2f}, B {own['area']['b']:.2f}" in text


def on_terminal(width: int, *arguments: str) -> str:
    """What a command prints on a terminal of so many columns."""
    main, other = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(width), "TERM": "xterm"}
    program = [sys.executable, "-c", "from graph.cli import cli; cli()", *arguments]
    shown = b""
    with subprocess.Popen(program, stdout=other, env=environment):
        os.close(other)
        while True:
            try:
                part = os.read(main, 65536)
            except OSError:
                # Linux says so when the last writer has gone.
                break
            if not part:
                break
            shown += part
    os.close(main)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())


@pytest.mark.parametrize("option", ["--out", "--traces"])
def test_a_place_that_cannot_be_written_is_refused_before_playing(tmp_path: Path, option: str) -> None:
    grid = grids.write_worked(tmp_path)
    mine = tmp_path / "notes.txt"
    mine.write_text("mine")
    for path, words in (
        (mine, "is left as it is"),
        (grid, "is left as it is"),
        (mine / "episodes.parquet", "cannot be written: Not a directory"),
    ):
        before = path.read_bytes() if path.is_file() else None
        # No sandbox of this name exists: it would be the first thing to fail.
        done = evaluate("sc", "--grid", grid, option, path, "--sandbox", "none-such")
        assert done.exit_code == 2
        assert words in done.stderr
        assert (path.read_bytes() if path.is_file() else None) == before
    done = evaluate("sc", "--grid", grid, "--out", tmp_path / "a", "--traces", tmp_path / "a", "--sandbox", "none-such")
    assert "give two files" in done.stderr


@pytest.mark.bubblewrap
def test_an_earlier_table_is_written_over(tmp_path: Path) -> None:
    grid, out = grids.write_worked(tmp_path), tmp_path / "new" / "episodes.parquet"
    for _ in range(2):
        assert evaluate("sc", "--grid", grid, "--out", out, *TERMS).exit_code == 0
    assert pq.read_schema(out).names == EPISODES.names


@pytest.mark.bubblewrap
def test_errors_name_the_controller_by_its_own_file(tmp_path: Path) -> None:
    broken = tmp_path / "my own.py"
    broken.write_text("def solve(:\n")
    grid = grids.write_worked(tmp_path)
    done = evaluate(broken, "--grid", grid, *TERMS, "--json")
    assert "(my own.py, line 1)" in json.loads(done.stdout.splitlines()[0])["why"]
    done = evaluate(f"{broken}:width=4", "--grid", grid, *TERMS)
    assert done.exit_code == 1
    assert f"{broken}:width=4: SyntaxError: invalid syntax (my own.py, line 1)" in done.stderr

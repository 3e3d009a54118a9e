"""Figures and tables of a run for papers: which files there are, what they hold, and that their bytes stay."""

import csv
import re
import shutil
from pathlib import Path

import pytest

import autotts
from envdata.paper_files import latex
from tests.graph.running import here

FIGURES = ("accuracy-tokens", "rounds", "knobs")
WIDTHS = {"accuracy-tokens": 486, "rounds": 241.2}
"""In points: of the text, and of a column."""


@pytest.fixture(scope="module")
def run(finished: Path) -> autotts.Run:
    return autotts.load_run(finished)


@pytest.fixture(scope="module")
def exported(run: autotts.Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("paper")
    run.export(folder)
    return folder


def test_figures_are_vectors_of_a_papers_size(run: autotts.Run, exported: Path) -> None:
    assert run.result is not None
    drawn = FIGURES if not run.result["incumbent"] else FIGURES[:2]
    assert sorted(path.stem for path in exported.glob("*.svg")) == sorted(drawn)
    for name in drawn:
        svg = (exported / f"{name}.svg").read_text()
        assert "<image" not in svg
        assert (exported / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        width = re.search(r'<svg [^>]*width="([\d.]+)pt"', svg)
        assert width is not None
        assert float(width[1]) == WIDTHS.get(name, float(width[1]))


def test_tables_have_the_figures_of_the_result(run: autotts.Run, exported: Path) -> None:
    assert run.result is not None
    chosen = run.result["selected"]
    rows = list(csv.DictReader((exported / "scores.csv").open()))
    assert {row["controller"] for row in rows} == set(run.result["search"]["scores"])
    (own,) = [row for row in rows if row["selected"] == "true"]
    assert own["controller"] == chosen
    for part, column in (("search", "search"), ("heldout", "heldout_low")):
        value = run.result[part]["scores"][chosen]["value" if column == "search" else "low"]
        assert float(own[column]) == pytest.approx(100 * value)
    text = (exported / "scores.tex").read_text()
    assert "% objective gain in percent; brackets: 95 % intervals over questions\n" in text
    assert "\\begin{tabular}{lrr}\n\\toprule\ncontroller & search set & held-out set \\\\\n\\midrule\n" in text
    assert text.count(r"\\") == len(rows) + 1
    assert r"$\beta$" in (exported / "sweeps.tex").read_text()
    candidates = list(csv.DictReader((exported / "candidates.csv").open()))
    assert [row["source"] for row in candidates] == run.table.column("source").to_pylist()


def test_the_command_writes_the_same_bytes(
    run: autotts.Run, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copied = shutil.copytree(run.path, tmp_path / "run")
    said = here(capsys, "report", copied, "--export", tmp_path / "new" / "paper").out
    files = sorted((tmp_path / "new" / "paper").iterdir())
    assert f"for a paper: {len(files)} files in" in said
    assert {path.name: path.read_bytes() for path in files} == {
        path.name: path.read_bytes() for path in sorted(exported.iterdir())
    }


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a_b & 5 %", r"a\_b \& 5 \%"),
        ("3.49 (-4.10 … 11.55)", r"3.49 ($-$4.10 \ldots{} 11.55)"),
        ("gpt-5\nhigh", "gpt-5 high"),
        (r"\input{x}", r"\textbackslash{}input\{x\}"),
        ("β\u202e中", r"$\beta$??"),
    ],
)
def test_text_is_escaped_for_latex(text: str, written: str) -> None:
    assert latex(text) == written

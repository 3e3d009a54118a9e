"""docs/reference/json.md: every field that it names is printed."""

import json
import re
from pathlib import Path

import pytest

from tests.graph.running import here

TEXT = (Path(__file__).parents[2] / "docs/reference/json.md").read_text(encoding="utf-8")


def documented(heading: str) -> set[str]:
    """The names in the first column of the table under a heading."""
    section = TEXT.split(f"## `{heading}`")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]+) \|", section, re.M)
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} - {"field"}


def row(command: str) -> set[str]:
    """The names in the second column of a command's row, without what explains them."""
    cell = re.search(rf"^\| `{command}` \| (.*) \|$", TEXT, re.M)
    assert cell is not None
    return set(re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", cell[1].split(";")[0])))


@pytest.mark.parametrize("command", ["evaluate", "compare"])
def test_figures(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    terms = ("--grid", "bundled/search", "--betas", "0,1", "--repeats", 1, "--sandbox", "process", "--jobs", 1)
    printed = json.loads(here(capsys, command, "sc", "asc", *terms, "--quiet", "--json").out.splitlines()[0])
    assert documented(f"autotts {command}") - printed.keys() == set()
    assert len(documented(f"autotts {command}")) > 7


@pytest.mark.parametrize(
    ("command", "arguments"), [("grid verify", ("bundled/search",)), ("grid list", ()), ("doctor", ())]
)
def test_facts(command: str, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    printed = json.loads(here(capsys, *command.split(), *arguments, "--json").out.splitlines()[0])
    assert row(command) - printed.keys() == set()
    assert len(row(command)) > 3

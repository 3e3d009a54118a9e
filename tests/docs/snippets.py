"""Code blocks of the documents, and the commands in them.

A block is a fence, or lines that are indented by four characters after an empty one; the latter hold commands of a
shell, as fences of `sh` do. A comment that begins with `needs` marks a command that no test runs: at its end, or on a
line of its own for all lines below it.
"""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("skills/**/*.md"),
                    *ROOT.glob("graph/cli/starter/*.md"), ROOT / "examples/README.md",
                    ROOT / "envdata/bundled/README.md"])  # fmt: skip
TESTED = {
    ("docs/extending.md", "python"): "tests/graph/test_extending.py",
    ("docs/extending.md", "toml"): "tests/graph/test_extending.py",
    ("docs/extending.md", "sh"): "tests/graph/test_extending.py",
    ("docs/langgraph.md", "python"): "tests/graph/test_subgraph.py",
    ("docs/live.md", "python"): "tests/graph/serve/test_live_documents.py",
    ("docs/reference/python.md", "python"): "tests/autotts/test_python_reference.py",
    ("graph/cli/starter/README.md", "sh"): "tests/graph/test_init.py",
    ("skills/autotts-discover/SKILL.md", "python"): "tests/tools/test_skill.py",
    ("skills/autotts-discover/SKILL.md", "sh"): "tests/tools/test_skill.py",
}
"""Blocks that a test of their own runs, by document and language."""
PYTHON = ("docs/collecting.md", "docs/controllers.md", "docs/studying.md")
"""Documents whose Python test_running.py runs."""
INSTALLED = ("pip", "make")
"""Programs of the set-up: CI's suites run the targets, test_snippets.py looks for the extras."""
_FENCE = re.compile(r" *(`{3,}|~{3,})(\w*)")
_NEEDS = re.compile(r"(?:^|\s)# needs \w")


@dataclass(frozen=True)
class Block:
    """A code block; `line` is the number of its first line, `language` is empty for a fence that names none."""

    line: int
    language: str
    text: str

    @property
    def needs(self) -> bool:
        """Whether a comment in it says what it needs."""
        return _NEEDS.search(self.text) is not None

    def commands(self) -> list["Command"]:
        """The commands of a block for a shell."""
        found, needs = [], False
        for line in self.text.replace("\\\n", " ").splitlines():
            if line.lstrip().startswith("#"):
                needs = needs or _NEEDS.search(line) is not None
            elif line.strip():
                found.append(Command(line.strip(), needs or _NEEDS.search(line) is not None))
        return found


@dataclass(frozen=True)
class Command:
    """A line that a reader types."""

    text: str
    needs: bool
    """Whether it is marked."""

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text, comments=True)

    @property
    def status(self) -> int:
        """The exit status that its comment tells, else 0."""
        told = re.search(r"# .*status (\d)", self.text)
        return int(told[1]) if told else 0


def blocks(path: Path) -> list[Block]:
    """The code blocks of a document, in order."""
    lines, found, number = path.read_text(encoding="utf-8").splitlines(), [], 0
    while number < len(lines):
        first, fence = number, _FENCE.match(lines[number])
        if fence:
            number += 1
            while lines[number].strip() != fence[1]:
                number += 1
            found.append(Block(first + 1, fence[2], "\n".join(lines[first + 1 : number]) + "\n"))
        elif re.match(r" {4,}\S", lines[number]) and (number == 0 or not lines[number - 1].strip()):
            while number < len(lines) and (not lines[number].strip() or lines[number].startswith("    ")):
                number += 1
            text = [line.strip() for line in lines[first:number]]
            found.append(Block(first + 1, "sh", "\n".join(text).rstrip() + "\n"))
            continue
        number += 1
    return found


def name(path: Path) -> str:
    """A document's path in the repository."""
    return str(path.relative_to(ROOT))


def runnable(path: Path) -> list[Block | Command]:
    """The Python and the commands of a document that test_running.py runs, in order."""
    found: list[Block | Command] = []
    for block in blocks(path):
        if block.language == "python" and name(path) in PYTHON:
            found.append(block)
        if block.language == "sh" and (name(path), "sh") not in TESTED:
            found += [each for each in block.commands() if not each.needs and each.words[0] not in INSTALLED]
    return found

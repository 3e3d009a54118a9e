"""Documents name commands, flags and errors that exist, and fit what they promise of themselves."""

import re
from pathlib import Path

import click
import pytest

from graph.cli import cli

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("skills/**/*.md"),
                    *ROOT.glob("graph/cli/starter/*.md"), ROOT / "examples/README.md"])  # fmt: skip
COMMAND = re.compile(r"(?:^ {4,}|`|\$ |&& )autotts ([a-z][^`\n]*(?:\\\n[^`\n]*)*)", re.M)
SHELL = re.compile(r"  #|[|>;]| && ")


def known(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that words begin with, and the words after its name."""
    context = click.Context(cli)
    command: click.Command | None = cli
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        if found is None:
            raise LookupError(f"autotts {words[0]}")
        command, words = found, words[1:]
    return command, words


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_and_flags_exist(path: Path) -> None:
    wrong = []
    for line in COMMAND.findall(path.read_text(encoding="utf-8")):
        words = SHELL.split(line.replace("\\\n", " "))[0].split()
        if re.search("[A-Z…]{4,}", words[0]):
            continue
        try:
            command, rest = known(words)
        except LookupError as missing:
            wrong.append(str(missing))
            continue
        flags = {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}
        flags |= {"--help", "-h"}
        wrong += [
            f"{line}: {word}" for word in rest if re.match("--[a-z]", word) and word.partition("=")[0] not in flags
        ]
    assert wrong == []


def test_the_errors_that_people_meet_are_those_that_are_printed() -> None:
    quoted = re.findall(r"^\*\*`([^`]+)`", (ROOT / "docs/faq.md").read_text(encoding="utf-8"), re.M)
    assert len(quoted) > 8
    sources = [
        path.read_text(encoding="utf-8")
        for name in ("envdata", "sandbox", "graph")
        for path in (ROOT / name).rglob("*.py")
    ]
    # As Python joins the pieces of a text, and with a name in the place of what is inserted.
    joined = re.sub(r'"\s*\n\s*(?:f|rf)?"', "", "\n".join(sources)) + "No such command"
    assert [text for text in quoted if not all(part in joined for part in pieces(text))] == []


def pieces(text: str) -> list[str]:
    """The parts of a printed error between what is inserted into it."""
    return [part for part in re.split(r"bubblewrap does not work here: |AUTOTTS_|COMMAND_FLAG", text) if part]


def test_the_readme_is_short_and_its_links_lead_somewhere() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 120
    assert (ROOT / "docs/images/theatre.gif").stat().st_size < 500_000
    targets = [each for each in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in each]
    assert [each for each in targets if not (ROOT / each).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    assert [each for each in targets if "://" not in each and not (path.parent / each).exists()] == []

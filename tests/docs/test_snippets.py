"""Every code block of the documents is run by a test, or says in a comment what it needs."""

import ast
import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from graph.study.plan import read_plan
from tests.docs.snippets import DOCUMENTS, PYTHON, ROOT, TESTED, Block, blocks, name, runnable

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DRAWINGS = {"mermaid", "dockerfile", "yaml"}
"""Languages of blocks that are no commands."""


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_each_block_is_run_or_says_what_it_needs(path: Path) -> None:
    left = [
        f"line {block.line}: {why}"
        for block in blocks(path)
        if (name(path), block.language) not in TESTED
        for why in wrong(path, block)
    ]
    assert left == []


def wrong(path: Path, block: Block) -> list[str]:
    """Why a block is neither run, nor marked, nor data that can be read."""
    match block.language:
        case "python":
            ast.parse(block.text)
            run = block.needs or name(path) in PYTHON
            return [] if run else ["no test runs it: add its document to PYTHON, or a comment `# needs …`"]
        case "json":
            json.loads(block.text)
        case "toml":
            tomllib.loads(block.text)
        case "bash":
            subprocess.run(["bash", "-n"], input=block.text, text=True, check=True)
        case "sh":
            # All commands that are not marked are run by test_running.py, but those of installations.
            unmarked = [command for command in block.commands() if not command.needs]
            return [f"{each.text}: abbreviated, and not marked" for each in unmarked if "…" in each.text]
        case "":
            found = re.search(r"^(\$ )?(autotts|pip|make) ", block.text, re.M)
            return ["a command without a language"] if found else []
        case other if other not in DRAWINGS:
            return [f"the language {other} is not known here"]
    return []


def test_the_tests_of_their_own_are_there() -> None:
    for (document, language), test in TESTED.items():
        assert any(block.language == language for block in blocks(ROOT / document)), document
        assert Path(document).name in (ROOT / test).read_text(encoding="utf-8"), test


def test_commands_are_found_and_run() -> None:
    run = {name(path) for path in DOCUMENTS if runnable(path)}
    assert {"README.md", "docs/tutorial.md", "docs/collecting.md", "docs/discoveries.md"} <= run


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_what_is_installed_and_made_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    extras = {extra for listed in re.findall(r"autotts\[([\w,]+)\]", text) for extra in listed.split(",")}
    assert extras - set(PROJECT["project"]["optional-dependencies"]) == set()
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    named = re.findall(r"(?:^ {4,}|`|&& )make ([a-z][\w-]*)", text, re.M)
    assert set(named) - set(targets) == set()
    modules = re.findall(r"python (?:-m )?(benchmarks[./]\w+)", text)
    assert [each for each in modules if not (ROOT / f"{each.replace('.', '/')}.py").exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_options_of_benchmarks_exist(path: Path) -> None:
    for module, options in re.findall(r"python (?:-m )?benchmarks[./](\w+)(?:\.py)?([^`\n]*)", path.read_text("utf-8")):
        source = (ROOT / f"benchmarks/{module}.py").read_text(encoding="utf-8")
        assert [each for each in re.findall(r"--[a-z][\w-]*", options) if f'"{each}"' not in source] == []


def test_the_studies_can_be_planned(tmp_path: Path) -> None:
    studies = [block.text for path in DOCUMENTS for block in blocks(path) if re.search("^seeds =", block.text, re.M)]
    assert len(studies) == 2
    for text in studies:
        (tmp_path / "study.toml").write_text(text, encoding="utf-8")
        assert len(read_plan(tmp_path / "study.toml").runs) > 3

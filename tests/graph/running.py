"""Starting real `autotts` processes, and comparing what runs leave behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from graph.cli import main

VARYING = {"checkpoints.sqlite", "transcript.jsonl", "accounting.json", "report.html", "secret"}
"""Files of a run with times in them, and its secret; all others are the same for the same seed."""


def command(*arguments: object) -> list[str]:
    """`autotts` with arguments, run by this interpreter."""
    return [sys.executable, "-c", "from graph.cli import main; main()", *map(str, arguments)]


def autotts(*arguments: object, patience: float = 300, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `autotts` to its end, which may take `patience` seconds; `more` is put into its environment."""
    environment = {**os.environ, **more}
    return subprocess.run(command(*arguments), capture_output=True, text=True, env=environment, timeout=patience)


def here(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> "pytest.CaptureResult[str]":
    """Run `autotts` in this process, which is quicker: what it printed."""
    with pytest.raises(SystemExit) as ended:
        main([str(each) for each in arguments])
    told = capsys.readouterr()
    assert int(ended.value.code or 0) == code, told.err
    return told


def files(run: Path) -> dict[str, bytes]:
    """What a run left, by path in its folder: all that must not depend on when and how often it was stopped."""
    return {
        str(path.relative_to(run)): path.read_bytes()
        for path in sorted(run.rglob("*"))
        if path.is_file() and path.name not in VARYING
    }

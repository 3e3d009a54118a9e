"""The estimate of the time that a run still takes."""

import io
import json
import re
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from graph.accounting.time_left import seconds_left
from graph.cli.console import ConsoleObserver, LiveViewObserver
from graph.run.paths import RunFolder

MINUTES = {"round-000": 3.0, "round-001": 10.0, "round-002": 2.0, "round-003": 4.0}
"""Of the baselines, and of three rounds."""


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> RunFolder:
    """A run after three of five rounds, of 12 replayed episodes and 1 minute of them a round."""
    folder = RunFolder(tmp_path / "run")
    shutil.copytree(finished, folder.path)
    folder.result.unlink()
    settings = folder.settings.read_text()
    folder.settings.write_text(re.sub(r"^rounds = \d+$", "rounds = 5", settings, flags=re.MULTILINE))
    rounds = {
        name: {
            "total": {"minutes": minutes},
            "nodes": {"baselines": {"minutes": minutes}}
            if name == "round-000"
            else {"executor": {"minutes": 1.0, "episodes": 12}, "historian": {}},
        }
        for name, minutes in MINUTES.items()
    }
    total = {**json.loads(folder.accounting.read_text())["total"], "minutes": 19.0}
    folder.accounting.write_text(json.dumps({"total": total, "rounds": rounds}))
    return folder


def test_rounds_to_come_take_the_median_and_the_held_out_set_as_long_a_question(run: RunFolder) -> None:
    # Two rounds, the baselines again, and 2 β × 2 repeats × 6 questions of the selected controller.
    assert seconds_left(run) == pytest.approx(60 * (2 * 4.0 + 3.0 + 24 / 12))
    cap = run.settings.read_text().replace('max_minutes = "unlimited"', "max_minutes = 20")
    run.settings.write_text(cap)
    assert seconds_left(run) == pytest.approx(60 * (1.0 + 3.0 + 24 / 12))


def test_there_is_no_estimate_before_a_round_is_complete_nor_after_the_end(run: RunFolder, finished: Path) -> None:
    assert seconds_left(RunFolder(finished)) is None
    spent = json.loads(run.accounting.read_text())
    spent["rounds"] = {"round-000": spent["rounds"]["round-000"]}
    run.accounting.write_text(json.dumps(spent))
    assert seconds_left(run) is None
    run.accounting.unlink()
    assert seconds_left(run) is None


def test_the_console_tells_it_after_each_round(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    for number, node in enumerate(("critic", "historian")):
        ConsoleObserver(run, quiet=False, as_json=False).finished(node, 3)
        assert capsys.readouterr().err.count("about 13 min left") == number
    ConsoleObserver(run, quiet=True, as_json=False).finished("historian", 3)
    assert capsys.readouterr().err == ""
    run.result.write_text("{}")
    said = io.StringIO()
    with LiveViewObserver(run, Console(file=said, force_terminal=True, width=140)):
        pass
    assert "about 13 min left" in said.getvalue()

"""Another number of rounds for a run that has begun: more are played, those that were played stay."""

import json
import shutil
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from graph.explorers.base import Brief, Critique, Evidence, Proposal
from graph.explorers.evolution.render import render
from graph.explorers.evolution.seeds import SEEDS
from graph.loop.context import Context
from graph.loop.machine import run
from graph.run.paths import read_json
from graph.run.transcript import Transcript
from tests.graph.running import autotts, files, here
from tests.graph.test_kill import kill_when, start

Make = Callable[..., Context]
SOUND = render(SEEDS[0][1])


class Numbered:
    """Proposes one controller a round, and keeps how many rounds it was told of."""

    def __init__(self, interrupted_in: int | None = None) -> None:
        self.told: list[tuple[int, int]] = []
        self.interrupted_in = interrupted_in

    def identity(self) -> Mapping[str, str]:
        return {"explorer": "numbered"}

    def propose(self, brief: Brief, transcript: Transcript) -> Sequence[Proposal]:
        self.told.append((brief.round, brief.rounds))
        if brief.round == self.interrupted_in:
            raise KeyboardInterrupt
        return [Proposal(SOUND.replace("0.97", f"0.9{brief.round}"), "an idea")]

    def critique(self, evidence: Evidence, transcript: Transcript) -> Critique:
        return Critique("")


def with_rounds(context: Context, rounds: int) -> Context:
    context.settings = context.settings.replace(rounds=rounds)
    return context


@pytest.mark.slow
def test_a_finished_run_that_gets_more_rounds_ends_as_one_that_had_them_from_the_start(
    tmp_path: Path, options: tuple[object, ...], finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    here(capsys, "discover", *options, "--rounds", 1, "--out", folder, "--quiet")
    done = here(capsys, "discover", "--resume", folder, "--rounds", 2, "--json")
    assert json.loads(done.out.splitlines()[-1])["rounds"] == 2
    assert "the run goes on after round 1, to 2 rounds" in done.err
    assert "confirm the result on another held-out set" in done.err
    assert files(folder) == files(finished)


@pytest.mark.slow
def test_a_run_that_is_killed_while_it_gets_more_rounds_ends_as_an_undisturbed_one(
    tmp_path: Path, options: tuple[object, ...], finished: Path
) -> None:
    folder = tmp_path / "run"
    assert autotts("discover", *options, "--rounds", 1, "--out", folder, "--quiet").returncode == 0
    result = folder / "result.json"
    arguments: tuple[object, ...] = ("discover", "--resume", folder, "--rounds", 2, "--quiet")
    moments: list[Callable[[], bool]] = [
        lambda: "rounds = 2" in (folder / "run.toml").read_text(),
        lambda: not result.exists(),
        (folder / "round-002/candidates/proposals.json").exists,
        (folder / "round-002/metrics.json").exists,
        result.exists,
    ]
    for moment in moments:
        assert kill_when(start(*arguments), moment)
        arguments = ("discover", "--resume", folder, "--quiet")
    assert autotts(*arguments).returncode == 0
    assert files(folder) == files(finished)


def test_fewer_rounds_than_have_begun_are_refused(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused = here(capsys, "discover", "--resume", finished, "--rounds", 1, code=1)
    assert refused.err == (
        f"Error: rounds: 2 rounds of {finished} have begun, and it cannot go on with 1; give 2 or more\n"
    )
    assert "rounds = 2" in (finished / "run.toml").read_text()


def test_more_rounds_than_a_limit_allowed_are_refused(
    tmp_path: Path, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    result = read_json(folder / "result.json")
    (folder / "result.json").write_text(json.dumps({**result, "stopped": "max_cost"}))
    refused = here(capsys, "discover", "--resume", folder, "--rounds", 3, "--sandbox", "process", code=1)
    assert f"{folder} ended at its limit --max-cost, and more rounds would end there too" in refused.err


def remove_latest_checkpoints(context: Context, count: int) -> None:
    """Leave what a kill leaves between the end of a node and its checkpoint: its writes, at the checkpoint before."""
    latest = "SELECT max(checkpoint_id) FROM checkpoints"
    with closing(sqlite3.connect(context.folder.checkpoints)) as database, database:
        for _ in range(count):
            database.execute(f"DELETE FROM checkpoints WHERE checkpoint_id = ({latest})")


@pytest.mark.parametrize(
    "missing",
    [
        pytest.param(0, id="complete", marks=pytest.mark.slow),
        pytest.param(1, id="killed after the finale", marks=pytest.mark.slow),
        pytest.param(2, id="killed after the round"),
    ],
)
def test_a_run_that_was_about_to_end_goes_on_with_more_rounds(make_context: Make, missing: int) -> None:
    explorer = Numbered()
    context = make_context(explorer, baselines="sc")
    run(context)
    remove_latest_checkpoints(context, missing)
    run(with_rounds(context, 2))
    assert explorer.told == [(1, 1), (2, 2)]
    assert read_json(context.folder.result)["rounds"] == 2


@pytest.mark.parametrize(
    "missing",
    [
        pytest.param(0, id="waits for round 2", marks=pytest.mark.slow),
        pytest.param(1, id="killed after round 1"),
    ],
)
def test_a_run_that_was_about_to_go_on_ends_with_fewer_rounds(make_context: Make, missing: int) -> None:
    explorer = Numbered(interrupted_in=2)
    context = with_rounds(make_context(explorer, baselines="sc"), 2)
    with pytest.raises(KeyboardInterrupt):
        run(context)
    remove_latest_checkpoints(context, missing)
    run(with_rounds(context, 1))
    assert [number for number, _ in explorer.told] == [1, 2]
    assert read_json(context.folder.result)["rounds"] == 1


def test_a_round_that_has_begun_is_told_the_number_of_rounds_that_it_began_with(make_context: Make) -> None:
    explorer = Numbered(interrupted_in=1)
    context = make_context(explorer, baselines="sc")
    with pytest.raises(KeyboardInterrupt):
        run(context)
    explorer.interrupted_in = None
    run(with_rounds(context, 2))
    assert explorer.told == [(1, 1), (1, 1), (2, 2)]

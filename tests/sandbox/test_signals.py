"""Signals in controllers: what they show, what they do not, and what they cost."""

import ast
import dataclasses
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import autotts
from autotts import Answer, Controller, Episode, EvaluationSettings, Terms, UnknownSignal, play
from envdata.grid import BranchRow, Grid
from sandbox.candidate import Candidate
from tests import grids

VERIFIER = "verifier"
WIDTH = 64


def value(branch: int, depth: int) -> float:
    """The signal of these grids: it says whose it is."""
    return branch + depth / WIDTH


def signalled(rows: list[BranchRow]) -> list[BranchRow]:
    """Rows with a value for each step; the last step has one in the branches of even number alone."""
    return [
        dataclasses.replace(
            row,
            signals={
                VERIFIER: [value(row.branch, d + 1) for d in range(len(row.probe_answers) + (row.branch % 2 == 0))]
            },
        )
        for row in rows
    ]


@pytest.fixture
def grid(tmp_path: Path) -> Grid:
    return Grid.load(grids.write(tmp_path / "grid.parquet", signalled(grids.rows(grids.PRICED))))


def controller(solve: Callable[[Episode], Answer | None]) -> type[Controller]:
    class Reads(Controller):
        @staticmethod
        def schedule(beta: float) -> dict[str, float]:
            return {}

        def solve(self, episode: Episode) -> Answer | None:
            return solve(episode)

    return Reads


def test_a_branch_has_a_value_for_each_depth_reached(grid: Grid) -> None:
    seen: dict[str, list[list[float | None]]] = {}

    def solve(episode: Episode) -> None:
        branches = episode.branch(4, probe=False)
        seen["opened"] = [branch.signals[VERIFIER] for branch in branches]
        seen["unprobed"] = [branch.signals["probe_confidence"] for branch in branches if not branch.finished]
        episode.prune(branches[1:2] if not branches[1].finished else [])
        episode.finish(episode.active)
        seen["finished"] = [branch.signals[VERIFIER] for branch in branches if branch.finished]
        branches[0].signals[VERIFIER].clear()
        seen["again"] = [branch.signals[VERIFIER] for branch in branches if branch.finished]

    play(controller(solve), grid)
    numbers = {int(values[0]) for values in seen["opened"] if values[0] is not None}
    assert seen["opened"] == [[value(int(values[0] or 0), 1)] for values in seen["opened"]]
    assert all(values == [None] for values in seen["unprobed"])
    assert seen["again"] == seen["finished"]
    for values in seen["finished"]:
        own = int(values[0] or 0)
        assert own in numbers
        # The last step has a value in the branches of even number alone.
        expected: list[float | None] = [value(own, depth + 1) for depth in range(len(values))]
        assert values == (expected if own % 2 == 0 else [*expected[:-1], None])


@given(st.integers(0, 2**20), st.sampled_from([None, 35, 80, 400]))
@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
def test_no_signal_is_seen_of_an_interval_that_was_not_paid_for(
    tmp_path_factory: pytest.TempPathFactory, seed: int, budget: int | None
) -> None:
    """Whatever a controller does, its signals are the recorded ones at depths 1 … `depth`, and no more."""
    rng = random.Random(seed)
    rows = signalled(grids.random_rows(rng, questions=1, branches=(2, 9), priced=True))
    loaded = Grid.load(grids.write(tmp_path_factory.mktemp("g") / "g.parquet", rows))
    recorded = {row.branch: row.signals[VERIFIER] for row in rows if row.signals}

    def solve(episode: Episode) -> None:
        for _ in range(rng.randint(1, 12)):
            act = rng.choice(("branch", "read", "advance", "finish", "prune", "look", "probe"))
            chosen = rng.sample(episode.active, rng.randint(0, len(episode.active)))
            probe = rng.random() < 0.5
            try:
                if act in ("branch", "read"):
                    episode.branch(1, probe=probe) if act == "branch" else episode.read(1)
                elif act == "advance":
                    episode.advance(chosen, probe=probe)
                elif act != "look":
                    getattr(episode, act)(chosen)
            except autotts.ActionError:
                pass
            spent = episode.tokens
            for branch in rng.sample(episode.branches, rng.randint(0, len(episode.branches))):
                given = branch.signals[VERIFIER]
                assert len(given) == branch.depth == len(branch.signals["probe_confidence"])
                known = [each for each in given if each is not None]
                own = {int(each) for each in known}
                assert len(own) <= 1
                for whose in own:
                    expected = [*recorded[whose], None][: branch.depth]
                    assert given == expected
                answered = [answer is not None for answer in branch.answers]
                sure = [each is not None for each in branch.signals["probe_confidence"]]
                assert all(not confident or shown for confident, shown in zip(sure, answered, strict=True))
            assert episode.tokens == spent

    terms = Terms(budget=budget, probe_cost=rng.choice((0, 3, None)))
    play(controller(solve), loaded, settings=EvaluationSettings(terms=terms), repeat=seed % 5)


def test_a_name_that_the_grid_lacks_raises_and_lists_those_it_has(grid: Grid, tmp_path: Path) -> None:
    def solve(episode: Episode) -> None:
        (branch,) = episode.branch()
        assert set(branch.signals) == {"probe_confidence", VERIFIER}
        assert "entropy" not in branch.signals
        assert branch.signals.get("entropy") is None
        with pytest.raises(
            UnknownSignal, match=r"no signal is called 'entropy'; there are: probe_confidence, verifier$"
        ):
            branch.signals["entropy"]

    play(controller(solve), grid)

    def without(episode: Episode) -> None:
        (branch,) = episode.branch()
        assert not branch.signals
        with pytest.raises(UnknownSignal, match="there are: none"):
            branch.signals["probe_confidence"]

    play(controller(without), grids.write_worked(tmp_path))


SOURCE = """
from autotts import Controller


class Reads(Controller):
    @staticmethod
    def schedule(beta):
        return {{}}

    def solve(self, episode):
        branches = episode.branch(2)
        while episode.active:
            episode.advance(episode.active)
            for branch in branches:
                episode.note(str(branch.signals[{name!r}]))
        return branches[0].answer
"""


@pytest.mark.parametrize("backend", ["process", pytest.param("bubblewrap", marks=pytest.mark.bubblewrap)])
def test_many_episodes_read_signals_at_once(grid: Grid, backend: str) -> None:
    result = autotts.evaluate(
        Candidate("reads", SOURCE.format(name=VERIFIER)),
        grid,
        betas=(0, 1),
        repeats=3,
        sandbox=backend,
        traces=True,
    )
    assert {row.status for row in result.rows} == {"ok"}
    notes = [ast.literal_eval(note) for note in result.traces.column("note").to_pylist() if note]
    assert len(notes) >= 10
    for values in notes:
        known = [each for each in values if each is not None]
        assert known == [value(int(known[0]), depth + 1) for depth in range(len(known))] if known else len(values) == 1


def test_an_unknown_signal_fails_the_episode_with_the_names(grid: Grid) -> None:
    result = autotts.evaluate(
        Candidate("reads", SOURCE.format(name="entropy")), grid, betas=(1,), repeats=1, sandbox="process"
    )
    (row,) = result.rows[:1]
    assert row.status == "exception"
    assert "there are: probe_confidence, verifier" in str(row.why)

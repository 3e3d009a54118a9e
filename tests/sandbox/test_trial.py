"""Giving up a candidate that fails everywhere: when, and that the number of jobs has no part in it."""

import itertools
from dataclasses import replace
from pathlib import Path

import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.backends.base import Limits
from sandbox.candidate import Candidate
from sandbox.evaluate import Evaluation, Evaluator, Plan
from sandbox.evaluation_cache import EvaluationCache
from sandbox.replay_player import EvaluationSettings, Repeat
from sandbox.summary import failed_everywhere
from sandbox.trial import FEWEST, trial_of
from tests import grids

SETTINGS = EvaluationSettings(limits=Limits(reply_seconds=60.0, start_seconds=120.0), secret=bytes(32))
BETAS = (0.0, 0.5, 1.0)
QUESTIONS, REPEATS = 3, 12


def candidate(condition: str) -> Candidate:
    """One that raises where a condition on its knob holds."""
    return Candidate(
        "candidate",
        f"""
from sandbox.tts import Controller

class Failing(Controller):
    @staticmethod
    def schedule(beta):
        return {{"beta": beta}}

    def solve(self, episode):
        branches = episode.read(1)
        if {condition}:
            raise ValueError("it does not work")
        return branches[0].answer
""",
    )


@pytest.fixture
def grid(tmp_path: Path) -> str:
    return str(grids.write_worked(tmp_path))


def play(plan: Plan, jobs: int) -> Evaluation:
    with Evaluator(SETTINGS, sandbox="process", jobs=jobs) as evaluator:
        return evaluator.evaluate([plan])


def plan_of(condition: str, grid: str, **more: object) -> Plan:
    return replace(Plan(candidate(condition), (grid,), BETAS, REPEATS, frozenset(BETAS), give_up_after=12), **more)  # type: ignore[arg-type]


def test_one_that_fails_everywhere_is_given_up_whatever_the_jobs(grid: str, tmp_path: Path) -> None:
    cache = EvaluationCache(tmp_path / "kept")
    alone = play(plan_of("True", grid, cache=cache), 1)
    kept = sum(len(cache.load(key.name)) for key in cache.folder.iterdir())
    assert kept < len(BETAS) * REPEATS / 2, "most of it was not played"
    (given_up,) = alone.given_up
    assert str(given_up) == (
        f"candidate on {grid}: given up after 12 episodes, all of which failed; the first said: "
        "ValueError: it does not work (line 12) (exception); 96 other episodes count as failed too"
    )
    episodes = alone.episodes
    assert episodes.num_rows == QUESTIONS * REPEATS * len(BETAS)
    assert set(episodes.column("status").to_pylist()) == {"exception"}
    assert failed_everywhere(episodes) == ["candidate"]
    whys = pc.value_counts(episodes.column("why")).to_pylist()
    assert {each["values"]: each["counts"] for each in whys} == {
        "ValueError: it does not work (line 12)": 12,
        given_up.why: 96,
    }
    # Those of the trial alone have spent anything.
    assert pc.sum(pc.greater(episodes.column("tokens"), 0)).as_py() == 12
    for jobs, more in ((2, {}), (1, {"cache": cache})):
        other = play(plan_of("True", grid, **more), jobs)
        assert other.episodes.equals(episodes), (jobs, more)
        assert other.traces.equals(alone.traces), (jobs, more)
        assert other.given_up == alone.given_up


@pytest.mark.parametrize(
    ("condition", "jobs"),
    [("self.knobs['beta'] > 0", (1,)), ("self.knobs['beta'] < 1", (1,)), ("episode.rng.random() < 0.5", (1, 2))],
)
def test_one_that_fails_somewhere_is_played_to_the_end(grid: str, condition: str, jobs: tuple[int, ...]) -> None:
    alone, *others = (play(plan_of(condition, grid), each) for each in jobs)
    assert all(each.given_up == () for each in (alone, *others))
    assert all(each.episodes.equals(alone.episodes) for each in others)
    assert pc.all(pc.greater(alone.episodes.column("tokens"), 0)).as_py()
    assert set(alone.episodes.column("status").to_pylist()) == {"ok", "exception"}
    assert failed_everywhere(alone.episodes) == []


def test_it_is_not_given_up_where_there_is_nothing_to_spare(grid: str) -> None:
    assert play(plan_of("True", grid, give_up_after=10_000), 1).given_up == ()


def test_a_grid_that_it_fails_on_says_nothing_of_another(grid: str, tmp_path: Path) -> None:
    other = str(grids.write_priced(tmp_path))
    plan = plan_of("branches[0].depth < 1 or episode.open_slots < 4", grid, grids=(grid, other))
    played = play(plan, 1)
    assert [each.grid for each in played.given_up] == [other]
    sound = played.episodes.filter(pc.equal(played.episodes.column("grid"), grid))
    assert "ok" in sound.column("status").to_pylist()


@given(st.integers(1, 11), st.integers(1, 40), st.integers(1, 50), st.integers(1, 300))
def test_a_trial_is_spread_over_beta(betas: int, orders: int, questions: int, failures: int) -> None:
    every = [Repeat(beta / 10, number) for beta in range(betas) for number in range(orders)]
    trial = trial_of(every, questions, failures)
    if not trial:
        assert len(every) <= max(FEWEST, -(-failures // questions))
        return
    assert list(trial) == sorted(set(trial), key=every.index)
    assert len(trial) * questions >= failures
    assert (trial[0], trial[-1]) == (every[0], every[-1])
    assert len(trial) < len(every)
    gaps = [every.index(after) - every.index(before) for before, after in itertools.pairwise(trial)]
    assert max(gaps) - min(gaps) <= 1

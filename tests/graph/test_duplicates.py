"""Candidates that act the same, played in a real sandbox."""

from pathlib import Path

import pyarrow as pa
import pytest

from graph.critic.duplicates import behaviours, find_duplicate
from sandbox.candidate import Candidate, shipped
from sandbox.evaluate import Evaluator, Plan
from sandbox.replay_player import EvaluationSettings

VOTE = """
from sandbox.tts import Controller, majority

class {name}(Controller):
    @staticmethod
    def schedule(beta):
        return {{"{knob}": {schedule}}}

    def solve(self, episode):
        branches = episode.branch(self.knobs["{knob}"])
        {reading}
        return majority(branch.answer for branch in branches{more})
"""
STEPS = "while any(b.active for b in branches): episode.advance([b for b in branches if b.active])"


def candidate(label: str, **changed: str) -> Candidate:
    parts = {"name": "Vote", "knob": "width", "schedule": "1 + round(3 * beta)", "reading": STEPS, "more": ""}
    return Candidate(label, VOTE.format(**{**parts, **changed}))


@pytest.fixture(scope="module")
def episodes(grids: tuple[Path, Path]) -> pa.Table:
    """Candidates with different figures, sources and numbers of repeats."""
    own = {
        "one": (candidate("one"), 2),
        "rewritten": (candidate("rewritten", name="Other", knob="n", schedule="round(1 + 3 * beta)"), 2),
        "longer": (candidate("longer"), 3),
        "wider": (candidate("wider", schedule="2 + round(3 * beta)"), 2),
        "wider at the end": (candidate("wider at the end", schedule="1 + round(4 * beta)"), 2),
        "first": (candidate("first", more=" if branch.index == 0"), 2),
        "failing": (candidate("failing", reading="episode.nothing"), 2),
    }
    paths = tuple(str(path) for path in grids)
    with Evaluator(EvaluationSettings(), sandbox="process") as evaluator:
        plans = [Plan(each, paths, (0.0, 1.0), repeats) for each, repeats in own.values()]
        plans.append(Plan(Candidate("other terms", shipped("sc").read_text()), paths[:1], (0.0, 1.0), 2))
        return evaluator.evaluate(plans).episodes


def test_who_ends_every_episode_alike_is_the_same_whatever_the_source(episodes: pa.Table) -> None:
    known = behaviours(episodes)
    one = known["one"]
    alike = {label for label, other in known.items() if find_duplicate(one, {label: other})}
    assert alike == {"one", "rewritten", "longer"}
    assert (
        find_duplicate(known["rewritten"], {"wider": known["wider"], "longer": known["longer"], "one": one}) == "longer"
    )


def test_who_failed_or_was_played_elsewhere_is_nobodys_twin(episodes: pa.Table) -> None:
    known = behaviours(episodes)
    assert known["failing"] == {}
    assert find_duplicate(known["failing"], known) is None
    assert find_duplicate(known["one"], {"other terms": known["other terms"], "failing": known["failing"]}) is None


def test_the_order_of_rows_does_not_matter(episodes: pa.Table) -> None:
    shuffled = episodes.take(list(range(episodes.num_rows))[::-1])
    assert behaviours(shuffled) == behaviours(episodes)

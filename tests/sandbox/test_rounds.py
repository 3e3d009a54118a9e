"""Calls that stand for several: a controller that makes them sees, pays and leaves what it would call by call."""

import random
from pathlib import Path

import pytest

from envdata.episodes import Terms
from sandbox.candidate import Candidate
from sandbox.evaluate import Evaluation, Evaluator, Plan
from sandbox.playing import Settings
from sandbox.tts import Answer, Episode
from tests import grids
from tests.sandbox.test_controllers import PATIENT

WANDERER = '''
from sandbox.tts import ActionError, Controller


class Wanderer(Controller):
    """Random rounds over random branches, and remarks on all that can be seen."""

    @staticmethod
    def schedule(beta):
        return {"beta": beta}

    def solve(self, episode):
        rng = episode.rng
        try:
            while rng.random() < 0.9:
                self.act(episode, rng)
                self.look(episode)
        except ActionError as error:
            episode.note(f"{type(error).__name__}")
            self.look(episode)
        seen = [branch.answer for branch in episode.branches if branch.answer is not None]
        return rng.choice(seen) if seen else None

    def act(self, episode, rng):
        live = [branch for branch in episode.branches if branch.active]
        if not live or rng.random() < 0.2:
            episode.branch(rng.randint(1, 3), probe=rng.random() < 0.8)
        elif rng.random() < 0.2:
            clear = [rng.randint(1, 3) for _ in range(rng.randint(0, 2))]
            self.read(episode, rng.randint(1, 6), clear, rng.choice((1, 1, 2)), rng.random() < 0.3)
        else:
            chosen = rng.sample(live, rng.randint(1, len(live)))
            shown = [branch.answer for branch in chosen if branch.answer is not None]
            leader = rng.choice(shown) if shown and rng.random() < 0.7 else None
            most, burst, widen = rng.randint(1, 9), rng.randint(1, 3), rng.choice((0, 0, 1))
            through, opening = rng.random() < 0.3, rng.choice((0, 0, 1, 2))
            chosen = chosen[: rng.randint(0, len(chosen))] if opening else chosen
            taken = self.rounds(episode, chosen, most, leader, burst, widen, through, opening)
            episode.note(f"{taken} rounds")

    def look(self, episode):
        for branch in episode.branches:
            latest = [None if a is None else (int(a), a.parsed) for a in branch.answers]
            episode.note(f"{branch} {branch.confidence} {latest[-6:]}")
            assert branch.since(2) == branch.answers[2:], (branch.since(2), branch.answers)
        episode.note(f"{episode.tokens} {episode.open_slots}")
'''

TOGETHER = """
    def read(self, episode, n, clear, abreast, afresh):
        if clear:
            episode.read_until(n, clear, abreast=abreast, afresh=afresh)
        else:
            episode.read(n, in_turn=True)

    def rounds(self, episode, branches, most, leader, burst, widen, through, opening):
        return episode.rounds(
            branches, most, leader=leader, burst=burst, widen=widen, opening=opening, through_ends=through
        )
"""

ONE_BY_ONE = """
    def read(self, episode, n, clear, abreast, afresh):
        from sandbox.tts import NoOpenSlot, poll
        if n > episode.open_slots:
            raise NoOpenSlot
        read, abreast = [], abreast if clear else 1
        while len(read) < n:
            latest = episode.read(min(abreast, n - len(read)))
            read += latest
            vote = poll(branch.answer for branch in (latest if afresh and clear else read))
            if vote.votes and vote.runner_up < len(clear) and vote.votes >= clear[vote.runner_up]:
                break

    def rounds(self, episode, branches, most, leader, burst, widen, through, opening):
        going, taken = list(branches), 0
        fast = {branch.index for branch in going if leader is not None and branch.answer is leader}

        def turned(branches):
            sides = [(branch.answer is leader, branch.index in fast) for branch in branches]
            return leader is not None and any(now != before for now, before in sides)

        wanted = opening
        while True:
            if wanted:
                fresh = episode.branch(wanted)
                begun = [branch for branch in fresh if not branch.finished]
                going += begun
                if (len(begun) < wanted and not through) or turned(begun):
                    break
            if not going:
                break
            stepping = going
            for turn in range(burst):
                if turn:
                    stepping = [branch for branch in stepping if branch.index in fast and not branch.finished]
                if not stepping:
                    break
                episode.advance(stepping)
            taken += 1
            ended = any(branch.finished for branch in going)
            going = [branch for branch in going if not branch.finished]
            if taken == most or (ended and not through) or turned(going):
                break
            wanted = widen if going else 0
        return taken
"""


def _play(code: str, path: Path, terms: Terms) -> Evaluation:
    plan = Plan(Candidate("wanderer", WANDERER + code, {}), (str(path),), (0.5,), 2, frozenset({0.5}))
    with Evaluator(Settings(terms=terms, limits=PATIENT), sandbox="process") as evaluator:
        return evaluator.evaluate([plan])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "terms",
    [Terms(), Terms(budget=170), Terms(probe_cost=None), Terms(probe_cost=2, budget=90), Terms(max_branches=5)],
    ids=str,
)
def test_rounds_are_what_they_would_be_call_by_call(tmp_path: Path, seed: int, terms: Terms) -> None:
    shape = {"questions": 25, "branches": (4, 14), "intervals": 9, "answers": ("1", "2", "1", "3", "ERR")}
    rows = grids.random_rows(random.Random(seed), priced=terms.probe_cost is None or seed == 1, **shape)
    path = grids.write(tmp_path / "random.parquet", rows)
    together, apart = (_play(code, path, terms) for code in (TOGETHER, ONE_BY_ONE))
    assert together.episodes.equals(apart.episodes)
    assert set(together.episodes.column("status").to_pylist()) == {"ok"}
    notes = [row["note"] for row in together.traces.to_pylist() if row["note"] is not None]
    assert len(notes) > 200
    assert together.traces.equals(apart.traces)
    if terms.budget is not None:
        assert any("BudgetExceeded" in note for note in notes)


class _Nothing:
    def call(self, *_: object) -> object:
        raise AssertionError("nothing is to be asked")

    def text(self, *_: object) -> None:
        return None


def test_what_makes_no_reads_is_said_at_once() -> None:
    episode = Episode(_Nothing(), 0, 64, 10, None, 1, None)  # type: ignore[arg-type]
    assert episode.read_until(0, [2]) == []
    for wrong in ({"clear": [2, 0]}, {"clear": [1], "abreast": 0}):
        with pytest.raises(ValueError, match=r"^0 branches abreast, or votes for a clear vote: it is 1 or more$"):
            episode.read_until(3, **wrong)
    with pytest.raises(ValueError, match="-1 branches to open"):
        episode.read_until(-1, [2])


def test_what_makes_no_rounds_is_said_at_once() -> None:
    episode = Episode(_Nothing(), 0, 64, 10, None, 1, None)  # type: ignore[arg-type]
    assert episode.rounds([], 3) == 0
    for wrong in ({"most": -1}, {"most": 1, "burst": 0}, {"most": 1, "widen": -1}, {"most": 1, "opening": -1}):
        with pytest.raises(ValueError, match=r"(most|burst|widen|opening) is -?\d; it is [01] or more"):
            episode.rounds([], **wrong)
    (branch,) = episode._add(1)
    assert episode.rounds(branch, 0) == 0
    with pytest.raises(ValueError, match="is not an answer of this episode"):
        episode.rounds(branch, 1, leader=Answer(0, True))

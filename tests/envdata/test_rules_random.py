"""Random episodes: the array form, many at once, against the plain model of one (`reference.py`)."""

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envdata.actions import Op, Refusal
from envdata.answers import is_parsed
from envdata.episodes import Episodes, Terms
from envdata.grid import Grid
from sandbox.status import Status
from tests import grids
from tests.envdata.reference import ReferenceEpisode
from tests.envdata.table import Call, to_calls

GROUPS = 2


class Twins:
    """The same episodes twice: all of them in `Episodes`, and each as a `ReferenceEpisode`."""

    def __init__(self, folder: Path, rng: random.Random, *, priced: bool, terms: Terms) -> None:
        rows = grids.random_rows(rng, priced=priced)
        self.grid = Grid.load(grids.write(folder / "random.parquet", rows))
        self.episodes = Episodes(self.grid, terms, GROUPS)
        self.questions = len(self.grid.questions)
        dearest = max((cost for row in rows for cost in row.probe_tokens or ()), default=0)
        self.models: list[ReferenceEpisode] = []
        for group in range(GROUPS):
            orders = []
            for question in range(self.questions):
                own = [row for row in rows if row.question_id == question]
                order = list(range(len(own)))
                rng.shuffle(order)
                orders.append(np.array(order, np.int32))
                self.models.append(
                    ReferenceEpisode(
                        [own[i] for i in order],
                        grids.INTERVAL,
                        max_branches=terms.max_branches,
                        budget=terms.budget,
                        probe_cost=terms.probe_cost,
                        dearest_probe=dearest,
                        repeats_last=terms.repeats_last,
                    )
                )
            self.episodes.begin(group, orders, traced=group == 0)

    def play(self, calls: list[Call]) -> None:
        """One call each of distinct episodes, on both sides; whatever can be seen must be the same."""
        played = self.episodes.play(to_calls(calls))
        settled = played.settled
        for n, call in enumerate(calls):
            model = self.models[call.episode]
            refusal, targets = _apply(model, call)
            assert Refusal(int(settled.refusal[n])) is refusal, call
            own = np.flatnonzero(settled.call == n)
            assert len(own) == len(targets), call
            for at, target in zip(own.tolist(), targets, strict=True):
                assert int(settled.place[at]) % self.episodes.states.width == target.branch
                shown = (settled.depth[at], settled.finished[at], settled.cost[at], played.label[at])
                assert shown == (target.depth, target.finished, target.cost, target.label), call
                assert bool(settled.revealed[at]) == (target.text is not None)
                assert played.parsed(np.array([at]))[0] == (target.text is not None and is_parsed(target.text))
                confidence = settled.confidence[at]
                assert (None if np.isnan(confidence) else confidence) == target.confidence
                if target.text is not None:
                    assert self.episodes.answer_text(call.episode, int(settled.answer[at])) == target.text

    def compare(self) -> None:
        """The books of every episode."""
        for group in range(GROUPS):
            result = self.episodes.result(group)
            for question in range(self.questions):
                model = self.models[group * self.questions + question]
                assert result.tokens[question] == model.tokens
                assert result.sequential_tokens[question] == model.sequential
                assert result.branches[question] == len(model.branches)
                assert result.pruned[question] == sum(branch.pruned for branch in model.branches)
                assert result.finished[question] == sum(branch.finished for branch in model.branches)
                longest = max((branch.decoded + branch.looked for branch in model.branches), default=0)
                assert result.longest_branch[question] == longest
                assert result.calls[question] == model.calls
                if model.budget is not None:
                    assert model.tokens <= model.budget


def _apply(model: ReferenceEpisode, call: Call):
    match call:
        case Call(op=Op.BRANCH, branches=int(n)):
            return model.branch(n, call.probe)
        case Call(op=Op.READ, branches=int(n)):
            return model.read(n)
        case Call(op=Op.CONTINUE, branches=list(which)):
            return model.advance(which, call.probe)
        case Call(op=Op.FINISH, branches=list(which)):
            return model.finish(which)
        case Call(op=Op.PROBE, branches=list(which)):
            return model.probe(which)
    raise AssertionError(call)


def _random_call(rng: random.Random, number: int, model: ReferenceEpisode) -> Call:
    """Mostly legal; now and then a branch that is over, twice in the list, or was never opened."""
    op = rng.choice((Op.BRANCH, Op.READ, Op.CONTINUE, Op.CONTINUE, Op.FINISH, Op.PROBE))
    probe = rng.random() < 0.7
    if op in (Op.BRANCH, Op.READ) or not model.branches:
        return Call(number, Op.READ if op is Op.READ else Op.BRANCH, rng.choice((0, 1, 1, 2, 3, 5)), probe)
    again = model.repeats_last and op is Op.CONTINUE
    going = [i for i, branch in enumerate(model.branches) if not branch.pruned and (again or not branch.finished)]
    if op is Op.PROBE and rng.random() < 0.8:
        going = [i for i in going if model.branches[i].depth not in model.branches[i].seen_at]
    which = rng.sample(going, rng.randint(0, len(going)))
    while rng.random() < 0.12:
        which.insert(rng.randint(0, len(which)), rng.randint(-1, len(model.branches)))
    return Call(number, op, which, probe)


terms = st.builds(
    Terms,
    max_branches=st.sampled_from((1, 3, 5, 64)),
    budget=st.one_of(st.none(), st.integers(1, 250)),
    probe_cost=st.sampled_from((0, 0, 1, 3, None)),
    repeats_last=st.sampled_from((False, False, False, True)),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), on=terms)
def test_many_episodes_at_once_are_each_as_the_plain_model_says(tmp_path: Path, seed: int, on: Terms) -> None:
    rng = random.Random(seed)
    twins = Twins(tmp_path, rng, priced=rng.random() < (0.8 if on.probe_cost is None else 0.5), terms=on)
    for _ in range(rng.randint(5, 25)):
        acting = rng.sample(range(len(twins.models)), rng.randint(1, len(twins.models)))
        twins.play([_random_call(rng, number, twins.models[number]) for number in acting])
        _prune_some(twins, rng)
        _answer_some(twins, rng)
    twins.compare()
    _traces_add_up(twins)


def _prune_some(twins: Twins, rng: random.Random) -> None:
    """Some PRUNEs in one go, several of an episode among them, some of them wrong."""
    wanted = [
        (number, rng.randint(-1, len(twins.models[number].branches)))
        for number in sorted(rng.choices(range(len(twins.models)), k=rng.randint(0, 4)))
    ]
    if wanted:
        expected = [twins.models[number].prune(branch) for number, branch in wanted]
        episode, branch = np.array(wanted, np.int64).T
        assert [Refusal(refusal) for refusal in twins.episodes.prune(episode, branch).tolist()] == expected


def _answer_some(twins: Twins, rng: random.Random) -> None:
    if rng.random() < 0.2:
        number = rng.randrange(len(twins.models))
        model = twins.models[number]
        label = rng.choice((None, -1, *range(len(model.labels) + 1)))
        question = number % twins.questions
        was_over = model.over
        expected = model.answer(label)
        assert twins.episodes.answer(number, label, Status.OK) is expected
        if expected is Refusal.ADMITTED and not was_over:
            result = twins.episodes.result(number // twins.questions)
            text = None if label is None else model.labels[label]
            assert result.answer[question] == text
            assert bool(result.correct[question]) == (text == twins.grid.gold_answers[question])


def _traces_add_up(twins: Twins) -> None:
    trace = twins.episodes.traces.take(slice(0, twins.questions)).to_pylist()
    for question in range(twins.questions):
        own = [row for row in trace if row["question"] == question]
        assert sum(row["cost"] for row in own) == twins.models[question].tokens
        assert [row["tokens"] for row in own] == sorted(row["tokens"] for row in own)


@pytest.mark.parametrize("op", [Op.CONTINUE, Op.FINISH, Op.PROBE])
def test_a_refused_call_changes_nothing(tmp_path: Path, op: Op) -> None:
    """All or nothing: one wrong branch in the list, and the right ones stay where they are."""
    twins = Twins(tmp_path, random.Random(1), priced=False, terms=Terms())
    twins.play([Call(0, Op.BRANCH, 1)])
    before = [array.copy() for array in _state(twins)]
    for wrong in ([0, 0], [0, 7], [0, -1]):
        twins.play([Call(0, op, wrong)])
    assert all((a == b).all() for a, b in zip(before, _state(twins), strict=True))


def _state(twins: Twins) -> list[np.ndarray]:
    """Every array of the state of the episodes."""
    states = vars(twins.episodes.states)
    return [value for name, value in states.items() if isinstance(value, np.ndarray) and not name.startswith("_")]

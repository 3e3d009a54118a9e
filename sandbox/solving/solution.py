"""What a solved question came to: the answer, what it cost, and how it went."""

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from envdata.collect.engine import CollectError
from envdata.live.episode import BranchState, LiveEpisode
from sandbox.status import Status

FailedBy = Literal["model", "controller", "sandbox", "time"]


@dataclass(frozen=True)
class Cost:
    """What an episode cost. Tokens of requests are as the server counted them."""

    tokens: int
    """What the rules charged, as in replay: with κ_probe = 0, probes are not in it."""
    sequential_tokens: int
    """The same along the longest way: branches of one call run in parallel."""
    decoded: int
    """Tokens of traces, those for nothing included."""
    probe_tokens: int
    """Tokens decoded by probes."""
    wasted: int
    """Those of both that were decoded for nothing: after a trace's end, or after a probe's answer was closed."""
    prompt_tokens: int
    """Tokens of all prompts, those from the prefix cache included."""
    cached_tokens: int
    """Those of them that came from the prefix cache; 0 where the server tells nothing of one."""
    requests: int
    seconds: float
    """From the question to the answer, by the clock."""

    @property
    def generated(self) -> int:
        """All that the model decoded: traces and probes."""
        return self.decoded + self.probe_tokens


@dataclass(frozen=True)
class SelfConsistency:
    """What reading as many branches whole would have cost."""

    branches: int
    tokens: int
    """The lengths of the finished branches; the others count as long as those on average, or as long as they are."""
    known: int
    """How many of the branches were finished; the rest is estimated."""


@dataclass(frozen=True)
class Solution:
    """How a question was solved."""

    answer: str | None
    """As the answer rule spells it; None if there is none."""
    text: str
    """A branch's text that comes to the answer, the shortest finished one; without one, what there is of another."""
    whole: bool
    """Whether the text is a finished branch's, with the answer in it; else a probe gave the answer."""
    status: Status
    """How the controller ended; OK if it answered."""
    failed_by: FailedBy | None
    """What went wrong, if anything did: the answer is then the majority of what there was."""
    why: str | None
    cost: Cost
    self_consistency: SelfConsistency
    branches: tuple[BranchState, ...]
    trace: pa.Table
    """`envdata.traces.SCHEMA`, the same as of a replayed episode."""
    seed: int


class LateError(CollectError):
    """The model had not even taken the question when its time was over."""


class SolveError(RuntimeError):
    """A question could not be solved; `solution` has what there was, and what it cost."""

    def __init__(self, solution: Solution) -> None:
        super().__init__(solution.why or "no answer")
        self.solution = solution


def make_solution(
    episode: LiveEpisode, failed_by: FailedBy | None, asking: Cost, seconds: float, seed: int
) -> Solution:
    """Sum up an episode that has ended; `asking` is what putting the question cost."""
    states = tuple(episode.states())
    answer = episode.final_answer if failed_by is None else episode.majority()
    text, whole = _text(states, answer)
    return Solution(
        answer=answer,
        text=text,
        whole=whole,
        status=Status(episode.status),
        failed_by=failed_by,
        why=episode.why,
        cost=_cost(episode, asking, seconds),
        self_consistency=_self_consistency(states),
        branches=states,
        trace=episode.traces.take(slice(0, 1)),
        seed=seed,
    )


def _cost(episode: LiveEpisode, asking: Cost, seconds: float) -> Cost:
    traces, probes = episode.world.traces, episode.world.probes
    return Cost(
        tokens=int(episode.ledger.tokens[0]),
        sequential_tokens=int(episode.ledger.sequential[0]),
        decoded=traces.decoded + asking.decoded,
        probe_tokens=probes.decoded,
        wasted=episode.world.wasted + asking.decoded,
        prompt_tokens=traces.prompt + probes.prompt + asking.prompt_tokens,
        cached_tokens=traces.cached + probes.cached + asking.cached_tokens,
        requests=traces.requests + probes.requests + asking.requests,
        seconds=seconds,
    )


def _self_consistency(states: tuple[BranchState, ...]) -> SelfConsistency:
    whole = [state.tokens for state in states if state.finished]
    mean = round(sum(whole) / len(whole)) if whole else 0
    others = [max(mean, state.tokens) for state in states if not state.finished]
    return SelfConsistency(len(states), sum(whole) + sum(others), len(whole))


def _text(states: tuple[BranchState, ...], answer: str | None) -> tuple[str, bool]:
    agreeing = [state for state in states if answer is not None and state.answer == answer]
    finished = [state for state in agreeing if state.finished]
    if finished:
        return min(finished, key=lambda state: state.tokens).text, True
    return (max(agreeing, key=lambda state: state.tokens).text if agreeing else ""), False

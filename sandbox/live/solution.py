"""The solution of a live question: the answer, its cost, and the episode's trace."""

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from envdata.collect.engine import CollectError
from envdata.live.episode import BranchState, LiveEpisode
from sandbox.status import Status

FailedBy = Literal["model", "controller", "sandbox", "time"]
"""The part of the system that made an episode fail."""


@dataclass(frozen=True)
class Cost:
    """Cost of an episode. Tokens of requests are those that the server counted."""

    tokens: int
    """Tokens charged by the rules, as in replay: with κ_probe = 0, without probes."""
    sequential_tokens: int
    """Tokens charged along the longest path: branches of one call run in parallel."""
    decoded: int
    """Tokens decoded for traces, wasted ones included."""
    probe_tokens: int
    """Tokens decoded by probes."""
    wasted: int
    """Tokens of both that were decoded after a trace's end, or after a probe's answer was closed."""
    prompt_tokens: int
    """Tokens of all prompts, those from the prefix cache included."""
    cached_tokens: int
    """Prompt tokens from the prefix cache; 0 where the server does not report them."""
    requests: int
    seconds: float
    """Wall-clock time from the question to the answer."""
    estimated: int = 0
    """Tokens of `decoded` that no server told, estimated from the text of streams that were closed."""
    judge_requests: int = 0
    """Requests to the judge, which are in none of the figures above; so are the next four."""
    judge_prompt_tokens: int = 0
    judge_cached_tokens: int = 0
    judge_tokens: int = 0
    """Tokens that the judge decoded."""
    judge_unscored: int = 0
    """Branches that the judge was asked about without a score."""

    @property
    def generated(self) -> int:
        """Number of tokens that the model decoded, for traces and probes."""
        return self.decoded + self.probe_tokens

    @property
    def uncached_tokens(self) -> int:
        """Number of prompt tokens that came from no prefix cache; all of them where the server does not report it."""
        return self.prompt_tokens - self.cached_tokens


@dataclass(frozen=True)
class StartCost:
    """Tokens of the requests at a solver's start, which find out what the server can do; in no episode's cost."""

    prompt_tokens: int
    generated: int
    judge_prompt_tokens: int = 0
    """Of the request that checks the judge; so is the next."""
    judge_tokens: int = 0


@dataclass(frozen=True)
class SelfConsistency:
    """Estimated cost of self-consistency with the same number of branches."""

    branches: int
    tokens: int
    """Sum of lengths; an unfinished branch counts with the finished ones' mean, or its own length if that is more."""
    known: int
    """Number of finished branches; the lengths of the others are estimated."""
    prompt_tokens: int = 0
    """Tokens of the question's prompt, which one request for all branches reads once; 0 where they are not counted."""


@dataclass(frozen=True)
class Solution:
    """The solution of a question."""

    answer: str | None
    """The answer, as the answer rule writes it; None if there is none."""
    text: str
    """Text of the shortest finished branch with the answer; without one, of the longest unfinished branch with it.

    Without an answer: of the first branch that the model ended, otherwise of the longest one. A pruned branch is taken
    only where no other is left.
    """
    whole: bool
    """Whether the text is a finished branch's, with the answer in it; otherwise a probe gave the answer."""
    cut: bool
    """Whether the text stops before the model's own end: at the largest length, or where the controller left it."""
    status: Status
    """Status of the episode; OK if the controller answered."""
    failed_by: FailedBy | None
    """What failed, None if nothing did; after a failure the answer is the majority of the revealed answers."""
    why: str | None
    """Reason of the failure."""
    cost: Cost
    self_consistency: SelfConsistency
    branches: tuple[BranchState, ...]
    trace: pa.Table
    """Trace in the form of a replayed episode's (`envdata.traces.SCHEMA`)."""
    seed: int


class LateError(CollectError):
    """The time was over before the model had taken the question."""


class SolveError(RuntimeError):
    """A question could not be solved; `solution` has the partial result and its cost."""

    def __init__(self, solution: Solution) -> None:
        """Take the partial result."""
        super().__init__(solution.why or "no answer")
        self.solution = solution


def make_solution(
    episode: LiveEpisode, failed_by: FailedBy | None, asking: Cost, seconds: float, seed: int
) -> Solution:
    """Return the solution of an episode that has ended.

    Args:
        episode: The episode.
        failed_by: What failed, None if nothing did.
        asking: Cost of sending the question to the model.
        seconds: Wall-clock time from the question to the answer.
        seed: Seed of the branches.
    """
    states = tuple(episode.branch_states())
    answer = episode.final_answer if failed_by is None else episode.majority()
    text, whole, cut = _text(states, answer)
    return Solution(
        answer=answer,
        text=text,
        whole=whole,
        cut=cut,
        status=Status(episode.status),
        failed_by=failed_by,
        why=episode.why,
        cost=cost_so_far(episode, asking, seconds),
        self_consistency=_self_consistency(states, episode.source.prompt_tokens),
        branches=states,
        trace=episode.traces.take(slice(0, 1)),
        seed=seed,
    )


NOTHING = Cost(0, 0, 0, 0, 0, 0, 0, 0, 0.0)


def cost_so_far(episode: LiveEpisode, asking: Cost = NOTHING, seconds: float = 0.0) -> Cost:
    """Return what an episode has cost until now; arguments as of `make_solution`."""
    traces, probes = episode.source.traces, episode.source.probes
    return Cost(
        tokens=int(episode.states.tokens[0]),
        sequential_tokens=int(episode.states.sequential[0]),
        decoded=traces.decoded + asking.decoded,
        probe_tokens=probes.decoded,
        wasted=episode.source.wasted + asking.decoded,
        prompt_tokens=traces.prompt + probes.prompt + asking.prompt_tokens,
        cached_tokens=traces.cached + probes.cached + asking.cached_tokens,
        requests=traces.requests + probes.requests + asking.requests,
        seconds=seconds,
        estimated=traces.estimated,
        **_judge_cost(episode),
    )


def _judge_cost(episode: LiveEpisode) -> dict[str, int]:
    """Return the fields of a cost that are the judge's."""
    if episode.judge is None:
        return {}
    judge = episode.judge.requests
    return {
        "judge_requests": judge.requests,
        "judge_prompt_tokens": judge.prompt,
        "judge_cached_tokens": judge.cached,
        "judge_tokens": judge.decoded,
        "judge_unscored": episode.judge.unscored,
    }


def _self_consistency(states: tuple[BranchState, ...], prompt: int) -> SelfConsistency:
    whole = [state.tokens for state in states if state.finished]
    mean = round(sum(whole) / len(whole)) if whole else 0
    others = [max(mean, state.tokens) for state in states if not state.finished]
    return SelfConsistency(len(states), sum(whole) + sum(others), len(whole), prompt)


def _text(states: tuple[BranchState, ...], answer: str | None) -> tuple[str, bool, bool]:
    """Return the text of a solution, whether the answer is in it, and whether it is cut (`Solution`)."""
    if answer is None:
        kept = [state for state in states if not state.pruned] or states
        ended = [state for state in kept if state.finished and not state.cut]
        if ended:
            return ended[0].text, False, False
        return (max(kept, key=lambda state: state.tokens).text, False, True) if kept else ("", False, False)
    agreeing = [state for state in states if state.answer == answer]
    finished = [state for state in agreeing if state.finished]
    if finished:
        shortest = min(finished, key=lambda state: state.tokens)
        return shortest.text, True, shortest.cut
    return (max(agreeing, key=lambda state: state.tokens).text if agreeing else ""), False, True

"""Branches of a live episode, which a model decodes when the rules say so.

BRANCH starts a trace and CONTINUE decodes its next Δ tokens: one request each, with max_tokens = Δ and the prefix's own
tokens as the prompt, which is cheap where the server has a prefix cache. FINISH and READ are one request a branch.
Requests of one call run in parallel. Between two calls nothing runs: a pruned branch costs nothing more, and neither
does one that is open when the episode is answered.
"""

import dataclasses
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from envdata.answers import NO_ANSWER
from envdata.collect.branches import derived_seed, read_cut
from envdata.collect.concurrency import together
from envdata.collect.engine import Continuation, Prompt
from envdata.episode_state import Bools, Ints
from envdata.live.answers import AnswerBook
from envdata.live.branch import LiveBranch
from envdata.live.metering import METER, Meter
from envdata.live.model import LiveModel, room_for
from envdata.rules import BranchProgress, BranchSource, RevealedAnswers

_R = TypeVar("_R")

PROBES_A_REQUEST = 16
"""Probes in one request, where the server takes several: a request of 16 long prefixes has a few megabytes."""


class Bridge(Protocol):
    """The connection from the thread that applies actions to the event loop that talks to the model."""

    def run(self, work: Coroutine[Any, Any, _R]) -> _R:
        """Run `work` in the event loop and wait for its end; raises its errors."""
        ...


class ObservedBranch(Protocol):
    """A branch of a live episode, as observers see it."""

    reason: str | None
    """Reason of its end, "stop" or "length"; None while it goes on."""

    @property
    def count(self) -> int:
        """Tokens decoded."""

    @property
    def text(self) -> str:
        """Text decoded."""


class LiveBranches(BranchSource, Protocol):
    """The branches of one live episode, with the counts of its requests: place i is branch i."""

    traces: Meter
    probes: Meter

    @property
    def branches(self) -> Sequence[ObservedBranch]:
        """All branches, by place."""

    @property
    def wasted(self) -> int:
        """Tokens decoded in vain."""

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the question's prompt; 0 where they are not counted."""

    def token_confidences(self, places: Ints, first: Ints, depth: Ints) -> npt.NDArray[np.float32]:
        """Return the mean token confidences at depths `first` + 1 … `depth`, branch after branch, NaN for none."""

    def stop(self, places: Ints) -> None:
        """End what the server does for pruned branches."""

    async def close(self) -> None:
        """End what the server does for any branch, in the event loop."""


class LiveBranchSource:
    """The branches of one live episode on a server that continues partial answers."""

    def __init__(
        self,
        model: LiveModel,
        prompt: Prompt,
        bridge: Bridge,
        book: AnswerBook,
        *,
        seed: int,
        probe_cost: int | None,
        left: Callable[[], int | None],
        watch: Callable[[], None],
        top_logprobs: int = 0,
    ) -> None:
        """Start without branches.

        Args:
            model: The running model.
            prompt: The prompt that every branch continues.
            bridge: The connection to the model's event loop.
            book: Answers of the episode and their codes.
            seed: The seed that the seeds of all requests are derived from.
            probe_cost: κ_probe in tokens; None charges the server's count.
            left: Returns the remaining budget in tokens, None for an unlimited one.
            watch: Called whenever a branch went on.
            top_logprobs: k of the tokens' confidences; 0 where the controller reads no signals.

        Raises:
            CollectError: The prompt leaves no room for a trace.
        """
        self._model, self._prompt, self._bridge, self._book = model, prompt, bridge, book
        self._settings = model.live_settings.settings
        self._reader = self._settings.reader
        self._seed, self._probe_cost, self._left, self._watch = seed, probe_cost, left, watch
        self._sampling = dataclasses.replace(self._settings.sampling, top_logprobs=top_logprobs)
        counted = len(prompt) if all(isinstance(piece, int) for piece in prompt) else 0
        self._room = room_for(model.context, counted, self._settings.sampling.max_tokens)
        self._counted = counted
        self._engine = model.engine
        self.branches: list[LiveBranch] = []
        self.traces, self.probes = Meter(), Meter()
        """Counts of the requests for traces and for probes."""
        self.probes_wasted = 0
        """Tokens that probes decoded after the answer was closed."""

    def decode(self, places: Ints, depth: Ints, charged: Ints, to_end: Bools) -> BranchProgress:
        """Decode branches by one interval, or to their ends where `to_end`. Raises CollectError if the model fails."""
        while len(self.branches) <= int(places.max(initial=-1)):
            self.branches.append(LiveBranch(self._settings.sampling.stop))
        branches = [self.branches[place] for place in places.tolist()]
        before = np.array([branch.count for branch in branches], np.int64)
        self._bridge.run(self._go_on(places.tolist(), to_end.tolist()))
        tokens = np.array([branch.count for branch in branches], np.int64) - before
        finished = np.array([branch.finished for branch in branches], bool)
        reached = np.where(to_end, [self._depth(branch) for branch in branches], depth + 1)
        return BranchProgress(tokens, finished, np.maximum(reached, depth))

    def partial_depth(self, places: Ints, charged: Ints) -> Ints:
        """Return the number of whole intervals in `charged` tokens."""
        held: Ints = charged // self._settings.interval
        return held

    def look(self, places: Ints, depth: Ints, finished: Bools) -> RevealedAnswers:
        """Return the answers of branches, from parallel probes where they are not finished."""
        branches = [self.branches[place] for place in places.tolist()]
        probed = [branch for branch, ended in zip(branches, finished.tolist(), strict=True) if not ended]
        seen = iter(self._bridge.run(self._probe(probed)) if probed else ())
        answer = np.zeros(len(branches), np.int64)
        confidence = np.full(len(branches), np.nan)
        cost = np.zeros(len(branches), np.int64)
        for at, (branch, ended) in enumerate(zip(branches, finished.tolist(), strict=True)):
            if ended:
                answer[at] = self._book.code(branch.final_answer(self._reader) or NO_ANSWER)
                continue
            text, probability, tokens = next(seen)
            answer[at], confidence[at] = self._book.code(text), np.nan if probability is None else probability
            cost[at] = tokens if self._probe_cost is None else self._probe_cost
        self._watch()
        return RevealedAnswers(answer, confidence, cost)

    def token_confidences(self, places: Ints, first: Ints, depth: Ints) -> npt.NDArray[np.float32]:
        """Return the mean token confidences at depths `first` + 1 … `depth`, branch after branch, NaN for none."""
        rows = zip(places.tolist(), first.tolist(), depth.tolist(), strict=True)
        interval = self._settings.interval
        values = [value for place, a, b in rows for value in self.branches[place].mean_confidences(interval, a, b)]
        return np.array(values, np.float32)

    def stop(self, places: Ints) -> None:
        """Do nothing: between two calls nothing runs."""

    async def close(self) -> None:
        """Do nothing: between two calls nothing runs."""

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the question's prompt; 0 where the prompt is a text, whose tokens are not counted."""
        return self._counted

    @property
    def wasted(self) -> int:
        """Tokens decoded in vain: after a branch's end, or after a probe's answer."""
        return self.probes_wasted + sum(branch.wasted for branch in self.branches)

    # ---- in the event loop ----------------------------------------------------------------------------------------

    async def _go_on(self, places: list[int], to_end: list[bool]) -> None:
        """Decode branches in parallel; those that go to their ends stay within the budget, in the order of the call."""
        async with together() as group:
            for place, whole in zip(places, to_end, strict=True):
                if not whole:
                    group.create_task(self._extend(place, self._settings.interval))
        await self._read([place for place, whole in zip(places, to_end, strict=True) if whole])

    async def _read(self, places: list[int]) -> None:
        """Decode branches to their ends, in several rounds where the budget may not suffice for all.

        In each round a branch gets the most tokens that it could need, as far as the remaining budget goes; tokens that
        it does not need are left for the next branches. So the budget stops branches in the order of the call, and
        nothing is decoded beyond it.
        """
        left = self._left()
        start = sum(self.branches[place].count for place in places)
        while waiting := [place for place in places if not self.branches[place].finished]:
            spare = None if left is None else left - (sum(self.branches[place].count for place in places) - start)
            if spare is not None and spare <= 0:
                return
            async with together() as group:
                for place in waiting:
                    wanted = self._room - self.branches[place].count
                    given = wanted if spare is None else min(wanted, spare)
                    if spare is not None:
                        spare -= given
                    if given > 0:
                        group.create_task(self._extend(place, given, whole=True))

    async def _extend(self, place: int, tokens: int, *, whole: bool = False) -> None:
        """Decode at most `tokens` tokens of a branch; `whole` if it is decoded to its end."""
        branch = self.branches[place]
        tokens = min(tokens, self._room - branch.count)
        while whole and 0 < (missing := branch.begun_stop()) < tokens:
            # The server would not recognise the rest of a begun stop text, and would decode to the end in vain.
            await self._extend(place, missing)
            if branch.finished:
                return
            tokens -= missing
        # A branch that surely ends with this request is neither cut nor probed afterwards, but may have signals.
        ends = whole and tokens == self._room - branch.count and not branch.begun_stop()
        sampling = dataclasses.replace(self._sampling, max_tokens=tokens)
        placed = not ends or sampling.top_logprobs > 0
        meter = Meter()
        METER.set(meter)
        # With one seed for all, the pieces of a trace would be drawn alike.
        seed = derived_seed(self._seed, place, branch.count)
        more = await self._engine.extend((*self._prompt, *branch.pieces), sampling, seed, placed=placed)
        _add(self.traces, meter)
        branch.append(more, tokens, meter.decoded or more.count)
        if branch.count >= self._room and branch.reason is None:
            branch.reason = "length"
        self._watch()

    async def _probe(self, branches: list[LiveBranch]) -> list[tuple[str, float | None, int]]:
        """Return the answer, confidence and cost in tokens by the server's count of each branch.

        Branches with the same prefix are probed once, and each is charged.
        """
        cuts = [branch.cut(self._reader) for branch in branches]
        keys = [
            None if cut.closing is None else (*self._prompt, *cut.pieces, *await self._engine.encode(cut.closing))
            for cut in cuts
        ]
        async with together() as group:
            asked = [group.create_task(self._answer(*batch)) for batch in self._batches(keys)]
        found = {key: answer for task in asked for key, answer in task.result().items()}
        results = []
        paid: set[Prompt] = set()
        for cut, own in zip(cuts, keys, strict=True):
            # A context that is full leaves no room for a probe.
            reply, count = found.get(own, (None, 0)) if own is not None else (None, 0)
            probe = read_cut(self._reader, cut, reply)
            if own is not None and own not in paid:
                paid.add(own)
                self.probes_wasted += max(0, count - probe.tokens)
            results.append((probe.answer, probe.confidence, count))
        return results

    def _batches(self, keys: Sequence[Prompt | None]) -> list[tuple[tuple[Prompt, ...], int]]:
        """Return the distinct prompts of probes, divided into requests, each with its largest number of tokens.

        A server with token ids takes several prompts in a request. Only one that tells the cached tokens of prompts is
        asked for each by itself, because vLLM's tells those of a request's last prompt alone.
        """
        facts = self._model.facts
        together_at_most = PROBES_A_REQUEST if facts and facts.continues == "token ids" and not facts.prefill else 1
        by_size: dict[int, list[Prompt]] = {}
        for key in dict.fromkeys(key for key in keys if key is not None):
            size = self._settings.probe_tokens
            if self._counted and self._model.context is not None:
                size = min(size, self._model.context - len(key))
            if size > 0:
                by_size.setdefault(size, []).append(key)
        return [
            (tuple(own[first : first + together_at_most]), size)
            for size, own in by_size.items()
            for first in range(0, len(own), together_at_most)
        ]

    async def _answer(self, prompts: tuple[Prompt, ...], tokens: int) -> dict[Prompt, tuple[Continuation, int]]:
        """Continue the prompts of probes in one request; return for each the reply and the tokens decoded."""
        meter = Meter()
        METER.set(meter)
        replies = await self._engine.answer(prompts, tokens, self._settings.probe_stop)
        _add(self.probes, meter)
        if len(prompts) == 1:
            return {prompts[0]: (replies[0], meter.decoded or replies[0].count)}
        return {prompt: (reply, reply.count) for prompt, reply in zip(prompts, replies, strict=True)}

    def _depth(self, branch: LiveBranch) -> int:
        """Return the intervals of a branch that was decoded in one go, as many as step by step."""
        own, interval = branch.count - branch.wasted, self._settings.interval
        return max(1, -(-own // interval)) if branch.finished else own // interval


def _add(total: Meter, one: Meter) -> None:
    """Add the counts of one request to a total."""
    total.requests += one.requests
    total.prompt += one.prompt
    total.cached += one.cached
    total.decoded += one.decoded

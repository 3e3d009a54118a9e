"""The world behind a live episode: branches that a model decodes when the rules say so.

BRANCH begins a generation and CONTINUE takes its next Δ tokens: one request each, of max_tokens = Δ on the prefix's own
tokens, which is cheap where the server has a prefix cache. FINISH and READ are one open request a branch. Requests of
one call run in parallel. Between two calls nothing runs: a pruned branch costs nothing more, and neither does one that
is left when the episode is answered.
"""

import asyncio
import dataclasses
import hashlib
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

import numpy as np

from envdata.collect.branches import read_cut, together
from envdata.collect.engine import Prompt
from envdata.collect.extraction import NO_ANSWER
from envdata.ledger import Bools, Ints
from envdata.live.answers import AnswerBook
from envdata.live.branch import LiveBranch
from envdata.live.metering import METER, Meter
from envdata.live.model import LiveModel, room_for
from envdata.rules import Decoded, Seen

_R = TypeVar("_R")


class Bridge(Protocol):
    """The way from the thread that judges actions to the event loop that talks to the model."""

    def run(self, work: Coroutine[Any, Any, _R]) -> _R:
        """Wait for `work`; what it raises is raised here. It has ended when this returns, however it returns."""
        ...


class LiveWorld:
    """The branches of one live episode (`envdata.rules.World`): place i is branch i."""

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
    ) -> None:
        """`left` says what the episode may still spend, in tokens; `watch` is called whenever a branch went on.

        `probe_cost` is κ_probe in tokens; None charges what the server counted. Raises CollectError for a prompt
        that leaves no room for a trace.
        """
        self._model, self._prompt, self._bridge, self._book = model, prompt, bridge, book
        self._settings = model.asking.settings
        self._reader = self._settings.reader
        self._seed, self._probe_cost, self._left, self._watch = seed, probe_cost, left, watch
        counted = len(prompt) if all(isinstance(piece, int) for piece in prompt) else 0
        self._room = room_for(model.context, counted, self._settings.sampling.max_tokens)
        self._counted = counted
        self.branches: list[LiveBranch] = []
        self.traces, self.probes = Meter(), Meter()
        """What the requests for traces and for probes read and wrote, as the server counted them."""
        self.probes_wasted = 0
        """Tokens that probes wrote after the answer was closed."""

    def decode(self, places: Ints, depth: Ints, charged: Ints, to_end: Bools) -> Decoded:
        """Go on by one interval, or to the end where `to_end`. Raises CollectError where the model fails."""
        while len(self.branches) <= int(places.max(initial=-1)):
            self.branches.append(LiveBranch(self._settings.sampling.stop))
        branches = [self.branches[place] for place in places.tolist()]
        before = np.array([branch.count for branch in branches], np.int64)
        self._bridge.run(self._go_on(places.tolist(), to_end.tolist()))
        tokens = np.array([branch.count for branch in branches], np.int64) - before
        finished = np.array([branch.finished for branch in branches], bool)
        reached = np.where(to_end, [self._depth(branch) for branch in branches], depth + 1)
        return Decoded(tokens, finished, np.maximum(reached, depth))

    def partial_depth(self, places: Ints, charged: Ints) -> Ints:
        """How many whole intervals `charged` tokens hold."""
        held: Ints = charged // self._settings.interval
        return held

    def look(self, places: Ints, depth: Ints, finished: Bools) -> Seen:
        """Answer from the present prefixes, in one go; a branch at its end shows its final answer."""
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
            found, sure, tokens = next(seen)
            answer[at], confidence[at] = self._book.code(found), sure
            cost[at] = tokens if self._probe_cost is None else self._probe_cost
        self._watch()
        return Seen(answer, confidence, cost)

    @property
    def wasted(self) -> int:
        """Tokens decoded for nothing: after a branch's end, or after a probe's answer."""
        return self.probes_wasted + sum(branch.wasted for branch in self.branches)

    # ---- in the event loop ----------------------------------------------------------------------------------------

    async def _go_on(self, places: list[int], to_end: list[bool]) -> None:
        """Decode in parallel; what goes to its end stays within what is left to spend, the first in the call first."""
        async with together() as group:
            for place, whole in zip(places, to_end, strict=True):
                if not whole:
                    group.create_task(self._extend(place, self._settings.interval))
        await self._read([place for place, whole in zip(places, to_end, strict=True) if whole])

    async def _read(self, places: list[int]) -> None:
        """Decode branches to their ends. Where not all may become as long as they could, in several rounds.

        In each round a branch gets what it could need at most, as far as what is left goes; what some did not need the
        next ones get. So branches are stopped by the budget in the order of the call, and nothing is decoded beyond it.
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
        branch = self.branches[place]
        tokens = min(tokens, self._room - branch.count)
        while whole and 0 < (missing := branch.begun_stop()) < tokens:
            # The server would not know the stop text's rest for one, and write on to the end for nothing.
            await self._extend(place, missing)
            if branch.finished:
                return
            tokens -= missing
        # What surely ends with this is neither cut nor probed any more.
        ends = whole and tokens == self._room - branch.count and not branch.begun_stop()
        sampling = dataclasses.replace(self._settings.sampling, max_tokens=tokens)
        meter = Meter()
        METER.set(meter)
        seed = _seed(self._seed, place, branch.count)
        more = await self._model.engine.extend((*self._prompt, *branch.pieces), sampling, seed, placed=not ends)
        _add(self.traces, meter)
        branch.append(more, tokens, meter.decoded or more.count)
        if branch.count >= self._room and branch.reason is None:
            branch.reason = "length"
        self._watch()

    async def _probe(self, branches: list[LiveBranch]) -> list[tuple[str, float, int]]:
        """What each branch answers from where it stands, how sure it is, and what the look cost by the server's count.

        Branches that still have one and the same prefix are asked once, and each pays.
        """
        engine, settings = self._model.engine, self._settings
        cuts = [branch.cut(self._reader) for branch in branches]
        asked: dict[Prompt, asyncio.Task[Any]] = {}
        keys: list[Prompt | None] = []
        async with together() as group:
            for cut in cuts:
                if cut.closing is None:
                    keys.append(None)
                    continue
                key = (*self._prompt, *cut.pieces, *await engine.encode(cut.closing))
                keys.append(key)
                if key not in asked:
                    asked[key] = group.create_task(self._answer(key, settings.probe_tokens))
        results = []
        paid: set[Prompt] = set()
        for cut, own in zip(cuts, keys, strict=True):
            reply, count = asked[own].result() if own is not None else (None, 0)
            probe = read_cut(self._reader, cut, reply)
            if own is not None and own not in paid:
                paid.add(own)
                self.probes_wasted += max(0, count - probe.tokens)
            results.append((probe.answer, probe.confidence, count))
        return results

    async def _answer(self, prompt: Prompt, tokens: int) -> tuple[Any, int]:
        room = tokens if not self._counted or self._model.context is None else self._model.context - len(prompt)
        if room < 1:
            return None, 0
        meter = Meter()
        METER.set(meter)
        (reply,) = await self._model.engine.answer([prompt], min(tokens, room), self._settings.probe_stop)
        _add(self.probes, meter)
        return reply, meter.decoded or reply.count

    def _depth(self, branch: LiveBranch) -> int:
        """Intervals that a branch read in one go holds: as many as if it had been taken step by step."""
        own, interval = branch.count - branch.wasted, self._settings.interval
        return max(1, -(-own // interval)) if branch.finished else own // interval


def _add(total: Meter, one: Meter) -> None:
    total.requests += one.requests
    total.prompt += one.prompt
    total.cached += one.cached
    total.decoded += one.decoded


def _seed(seed: int, branch: int, tokens: int) -> int:
    """Each piece of each branch has a seed of its own: with one seed for all, pieces would be drawn alike."""
    return int.from_bytes(hashlib.sha256(f"{seed} {branch} {tokens}".encode()).digest()[:4], "big") >> 1

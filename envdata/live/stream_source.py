"""Branches of a live episode on a server that only streams chat completions.

BRANCH opens a stream, and CONTINUE takes its next Δ tokens. The server writes on meanwhile: a stream cannot be held,
nor continued once it was closed. PRUNE and the episode's end close it, and tokens that had arrived by then but were not
taken are waste. FINISH and READ read on to the end. Nothing can be probed.

A branch's position is what the rules have charged for it, so a branch that the budget stopped goes on from there.
"""

import asyncio
import dataclasses
from collections.abc import Callable
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt

from envdata.answers import NO_ANSWER
from envdata.collect.branches import derived_seed
from envdata.collect.chat_streams import TRIES, ChatStreams
from envdata.collect.concurrency import together
from envdata.collect.engine import Conversation, EngineGoneError, Sampling
from envdata.collect.openai_streams import CutError
from envdata.episode_state import UNLIMITED, Bools, Ints
from envdata.live.answers import AnswerBook
from envdata.live.branch_source import Bridge
from envdata.live.metering import Meter
from envdata.live.model import LiveModel, room_for
from envdata.live.streamed_branch import StreamedBranch
from envdata.rules import BranchProgress, RevealedAnswers

SECONDS_TO_TRY_AGAIN = 0.5
"""Pause before it is requested again; doubled each time."""


class StreamedQuestion(NamedTuple):
    """A question to a server that streams."""

    asked: Conversation
    prompt: int
    """Tokens of its prompt; 0 where the server does not tell them beforehand."""


class StreamSource:
    """The branches of one live episode (`envdata.live.branch_source.LiveBranches`): place i is branch i."""

    def __init__(
        self,
        model: LiveModel,
        question: StreamedQuestion,
        bridge: Bridge,
        book: AnswerBook,
        *,
        seed: int,
        left: Callable[[], int | None],
        watch: Callable[[], None],
        top_logprobs: int = 0,
    ) -> None:
        """Start without branches.

        Args:
            model: The running model, which streams.
            question: The conversation that every branch answers, and the tokens of its prompt.
            bridge: The connection to the model's event loop.
            book: Answers of the episode and their codes.
            seed: The seed that the seeds of all requests are derived from.
            left: Returns the remaining budget in tokens, None for an unlimited one.
            watch: Called whenever a branch went on.
            top_logprobs: k of the tokens' confidences; 0 where the controller reads no signals.

        Raises:
            CollectError: The prompt leaves no room for a trace.
        """
        self._streams = cast("ChatStreams", model.streams)
        self._asked, self._counted = question
        self._bridge, self._book = bridge, book
        self._settings = model.live_settings.settings
        self._seed, self._left, self._watch = seed, left, watch
        self._sampling = dataclasses.replace(self._settings.sampling, top_logprobs=top_logprobs)
        self._room = room_for(model.context, self._counted, self._settings.sampling.max_tokens)
        self.branches: list[StreamedBranch] = []
        self.traces, self.probes = Meter(), Meter()
        """Counts of the requests; there are none for probes."""

    def decode(self, places: Ints, depth: Ints, charged: Ints, to_end: Bools) -> BranchProgress:
        """Take the next interval of branches, or all of them where `to_end`. Raises CollectError if the model fails."""
        goals = np.where(
            to_end | (charged + self._settings.interval >= self._room), UNLIMITED, charged + self._settings.interval
        )
        self._bridge.run(self._take(places.tolist(), charged.tolist(), goals.tolist()))
        branches = [self.branches[place] for place in places.tolist()]
        arrived = np.array([branch.arrived for branch in branches], np.int64)
        finished = np.array([branch.ended for branch in branches], bool) & (arrived <= goals)
        # What the server tells at the end may be less than what was estimated on the way.
        taken = np.maximum(np.minimum(arrived, goals), charged)
        left = self._left()
        if left is not None:
            taken = np.where(finished, taken, np.minimum(taken, charged + left))
        for branch, position in zip(branches, taken.tolist(), strict=True):
            branch.taken = branch.goal = position
        self._watch()
        whole = np.where(
            finished, np.maximum(1, -(-taken // self._settings.interval)), taken // self._settings.interval
        )
        reached = np.where(to_end, whole, depth + 1)
        return BranchProgress(taken - charged, finished, np.maximum(reached, depth))

    def partial_depth(self, places: Ints, charged: Ints) -> Ints:
        """Return the number of whole intervals in `charged` tokens."""
        held: Ints = charged // self._settings.interval
        return held

    def look(self, places: Ints, depth: Ints, finished: Bools) -> RevealedAnswers:
        """Return the final answers of finished branches; others are never looked at, because probes are refused."""
        reader = self._settings.reader
        texts = [
            self.branches[place].final_answer(reader) if ended else None
            for place, ended in zip(places.tolist(), finished.tolist(), strict=True)
        ]
        answer = np.array([self._book.code(text or NO_ANSWER) for text in texts], np.int64)
        return RevealedAnswers(answer, np.full(len(texts), np.nan), np.zeros(len(texts), np.int64))

    def token_confidences(self, places: Ints, first: Ints, depth: Ints) -> npt.NDArray[np.float32]:
        """Return the mean token confidences at depths `first` + 1 … `depth`, branch after branch, NaN for none."""
        rows = zip(places.tolist(), first.tolist(), depth.tolist(), strict=True)
        interval = self._settings.interval
        values = [value for place, a, b in rows for value in self.branches[place].mean_confidences(interval, a, b)]
        return np.array(values, np.float32)

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the question's prompt; 0 where the server has not told them."""
        told = [branch.usage.prompt for branch in self.branches if branch.usage is not None]
        return max(told, default=0) or self._counted

    @property
    def wasted(self) -> int:
        """Tokens that the server has written and no call took."""
        return sum(branch.wasted for branch in self.branches)

    def stop(self, places: Ints) -> None:
        """Close the streams of pruned branches."""
        self._bridge.run(self._stop([self.branches[place] for place in places.tolist()]))

    async def close(self) -> None:
        """Close all streams, in the event loop."""
        await self._stop(self.branches)

    # ---- in the event loop ----------------------------------------------------------------------------------------

    async def _take(self, places: list[int], charged: list[int], goals: list[int]) -> None:
        """Open branches that are new, and wait until each has what is asked of it, or what the budget admits."""
        left = self._left()
        while len(self.branches) <= max(places, default=-1):
            self._open(left)
        async with together() as group:
            for place, before, goal in zip(places, charged, goals, strict=True):
                branch = self.branches[place]
                branch.goal = goal
                # One token beyond tells whether the branch ends there.
                needed = goal if left is None else min(goal, before + left)
                group.create_task(branch.wait(needed))

    def _open(self, left: int | None) -> None:
        """Request the next branch, which is read in the background from now on."""
        branch = StreamedBranch(self._streams.counting, self._settings.thinking)
        # No branch can have more than the budget; one token more tells that it would go on.
        tokens = self._room if left is None else min(self._room, left + 1)
        sampling = dataclasses.replace(self._sampling, max_tokens=tokens)
        seed = derived_seed(self._seed, len(self.branches), 0)
        self.branches.append(branch)
        branch.task = asyncio.create_task(self._read(branch, sampling, seed))

    async def _read(self, branch: StreamedBranch, sampling: Sampling, seed: int) -> None:
        """Read a branch's stream, and request it again where it breaks off before anything of it was used."""
        for tried in range(1, TRIES + 1):
            try:
                await branch.read(self._streams.stream(self._asked, sampling, seed))
            except CutError as error:
                self._account(branch)
                if tried == TRIES or branch.taken:
                    raise EngineGoneError(f"a streamed answer broke off ({error}); see the server's log") from None
                branch.lost += branch.arrived
                branch.begin()
                await asyncio.sleep(SECONDS_TO_TRY_AGAIN * 2 ** (tried - 1))
            except asyncio.CancelledError:
                self._account(branch)
                raise
            else:
                self._account(branch)
                return

    async def _stop(self, branches: list[StreamedBranch]) -> None:
        """Cancel the reading of branches and wait until their connections are closed."""
        tasks = [branch.task for branch in branches if branch.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _account(self, branch: StreamedBranch) -> None:
        """Count a stream that is over: as the server told, or as estimated from what has arrived."""
        told = branch.usage
        if told is None or not told.prompt:
            # All branches have one prompt, of which other streams may have told the tokens.
            characters = sum(len(each["content"]) for each in self._asked.messages())
            prompt, cached = self.prompt_tokens or round(characters * self._streams.counting.rate), None
        else:
            prompt, cached = told.prompt, told.cached
        self.traces.add(prompt, cached, branch.arrived)
        self.traces.estimated += branch.arrived if branch.estimated else 0
        self._streams.usage.add(prompt, cached, branch.arrived)
        # Also of an episode that is cancelled in its first call, which nobody has seen yet.
        self._watch()

"""One branch of a live episode that a server streams: the answer as far as it has arrived, and its tokens."""

import asyncio
import bisect
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, cast

from envdata.collect.answer_reader import Reader, Thinking
from envdata.collect.chat_streams import Counting, StreamEvent, StreamUsage
from envdata.collect.extraction import Token
from envdata.collect.token_confidence import confidences_between


class StreamedBranch:
    """A trace that a server writes from its first token to its last, whether a controller goes on with it or not.

    Reasoning that the server sends apart stands between its tags, before the answer. Positions are numbers of tokens.
    """

    def __init__(self, counting: Counting, thinking: Thinking | None) -> None:
        """Start a branch of which nothing has arrived.

        Args:
            counting: How tokens are estimated where the server does not tell them.
            thinking: The tags around reasoning; None for the usual ones.
        """
        self._counting, self._tags = counting, thinking or Thinking()
        self._thinking = thinking
        self._news = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        """The task that reads the stream."""
        self.taken = 0
        """The position up to which the episode has used it."""
        self.goal = 0
        """The position that the present call asks for; between calls, `taken`."""
        self.lost = 0
        """Tokens of earlier streams that broke off before anything of them was used."""
        self.begin()

    def begin(self) -> None:
        """Forget what has arrived: the answer is requested again."""
        self._written = ""
        self._ends: list[int] = []
        """Position after each event with text, ascending."""
        self._offsets: list[int] = []
        """Offset in `_written` after the same events."""
        self._listed: list[Token] = []
        self._estimate = 0.0
        self._in_reasoning = False
        self.usage: StreamUsage | None = None
        """The latest that the server told."""
        self.arrived = 0
        """Tokens that the server has written as far as is known here."""
        self.reason: str | None = None
        """Reason of its end, "stop" or "length"; None while it goes on."""
        self.ended = False
        """Whether the stream has come to its end, after which nothing arrives."""
        self.estimated = False
        """Whether `arrived` is an estimate."""

    @property
    def finished(self) -> bool:
        """Whether all of it was taken, its end included."""
        return self.ended and self.goal >= self.arrived

    @property
    def count(self) -> int:
        """Tokens taken so far."""
        return min(self.goal, self.arrived)

    @property
    def text(self) -> str:
        """Text of the tokens taken so far."""
        if self.goal >= self.arrived:
            return self._written
        whole = bisect.bisect_right(self._ends, self.goal)
        return self._written[: self._offsets[whole - 1]] if whole else ""

    @property
    def wasted(self) -> int:
        """Tokens that the server has written and nobody took."""
        return self.lost + self.arrived - self.count

    def add(self, event: StreamEvent) -> None:
        """Add an event of the stream."""
        if event.reasoning and not self._in_reasoning:
            self._written += self._tags.start
        if event.content and self._in_reasoning and not event.reasoning:
            self._written += self._tags.end
        self._in_reasoning = bool(event.reasoning) or (self._in_reasoning and not event.content)
        start = len(self._written)
        self._written += event.reasoning + event.content
        for token in event.tokens:
            end = start + len(token.text)
            self._listed.append(Token(start, end, token.logprob, token.confidence))
            start = end
        self._count(event)
        if event.content or event.reasoning:
            self._ends.append(self.arrived)
            self._offsets.append(len(self._written))
        self.reason = event.end or self.reason
        self._news.set()

    async def read(self, events: AsyncIterator[StreamEvent]) -> None:
        """Read a stream to its end. Raises what the stream raises."""
        async with aclosing(cast("Any", events)):
            async for event in events:
                self.add(event)
        self.ended = True

    async def wait(self, position: int) -> None:
        """Wait until more tokens than `position` have arrived, or the branch has ended. Raises the stream's error."""
        while self.task is not None and self.arrived <= position and not self.task.done():
            self._news.clear()
            news = asyncio.ensure_future(self._news.wait())
            try:
                await asyncio.wait([news, self.task], return_when=asyncio.FIRST_COMPLETED)
            finally:
                news.cancel()
        if self.task is not None and self.task.done() and not self.task.cancelled():
            self.task.result()

    def mean_confidences(self, interval: int, first: int, depth: int) -> list[float]:
        """Return the mean confidences of its tokens at depths `first` + 1 … `depth`, NaN where there is none."""
        return confidences_between(self._listed, interval, first, depth)

    def final_answer(self, reader: Reader) -> str | None:
        """Return the answer of the whole trace; None where it has none."""
        apart = self._thinking is None and self._written.startswith(self._tags.start)
        # Reasoning that the server itself sets apart is not read, as in collecting.
        own = Reader(reader.rule, reader.closing, self._tags) if apart else reader
        found = own.find(self._written, own.thinks(self._written, self.reason))
        return found.answer if found else None

    def _count(self, event: StreamEvent) -> None:
        """Count the tokens of an event: as the server tells, else as it lists them, else by estimate."""
        before = self.arrived
        if event.usage is not None:
            self.usage = event.usage.after(self.usage)
        if event.usage is not None and event.usage.decoded is not None:
            self._estimate = self.arrived = event.usage.decoded
            self.estimated = False
            # What was estimated may have been more than the server wrote.
            self._ends = [min(end, self.arrived) for end in self._ends] if self.arrived < before else self._ends
            return
        self._estimate += len(event.tokens) or self._counting.tokens(event)
        if event.content or event.reasoning:
            self.arrived = max(before, round(self._estimate), 1)
            self.estimated = self.estimated or not event.tokens

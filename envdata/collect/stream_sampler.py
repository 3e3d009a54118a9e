"""Sampler of whole traces from streamed chat completions, for a grid of final answers."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, cast

from envdata.collect.answer_reader import Thinking
from envdata.collect.chat_streams import TRIES, ChatStreams, usage_of
from envdata.collect.concurrency import numbered
from envdata.collect.engine import (
    Asked,
    CannotContinueError,
    CollectError,
    Continuation,
    Conversation,
    EngineFacts,
    QuestionFailedError,
    Sampling,
    Usage,
)
from envdata.collect.openai_streams import CutError


class StreamSampler:
    """An `envdata.collect.engine.Sampler` over streams."""

    def __init__(self, streams: ChatStreams, thinking: Thinking | None = None) -> None:
        """Store the streams; nothing is requested yet.

        Args:
            streams: The server's streams.
            thinking: The tags to put around reasoning that the server sends apart; None leaves such reasoning out.
        """
        self._streams, self._thinking = streams, thinking

    @property
    def usage(self) -> Usage:
        """Tokens read and written, trials included."""
        return self._streams.usage

    async def establish(self) -> EngineFacts:
        """Check with a trial answer that the server streams. Raises CollectError."""
        return await self._streams.establish()

    async def sample(
        self, asked: Asked, count: int, sampling: Sampling, seed: int
    ) -> AsyncIterator[list[tuple[int, Continuation]]]:
        """Draw traces, a stream each; arguments as of `envdata.collect.engine.Sampler.sample`."""
        if not isinstance(asked, Conversation):
            raise CollectError("streamed answers are answers in a chat; give --chat")
        async with aclosing(numbered(self._whole(asked, sampling, seed + at) for at in range(count))) as traces:
            async for trace in traces:
                yield trace

    async def close(self) -> None:
        """Close the connections."""
        await self._streams.close()

    async def _whole(self, asked: Conversation, sampling: Sampling, seed: int) -> Continuation:
        """Draw one trace, again where it breaks off. Raises QuestionFailedError where it always does."""
        for tried in range(1, TRIES + 1):
            try:
                return await self._one(asked, sampling, seed)
            except CutError as error:
                if tried == TRIES:
                    raise QuestionFailedError(f"a streamed answer broke off: {error}") from None
        raise AssertionError("a trace is returned or an error is raised")

    async def _one(self, asked: Conversation, sampling: Sampling, seed: int) -> Continuation:
        """Draw one trace. Raises CutError where it breaks off."""
        async with aclosing(cast("Any", self._streams.stream(asked, sampling, seed))) as streamed:
            events = [event async for event in streamed]
        told = usage_of(events)
        if not told.decoded:
            raise CannotContinueError(
                "the server does not say how many tokens an answer took, and a grid needs that; use one that does"
            )
        self.usage.add(told.prompt, told.cached, told.decoded)
        text, reasoning = "".join(event.content for event in events), "".join(event.reasoning for event in events)
        if self._thinking is not None and reasoning:
            text = self._thinking.before(reasoning, text)
        end = next((event.end for event in events if event.end is not None), None)
        return Continuation((), (), text, text, end, told.decoded)

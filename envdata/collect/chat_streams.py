"""Interface of streamed chat completions, which every model server can give, and the counting of their tokens.

A server sends an answer piece by piece and says at its end, at best, how many tokens it had. Where a piece does not
tell its tokens they are estimated (`Counting`), from a trial answer whose tokens the server has told.
"""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from envdata.collect.engine import Conversation, EngineFacts, Sampling, Usage

TOKENS_A_CHARACTER = 0.25
"""Tokens of a character where a server never tells how many tokens a text had."""

TRIES = 3
"""Times that a stream is requested that breaks off before anything of it was used."""

TRIAL = Conversation("Write the numbers from one to twelve in English words, nothing else.")
"""Question of a trial; its answer is long enough to tell whether each event is a token."""


class StreamUsage(NamedTuple):
    """Tokens as the server counts them, at one moment of a stream."""

    prompt: int
    """Tokens of the prompt; 0 where another event tells them."""
    cached: int | None
    """Tokens of the prompt from a prefix cache; None where the server does not tell."""
    decoded: int | None
    """Tokens written so far, thinking that is not shown included; None where another event tells them."""
    thinking: int = 0
    """Those of thinking among them, where the server tells, whether it shows them or not."""

    def after(self, earlier: "StreamUsage | None") -> "StreamUsage":
        """Return this usage with what an earlier event told and this one does not."""
        if earlier is None:
            return self
        cached = earlier.cached if self.cached is None else self.cached
        decoded = earlier.decoded if self.decoded is None else self.decoded
        return StreamUsage(self.prompt or earlier.prompt, cached, decoded, self.thinking or earlier.thinking)


class ListedToken(NamedTuple):
    """A token that an event lists."""

    text: str
    logprob: float | None
    confidence: float | None
    """As of `envdata.collect.extraction.Token`."""


@dataclass(frozen=True)
class StreamEvent:
    """One event of a stream: its part of the answer, and of the answer's usage."""

    content: str = ""
    reasoning: str = ""
    """Text of thinking, which servers send apart from the answer."""
    tokens: tuple[ListedToken, ...] = ()
    """Its tokens, where they were asked for and the server lists them."""
    usage: StreamUsage | None = None
    end: str | None = None
    """"stop" or "length" where the answer ends here."""


@dataclass(frozen=True)
class Counting:
    """How the tokens of an event are counted that neither lists them nor says how many there were so far."""

    by_event: bool = False
    """Whether each event with text is one token."""
    rate: float = TOKENS_A_CHARACTER
    """Otherwise: tokens of a character."""

    def tokens(self, event: StreamEvent) -> float:
        """Return the estimated number of tokens of an event."""
        written = len(event.content) + len(event.reasoning)
        return float(written > 0) if self.by_event else written * self.rate


def usage_of(events: Iterable[StreamEvent]) -> StreamUsage:
    """Return what all events of a stream together tell of its tokens."""
    told: StreamUsage | None = None
    for event in events:
        told = told if event.usage is None else event.usage.after(told)
    return told or StreamUsage(0, None, None)


def counting_of(events: list[StreamEvent]) -> Counting:
    """Return how events are counted, from those of a trial answer that is complete."""
    usage = usage_of(events)
    pieces = sum(bool(event.content or event.reasoning) for event in events)
    characters = sum(len(event.content) + len(event.reasoning) for event in events)
    if usage.decoded is None or not characters:
        return Counting()
    shown = any(event.reasoning for event in events)
    told = usage.decoded if shown else usage.decoded - usage.thinking
    if not 0 < told <= characters + 2:
        # A token has at least a character: the server counts thinking that it does not show, nor tells apart.
        return Counting()
    # Tokens without a text, such as the last one, may have no event, and a server may split a token's text once.
    return Counting(by_event=pieces > 2 and abs(told - pieces) <= 2, rate=told / characters)


@runtime_checkable
class ChatStreams(Protocol):
    """A model that streams answers to conversations, and can do nothing else that is needed here."""

    counting: Counting

    @property
    def usage(self) -> Usage:
        """Tokens read and written, as far as streams that are over tell."""

    async def establish(self) -> EngineFacts:
        """Check with a trial answer that the server streams. Raises CollectError if it does not."""

    def stream(self, asked: Conversation, sampling: Sampling, seed: int) -> AsyncIterator[StreamEvent]:
        """Request one answer and yield its events as they come; closing the iterator closes the connection.

        The last event with an `end` is there where the iterator ends without an error.

        Raises:
            CutError: The stream breaks off before its end.
            CollectError: The server refuses the request, or does not answer.
        """

    async def prompt_tokens(self, asked: Conversation) -> int:
        """Return the tokens of a conversation's prompt; 0 where the server does not tell them beforehand."""

    async def context(self) -> int | None:
        """Return the model's context in tokens; None where it is not reported. Raises CollectError if it is gone."""

    async def close(self) -> None:
        """Close the connections."""


@runtime_checkable
class HasChatStreams(Protocol):
    """An engine whose server may at least stream, where it cannot continue a partial answer."""

    def chat_streams(self) -> ChatStreams:
        """Return the streams of the same server and model."""

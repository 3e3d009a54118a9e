"""What the collector asks of whatever runs the model, and how that may fail."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from envdata.collect.extraction import Token

Piece = int | str
"""A token's id; or its text, where an engine deals in texts alone."""

Prompt = tuple[Piece, ...]
"""What is to be continued. Prompts are put together and cut as tuples."""


class CollectError(Exception):
    """Collection cannot go on; the message says why in one sentence and what to do. What was collected is kept."""


class CannotContinueError(CollectError):
    """The engine cannot continue a given text token by token, so nothing can be probed."""


class EngineGoneError(CollectError):
    """The engine does not answer any more."""


class QuestionFailedError(CollectError):
    """The engine refused or failed one question; others may still be collected."""


@dataclass(frozen=True)
class Sampling:
    """How traces are drawn. What is None is left to the engine, which takes the settings that come with the model."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    max_tokens: int = 2048
    """The longest a trace may be, in tokens."""
    stop: tuple[str, ...] = ()
    """Texts that end a trace; they are not part of its text, but the tokens that write them count."""


@dataclass(frozen=True)
class Conversation:
    """A question put to a chat model, whose template makes a prompt of it."""

    user: str
    system: str | None = None
    begun: str = ""
    """The start of the answer, put into the model's mouth."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """More variables for the template, such as enable_thinking."""

    def messages(self) -> list[dict[str, str]]:
        """Give the conversation as the OpenAI API writes it, without what is `begun`."""
        system = [] if self.system is None else [{"role": "system", "content": self.system}]
        return [*system, {"role": "user", "content": self.user}]


Asked = str | Conversation
"""A whole text to be continued, or a conversation."""


@dataclass(frozen=True)
class Decoded:
    """One continuation as it was decoded."""

    pieces: Prompt
    """Every token that was decoded, those of a stop string included; empty where an engine does not tell."""
    tokens: tuple[Token, ...]
    """Places in `written` and log-probabilities (natural, before any temperature) of the same tokens, one for one.

    Empty where only the end of a trace counts, and log-probabilities were not asked for."""
    written: str
    """All that the tokens write, a stop string included."""
    text: str
    """The same without the stop string."""
    finish_reason: str | None
    """"stop" or "length"."""
    count: int
    """How many tokens were decoded."""


@dataclass(frozen=True)
class EngineFacts:
    """What a grid's provenance says of the engine; equal for every part of one collection."""

    name: str
    version: str | None
    continues: str | None
    """What a cut trace is continued from: "token ids", "text", or None where it cannot be."""
    sampling: Mapping[str, Any] | None = None
    """The settings that come with the model; None where the engine does not tell."""


@dataclass
class Usage:
    """What an engine has read and written since it started, in tokens."""

    prompt: int = 0
    """Tokens of prompts."""
    cached: int | None = None
    """Those of them that came from a prefix cache; None while the engine has told nothing of one."""
    decoded: int = 0
    under_way: int = 0
    """Written so far of what is not finished yet, and not in `decoded`; 0 while the engine does not tell."""

    def add(self, prompt: int, cached: int | None, decoded: int) -> None:
        """Count one request."""
        self.prompt += prompt
        self.decoded += decoded
        if cached is not None:
            self.cached = (self.cached or 0) + cached


class Sampler(Protocol):
    """Runs a model to the ends of its traces. Calls may overlap; the engine bounds what it really does at once."""

    @property
    def usage(self) -> Usage:
        """What was read and written since the engine was made."""

    async def establish(self) -> EngineFacts:
        """Find out by trying that everything else works; raises CollectError, CannotContinueError if it cannot."""

    def sample(
        self, asked: Asked, count: int, sampling: Sampling, seed: int
    ) -> AsyncIterator[list[tuple[int, Decoded]]]:
        """Draw `count` independent traces, numbered from 0; yields them as they finish, some at a time.

        Equal seeds ask for equal draws.
        """

    async def close(self) -> None:
        """Let go of what the engine holds."""


class Engine(Sampler, Protocol):
    """A sampler that can also continue a text from wherever it is cut."""

    async def prompt(self, asked: Asked) -> Prompt:
        """Give the prompt that traces of `asked` continue."""

    async def encode(self, text: str) -> Prompt:
        """Give the pieces of a text in the middle of a prompt."""

    async def extend(self, prompt: Prompt, sampling: Sampling, seed: int, *, placed: bool = True) -> Decoded:
        """Draw one continuation of a prompt.

        Unless `placed`, nobody asks where its tokens stand in the text and how sure the model was of them: `tokens` may
        be empty. That spares the engine the log-probabilities, which it works out over the whole vocabulary.
        """

    async def context(self) -> int | None:
        """How many tokens the model takes, prompt and continuation together; None where the engine does not tell."""

    async def answer(self, prompts: Sequence[Prompt], max_tokens: int, stop: Sequence[str]) -> list[Decoded]:
        """Continue each prompt greedily, in the order given."""

"""Interface of the collector to the engine that runs the model, and the errors of engines."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from envdata.collect.extraction import Token

Piece = int | str
"""A token's id, or its text where an engine works with texts only."""

Prompt = tuple[Piece, ...]
"""A text to be continued. Prompts are concatenated and cut as tuples."""


class CollectError(Exception):
    """Collection cannot go on; the message gives the cause and the remedy. Finished questions are kept."""


class CannotContinueError(CollectError):
    """The engine cannot continue a given text token by token, so nothing can be probed."""


class UnknownPathError(CollectError):
    """The server does not know the model, or not this way to use it."""


class EngineGoneError(CollectError):
    """The engine does not answer any more."""


class QuestionFailedError(CollectError):
    """The engine refused or failed one question; others may still be collected."""


@dataclass(frozen=True)
class Sampling:
    """Sampling parameters of traces. None leaves a value to the engine, which takes the model's own setting."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    max_tokens: int = 2048
    """Largest length of a trace, in tokens."""
    stop: tuple[str, ...] = ()
    """Texts that end a trace; they are not part of its text, but the tokens that write them count."""
    top_logprobs: int = 0
    """k: each token comes with its confidence, from the k most probable tokens at its place; 0 for none.

    An engine that gives fewer (`EngineFacts.top_logprobs`) takes its own limit.
    """


@dataclass(frozen=True)
class Conversation:
    """A question to a chat model, whose template turns it into a prompt."""

    user: str
    system: str | None = None
    begun: str = ""
    """Start of the answer, which the model continues."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """More variables for the template, such as enable_thinking."""

    def messages(self) -> list[dict[str, str]]:
        """Return the conversation as the OpenAI API writes it, without `begun`."""
        system = [] if self.system is None else [{"role": "system", "content": self.system}]
        return [*system, {"role": "user", "content": self.user}]

    def template_request(self) -> dict[str, Any]:
        """Return the fields of a request that has a server apply the model's template to it."""
        options = {"chat_template_kwargs": dict(self.options)} if self.options else {}
        return {"messages": self.messages(), "add_generation_prompt": True, **options}


Asked = str | Conversation
"""A whole text to be continued, or a conversation."""


@dataclass(frozen=True)
class Continuation:
    """One decoded continuation."""

    pieces: Prompt
    """Every decoded token, with those of a stop text; empty where an engine does not report them."""
    tokens: tuple[Token, ...]
    """Places in `written` and log-probabilities (natural, at temperature 1) of the same tokens, one for one.

    Empty where log-probabilities were not requested, since only the end of a trace counts.
    """
    written: str
    """The text of all tokens, with a stop text."""
    text: str
    """The text without the stop text."""
    finish_reason: str | None
    """"stop" or "length"."""
    count: int
    """Number of decoded tokens."""
    prefill: int | None = None
    """Tokens of the prompt that were not in the engine's prefix cache; None where that is unknown."""


@dataclass(frozen=True)
class EngineFacts:
    """Facts on the engine for a grid's provenance; equal for every part of one collection."""

    name: str
    version: str | None
    continues: str | None
    """Form in which a cut trace is continued: "token ids", "text", or None if it cannot be."""
    sampling: Mapping[str, Any] | None = None
    """The model's own sampling settings; None where the engine does not report them."""
    top_logprobs: int = 0
    """The most probable tokens at a place whose log-probabilities it gives: the largest k of `Sampling`."""
    prefill: bool = False
    """Whether it tells for each continuation how many tokens of the prompt its prefix cache lacked."""


@dataclass
class Usage:
    """Tokens that an engine has read and written since it started."""

    prompt: int = 0
    """Tokens of prompts."""
    cached: int | None = None
    """Tokens of prompts that came from a prefix cache; None while the engine has reported none."""
    decoded: int = 0
    """Tokens of finished requests that were decoded."""
    under_way: int = 0
    """Tokens decoded so far of unfinished requests; 0 while the engine does not report them."""
    fallbacks: int = 0
    """Requests that another server than the first one answered."""

    def add(self, prompt: int, cached: int | None, decoded: int) -> None:
        """Count one request.

        Args:
            prompt: Tokens of its prompt.
            cached: Those of them that came from a prefix cache, None where the engine does not report it.
            decoded: Tokens decoded.
        """
        self.prompt += prompt
        self.decoded += decoded
        if cached is not None:
            self.cached = (self.cached or 0) + cached


class Sampler(Protocol):
    """Decodes whole traces. Calls may overlap; the engine limits how many it runs at once."""

    @property
    def usage(self) -> Usage:
        """Tokens read and written since the engine was made."""

    async def establish(self) -> EngineFacts:
        """Check by trial requests that the engine works.

        Raises CollectError if it does not, CannotContinueError if it cannot continue texts.
        """

    def sample(
        self, asked: Asked, count: int, sampling: Sampling, seed: int
    ) -> AsyncIterator[list[tuple[int, Continuation]]]:
        """Draw independent traces and yield them as they finish, some at a time, each with its number.

        Args:
            asked: The text or conversation that the traces answer.
            count: The number of traces, which are numbered from 0.
            sampling: Sampling parameters.
            seed: Equal seeds ask for equal draws.
        """

    async def close(self) -> None:
        """Release the engine's resources."""


class Engine(Sampler, Protocol):
    """A sampler that can also continue a text from any cut."""

    async def prompt(self, asked: Asked) -> Prompt:
        """Return the prompt that traces of `asked` continue."""

    async def encode(self, text: str) -> Prompt:
        """Return the pieces of a text in the middle of a prompt."""

    async def extend(self, prompt: Prompt, sampling: Sampling, seed: int, *, placed: bool = True) -> Continuation:
        """Draw one continuation of a prompt.

        Args:
            prompt: The prompt.
            sampling: Sampling parameters.
            seed: Equal seeds ask for equal draws.
            placed: Whether places and log-probabilities of the tokens are needed. Without, `tokens` may be empty, which
                saves the engine the log-probabilities over the whole vocabulary.
        """

    async def context(self) -> int | None:
        """Return the model's context for prompt and continuation together, in tokens; None where it is not reported."""

    async def answer(self, prompts: Sequence[Prompt], max_tokens: int, stop: Sequence[str]) -> list[Continuation]:
        """Continue each prompt greedily; return the continuations in the order of the prompts.

        Args:
            prompts: The prompts.
            max_tokens: Largest length of a continuation.
            stop: Texts that end a continuation.
        """

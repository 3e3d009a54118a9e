"""What the collector asks of whatever runs the model, and how that may fail."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from envdata.collect.extraction import Token


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
    """How traces are drawn."""

    temperature: float = 0.8
    top_p: float | None = None
    max_tokens: int = 2048
    """The longest a trace may be, in tokens."""
    stop: tuple[str, ...] = ()
    """Texts that end a trace; they are not part of its text, but the tokens that write them count."""


@dataclass(frozen=True)
class Decoded:
    """One continuation as it was decoded."""

    token_ids: tuple[int, ...]
    """Every token that was decoded, those of a stop string included."""
    tokens: tuple[Token, ...]
    """Places in `written` and log-probabilities (natural, before any temperature) of the same tokens, one for one."""
    written: str
    """All that the tokens write, a stop string included."""
    text: str
    """The same without the stop string."""
    finish_reason: str | None
    """"stop" or "length"."""


@dataclass(frozen=True)
class EngineFacts:
    """What a grid's provenance says of the engine."""

    name: str
    version: str | None


class Engine(Protocol):
    """Runs a model. Calls may overlap; the engine bounds how many it really makes at once."""

    async def establish(self) -> EngineFacts:
        """Find out by trying that everything below works; raises CannotContinueError if not."""

    async def encode(self, text: str, *, start: bool) -> tuple[int, ...]:
        """Give the token ids of `text`, with the model's start token in front where `start` is set."""

    async def sample(self, prompt: Sequence[int], count: int, sampling: Sampling, seed: int) -> list[Decoded]:
        """Draw `count` independent continuations of `prompt`; equal seeds ask for equal draws."""

    async def answer(self, prompts: Sequence[Sequence[int]], max_tokens: int, stop: Sequence[str]) -> list[Decoded]:
        """Continue each prompt greedily, in the order given."""

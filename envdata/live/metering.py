"""Token counts of the requests of one episode, as the server counted them.

An engine serves many episodes and counts for all of them. The tasks of an episode inherit its meter from the context in
which they were started, and each of their requests is counted there too.
"""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

from envdata.collect.engine import Usage


@dataclass
class Meter:
    """Counts of one kind of requests of one episode, in tokens."""

    requests: int = 0
    """Number of requests."""
    prompt: int = 0
    """Tokens of prompts, with those from the cache."""
    cached: int = 0
    """Tokens of prompts that came from a prefix cache; 0 where the engine does not report one."""
    decoded: int = 0
    """Tokens decoded."""
    estimated: int = 0
    """Those of them that the server did not tell, as of a stream that was closed."""

    def add(self, prompt: int, cached: int | None, decoded: int) -> None:
        """Count one request.

        Args:
            prompt: Tokens of the prompt.
            cached: Those of them that came from a prefix cache, None where the engine does not report it.
            decoded: Tokens decoded.
        """
        self.requests += 1
        self.prompt += prompt
        self.cached += cached or 0
        self.decoded += decoded


METER: ContextVar[Meter | None] = ContextVar("METER", default=None)
"""The meter of the present task."""


class EpisodeUsage(Usage):
    """An engine's count that also adds to the meter of the episode that made the request."""

    def add(self, prompt: int, cached: int | None, decoded: int) -> None:
        """Count one request, for the engine and for the episode; arguments as of `Meter.add`."""
        super().add(prompt, cached, decoded)
        meter = METER.get()
        if meter is not None:
            meter.add(prompt, cached, decoded)


class HasUsage(Protocol):
    """An object that holds an engine's count: a client, or an engine in this process."""

    usage: Usage


def count_per_episode(holder: HasUsage) -> None:
    """Replace the count of a client or an engine, before its first request, by one that also counts per episode."""
    holder.usage = EpisodeUsage()

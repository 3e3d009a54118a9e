"""What the requests of one episode read and wrote, as the server counted them.

An engine serves many episodes, and counts for all of them. Requests are made in the tasks of an episode, which inherit
its meter from the context that they were started in: each request is counted there too.
"""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

from envdata.collect.engine import Usage


@dataclass
class Meter:
    """The requests of one kind that one episode made; tokens."""

    requests: int = 0
    prompt: int = 0
    """Tokens of prompts, those from the cache included."""
    cached: int = 0
    """Those of them that came from a prefix cache; 0 where the engine tells nothing of one."""
    decoded: int = 0

    def add(self, prompt: int, cached: int | None, decoded: int) -> None:
        """Count one request."""
        self.requests += 1
        self.prompt += prompt
        self.cached += cached or 0
        self.decoded += decoded


METER: ContextVar[Meter | None] = ContextVar("METER", default=None)
"""Where the requests of the present task are counted."""


class Metered(Usage):
    """An engine's count, which also counts for whoever made the request."""

    def add(self, prompt: int, cached: int | None, decoded: int) -> None:
        """Count one request, for the engine and for the episode."""
        super().add(prompt, cached, decoded)
        meter = METER.get()
        if meter is not None:
            meter.add(prompt, cached, decoded)


class Metering(Protocol):
    """What holds an engine's count: a client, or an engine in this process."""

    usage: Usage


def metered(holder: Metering) -> None:
    """Let the count of a client or an engine, before it has counted anything, be one that episodes share."""
    holder.usage = Metered()

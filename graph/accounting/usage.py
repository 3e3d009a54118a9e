"""Tokens of a call to a model."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Usage:
    """What a call took, in tokens, as the provider says."""

    input: int = 0
    """All of the input, with what came from a cache or went into one."""
    cached: int = 0
    """Of the input: read from the provider's cache."""
    written: int = 0
    """Of the input: written into the provider's cache, which some charge for."""
    output: int = 0
    """All of the output, with thinking."""
    thinking: int = 0
    """Of the output."""

    def __add__(self, other: "Usage") -> "Usage":
        mine, more = asdict(self), asdict(other)
        return Usage(**{name: mine[name] + more[name] for name in mine})

    @property
    def total(self) -> int:
        """Input and output."""
        return self.input + self.output

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> "Usage":
        """From a transcript."""
        return cls(**{name: int(said.get(name, 0)) for name in cls.__dataclass_fields__})

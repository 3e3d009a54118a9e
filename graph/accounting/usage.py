"""Token usage of model calls."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Usage:
    """Tokens of one or several calls, as reported by the provider."""

    input: int = 0
    """All input, including input read from or written into a cache."""
    cached: int = 0
    """Part of the input that was read from the provider's cache."""
    written: int = 0
    """Part of the input that was written into the provider's cache, which some providers charge for."""
    output: int = 0
    """All output, including thinking."""
    thinking: int = 0
    """Part of the output that is thinking."""

    def __add__(self, other: "Usage") -> "Usage":
        """Return the sum of two usages."""
        mine, more = asdict(self), asdict(other)
        return Usage(**{name: mine[name] + more[name] for name in mine})

    @property
    def total(self) -> int:
        """Input and output tokens."""
        return self.input + self.output

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> "Usage":
        """Return the usage in a `reply` event of a transcript; missing fields are 0."""
        return cls(**{name: int(fields.get(name, 0)) for name in cls.__dataclass_fields__})

"""The protocol between a model explorer and the service that runs its model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from graph.accounting.usage import Usage
from graph.explorers.base import ExplorerError
from graph.prompts import Prompt


@dataclass(frozen=True)
class Reply:
    """What came back."""

    text: str
    usage: Usage
    model: str
    """The model that replied, as the service names it."""
    stop_reason: str
    """`end`, `length` (at its limit), `refusal`, or the service's own word."""
    request_id: str | None = None
    thinking: str = ""
    """What the service shows of it."""
    estimated: bool = False
    """The service did not say how many tokens it took: they are counted here, rather too many than too few."""


class CallFailed(ExplorerError):
    """A call brought no reply; the message says what to do."""

    def __init__(
        self,
        why: str,
        *,
        passing: bool = False,
        after: float | None = None,
        billed: bool = False,
        status: int | None = None,
        unsupported: bool = False,
        too_long: bool = False,
    ) -> None:
        super().__init__(why)
        self.passing = passing
        """Whether the same request may well succeed later."""
        self.after = after
        """Seconds that the service asked to wait for."""
        self.billed = billed
        """Whether the provider may charge for it all the same."""
        self.status = status
        """Of HTTP."""
        self.unsupported = unsupported
        """The service does not know structured outputs: the same request without a schema may succeed."""
        self.too_long = too_long
        """The prompt and the reply do not fit the model's context: a shorter prompt may succeed."""


class Chat(Protocol):
    """A model that is asked one thing at a time. Several calls may be under way at once, in one event loop."""

    @property
    def model(self) -> str:
        """The model's name, as asked for."""
        ...

    async def complete(self, prompt: Prompt, *, max_output: int, schema: Mapping[str, Any] | None) -> Reply:
        """Ask once: no retries in here. `schema` is the JSON Schema that the reply is to follow. Raises CallFailed."""
        ...

    async def close(self) -> None:
        """Close connections; another call opens them again."""
        ...

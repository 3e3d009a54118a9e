"""The protocol between a model explorer and the service that runs its model."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from graph.accounting.usage import Usage
from graph.explorers.base import ExplorerError
from graph.explorers.prompts import Prompt


class OtherForm(StrEnum):
    """A change of a request's form, for services that refuse the usual one."""

    RENAMED_LIMIT = "limit of the reply under its other name"
    WITHOUT_STREAM_OPTIONS = "without stream_options"
    IN_ONE_PIECE = "reply not streamed"
    WITHOUT_SCHEMA = "without a schema of the reply"
    WITHOUT_SYSTEM = "system text in the user message"
    WITHOUT_CACHE_MARKS = "without cache marks"


@dataclass(frozen=True)
class ModelReply:
    """A model's complete reply to one prompt."""

    text: str
    usage: Usage
    model: str
    """Name of the model that replied, as the service reports it."""
    stop_reason: str
    """`end`, `length` (cut at the output limit), `refusal`, or the service's own word."""
    request_id: str | None = None
    """The service's id of the request."""
    thinking: str = ""
    """The part of the model's thinking that the service returns."""
    estimated: bool = False
    """Whether the service reported no usage that can be true, so that `usage` is an estimate, meant to be high."""
    raw: str = ""
    """The response, or its usage, as it was received, where it could not be taken as it stands."""


class ModelCallError(ExplorerError):
    """A call brought no reply; the message says what to do."""

    def __init__(
        self,
        why: str,
        *,
        transient: bool = False,
        retry_after: float | None = None,
        billed: bool = False,
        status: int | None = None,
        other_form: OtherForm | None = None,
        prompt_too_long: bool = False,
        raw: str = "",
    ) -> None:
        """Describe the failure; the arguments become the attributes that are documented below."""
        super().__init__(why)
        self.transient = transient
        """Whether the same request may succeed later."""
        self.retry_after = retry_after
        """Seconds that the service asked to wait before the next attempt."""
        self.billed = billed
        """Whether the provider may charge for the attempt although no reply was received."""
        self.status = status
        """HTTP status; None if there was no response."""
        self.other_form = other_form
        """The form in which the same request may succeed; None if no other is known."""
        self.prompt_too_long = prompt_too_long
        """Whether prompt and reply exceed the model's context: a shorter prompt may succeed."""
        self.raw = raw
        """What was received instead of a whole reply; empty for a response with an error status."""


class ChatModel(Protocol):
    """A model that answers one prompt a call. Several calls may run at once, in one event loop."""

    @property
    def model(self) -> str:
        """The model's name, as given in `--explorer`."""
        ...

    async def complete(
        self, prompt: Prompt, *, max_output: int, schema: Mapping[str, Any] | None, forms: Set[OtherForm] = frozenset()
    ) -> ModelReply:
        """Send the prompt once, without retries, and return the reply.

        Args:
            prompt: System text and user message.
            max_output: Limit of the reply in tokens, thinking included.
            schema: JSON Schema that the reply has to follow; None for free text.
            forms: Changes of the request that the service is known to need; those of other services are ignored.

        Raises:
            ModelCallError: No complete reply was received.
        """
        ...

    async def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        ...


def user_message(prompt: Prompt) -> str:
    """Return both parts of the user message as one text, for services without cache marks."""
    return "\n\n".join(part for part in (prompt.stable, prompt.changing) if part)


def texts_of(prompt: Prompt, forms: Set[OtherForm]) -> tuple[str, str]:
    """Return the system text and the user message; the first is empty where the service takes no system role."""
    if OtherForm.WITHOUT_SYSTEM in forms:
        return "", "\n\n".join((prompt.system, user_message(prompt)))
    return prompt.system, user_message(prompt)

"""Anthropic's Messages API through its SDK: streamed, with the stable part of a prompt cached and optional thinking."""

import asyncio
import os
from collections.abc import Mapping, Set
from typing import Any

import anthropic
import httpx2
from anthropic.types import TextBlockParam

from graph.explorers.base import ExplorerError
from graph.explorers.models.chat import ModelCallError, ModelReply, OtherForm
from graph.explorers.models.connection_settings import service_key
from graph.explorers.models.http_errors import ModelService, interrupted, missing_key, status_error
from graph.explorers.models.messages_api import read_message
from graph.explorers.models.reply_body import Received
from graph.explorers.models.service_reply import Asked, read_reply
from graph.explorers.prompts import Prompt

KEY = "ANTHROPIC_API_KEY"
MIN_THINKING = 1024
"""Smallest number of thinking tokens that the API accepts."""
CONNECT_TIMEOUT = 20.0
"""Seconds to connect."""
FORMS = frozenset(OtherForm) - {OtherForm.RENAMED_LIMIT, OtherForm.WITHOUT_STREAM_OPTIONS}
"""Other forms that a request can be sent in."""


class AnthropicChat:
    """A model behind Anthropic's Messages API. The variable ANTHROPIC_BASE_URL names another address."""

    def __init__(
        self, model: str, *, thinking: int | str | None, effort: str | None, temperature: float | None, timeout: float
    ) -> None:
        """Check the settings and the key; the client is made at the first call.

        Args:
            model: The model's name.
            thinking: Budget in tokens, `adaptive`, `off`, or None for the model's default.
            effort: The API's effort level; None for its default.
            temperature: Must be None: the API takes none.
            timeout: Seconds that the model may be silent.

        Raises:
            ExplorerError: The model or the key is missing, or a setting is out of the API's range.
        """
        if not model:
            raise ExplorerError("anthropic: give a model, as in anthropic:claude-sonnet-5-5")
        if temperature is not None:
            raise ExplorerError("--temperature: Anthropic's Messages API takes none; leave it away")
        if isinstance(thinking, int) and thinking < MIN_THINKING:
            raise ExplorerError(f"--thinking is {thinking}; Anthropic's API takes {MIN_THINKING} tokens or more")
        self.model = model
        self._thinking, self._effort = thinking, effort
        self._timeout = timeout
        flags = {"--thinking": thinking, "--effort": effort}
        given = frozenset(flag for flag, value in flags.items() if value is not None)
        self._service = ModelService("Anthropic", KEY, model, given, FORMS)
        if service_key(KEY) is None:
            raise missing_key(self._service, f"anthropic:{model}")
        self._client: anthropic.AsyncAnthropic | None = None
        self._first_replies: dict[str, asyncio.Event] = {}
        """By stable part: set once the first reply to a prompt with it has begun."""

    async def complete(
        self, prompt: Prompt, *, max_output: int, schema: Mapping[str, Any] | None, forms: Set[OtherForm] = frozenset()
    ) -> ModelReply:
        """Receive one message and return it. See `ChatModel.complete`."""
        if self._client is None:
            self._client = anthropic.AsyncAnthropic(
                api_key=os.environ[KEY],
                timeout=anthropic.Timeout(self._timeout, connect=min(CONNECT_TIMEOUT, self._timeout)),
                max_retries=0,
            )
        cached = await self._wait_for_cache(prompt.stable)
        received = Received()
        request_id = None
        failed: ModelCallError | None = None
        try:
            request = self._request(prompt, max_output, schema, forms)
            # The SDK's own objects are left: it fails on much of what compatible servers send.
            async with self._client.messages.with_streaming_response.create(**request) as response:
                request_id = response.headers.get("request-id")
                # The response begins once the prompt has been read.
                cached.set()
                await received.read(response.iter_bytes())
        except anthropic.APIStatusError as error:
            raise status_error(error, self._service) from error
        except (anthropic.APIConnectionError, httpx2.HTTPError, anthropic.AnthropicError, ValueError) as error:
            # A reply that is complete all the same is used.
            failed = interrupted(error, self._service, self._timeout, received.text)
        finally:
            cached.set()
        return read_reply(received.text, read_message, Asked(prompt, self._service, request_id), failed)

    def _request(
        self, prompt: Prompt, max_output: int, schema: Mapping[str, Any] | None, forms: Set[OtherForm]
    ) -> dict[str, Any]:
        """Return the arguments of a request."""
        request: dict[str, Any] = {
            "model": self.model,
            "max_tokens": max_output,
            "system": prompt.system,
            "messages": [{"role": "user", "content": _content(prompt, forms)}],
            "stream": OtherForm.IN_ONE_PIECE not in forms,
        }
        if OtherForm.WITHOUT_SYSTEM in forms:
            del request["system"]
        if isinstance(self._thinking, int):
            request["thinking"] = {"type": "enabled", "budget_tokens": self._thinking}
        elif self._thinking is not None:
            request["thinking"] = {"type": {"off": "disabled"}.get(self._thinking, self._thinking)}
        output: dict[str, Any] = {}
        if self._effort is not None:
            output["effort"] = self._effort
        if schema is not None and OtherForm.WITHOUT_SCHEMA not in forms:
            output["format"] = {"type": "json_schema", "schema": dict(schema)}
        if output:
            request["output_config"] = output
        return request

    async def _wait_for_cache(self, stable: str) -> asyncio.Event:
        """Wait until `stable` is in the service's cache; return at once for the first call that has it.

        The service caches it when the first reply begins. Calls sent before that would each pay for writing it.
        Returns the event that the first call sets.
        """
        if stable not in self._first_replies:
            self._first_replies[stable] = asyncio.Event()
        else:
            await self._first_replies[stable].wait()
        return self._first_replies[stable]

    async def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        # Events belong to an event loop, and the service's cache expires within minutes.
        self._first_replies = {}
        if self._client is not None:
            await self._client.close()
            self._client = None


def _content(prompt: Prompt, forms: Set[OtherForm]) -> list[TextBlockParam]:
    """Return the user message's blocks, with the cache mark after the stable part."""
    blocks: list[TextBlockParam] = []
    if OtherForm.WITHOUT_SYSTEM in forms:
        blocks.append({"type": "text", "text": prompt.system})
    if prompt.stable:
        blocks.append({"type": "text", "text": prompt.stable})
        if OtherForm.WITHOUT_CACHE_MARKS not in forms:
            # The cache covers everything up to this mark, the system text included: it is the same in every round.
            blocks[-1]["cache_control"] = {"type": "ephemeral"}
    if prompt.changing:
        blocks.append({"type": "text", "text": prompt.changing})
    return blocks

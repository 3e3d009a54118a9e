"""Anthropic's Messages API through its own SDK: streamed, the stable part of a prompt cached, thinking as an option."""

import asyncio
import os
from collections.abc import Mapping
from typing import Any

import anthropic
import httpx2
from anthropic.types import Message, TextBlockParam

from graph.accounting.usage import Usage
from graph.explorers.base import ExplorerError
from graph.explorers.models.chat import CallFailed, Reply
from graph.explorers.models.failing import Service, broken, no_key, read_status, silent
from graph.prompts import Prompt

KEY = "ANTHROPIC_API_KEY"
LEAST_THINKING = 1024
"""Tokens: the API's own limit."""
CONNECT = 20.0
"""Seconds to connect."""


class AnthropicChat:
    """A model of Anthropic's. ANTHROPIC_BASE_URL names another address."""

    def __init__(
        self, model: str, *, thinking: int | str | None, effort: str | None, temperature: float | None, timeout: float
    ) -> None:
        if not model:
            raise ExplorerError("anthropic: give a model, as in anthropic:claude-sonnet-5-5")
        if temperature is not None:
            raise ExplorerError("--temperature: Anthropic's Messages API takes none; leave it away")
        if isinstance(thinking, int) and thinking < LEAST_THINKING:
            raise ExplorerError(f"--thinking is {thinking}; Anthropic's API takes {LEAST_THINKING} tokens or more")
        self.model = model
        self._thinking, self._effort = thinking, effort
        self._timeout = timeout
        self._service = Service("Anthropic", KEY, model)
        if not os.environ.get(KEY):
            raise no_key(self._service, f"anthropic:{model}")
        self._client: anthropic.AsyncAnthropic | None = None
        self._begun: dict[str, asyncio.Event] = {}

    async def complete(self, prompt: Prompt, *, max_output: int, schema: Mapping[str, Any] | None) -> Reply:
        """One streamed message."""
        if self._client is None:
            self._client = anthropic.AsyncAnthropic(
                api_key=os.environ[KEY],
                timeout=anthropic.Timeout(self._timeout, connect=min(CONNECT, self._timeout)),
                max_retries=0,
            )
        options: dict[str, Any] = {}
        output: dict[str, Any] = {}
        if isinstance(self._thinking, int):
            options["thinking"] = {"type": "enabled", "budget_tokens": self._thinking}
        elif self._thinking is not None:
            options["thinking"] = {"type": {"off": "disabled"}.get(self._thinking, self._thinking)}
        if self._effort is not None:
            output["effort"] = self._effort
        if schema is not None:
            output["format"] = {"type": "json_schema", "schema": dict(schema)}
        if output:
            options["output_config"] = output
        first = await self._after_the_first(prompt.stable)
        begun = False
        try:
            async with self._client.messages.stream(
                model=self.model,
                max_tokens=max_output,
                system=prompt.system,
                messages=[{"role": "user", "content": _content(prompt)}],
                **options,
            ) as stream:
                async for _ in stream:
                    begun = True
                    first.set()
                message = await stream.get_final_message()
                request_id = stream.request_id
        except anthropic.APIStatusError as error:
            raise read_status(error, self._service) from error
        except (anthropic.APITimeoutError, httpx2.TimeoutException) as error:
            raise silent(self._service, self._timeout, "said nothing") from error
        except (anthropic.APIConnectionError, httpx2.HTTPError) as error:
            raise broken(error, self._service, begun=begun) from error
        except (anthropic.AnthropicError, AssertionError, ValueError) as error:
            # An assertion of the SDK's own: a stream without a message in it.
            raise broken(error, self._service, begun=True) from error
        finally:
            first.set()
        if message.stop_reason is None:
            raise CallFailed("Anthropic broke its reply off before its end", passing=True, billed=True)
        return _reply(message, request_id)

    async def _after_the_first(self, stable: str) -> asyncio.Event:
        """Wait until the first call with this stable part has begun to be answered: from then on it is cached.

        Calls that are sent together would all write it into the cache, and none would read it there. Returns the event
        that says so, for the first call to set.
        """
        if stable not in self._begun:
            self._begun[stable] = asyncio.Event()
        else:
            await self._begun[stable].wait()
        return self._begun[stable]

    async def close(self) -> None:
        """Close connections."""
        # Bound to an event loop; and the cache forgets in minutes.
        self._begun = {}
        if self._client is not None:
            await self._client.close()
            self._client = None


def _content(prompt: Prompt) -> list[TextBlockParam]:
    blocks: list[TextBlockParam] = []
    if prompt.stable:
        # The cache reaches from the system text to here: all that is the same in every round.
        blocks.append({"type": "text", "text": prompt.stable, "cache_control": {"type": "ephemeral"}})
    if prompt.changing:
        blocks.append({"type": "text", "text": prompt.changing})
    return blocks


def _reply(message: Message, request_id: str | None) -> Reply:
    usage = message.usage
    cached, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    details = usage.output_tokens_details
    stop = {"end_turn": "end", "stop_sequence": "end", "max_tokens": "length"}.get(
        str(message.stop_reason), str(message.stop_reason)
    )
    return Reply(
        text="".join(block.text for block in message.content if block.type == "text"),
        usage=Usage(
            # The API counts what is cached beside the input, not in it.
            input=usage.input_tokens + cached + written,
            cached=cached,
            written=written,
            output=usage.output_tokens,
            thinking=details.thinking_tokens if details is not None else 0,
        ),
        model=message.model,
        stop_reason=stop,
        request_id=request_id,
        thinking="".join(block.thinking for block in message.content if block.type == "thinking"),
    )

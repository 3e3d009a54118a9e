"""Streamed answers of Anthropic's Messages API, and of servers that are compatible with it.

https://docs.anthropic.com/en/docs/build-with-claude/streaming
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

import anthropic
import httpx2

from envdata.collect.chat_streams import TRIAL, Counting, StreamEvent, StreamUsage, counting_of, usage_of
from envdata.collect.engine import (
    CollectError,
    Conversation,
    EngineFacts,
    EngineGoneError,
    QuestionFailedError,
    Sampling,
    Usage,
)
from envdata.collect.openai_client import FINAL_STATUSES, UNAUTHORIZED, UNSENDABLE, cut_by
from envdata.collect.openai_replies import token_count, whole
from envdata.collect.openai_streams import CutError, NoStreamError, ServerSentError, json_events, lines_of
from envdata.collect.server_keys import ServerKey

TRIAL_TOKENS = 64
"""Longest trial answer."""

_LENGTH = ("max_tokens", "model_context_window_exceeded")
"""Reasons of an answer that stops before the model's own end."""


class AnthropicStreams:
    """An `envdata.collect.chat_streams.ChatStreams` over the Messages API. It takes no seed, and lists no tokens."""

    def __init__(
        self, url: str, model: str, *, key: ServerKey, concurrency: int = 16, timeout: float = 900.0, retries: int = 4
    ) -> None:
        """Store the server's address; nothing is requested yet.

        Args:
            url: The server's address, such as https://api.anthropic.com.
            model: The model's name.
            key: The key.
            concurrency: Largest number of simultaneous streams.
            timeout: Longest time that a stream may be silent, in seconds.
            retries: Further tries of a request that is refused because the server is busy.
        """
        self.url, self.model, self._key = url, model, key
        self.usage = Usage()
        self.counting = Counting()
        self._timeout = timeout
        base = url.rstrip("/").removesuffix("/v1")
        self._sdk = anthropic.AsyncAnthropic(base_url=base, api_key=key.value, timeout=timeout, max_retries=retries)
        self._places = asyncio.Semaphore(concurrency)

    async def establish(self) -> EngineFacts:
        """Ask for a trial answer. Raises CollectError if the server does not stream it."""
        try:
            async with aclosing(self._events(TRIAL, Sampling(max_tokens=TRIAL_TOKENS))) as streamed:
                events = [event async for event in streamed]
        except (CutError, QuestionFailedError) as error:
            raise CollectError(f"a test request failed: {error}") from None
        self.counting = counting_of(events)
        told = usage_of(events)
        self.usage.add(told.prompt, told.cached, told.decoded or 0)
        return EngineFacts("Anthropic Messages API", None, None)

    async def stream(self, asked: Conversation, sampling: Sampling, seed: int) -> AsyncIterator[StreamEvent]:
        """Yield the events of one answer; see `envdata.collect.chat_streams.ChatStreams.stream`."""
        async with aclosing(self._events(asked, sampling)) as events:
            async for event in events:
                yield event

    async def prompt_tokens(self, asked: Conversation) -> int:
        """Return 0: without the model's context, which the API does not tell, they are of no use."""
        return 0

    async def context(self) -> int | None:
        """Return None, because the API does not tell the context. Raises CollectError if the server is gone."""
        try:
            await self._sdk.models.retrieve(self.model)
        except anthropic.APIConnectionError as error:
            raise self._gone(error) from None
        except anthropic.APIError:
            # Compatible servers need not list their models.
            return None
        return None

    async def close(self) -> None:
        """Close the connections."""
        await self._sdk.close()

    async def _events(self, asked: Conversation, sampling: Sampling) -> AsyncGenerator[StreamEvent, None]:
        """Yield the events of one answer. Raises CutError where its end is missing."""
        request = self._request(asked, sampling)
        ended = False
        async with self._places:
            try:
                async with (
                    self._sdk.messages.with_streaming_response.create(**request) as reply,
                    aclosing(json_events(lines_of(reply.iter_bytes()))) as received,
                ):
                    async for event in received:
                        read = read_event(event)
                        ended = ended or read.end is not None
                        yield read
            except anthropic.APIStatusError as error:
                message = self._key.hidden_in(error.message)
                if reason := FINAL_STATUSES.get(error.status_code):
                    advice = self._key.advice if error.status_code == UNAUTHORIZED else ""
                    raise CollectError(f"{self.url} {reason} ({error.status_code}: {message}){advice}") from None
                raise QuestionFailedError(f"{self.url} answered {error.status_code}: {message}") from None
            except anthropic.APIConnectionError as error:
                raise self._gone(error) from None
            except httpx2.HTTPError as error:
                raise CutError(cut_by(error, self._timeout)) from None
            except NoStreamError as error:
                raise QuestionFailedError(f"{self.url} was asked for a stream, but {error}") from None
        if not ended:
            raise CutError("its end is missing")

    def _request(self, asked: Conversation, sampling: Sampling) -> dict[str, Any]:
        """Return the arguments of a request; fields that only some models take go beside the SDK's own."""
        messages = asked.messages()
        system = "\n\n".join(each["content"] for each in messages if each["role"] == "system")
        extra = {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": sampling.top_k}
        request: dict[str, Any] = {
            "model": self.model,
            "max_tokens": sampling.max_tokens,
            "messages": [each for each in messages if each["role"] != "system"],
            "stream": True,
            "extra_body": {name: value for name, value in extra.items() if value is not None} | dict(asked.options),
        }
        if system:
            request["system"] = system
        if sampling.stop:
            request["stop_sequences"] = list(sampling.stop)
        return request

    def _gone(self, error: anthropic.APIConnectionError) -> CollectError:
        if isinstance(error.__cause__, httpx2.LocalProtocolError):
            return CollectError(UNSENDABLE)
        if isinstance(error, anthropic.APITimeoutError):
            return EngineGoneError(f"{self.url} did not answer within {self._timeout:g} s; give it longer (--timeout)")
        return EngineGoneError(f"{self.url} cannot be reached ({error.__cause__ or error})")


def read_event(event: Mapping[str, Any]) -> StreamEvent:
    """Return an event of a stream of the Messages API. Raises ServerSentError for an error that the server sent."""
    if event.get("type") == "error" or event.get("error"):
        raise ServerSentError(event.get("error") or event)
    message, delta = _object(event.get("message")), _object(event.get("delta"))
    stop = delta.get("stop_reason")
    return StreamEvent(
        content=whole(delta.get("text")),
        reasoning=whole(delta.get("thinking")),
        usage=_begun(_object(message["usage"])) if message.get("usage") else _ended(_object(event.get("usage"))),
        end=None if not stop else "length" if stop in _LENGTH else "stop",
    )


def _begun(given: Mapping[str, Any]) -> StreamUsage:
    """Return the usage of a stream's first event, whose count of written tokens says nothing yet."""
    names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    counts = [token_count(given.get(name)) or 0 for name in names]
    return StreamUsage(sum(counts), counts[1], None)


def _ended(given: Mapping[str, Any]) -> StreamUsage | None:
    """Return the usage of a stream's last event; its prompt was told before."""
    written = token_count(given.get("output_tokens"))
    return None if written is None else StreamUsage(0, None, written)


def _object(given: object) -> Mapping[str, Any]:
    return given if isinstance(given, Mapping) else {}

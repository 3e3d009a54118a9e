"""Requests to an OpenAI-compatible server, bounded in number, and what its refusals mean for a collection."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx2
import openai
from openai.types import Completion
from openai.types.chat import ChatCompletion

from envdata.collect.engine import CollectError, EngineGoneError, QuestionFailedError, Usage
from envdata.collect.openai_streams import CutError, NoStreamError, SentError, join

SECONDS_TO_TRY_AGAIN = 0.5
"""Before a reply that was cut off is asked for once more; doubled each time."""

_FINAL_STATUSES = {401: "refuses the key", 403: "forbids the request", 404: "does not know the model or the path"}

_R = TypeVar("_R")


class Client:
    """The openai SDK, with the collector's errors."""

    def __init__(
        self,
        url: str,
        model: str,
        *,
        api_key: str = "none",
        concurrency: int = 16,
        timeout: float = 900.0,
        retries: int = 4,
        patience: float | None = None,
    ) -> None:
        """At most `concurrency` requests of a kind are under way; each may take `timeout` seconds, and `retries` more.

        `patience` is how many seconds all tries of a request may take together; None is as long as they take.

        Traces and probes wait in lines of their own, so that a probe need not wait for traces that came first.
        """
        self.url, self.model, self.timeout = url, model, timeout
        self._patience = patience
        self.usage = Usage()
        self._sdk = openai.AsyncOpenAI(base_url=url, api_key=api_key, timeout=timeout, max_retries=retries)
        self._retries = retries
        self._traces = asyncio.Semaphore(concurrency)
        self._probes = asyncio.Semaphore(concurrency)

    async def complete(self, *, probing: bool = False, streamed: bool = False, **arguments: Any) -> Completion:
        """POST /completions. Raises CollectError; QuestionFailedError where only this request is refused.

        A `streamed` reply is the same one, whose tokens are counted in `usage.under_way` while they are written.
        """
        async with self._probes if probing else self._traces:
            if streamed:
                reply = Completion.construct(**await self._streamed(self._sdk.completions, arguments))
            else:
                reply = await self._try(lambda: self._create(**arguments))
        if not isinstance(reply, Completion) or not isinstance(reply.choices, list):
            raise QuestionFailedError(f"{self.url} sent what is not a completion")
        self._count(reply.usage)
        return reply

    async def chat(self, *, streamed: bool = False, **arguments: Any) -> ChatCompletion:
        """POST /chat/completions, likewise."""
        async with self._traces:
            if streamed:
                reply = ChatCompletion.construct(**await self._streamed(self._sdk.chat.completions, arguments))
            else:
                reply = await self._try(lambda: self._sdk.chat.completions.create(model=self.model, **arguments))
        if not isinstance(reply, ChatCompletion) or not isinstance(reply.choices, list):
            raise QuestionFailedError(f"{self.url} sent what is not a chat completion")
        self._count(reply.usage)
        return reply

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """POST to a path beside the API, such as /tokenize; None if the server does not know it."""
        root = str(self._sdk.base_url).rstrip("/").removesuffix("/v1")
        try:
            reply = await self._try(lambda: self._sdk.post(f"{root}{path}", body=body, cast_to=dict[str, Any]))
        except (CollectError, QuestionFailedError) as error:
            if isinstance(error, EngineGoneError):
                raise
            return None
        return reply if isinstance(reply, dict) else None

    async def identity(self) -> tuple[str, str | None]:
        """Give what the server calls itself, and its version where it is vLLM's."""
        try:
            models = await self._sdk.models.list()
            owner = next((model.owned_by for model in models.data if model.id == self.model), None)
            if owner != "vllm":
                return owner or "OpenAI-compatible server", None
            root = str(self._sdk.base_url).rstrip("/").removesuffix("/v1")
            reply = await self._sdk.get(f"{root}/version", cast_to=dict[str, str])
            return "vllm", reply.get("version")
        except (openai.APIError, AttributeError, TypeError):
            # Neither is needed to collect; a server without them is told apart by its URL alone.
            return "OpenAI-compatible server", None

    async def context(self) -> int | None:
        """The model's context in tokens, as vLLM's server lists it (`max_model_len`); None where it is not told."""
        models = await self._try(self._sdk.models.list)
        told = [(model.model_extra or {}).get("max_model_len") for model in models.data or () if model.id == self.model]
        return told[0] if told and isinstance(told[0], int) else None

    async def close(self) -> None:
        """Close the connections."""
        await self._sdk.close()

    async def _create(self, *, extra_body: dict[str, Any] | None = None, **arguments: Any) -> Completion:
        """The SDK's `completions.create`, which would look at every token id of a prompt before it sends them."""
        given = {name: value for name, value in arguments.items() if value is not openai.omit}
        body = {"model": self.model, **given, **(extra_body or {})}
        return await self._sdk.post("/completions", body=body, cast_to=Completion)

    async def _streamed(self, api: Any, arguments: dict[str, Any]) -> dict[str, Any]:
        """Ask for a stream, again where it is cut off, and give the whole reply as the API writes it."""
        tried = 0
        while True:
            try:
                return await self._try(lambda: self._stream(api, arguments))
            except NoStreamError as error:
                raise QuestionFailedError(f"{self.url} was asked for a stream, but {error}") from None
            except CutError as error:
                tried += 1
                if tried > self._retries or (isinstance(error, SentError) and error.final):
                    if isinstance(error, SentError):
                        raise QuestionFailedError(f"{self.url} broke a reply off: {error}") from None
                    raise EngineGoneError(
                        f"{self.url} did not send a reply to its end ({error}); see its log, and start the same "
                        "command again"
                    ) from None
            await asyncio.sleep(SECONDS_TO_TRY_AGAIN * 2 ** (tried - 1))

    async def _stream(self, api: Any, arguments: dict[str, Any]) -> dict[str, Any]:
        written = 0

        def count(tokens: int) -> None:
            nonlocal written
            written += tokens
            self.usage.under_way += tokens

        request = api.with_streaming_response.create(
            model=self.model, stream=True, stream_options={"include_usage": True}, **arguments
        )
        try:
            # Until the first line the SDK's own limit holds, then this one: its own would be for each line anew.
            async with request as reply, asyncio.timeout(self.timeout):
                lines = reply.iter_lines()
                whole = await join(lines, count)
                with contextlib.suppress(httpx2.HTTPError):
                    # Nothing follows; but a connection that was read to its end is used again.
                    async for _ in lines:
                        pass
                return whole
        except httpx2.HTTPError as error:
            raise CutError(str(error) or type(error).__name__) from None
        except TimeoutError:
            raise CutError(f"not within the {self.timeout:g} s of --timeout") from None
        finally:
            # Either in `decoded` from now on, or lost.
            self.usage.under_way -= written

    async def _try(self, request: Callable[[], Awaitable[_R]]) -> _R:
        try:
            async with asyncio.timeout(self._patience):
                return await request()
        except (openai.APITimeoutError, TimeoutError):
            raise EngineGoneError(
                f"{self.url} did not answer within {self.timeout:g} s; see its log, or give it longer with --timeout"
            ) from None
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            raise EngineGoneError(f"{self.url} cannot be reached ({cause}); start the server and try again") from None
        except openai.APIStatusError as error:
            reason = _FINAL_STATUSES.get(error.status_code)
            if reason:
                raise CollectError(f"{self.url} {reason} ({error.status_code}: {error.message})") from None
            raise QuestionFailedError(f"{self.url} answered {error.status_code}: {error.message}") from None
        except openai.APIError as error:
            raise QuestionFailedError(f"{self.url} sent what is not a completion: {error.message}") from None

    def _count(self, usage: Any) -> None:
        if usage is not None:
            details = getattr(usage, "prompt_tokens_details", None)
            cached = getattr(details, "cached_tokens", None)
            self.usage.add(usage.prompt_tokens or 0, cached, usage.completion_tokens or 0)

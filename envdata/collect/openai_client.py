"""Client of an OpenAI-compatible server with a bounded number of requests, and errors for its refusals."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

import httpx2
import openai
from openai.types import Completion, CompletionChoice
from openai.types.chat import ChatCompletion
from openai.types.chat.chat_completion import Choice

from envdata.collect.engine import CollectError, EngineGoneError, QuestionFailedError, UnknownPathError, Usage
from envdata.collect.openai_replies import token_count
from envdata.collect.openai_streams import CutError, NoStreamError, ServerSentError, json_events, lines_of, read_stream
from envdata.collect.server_keys import ServerKey

SECONDS_TO_TRY_AGAIN = 0.5
"""Pause before a reply that was cut off is requested again; doubled each time."""

BUSY = 429
BROKEN = 500
"""Statuses, the second with all above it, of a server that cannot answer at present: another one is asked."""

UNSENDABLE = "the key cannot be sent: it holds a line end, or another character that no header may have; set it again"
"""Error of a key, in place of the HTTP library's own, which quotes it."""

UNAUTHORIZED = 401
FINAL_STATUSES = {
    UNAUTHORIZED: "refuses the key",
    403: "forbids the request",
    404: "does not know the model or the path",
}
"""What a server does that answers so to every request, by status: nothing is asked again."""

_R = TypeVar("_R")


class BusyError(QuestionFailedError):
    """The server was too busy for a request, or broke, also when it was asked again."""


class Client:
    """The openai SDK, with the collector's errors, and with further servers for when one does not answer."""

    def __init__(
        self,
        url: str,
        model: str,
        *,
        key: ServerKey | None = None,
        concurrency: int = 16,
        timeout: float = 900.0,
        retries: int = 4,
        patience: float | None = None,
        fallbacks: Mapping[str, ServerKey] | None = None,
    ) -> None:
        """Store the server's address; nothing is requested yet.

        Traces and probes wait in separate queues, so that a probe need not wait for earlier traces.

        A request that a server does not answer, or answers with 429 or 5xx, retries included, is made at the next one,
        and so are all later requests, until that one does not answer: after the last comes the first again. A request
        is made as often as there are servers. They have to serve the same model with the same tokens.

        Args:
            url: The server's address, such as http://127.0.0.1:8000/v1.
            model: The model's name on the server.
            key: The key; None for a server that needs none.
            concurrency: Largest number of simultaneous requests of a kind.
            timeout: Time limit of a request, in seconds.
            retries: Further tries of a failed request.
            patience: Time limit of all tries of a request at one server together, in seconds; None is no limit.
            fallbacks: Keys of further servers by their addresses, in the order in which they are asked.
        """
        self.model, self.timeout = model, timeout
        servers = [(url, key or ServerKey()), *(fallbacks or {}).items()]
        self._urls = [each for each, _ in servers]
        self._keys = [own for _, own in servers]
        self._at = 0
        """Index of the server that is asked."""
        self._patience = patience
        self.usage = Usage()
        self._sdks = [
            openai.AsyncOpenAI(base_url=each, api_key=own.value, timeout=timeout, max_retries=retries)
            for each, own in servers
        ]
        self._retries = retries
        self.concurrency = concurrency
        self._traces = asyncio.Semaphore(concurrency)
        self._probes = asyncio.Semaphore(concurrency)

    @property
    def url(self) -> str:
        """Address of the server that is asked."""
        return self._urls[self._at]

    @property
    def _sdk(self) -> openai.AsyncOpenAI:
        return self._sdks[self._at]

    def admit_probes(self, count: int) -> None:
        """Set the largest number of simultaneous probes, where each is a request of its own."""
        self._probes = asyncio.Semaphore(count)

    async def complete(self, *, probing: bool = False, streamed: bool = False, **arguments: Any) -> Completion:
        """POST /completions.

        Args:
            probing: Whether the request is a probe, which waits in the queue of probes.
            streamed: Whether the reply is streamed. It is the same reply, but its tokens are counted in
                `usage.under_way` while they are decoded.
            arguments: Further arguments of the API.

        Raises:
            QuestionFailedError: The server refuses this request only.
            CollectError: The server refuses all requests, or does not answer.
        """
        async with self._probes if probing else self._traces:
            if streamed:
                reply = Completion.construct(**await self._streamed(lambda: self._sdk.completions, arguments))
            else:
                reply = await self._try(lambda: self._create(**arguments))
        if not isinstance(reply, Completion) or not _all(reply.choices, CompletionChoice):
            raise QuestionFailedError(f"{self.url} sent what is not a completion")
        self._count(reply.usage)
        return reply

    async def chat(self, *, streamed: bool = False, **arguments: Any) -> ChatCompletion:
        """POST /chat/completions; arguments and errors as of `complete`."""
        async with self._traces:
            if streamed:
                reply = ChatCompletion.construct(**await self._streamed(lambda: self._sdk.chat.completions, arguments))
            else:
                reply = await self._try(lambda: self._sdk.chat.completions.create(model=self.model, **arguments))
        if not isinstance(reply, ChatCompletion) or not _all(reply.choices, Choice):
            raise QuestionFailedError(f"{self.url} sent what is not a chat completion")
        self._count(reply.usage)
        return reply

    async def chat_events(self, **arguments: Any) -> AsyncGenerator[dict[str, Any], None]:
        """Stream /chat/completions and yield its events as they come; closing the generator closes the connection.

        The time limit is that of the server's silence. Nothing is counted, and what breaks off is not requested again.

        Args:
            arguments: Further arguments of the API.

        Raises:
            CutError: The stream breaks off.
            QuestionFailedError: The server refuses this request only, or sends no stream.
            CollectError: The server refuses all requests, or does not answer.
        """
        async with self._traces, contextlib.AsyncExitStack() as stack:

            async def begin() -> Any:
                request = self._sdk.chat.completions.with_streaming_response
                return await stack.enter_async_context(request.create(model=self.model, stream=True, **arguments))

            reply = await self._try(begin)
            try:
                async with contextlib.aclosing(json_events(lines_of(reply.iter_bytes()))) as events:
                    async for event in events:
                        yield event
            except httpx2.HTTPError as error:
                raise CutError(cut_by(error, self.timeout)) from None
            except NoStreamError as error:
                raise QuestionFailedError(f"{self.url} was asked for a stream, but {error}") from None

    async def post(self, path: str, body: dict[str, Any], *, optional: bool = True) -> dict[str, Any] | None:
        """POST to a path beside the API, such as /tokenize.

        Returns None if the server refuses it, as one that does not know the path; unless `optional`, that is raised.
        """

        async def request() -> object:
            root = str(self._sdk.base_url).rstrip("/").removesuffix("/v1")
            return await self._sdk.post(f"{root}{path}", body=body, cast_to=dict[str, Any])

        try:
            reply = await self._try(request)
        except CollectError as error:
            if not optional or isinstance(error, EngineGoneError):
                raise
            return None
        return reply if isinstance(reply, dict) else None

    async def identity(self) -> tuple[str, str | None]:
        """Return the server's name for itself, and its version where it is vLLM's."""
        try:
            owner = (await self._listed()).get("owned_by")
            if owner != "vllm":
                return (owner if isinstance(owner, str) else "") or "OpenAI-compatible server", None
            root = str(self._sdk.base_url).rstrip("/").removesuffix("/v1")
            reply = await self._sdk.get(f"{root}/version", cast_to=dict[str, str])
            return "vllm", reply.get("version")
        except (openai.APIError, CollectError, AttributeError):
            # Neither is needed to collect; without them, only the URL identifies the server.
            return "OpenAI-compatible server", None

    async def context(self) -> int | None:
        """Return the model's context in tokens, as vLLM's server lists it (`max_model_len`).

        None where the server does not list it.
        """
        limit = (await self._listed()).get("max_model_len")
        return limit if isinstance(limit, int) else None

    async def _listed(self) -> Mapping[str, Any]:
        """Return the model as the server lists it; without fields where it does not, or lists it in another form."""
        # Read as plain JSON: the SDK fails on a page that has another form.
        page = await self._try(lambda: self._sdk.get("/models", cast_to=object))
        models = page.get("data") if isinstance(page, Mapping) else page
        known = [model for model in models if isinstance(model, Mapping)] if isinstance(models, list) else []
        return next((model for model in known if model.get("id") == self.model), {})

    async def close(self) -> None:
        """Close the connections."""
        for sdk in self._sdks:
            await sdk.close()

    async def _create(self, *, extra_body: dict[str, Any] | None = None, **arguments: Any) -> Completion:
        """Request a completion like the SDK's `completions.create`, which would first check every token id."""
        given = {name: value for name, value in arguments.items() if value is not openai.omit}
        body = {"model": self.model, **given, **(extra_body or {})}
        return await self._sdk.post("/completions", body=body, cast_to=Completion)

    async def _streamed(self, api: Callable[[], Any], arguments: dict[str, Any]) -> dict[str, Any]:
        """Request a stream, again where it is cut off; return the whole reply in the API's form.

        `api` returns the SDK's methods at the server that is asked, which may be another one at the next try.
        """
        tried = 0
        while True:
            try:
                return await self._try(lambda: self._stream(api(), arguments))
            except NoStreamError as error:
                raise QuestionFailedError(f"{self.url} was asked for a stream, but {error}") from None
            except CutError as error:
                tried += 1
                if tried > self._retries or (isinstance(error, ServerSentError) and error.final):
                    if isinstance(error, ServerSentError):
                        raise QuestionFailedError(f"{self.url} broke a reply off: {error}") from None
                    raise EngineGoneError(
                        f"{self.url} did not send a reply to its end ({error}); see its log, and start the same "
                        "command again"
                    ) from None
            await asyncio.sleep(SECONDS_TO_TRY_AGAIN * 2 ** (tried - 1))

    async def _stream(self, api: Any, arguments: dict[str, Any]) -> dict[str, Any]:
        """Request a stream once. Raises CutError where it is cut off."""
        written = 0

        def count(tokens: int) -> None:
            nonlocal written
            written += tokens
            self.usage.under_way += tokens

        request = api.with_streaming_response.create(
            model=self.model, stream=True, stream_options={"include_usage": True}, **arguments
        )
        try:
            # The SDK's own time limit restarts with each line, so this one holds from the first line on.
            async with request as reply, asyncio.timeout(self.timeout):
                lines = lines_of(reply.iter_bytes())
                whole = await read_stream(lines, count)
                with contextlib.suppress(httpx2.HTTPError):
                    # Nothing follows, but only a connection that was read to its end can be used again.
                    async for _ in lines:
                        pass
                return whole
        except httpx2.HTTPError as error:
            raise CutError(str(error) or type(error).__name__) from None
        except TimeoutError:
            raise CutError(f"not within the {self.timeout:g} s of --timeout") from None
        finally:
            # From now on these tokens are counted in `decoded`, or lost.
            self.usage.under_way -= written

    async def _try(self, request: Callable[[], Awaitable[_R]]) -> _R:
        """Await a request, at the next servers where one does not answer; raises the collector's errors."""
        tried = 0
        while True:
            at, tried = self._at, tried + 1
            try:
                reply = await self._once(request)
            except (EngineGoneError, BusyError):
                if self._at == at:
                    # Otherwise another request has gone on to the next server already.
                    self._at = (at + 1) % len(self._sdks)
                if tried == len(self._sdks):
                    raise
            else:
                if at:
                    self.usage.fallbacks += 1
                return reply

    async def _once(self, request: Callable[[], Awaitable[_R]]) -> _R:
        """Await a request at the present server; raises the collector's errors for the SDK's."""
        url, key = self.url, self._keys[self._at]
        try:
            async with asyncio.timeout(self._patience):
                return await request()
        except (openai.APITimeoutError, TimeoutError):
            raise EngineGoneError(
                f"{url} did not answer within {self.timeout:g} s; see its log, or give it longer with --timeout"
            ) from None
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            if isinstance(cause, httpx2.LocalProtocolError):
                raise CollectError(UNSENDABLE) from None
            raise EngineGoneError(f"{url} cannot be reached ({cause}); start the server and try again") from None
        except openai.APIStatusError as error:
            message = key.hidden_in(error.message)
            reason = FINAL_STATUSES.get(error.status_code)
            if reason:
                refusal = UnknownPathError if error.status_code == 404 else CollectError
                advice = key.advice if error.status_code == UNAUTHORIZED else ""
                raise refusal(f"{url} {reason} ({error.status_code}: {message}){advice}") from None
            failed = BusyError if error.status_code == BUSY or error.status_code >= BROKEN else QuestionFailedError
            raise failed(f"{url} answered {error.status_code}: {message}") from None
        except openai.APIError as error:
            raise QuestionFailedError(f"{url} sent what is not a completion: {error.message}") from None
        except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
            # The SDK passes on the JSON reader's errors for a body that is not JSON.
            raise QuestionFailedError(f"{url} sent what is not JSON ({type(error).__name__}: {error})") from None

    def _count(self, usage: Any) -> None:
        """Add a reply's usage."""
        decoded = getattr(usage, "completion_tokens", None)
        if usage is not None:
            prompt, cached = prompt_and_cached(usage)
            self.usage.add(prompt or 0, cached, token_count(decoded) or 0)


def cut_by(error: httpx2.HTTPError, timeout: float) -> str:
    """Return how a stream broke off by an error of the network; `timeout` is the longest silence, in seconds."""
    if isinstance(error, httpx2.TimeoutException):
        return f"nothing came for {timeout:g} s; give it longer with --timeout"
    return str(error) or type(error).__name__


def prompt_and_cached(usage: Any) -> tuple[int | None, int | None]:
    """Return the tokens of a reply's prompt and those from the prefix cache; None where the server does not tell."""
    cached = getattr(getattr(usage, "prompt_tokens_details", None), "cached_tokens", None)
    return token_count(getattr(usage, "prompt_tokens", None)), token_count(cached)


def _all(choices: object, kind: type) -> bool:
    """Return whether `choices` is a list of objects of a type."""
    return isinstance(choices, list) and all(isinstance(choice, kind) for choice in choices)

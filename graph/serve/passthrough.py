"""Requests that are no questions for a controller, handed on to the model's server.

The body is sent on as it is, but for the model's name, which is the upstream's; the reply's bytes are returned as they
come, streamed or not. The endpoint's own key for the upstream is sent, never the client's. A fallback gets a request
that the upstream does not answer, or answers with 429 or 5xx, and the requests after it, as in
`envdata.collect.openai_client`.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx2
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from envdata.collect.openai_client import BROKEN, BUSY
from envdata.collect.server_keys import ServerKey
from graph.accounting.usage import Usage
from graph.explorers.agents.usage import Watcher
from graph.serve.errors import Problem

HEADER = "X-Autotts-Passthrough"
"""Header of a reply that is the upstream's own; its value names the fields of the request that made it so."""
CONNECTIONS = 256
"""Requests that are handed on at the same time; further ones wait."""

_RETURNED = frozenset(
    {
        "content-type",
        "content-encoding",
        "retry-after",
        "retry-after-ms",
        "x-should-retry",
        "request-id",
        "x-request-id",
    }
)
"""Headers of the upstream that the client gets; others may name the key's owner."""

Count = Callable[[str, Usage | None, bool], None]
"""Told how a request ended (its HTTP status, or `gone` with its client), what it took, None where it is unknown, and
whether that is an estimate: a stream without usage counts one output token an event.
"""


class Passthrough:
    """The server that requests are handed on to, and its fallbacks."""

    def __init__(
        self,
        url: str,
        model: str,
        *,
        key: ServerKey | None = None,
        fallbacks: Mapping[str, ServerKey] | None = None,
        timeout: float = 300.0,
    ) -> None:
        """Prepare the client; nothing is requested yet.

        Args:
            url: Base URL of the upstream's API, such as http://127.0.0.1:8000/v1.
            model: The upstream's name of its model.
            key: The upstream's key; None for one that needs none.
            fallbacks: Keys of further servers of the model by their base URLs, in the order in which they are asked.
            timeout: Seconds that the upstream may be silent.
        """
        self._model = model
        self._servers = [
            (each.rstrip("/"), own.value) for each, own in [(url, key or ServerKey()), *(fallbacks or {}).items()]
        ]
        self._at = 0
        """Index of the server that is asked."""
        self.fallback_requests = 0
        """Requests that another server than the first one answered."""
        # Uncompressed, since the usage is read on the way.
        headers = {"content-type": "application/json", "accept-encoding": "identity"}
        self._client = httpx2.AsyncClient(
            headers=headers,
            timeout=httpx2.Timeout(timeout, connect=min(30.0, timeout)),
            limits=httpx2.Limits(max_connections=CONNECTIONS),
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def pass_on(self, path: str, body: bytes, given: Mapping[str, Any], fields: list[str], count: Count) -> Response:
        """Return the response that hands a request on and relays the reply.

        Args:
            path: Path below the base URL, such as /chat/completions.
            body: The request's body.
            given: The same, parsed.
            fields: Names of the fields for which the request is handed on.
            count: Called once, at the end.
        """
        if given["model"] != self._model or "autotts" in given:
            own = {name: value for name, value in given.items() if name != "autotts"} | {"model": self._model}
            body = json.dumps(own, ensure_ascii=False).encode()
        return _Relayed(lambda: self._send(path, body), ", ".join(fields), count)

    async def _send(self, path: str, body: bytes) -> httpx2.Response:
        """Return the reply to a request, whose body is not read yet: of the first server that is able to answer.

        Raises httpx2.HTTPError where the last one that is asked cannot be reached.
        """
        for left in reversed(range(len(self._servers))):
            at = self._at
            url, key = self._servers[at]
            headers = {"authorization": f"Bearer {key}"}
            request = self._client.build_request("POST", url + path, content=body, headers=headers)
            try:
                reply = await self._client.send(request, stream=True)
            except httpx2.HTTPError:
                self._leave(at)
                if not left:
                    raise
                continue
            if reply.status_code != BUSY and reply.status_code < BROKEN:
                self.fallback_requests += at > 0
                return reply
            self._leave(at)
            if not left:
                return reply
            await reply.aclose()
        raise AssertionError("a reply is returned or an error is raised")

    def _leave(self, at: int) -> None:
        """Go on to the server after the one at an index, unless another request has done so already."""
        if self._at == at:
            self._at = (at + 1) % len(self._servers)


class _Relayed(Response):
    """The reply of the upstream, relayed while it comes in; the request ends when the client disconnects."""

    def __init__(self, send: Callable[[], Awaitable[httpx2.Response]], fields: str, count: Count) -> None:
        super().__init__()
        self._send, self._fields, self._count = send, fields, count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Relay the reply until it or the client ends."""
        relaying = asyncio.ensure_future(self._relay(scope, receive, send))
        leaving = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait([relaying, leaving], return_when=asyncio.FIRST_COMPLETED)
        finally:
            relaying.cancel()
            leaving.cancel()
            await asyncio.wait([relaying, leaving])
        if not relaying.cancelled():
            relaying.result()

    async def _relay(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, usage = "gone", None
        watcher: Watcher | None = None
        events = 0
        try:
            reply = await self._send()
            try:
                watcher = Watcher(reply.headers.get("content-type", ""))
                await send({
                    "type": "http.response.start", "status": reply.status_code,
                    "headers": [*_encoded(reply.headers), (HEADER.lower().encode(), self._fields.encode())],
                })  # fmt: skip
                async for part in reply.aiter_raw():
                    watcher.see(part)
                    events += part.count(b"data: {")
                    await send({"type": "http.response.body", "body": part, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                status = str(reply.status_code)
            finally:
                await reply.aclose()
        except httpx2.HTTPError as error:
            problem = _unreachable(error)
            status = str(problem.status)
            if watcher is not None:
                # The response breaks off as the upstream's did.
                raise
            await JSONResponse(problem.as_object(), problem.status)(scope, receive, send)
        finally:
            told = None if watcher is None else watcher.usage()
            if told is not None:
                usage = told.usage
            elif events:
                usage = Usage(output=events)
            self._count(status, usage, told is None)


def _encoded(headers: httpx2.Headers) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode("latin-1")) for name, value in headers.items() if name.lower() in _RETURNED]


def _unreachable(error: httpx2.HTTPError) -> Problem:
    late = isinstance(error, httpx2.TimeoutException)
    why = "does not answer in time" if late else f"cannot be reached ({type(error).__name__})"
    return Problem(504 if late else 502, f"the upstream {why}", kind="server_error", code="upstream_failed")


async def _left(receive: Receive) -> None:
    """Return when the client has disconnected."""
    while (await receive())["type"] != "http.disconnect":
        pass

"""The proxy between an agent and its model's service: a Unix socket that forwards to one base address, with the key.

The agent holds no key: one that it sends is dropped. What it may ask for is listed (`allowed_requests.py`), what it
asks for is counted (`meter.py`), and connections, bytes and time are limited.
"""

import asyncio
import math
import socket
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from graph.accounting.usage import Usage
from graph.explorers.agents import allowed_requests
from graph.explorers.agents.meter import Call, Meter
from graph.explorers.agents.recorded_replies import RecordedReplies
from graph.explorers.agents.usage import Watcher
from graph.web.body import RequestError, read_body
from graph.web.connections import Bounds, Config, in_background

RETURNED = frozenset({"content-type", "retry-after", "retry-after-ms", "x-should-retry", "request-id", "x-request-id"})
"""Headers of a response that the agent sees; others name the key's organisation."""
CLOSE = {"connection": "close"}
"""One request a connection: one that idles would keep others out."""


@dataclass(frozen=True)
class Upstream:
    """Where an agent's requests go."""

    base_url: str
    headers: Mapping[str, str]
    """With the key."""
    provider: str | None = None
    """Whose prices hold, by genai-prices' name; None goes by the address."""
    features: tuple[str, ...] = ()
    """Values of `anthropic-beta` that the key needs, added to the agent's."""
    subscription: bool = False
    """Whether calls are not billed one by one, so that no price list holds."""

    def __repr__(self) -> str:
        return f"Upstream({self.base_url!r})"


@dataclass(frozen=True)
class Limits:
    """How much may pass in one session."""

    connections: int = 16
    """At a time; a request each."""
    requests: int = 5000
    """In all, those that are refused included; each that is not leaves two lines in the transcript."""
    request_bytes: int = 16 << 20
    """Of one request's body."""
    reply_bytes: int = 64 << 20
    """Of one response."""
    total_bytes: int = 4 << 30
    """Of all requests and responses together."""
    receive_seconds: float = 60.0
    """From a connection's beginning to its request's last byte, however slowly bytes come in."""
    reply_seconds: float = 600.0
    """Without a byte of a response."""
    until: float = math.inf
    """The end of the session, by `time.monotonic`: requests under way then are cut off."""


@contextmanager
def open_door(
    path: Path, upstream: Upstream, meter: Meter, limits: Limits = Limits(), replies: RecordedReplies | None = None
) -> Iterator[None]:
    """Serve the socket `path` while the block runs; `meter` admits calls and is told what they took.

    With `replies`, a request that was answered before is answered with the same reply, and each new reply is recorded
    whole, with its request, before any of it is passed on.
    """
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    bounds = Bounds(limits.connections, limits.receive_seconds, limits.until)
    proxy = _Proxy(upstream, meter, limits, replies)
    # Without a log: requests may hold anything that the agent likes, and how they end is its own affair.
    config = Config(
        Router(default=proxy, lifespan=proxy.lifespan), bounds,
        lifespan="on", log_config=None, log_level="critical", timeout_graceful_shutdown=0,
    )  # fmt: skip
    with in_background(config, listener):
        yield


class _CutOff(Exception):
    """A response is not passed on to its end; the connection ends without the last chunk, so that the agent sees it."""


class _Proxy:
    def __init__(
        self, upstream: Upstream, meter: Meter, limits: Limits, replies: RecordedReplies | None = None
    ) -> None:
        self._upstream, self._meter, self._limits, self._replies = upstream, meter, limits, replies
        self._client = httpx2.AsyncClient(follow_redirects=False, trust_env=False)
        self._requests = self._bytes = 0
        self._parsing = asyncio.Lock()
        """Held while a body is read as JSON, which takes many times its size in memory."""

    @asynccontextmanager
    async def lifespan(self, _: object) -> AsyncIterator[None]:
        """Close the client with the server."""
        async with self._client:
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, whatever its path."""
        try:
            asked = await self._checked(Request(scope, receive))
            recorded = self._replies.take(asked.body) if self._replies is not None and asked.billed else None
            if recorded is not None:
                await Response(recorded[1], 200, {"content-type": recorded[0], **CLOSE})(scope, receive, send)
                return
            call = await self._meter.admit(asked.body) if asked.billed else None
        except allowed_requests.Refused as refused:
            await _error(403, "permission_error", str(refused))(scope, receive, send)
            return
        status, watcher, failure = None, Watcher(""), None
        try:
            async with asyncio.timeout_at(self._limits.until), self._forwarded(asked, scope) as reply:
                status, watcher = reply.status_code, Watcher(reply.headers.get("content-type", ""))
                headers = {name: value for name, value in reply.headers.items() if name.lower() in RETURNED}
                parts = self._parts(reply, watcher)
                if self._replies is not None and call is not None:
                    body = b"".join([part async for part in parts])
                    self._count(call, status, watcher, None, (asked.body, headers.get("content-type", ""), body))
                    call = None
                    response: Response = Response(body, status, {**headers, **CLOSE})
                else:
                    response = StreamingResponse(parts, status, {**headers, **CLOSE})
                await response(scope, receive, send)
        except httpx2.HTTPError as error:
            failure = error
            if status is not None:
                # The response breaks off as the service's did.
                raise
        finally:
            if call is not None:
                self._count(call, status, watcher, failure)
        if failure is not None:
            why = f"the model's server cannot be reached: {type(failure).__name__}"
            await _error(502, "api_error", why)(scope, receive, send)

    async def _checked(self, request: Request) -> allowed_requests.Asked:
        """Read the request and check it. Raises Refused."""
        limits = self._limits
        self._requests += 1
        if self._requests > limits.requests:
            raise allowed_requests.Refused(f"the session has made its {limits.requests} requests")
        try:
            body = await read_body(request, limits.request_bytes)
        except RequestError as error:
            raise allowed_requests.Refused(str(error)) from None
        if not self._fits(len(body)):
            raise allowed_requests.Refused(f"the session has sent and received its {limits.total_bytes} bytes")
        # The target as it was sent: what it means after decoding is for the list to say.
        query = request.scope["query_string"]
        target = (request.scope["raw_path"] + (b"?" + query if query else b"")).decode("ascii")
        async with self._parsing:
            return await run_in_threadpool(allowed_requests.checked, request.method, target, body)

    def _forwarded(self, asked: allowed_requests.Asked, scope: Scope) -> AbstractAsyncContextManager[httpx2.Response]:
        """Send the request on, with the key. The response's first byte has come when the block begins."""
        headers = allowed_requests.headers(Headers(scope=scope).items())
        if self._upstream.features:
            own = headers.get("anthropic-beta", "").split(",")
            headers["anthropic-beta"] = ",".join(filter(None, [*own, *self._upstream.features]))
        left = self._limits.until - time.monotonic()
        patience = max(0.0, min(self._limits.reply_seconds, left))
        return self._client.stream(
            asked.method, self._upstream.base_url.rstrip("/") + asked.target, content=asked.body,
            # Uncompressed: the usage is read on the way.
            headers={**headers, "accept-encoding": "identity", **self._upstream.headers},
            timeout=httpx2.Timeout(patience, connect=min(30.0, patience)),
        )  # fmt: skip

    async def _parts(self, reply: httpx2.Response, watcher: Watcher) -> AsyncIterator[bytes]:
        """The response's bytes as they come. Raises _CutOff where they are too many."""
        size = 0
        async for part in reply.aiter_raw():
            size += len(part)
            watcher.see(part)
            if size > self._limits.reply_bytes or not self._fits(len(part)):
                raise _CutOff
            yield part

    def _fits(self, amount: int) -> bool:
        """Count bytes; whether the session may still have them."""
        self._bytes += amount
        return self._bytes <= self._limits.total_bytes

    def _count(
        self, call: Call, status: int | None, watcher: Watcher, failure: Exception | None,
        exchange: tuple[bytes, str, bytes] | None = None,
    ) -> None:  # fmt: skip
        """Tell the meter what a call took, however it ended; `exchange` is the request, and the reply with its type."""
        usage = watcher.usage() if status is not None and status < 400 else None
        worst = Usage(input=call.worst.input, output=call.worst.output)
        if usage is not None:
            self._meter.replied(call, usage.or_estimate(worst), exchange, estimated=not usage.sound)
        elif exchange is not None and status is not None and status < 400:
            self._meter.replied(call, worst, exchange, estimated=True)
        elif status is None:
            why = "the session ended" if failure is None else type(failure).__name__
            billed = not isinstance(failure, httpx2.ConnectError)
            self._meter.failed(call, f"no reply: {why}", billed=billed)
        elif status >= 400:
            self._meter.failed(call, f"answered {status}", status=status, billed=False)
        else:
            self._meter.failed(call, "the reply does not say what it took", status=status, billed=True)


def _error(status: int, kind: str, why: str) -> Response:
    """A refusal in the form that both services use."""
    return JSONResponse({"type": "error", "error": {"type": kind, "message": why}}, status, CLOSE)

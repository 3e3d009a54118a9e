"""uvicorn with limits on connections: how many there are at a time, and how long each may take.

uvicorn itself bounds a request's headers in bytes and what it keeps of a body, but lets a client open any number of
connections, send a byte of a request now and then for ever, and never read the response.
"""

import asyncio
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from socket import socket
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

BUSY = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
REFUSAL_SECONDS = 0.2
"""How long a connection above the limit stays open to be told so: closed with bytes unread it would be reset, and the
response lost."""
MAX_REFUSALS = 64
"""Connections that are being told so at a time; further ones are reset."""


@dataclass(frozen=True)
class Bounds:
    """Limits on the connections of one server."""

    connections: int = 64
    """At a time; further ones are answered with 503."""
    stall_seconds: float = 60.0
    """From a request's first byte, or the connection's beginning, to the request's last byte; also how long a client
    may leave a response unread."""
    until: float = math.inf
    """When all connections are cut off, by `time.monotonic`."""


class Config(uvicorn.Config):
    """uvicorn's configuration with bounds; `options` are uvicorn's own."""

    def __init__(self, application: ASGIApp, bounds: Bounds, **options: Any) -> None:
        super().__init__(application, http=_Connection, ws="none", server_header=False, **options)
        self.bounds = bounds
        self.turned_away: set[asyncio.Transport] = set()
        """Connections above the limit that are being told so."""


@contextmanager
def in_background(config: Config, listener: socket) -> Iterator[None]:
    """Serve on a listening socket, in a thread, while the block runs; requests under way at its end are cancelled."""
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


class _Connection(H11Protocol):
    config: Config
    _stalled: asyncio.TimerHandle | None = None
    """Cuts the connection off unless the client goes on."""
    _ended: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or turn it away."""
        bounds = self.config.bounds
        if len(self.connections) >= bounds.connections:
            self._turn_away(transport)
            return
        super().connection_made(transport)
        self._wait()
        if bounds.until < math.inf:
            self._ended = self.loop.call_at(bounds.until, transport.abort)

    def data_received(self, data: bytes) -> None:
        """Take bytes of a request, whose time ends with its last one."""
        if self.transport in self.config.turned_away:
            return
        if self._stalled is None:
            self._wait()
        super().data_received(data)
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self._go_on()

    def pause_writing(self) -> None:
        """Wait for the client to read."""
        super().pause_writing()
        self._wait()

    def resume_writing(self) -> None:
        """Go on with the response."""
        self._go_on()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Make room for another connection."""
        self.config.turned_away.discard(self.transport)
        self._go_on()
        if self._ended is not None:
            self._ended.cancel()
        super().connection_lost(exc)

    def _turn_away(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        if len(self.config.turned_away) >= MAX_REFUSALS:
            transport.abort()
            return
        self.config.turned_away.add(transport)
        transport.write(BUSY)
        transport.write_eof()
        self._stalled = self.loop.call_later(REFUSAL_SECONDS, transport.abort)

    def _wait(self) -> None:
        self._go_on()
        self._stalled = self.loop.call_later(self.config.bounds.stall_seconds, self.transport.abort)

    def _go_on(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

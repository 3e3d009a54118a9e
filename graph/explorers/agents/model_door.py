"""The way to an agent's model: a socket whose requests go to one base address, with the key put in on this side.

The agent holds no key at all: what it sends as one is dropped. Nothing but that address can be reached through here,
and what is asked for there is counted (`meter.py`).
"""

import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx2

from graph.explorers.agents.meter import Call, Meter, Refused
from graph.explorers.agents.usage import Watcher

MAX_REQUEST = 64 << 20
NOT_FORWARDED = frozenset(
    {"host", "authorization", "x-api-key", "api-key", "cookie", "connection", "keep-alive", "proxy-authorization"}
    | {"proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "content-length", "accept-encoding"}
)
BATCHES = "batches"
"""A part of the paths by which work is ordered that is billed later, when nobody counts it."""


@dataclass(frozen=True)
class Upstream:
    """Where an agent's requests go."""

    base_url: str
    headers: Mapping[str, str]
    """With the key."""
    provider: str | None = None
    """Whose prices hold, by genai-prices' name; None goes by the address."""

    def __repr__(self) -> str:
        return f"Upstream({self.base_url!r})"


@contextmanager
def open_door(path: Path, upstream: Upstream, meter: Meter) -> Iterator[None]:
    """Serve the socket while the block runs; `meter` lets calls through, and is told what they took."""
    with httpx2.Client(timeout=httpx2.Timeout(600, connect=30), follow_redirects=False, trust_env=False) as client:
        server = _Server(path, upstream, client, meter)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, path: Path, upstream: Upstream, client: httpx2.Client, meter: Meter) -> None:
        super().__init__(str(path), _Handler)
        self.upstream, self.client, self.meter = upstream, client, meter

    def handle_error(self, request: Any, client_address: Any) -> None:
        """An agent that hangs up in the middle is its own affair."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 900
    server: _Server

    def address_string(self) -> str:
        """A socket file has no address."""
        return "agent"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: paths may hold what the agent likes."""

    def _forward(self) -> None:
        path = urlsplit(self.path)
        # An absolute address, or a way out of the base address, is not ours to follow.
        if not self.path.startswith("/") or path.netloc or ".." in unquote(path.path).split("/"):
            self._refuse(403, "only the model's own address can be reached")
            return
        try:
            length = int(self.headers.get("content-length") or 0)
        except ValueError:
            length = -1
        if not 0 <= length <= MAX_REQUEST or self.headers.get("transfer-encoding"):
            self._refuse(413, f"a request has a content-length of at most {MAX_REQUEST} bytes")
            return
        body = self.rfile.read(length)
        call = None
        if self.command == "POST" and not path.path.endswith("/count_tokens"):
            if BATCHES in path.path.split("/"):
                self._refuse(403, "batches cannot be counted here")
                return
            try:
                call = self.server.meter.admit(body)
            except Refused as refused:
                self._refuse(403, str(refused))
                return
        headers = {name: value for name, value in self.headers.items() if name.lower() not in NOT_FORWARDED}
        target = self.server.upstream.base_url.rstrip("/") + self.path
        # Uncompressed: the usage is read on the way.
        sent = {**headers, "accept-encoding": "identity", **self.server.upstream.headers}
        try:
            with self.server.client.stream(self.command, target, headers=sent, content=body) as reply:
                self._pass_on(reply, call)
        except httpx2.HTTPError as error:
            if call is not None:
                billed = not isinstance(error, httpx2.ConnectError)
                self.server.meter.failed(call, f"no reply: {type(error).__name__}", billed=billed)
            self.close_connection = True
            self._refuse(502, f"the model's server cannot be reached: {type(error).__name__}")

    def _pass_on(self, reply: httpx2.Response, call: Call | None) -> None:
        watcher = Watcher(reply.headers.get("content-type", ""))
        try:
            self._copy(reply, watcher)
        except (OSError, httpx2.HTTPError):
            # The agent hung up, or the service did: what was told so far counts.
            self.close_connection = True
        finally:
            if call is not None:
                self._count(call, reply.status_code, watcher)

    def _count(self, call: Call, status: int, watcher: Watcher) -> None:
        usage = watcher.usage() if status < 400 else None
        if usage is not None:
            self.server.meter.replied(call, usage)
        elif status >= 400:
            self.server.meter.failed(call, f"answered {status}", status=status, billed=False)
        else:
            self.server.meter.failed(call, "the reply does not say what it took", status=status, billed=True)

    def _copy(self, reply: httpx2.Response, watcher: Watcher) -> None:
        self.send_response(reply.status_code)
        for name, value in reply.headers.items():
            if name.lower() not in NOT_FORWARDED | {"set-cookie", "date", "server"}:
                self.send_header(name, value)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for part in reply.iter_raw():
            watcher.see(part)
            self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def _refuse(self, status: int, why: str) -> None:
        self.close_connection = True
        self.send_error(status, why)

    do_GET = do_POST = do_HEAD = _forward  # noqa: N815 - the base's names

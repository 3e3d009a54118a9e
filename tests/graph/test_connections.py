"""Limits on the connections of the project's servers: how many, and how long each may take."""

import contextlib
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from graph.web.connections import Bounds, Config, in_background

GET = b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"


@contextmanager
def served(bounds: Bounds) -> Iterator[tuple[str, int]]:
    def say(request: Request) -> Response:
        return Response(b"x" * request.path_params["size"])

    listener = socket.create_server(("127.0.0.1", 0))
    config = Config(Starlette(routes=[Route("/{size:int}", say)]), bounds, lifespan="off", log_config=None,
                    log_level="critical", timeout_graceful_shutdown=0)  # fmt: skip
    address = listener.getsockname()
    with in_background(config, listener):
        yield address


def status(address: tuple[str, int]) -> bytes:
    """The status with which a request on a connection of its own is answered."""
    with socket.create_connection(address, 20) as link:
        link.sendall(GET % 1)
        # Nothing where too many are being turned away at once.
        return b"".join(link.recv(99).split()[1:2])


def rest(link: socket.socket) -> int:
    """How many bytes come until the other end hangs up. Raises TimeoutError."""
    size = 0
    with contextlib.suppress(ConnectionResetError):
        while data := link.recv(1 << 20):
            size += len(data)
    return size


def test_a_connection_above_the_limit_is_told_so_and_another_is_served_later() -> None:
    with served(Bounds(connections=1)) as address:
        with socket.create_connection(address, 20) as first:
            first.sendall(GET % 1)
            assert first.recv(99).startswith(b"HTTP/1.1 200")
            assert status(address) == b"503"
        assert first_free(address)


def first_free(address: tuple[str, int]) -> bool:
    """Whether a connection is served after some were turned away, at some time before a deadline."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if status(address) == b"200":
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("before", [b"", GET % 1], ids=["first", "second"])
def test_a_request_that_never_ends_is_cut_off(before: bytes) -> None:
    with served(Bounds(stall_seconds=0.1)) as address, socket.create_connection(address, 20) as link:
        link.sendall(before)
        if before:
            with link.makefile("rb") as stream:
                assert b"" not in iter(stream.readline, b"\r\n")
                assert stream.read(1) == b"x"
        link.sendall(b"GET /1 HTTP/1.1\r\nHost:")
        assert rest(link) == 0


def test_a_response_that_nobody_reads_is_cut_off() -> None:
    size = 64 << 20
    with served(Bounds(connections=1, stall_seconds=0.1)) as address, socket.create_connection(address, 20) as link:
        link.sendall(GET % size)
        assert link.recv(1) == b"H"
        assert first_free(address)
        assert rest(link) < size

"""The relay of a container: what workers say and hear never reaches the zygote, and comes before their end."""

import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from sandbox.inside import wire
from sandbox.inside.relay import Relay
from sandbox.inside.zygote import CLOSED, DATA, ENDING, EXIT, KILL, LOAD, MESSAGE, SPAWN

pytestmark = pytest.mark.skipif(not hasattr(socket, "send_fds"), reason="no descriptors can be handed over")


@dataclass
class Ends:
    """The host's end of the streams, and the zygote's of its socket."""

    host: socket.socket
    zygote: socket.socket

    def say(self, kind: int, slot: int, payload: bytes = b"") -> None:
        self.host.sendall(MESSAGE.pack(len(payload), kind, slot) + payload)

    def hear(self, end: socket.socket) -> tuple[int, int, bytes]:
        size, kind, slot = MESSAGE.unpack(wire.read_exactly(end.fileno(), MESSAGE.size))
        return kind, slot, wire.read_exactly(end.fileno(), size)

    def spawn(self, slot: int) -> socket.socket:
        """The worker's end of a new channel."""
        self.say(SPAWN, slot)
        header, descriptors, _, _ = socket.recv_fds(self.zygote, MESSAGE.size, 1)
        assert MESSAGE.unpack(header) == (0, SPAWN, slot)
        return socket.socket(fileno=descriptors[0])


@pytest.fixture
def ends() -> Iterator[Ends]:
    host, relays_host = socket.socketpair()
    zygote, relays_zygote = socket.socketpair()
    relay = Relay(relays_host.fileno(), relays_host.fileno(), relays_zygote)
    thread = threading.Thread(target=relay.run)
    thread.start()
    for end in (host, zygote):
        end.settimeout(30)
        end.setblocking(True)
    yield Ends(host, zygote)
    host.shutdown(socket.SHUT_WR)
    thread.join(30)
    assert not thread.is_alive()
    for end in (host, relays_host, relays_zygote, zygote):
        end.close()


def test_all_but_data_is_passed_on(ends: Ends) -> None:
    with ends.spawn(7) as worker:
        ends.say(DATA, 7, b"a job")
        ends.say(LOAD, 0, b"source")
        ends.say(KILL, 7)
        assert ends.hear(ends.zygote) == (LOAD, 0, b"source")
        assert ends.hear(ends.zygote) == (KILL, 7, b"")
        assert worker.recv(100) == b"a job"
        worker.sendall(b"a frame")
        assert ends.hear(ends.host) == (DATA, 7, b"a frame")


def test_what_a_worker_said_comes_before_its_end(ends: Ends) -> None:
    for slot in (1, 2):
        worker = ends.spawn(slot)
        ending = ENDING.pack(1, 0)
        worker.sendall(b"last words")
        worker.close()
        ends.zygote.sendall(MESSAGE.pack(len(ending), EXIT, slot) + ending)
        assert ends.hear(ends.host) == (DATA, slot, b"last words")
        assert ends.hear(ends.host) == (CLOSED, slot, b"")
        assert ends.hear(ends.host) == (EXIT, slot, ending)


def test_a_worker_that_reads_nothing_holds_up_no_other(ends: Ends) -> None:
    much = os.urandom(1 << 22)
    with ends.spawn(1) as slow, ends.spawn(2) as quick:
        ends.say(DATA, 1, much)
        ends.say(DATA, 2, b"hello")
        assert quick.recv(100) == b"hello"
        assert wire.read_exactly(slow.fileno(), len(much)) == much


def test_data_for_a_worker_that_is_gone_is_dropped(ends: Ends) -> None:
    ends.spawn(1).close()
    assert ends.hear(ends.host) == (CLOSED, 1, b"")
    ends.say(DATA, 1, b"too late")
    ends.say(KILL, 1)
    assert ends.hear(ends.zygote) == (KILL, 1, b"")

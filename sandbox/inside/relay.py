"""The first process in a container: relays bytes between the host and the workers. It runs no candidate code.

Only standard streams reach into a container. The workers' bytes travel over them as DATA messages, between those of
`sandbox.inside.zygote`, and pass through the memory of this process. Workers are forks of the zygote, with its memory.
So the zygote is another process: it gets all messages but DATA, and one end of each worker's channel.
"""

import contextlib
import os
import selectors
import socket
import threading

from sandbox.inside import wire
from sandbox.inside.confinement import close_to_others, switched_off
from sandbox.inside.zygote import CLOSED, DATA, EXIT, MESSAGE, SPAWN, Zygote, take_streams


class Relay:
    """Relays bytes between the host's streams and the workers' channels."""

    def __init__(self, host_in: int, host_out: int, zygote: socket.socket) -> None:
        """Relay between the descriptors of the host's streams, the zygote's control socket and the workers."""
        self._host_in, self._host_out, self._zygote = host_in, host_out, zygote
        self._channels: dict[int, socket.socket] = {}
        """Our end of each worker's channel, by slot."""
        self._unsent: dict[int, bytearray] = {}
        """Bytes that a worker has not read yet, by slot; one frame at most, as the host sends one at a time."""
        self._selector = selectors.DefaultSelector()

    def run(self) -> None:
        """Relay until the host's stream or the zygote ends."""
        self._selector.register(self._host_in, selectors.EVENT_READ, "host")
        self._selector.register(self._zygote, selectors.EVENT_READ, "zygote")
        with contextlib.suppress(wire.Closed):
            while True:
                for key, events in self._selector.select():
                    if key.data == "host":
                        self._from_host()
                    elif key.data == "zygote":
                        self._from_zygote()
                    elif key.data not in self._channels:
                        continue  # dropped earlier in this loop
                    elif events & selectors.EVENT_WRITE:
                        self._pass_on(key.data)
                    else:
                        self._forward(key.data)

    def _from_host(self) -> None:
        header = wire.read_exactly(self._host_in, MESSAGE.size)
        size, kind, slot = MESSAGE.unpack(header)
        payload = wire.read_exactly(self._host_in, size)
        if kind == SPAWN:
            self._open(slot, header)
        elif kind != DATA:
            self._zygote.sendall(header + payload)
        elif slot in self._channels:
            self._unsent[slot] += payload
            self._pass_on(slot)

    def _from_zygote(self) -> None:
        header = wire.read_exactly(self._zygote.fileno(), MESSAGE.size)
        size, kind, slot = MESSAGE.unpack(header)
        payload = wire.read_exactly(self._zygote.fileno(), size)
        if kind == EXIT:
            # The bytes that it sent before its end come first.
            while slot in self._channels and self._forward(slot):
                pass
            if slot in self._channels:
                self._drop(slot)
        wire.write_all(self._host_out, header + payload)

    def _open(self, slot: int, header: bytes) -> None:
        """Make a worker's channel, and pass its other end to the zygote with the SPAWN message."""
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._zygote, [header], [theirs.fileno()])
        ours.setblocking(False)
        self._channels[slot], self._unsent[slot] = ours, bytearray()
        self._selector.register(ours, selectors.EVENT_READ, slot)

    def _pass_on(self, slot: int) -> None:
        """Send a worker as many of its waiting bytes as it takes, without blocking."""
        unsent, channel = self._unsent[slot], self._channels[slot]
        try:
            while unsent:
                del unsent[: channel.send(unsent)]
        except BlockingIOError:
            pass
        except OSError:
            unsent.clear()
        interest = selectors.EVENT_READ | (selectors.EVENT_WRITE if unsent else 0)
        self._selector.modify(channel, interest, slot)

    def _forward(self, slot: int) -> bool:
        """Forward bytes of a worker to the host; return whether there may be more."""
        try:
            data = self._channels[slot].recv(1 << 16)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        kind = DATA if data else CLOSED
        if not data:
            self._drop(slot)
        wire.write_all(self._host_out, MESSAGE.pack(len(data), kind, slot) + data)
        return bool(data)

    def _drop(self, slot: int) -> None:
        channel = self._channels.pop(slot)
        del self._unsent[slot]
        self._selector.unregister(channel)
        channel.close()


def main() -> None:
    """Take over the standard streams, fork the zygote, and relay."""
    without = switched_off()
    host_in, host_out = take_streams()
    ours, theirs = socket.socketpair()
    relay = Relay(host_in, host_out, ours)
    if "relay" in without:
        # Both in one process, so that a test can show what the separate process prevents.
        threading.Thread(target=relay.run, daemon=True).start()
        Zygote(theirs.detach(), without).run()
    elif os.fork() == 0:
        ours.close()
        os.close(host_in)
        os.close(host_out)
        Zygote(theirs.detach(), without).run()
    else:
        theirs.close()
        close_to_others(without)
        relay.run()


if __name__ == "__main__":
    main()

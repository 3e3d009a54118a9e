"""Non-blocking ends of byte streams, so that no worker can make the host wait."""

import os
import socket
import ssl
from collections import deque
from collections.abc import Sequence

from sandbox.inside.wire import HEADER, MAX_FRAME

MAX_WAITING = 1 << 26
"""Bytes that may wait to be sent to one peer that does not read."""


class Malformed(ValueError):
    """A peer sent what the protocol does not know."""


class Outbox:
    """Sends over a non-blocking socket what fits, and keeps the rest for later."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._waiting: deque[tuple[memoryview, list[int], bool]] = deque()
        """Bytes, the descriptors that go with the first of them, and whether these are our own."""
        self._bytes = 0
        self.descriptor = stream.fileno()

    def __bool__(self) -> bool:
        """Whether something waits."""
        return bool(self._waiting)

    def put(self, data: bytes, descriptors: Sequence[int] = ()) -> None:
        """Send `data` now or later. Raises OSError if the peer is gone, Malformed if it does not read at all."""
        self._waiting.append((memoryview(data), list(descriptors), False))
        self._bytes += len(data)
        self.flush()
        if descriptors and self._waiting and self._waiting[-1][1]:
            # The caller closes its own: what is sent later needs others.
            self._waiting[-1] = (self._waiting[-1][0], [os.dup(descriptor) for descriptor in descriptors], True)
        if self._bytes > MAX_WAITING:
            raise Malformed(f"{self._bytes} bytes wait to be read, over the limit of {MAX_WAITING}")

    def flush(self) -> None:
        """Send what fits."""
        while self._waiting:
            data, descriptors, own = self._waiting[0]
            try:
                sent = socket.send_fds(self._stream, [data], descriptors) if descriptors else self._stream.send(data)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            for descriptor in descriptors if own else ():
                os.close(descriptor)
            self._bytes -= sent
            if sent == len(data):
                self._waiting.popleft()
            else:
                self._waiting[0] = (data[sent:], [], False)


class FrameReader:
    """Puts a worker's frames together from the pieces they arrive in."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> bytes | None:
        """Take more bytes; returns a whole frame once it is there.

        A worker waits for the reply to a frame before it sends the next, so bytes beyond one frame are Malformed.
        """
        buffer = self._buffer
        if not buffer and len(data) >= HEADER.size and _frame_size(data) == len(data):
            return data
        buffer += data
        if len(buffer) < HEADER.size:
            return None
        size = _frame_size(buffer)
        if len(buffer) < size:
            return None
        if len(buffer) > size:
            raise Malformed(f"{len(buffer) - size} bytes follow a frame of {size} that was not answered yet")
        frame = bytes(buffer)
        buffer.clear()
        return frame


def _frame_size(data: bytes | bytearray) -> int:
    calls, branches, text, zero = HEADER.unpack_from(data)
    size: int = HEADER.size + calls * 16 + branches * 4 + text
    if zero or size > MAX_FRAME:
        raise Malformed(f"a frame's header asks for {size} bytes; the limit is {MAX_FRAME}")
    return size

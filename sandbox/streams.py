"""Non-blocking ends of byte streams: no worker can make the host wait."""

import os
import socket
import ssl
from collections import deque
from collections.abc import Sequence

from sandbox.inside.wire import HEADER

MAX_WAITING = 1 << 26
"""Largest number of bytes that wait to be sent to one peer that does not read."""


class Malformed(ValueError):
    """A peer violated the protocol."""


class Outbox:
    """Sends as many bytes over a non-blocking socket as it takes, and keeps the rest for later."""

    def __init__(self, stream: socket.socket) -> None:
        """Send over `stream`, a non-blocking socket."""
        self._stream = stream
        self._waiting: deque[tuple[memoryview, list[int], bool]] = deque()
        """(Bytes, the descriptors sent with the first of them, whether these are our own duplicates)."""
        self._bytes = 0
        self.descriptor = stream.fileno()

    def __bool__(self) -> bool:
        """Whether bytes wait to be sent."""
        return bool(self._waiting)

    def put(self, data: bytes, descriptors: Sequence[int] = ()) -> None:
        """Send `data`, now or as soon as the socket takes it.

        Args:
            data: The bytes.
            descriptors: File descriptors to pass with the first byte; the caller may close its own afterwards.

        Raises:
            OSError: The peer is gone.
            Malformed: More than `MAX_WAITING` bytes wait: the peer does not read.
        """
        self._waiting.append((memoryview(data), list(descriptors), False))
        self._bytes += len(data)
        self.flush()
        if descriptors and self._waiting and self._waiting[-1][1]:
            # The caller closes its descriptors, and these are sent later: keep duplicates.
            self._waiting[-1] = (self._waiting[-1][0], [os.dup(descriptor) for descriptor in descriptors], True)
        if self._bytes > MAX_WAITING:
            raise Malformed(f"{self._bytes} bytes wait to be read, over the limit of {MAX_WAITING}")

    def flush(self) -> None:
        """Send as many waiting bytes as the socket takes. Raises OSError if the peer is gone."""
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
    """Assembles a worker's frames from the pieces they arrive in."""

    def __init__(self, limit: int) -> None:
        """Accept frames of up to `limit` bytes."""
        self._limit = limit
        self._buffer = bytearray()

    def feed(self, data: bytes) -> bytes | None:
        """Take more bytes; return the frame once it is complete, None before.

        Raises Malformed for a frame over the limit, and for bytes after a frame: a worker waits for the reply to a
        frame before it sends the next.
        """
        buffer = self._buffer
        if not buffer and len(data) >= HEADER.size and self._size(data) == len(data):
            return data
        buffer += data
        if len(buffer) < HEADER.size:
            return None
        size = self._size(buffer)
        if len(buffer) < size:
            return None
        if len(buffer) > size:
            raise Malformed(f"{len(buffer) - size} bytes follow a frame of {size} that was not answered yet")
        frame = bytes(buffer)
        buffer.clear()
        return frame

    def _size(self, data: bytes | bytearray) -> int:
        calls, branches, text, zero = HEADER.unpack_from(data)
        size: int = HEADER.size + calls * 16 + branches * 4 + text
        if zero or size > self._limit:
            raise Malformed(f"a frame's header asks for {size} bytes; the limit is {self._limit}")
        return size

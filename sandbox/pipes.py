"""Pipes into workers, with what they may read and how much of it they have.

A pipe belongs to one worker for good: it is filled again for that one only, and closed with it. So nothing that is in a
pipe can ever be read by another.
"""

import fcntl
import os
import struct
import termios
from collections.abc import Iterable

_COUNT = struct.Struct("i")
_MOST = 1 << 16
"""Bytes that a pipe holds (pipe(7))."""
_NOWHERE = bytearray(_MOST)
"""Where what is taken back goes."""
_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC


class Pipes:
    """The pipes into one worker, numbered in the order in which they are made. The worker knows them by that."""

    def __init__(self) -> None:
        """None is made before there is something to put into it."""
        self._ours: list[int] = []
        """By number, a descriptor of our own, which reads as well as writes."""
        self._empty: list[int] = []
        self.outgoing: list[int] = []
        """The reading ends of pipes that the worker does not have yet, in the order of their numbers."""

    def fill(self, data: bytes) -> int | None:
        """Put data into an empty pipe: its number. None if it does not fit, or no further file can be opened."""
        if not self._empty and not self._make():
            return None
        number = self._empty.pop()
        try:
            written = os.write(self._ours[number], data)
        except OSError:
            written = 0
        if written < len(data):
            self.take_back(number)
            self._empty.append(number)
            return None
        return number

    def left(self, number: int) -> int:
        """How many bytes have not been read from a pipe."""
        count: int = _COUNT.unpack(fcntl.ioctl(self._ours[number], termios.FIONREAD, bytes(_COUNT.size)))[0]
        return count

    def take_back(self, number: int) -> int:
        """Empty a pipe; returns how many bytes were left in it."""
        try:
            return os.readv(self._ours[number], [_NOWHERE])
        except BlockingIOError:
            return 0

    def free(self, numbers: Iterable[int]) -> None:
        """Let empty pipes be filled again."""
        self._empty.extend(numbers)

    def sent(self) -> None:
        """Close the reading ends: the worker has them."""
        for descriptor in self.outgoing:
            os.close(descriptor)
        self.outgoing = []

    def close(self) -> None:
        """Close everything."""
        self.sent()
        for descriptor in self._ours:
            os.close(descriptor)
        self._ours, self._empty = [], []

    def _make(self) -> bool:
        try:
            reading, writing = os.pipe2(_FLAGS)
        except OSError:
            return False
        try:
            # One descriptor that writes, counts and takes back, in the place of two.
            self._ours.append(os.open(f"/proc/self/fd/{writing}", os.O_RDWR | _FLAGS))
        except OSError:
            os.close(reading)
            return False
        finally:
            os.close(writing)
        self.outgoing.append(reading)
        self._empty.append(len(self._ours) - 1)
        return True

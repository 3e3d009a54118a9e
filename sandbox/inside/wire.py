"""The wire between a worker and the host: binary frames over a byte stream, little-endian, the same on both sides.

Every frame is a header of four unsigned 32-bit numbers (five in a reply) and then what they count:

    worker → host: (calls, branches, text bytes, 0)
        calls × int32[4] (episode, op, value, count), branches × int32, text as UTF-8
    host → worker: (replies, targets, details, text bytes, 1 if confidences follow)
        replies × int64 (tokens), replies × int32 (refusal), replies × int32 (details of a plain call, or −1),
        targets × int32 (label, −1 where nothing was revealed), details × int32, targets × float64 (confidences),
        details × uint8 (flags), text: a JSON list of [episode, label, spelling]. What details are, and which calls are
        plain, `sandbox.link.Rows` and `sandbox.link.Reply` say.

`value` is 1 for a call that looks (BRANCH, CONTINUE), the branch for PRUNE, the label or −1 for ANSWER, the status
for FAIL. `count` is the number of branches (BRANCH, READ: to open; otherwise as many entries of the branch list), for
NOTE and FAIL the number of text bytes. The list of a ROUNDS call begins with six entries of its own: most, burst,
widen, leader (a label, −1 for none), through (0 or 1) and opening; then comes twice each branch's number, plus one if
it is fast. The list of an IN_TURN call has how many branches are to be opened, how many abreast, 1 if groups vote
afresh, and then what makes their vote clear (`envdata.clearing`). TAKEN has a list of the branches that were taken
from, in order. Of one episode a frame holds at most one TAKEN entry, PRUNE and NOTE entries, and then at most one
other, which alone is replied to (ANSWER and FAIL are not). Before the first frame the host sends the job as one text
frame.
"""

import json
import os
import struct
from array import array
from collections.abc import Callable
from typing import Any, NamedTuple

from sandbox.link import Rows

HEADER = struct.Struct("<4I")
REPLY = struct.Struct("<5I")
CALL_FIELDS = 4

FINISHED, PARSED = 2, 1
"""Flags of a target: whether its branch is at its end, and whether what it revealed is an answer at all."""

ROUNDS_HEAD, ROUNDS_TOLD_HEAD = 6, 4
"""Entries of its own that the list of a ROUNDS call begins with, and that its details begin with."""
IN_TURN_HEAD = 3
"""Entries that the list of an IN_TURN call begins with."""
ROUNDS_TOLD, IN_TURN_TOLD = -2, -3
"""What stands in the place of a plain call's number of details."""
RECORD = struct.Struct("<iBH9s")
"""One interval of a sealed branch: its cost, 1 for the branch's last, the bytes of its answer's text, and the first of
them. What a record has no room for follows it."""
RECORD_TEXT = 9
"""Bytes of an answer's text that a record has room for."""
SEALED = -1
"""In the place of a label among a reply's texts: in the place of the spelling are the branches that come sealed, each
with the number of the pipe that it is in. Pipes are numbered in the order in which their reading ends arrive, which
travel with replies."""
MANY = 1 << 30
"""More branches, rounds or intervals than any world has, and few enough for the wire."""

_DECODER = json.JSONDecoder()
_AT_ONCE = 1 << 16
MAX_FRAME = 1 << 24
"""Bytes; no honest frame comes near it."""
MAX_TEXT = 400
"""Bytes of one note or failure, as a worker may send it."""
MAX_KNOBS = 100
"""Knobs that a schedule may have."""
MAX_KNOB = 1e300
"""The largest value of a knob: any number up to it fits a float."""


class Reply(NamedTuple):
    """The host's answer to a frame."""

    refusals: "array[int]"
    tokens: "array[int]"
    special: "array[int]"
    """Details of plain calls, a negative number for others."""
    rows: Rows
    texts: list[Any]


class Closed(Exception):
    """The other side has closed the stream."""


def pack_calls(calls: "array[int]", branches: "array[int]", text: bytes) -> bytes:
    """A worker's frame; `calls` has four entries a call."""
    header = HEADER.pack(len(calls) // CALL_FIELDS, len(branches), len(text), 0)
    return b"".join((header, calls.tobytes(), branches.tobytes(), text))


def read_reply(descriptor: int, first: Callable[[int, int], bytes] | None = None) -> Reply:
    """Wait for the host's next reply; raises Closed if there is none to come. `first` reads in the place of os.read."""
    # One system call for nearly every frame: nothing follows a reply before the worker has sent its next frame.
    data = (first or os.read)(descriptor, _AT_ONCE)
    if len(data) < REPLY.size:
        data += read_exactly(descriptor, REPLY.size - len(data))
    replies, targets, detailed, text_bytes, has_confidences = REPLY.unpack_from(data)
    size = REPLY.size + replies * 16 + targets * (12 if has_confidences else 4) + detailed * 5 + text_bytes
    if len(data) < size:
        data += read_exactly(descriptor, size - len(data))
    body = memoryview(data)
    at = REPLY.size

    def take(kind: str, count: int) -> "array[Any]":
        nonlocal at
        values = array(kind)
        end = at + count * values.itemsize
        values.frombytes(body[at:end])
        at = end
        return values

    tokens = take("q", replies)
    refusals = take("i", replies)
    special = take("i", replies)
    labels = take("i", targets)
    details = take("i", detailed)
    confidences = iter(take("d", targets)) if has_confidences else None
    flags = data[at : at + detailed]
    texts = json.loads(data[size - text_bytes :]) if text_bytes else []
    return Reply(refusals, tokens, special, Rows(iter(labels), confidences, iter(details), iter(flags)), texts)


def pack_text(value: Any) -> bytes:
    """A frame of text alone: one JSON value."""
    text = json.dumps(value).encode()
    return HEADER.pack(0, 0, len(text), 0) + text


def read_text(descriptor: int) -> Any:
    """Wait for a frame of text alone."""
    *_, text_bytes, _ = HEADER.unpack(read_exactly(descriptor, HEADER.size))
    # The decoder itself: `loads` looks for an encoding and for blanks, of which a frame has none.
    value, _ = _DECODER.raw_decode(read_exactly(descriptor, text_bytes).decode())
    return value


def read_exactly(descriptor: int, size: int) -> bytes:
    """Wait for `size` bytes; raises Closed if the stream ends before."""
    data = os.read(descriptor, size) if size else b""
    if len(data) == size:
        return data
    parts = [data]
    got = len(data)
    while got < size:
        if not parts[-1]:
            raise Closed
        parts.append(os.read(descriptor, min(size - got, 1 << 20)))
        got += len(parts[-1])
    return b"".join(parts)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`, waiting where the other side is slow."""
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])

"""The wire between a worker and the host: binary frames over a byte stream, little-endian, the same on both sides.

Every frame is a header of four unsigned 32-bit numbers and then what they count:

    worker → host: (calls, branches, text bytes, 0)
        calls × int32[4] (episode, op, value, count), branches × int32, text as UTF-8
    host → worker: (replies, targets, text bytes, 1 if confidences follow)
        replies × int32[2] (refusal, targets), replies × int64 (tokens), targets × int32 (label, −1 where nothing
        was revealed), targets × int32 (depth), targets × float64 (confidences), targets × uint8 (flags),
        text: a JSON list of [episode, label, spelling]

`value` is 1 for a call that looks (BRANCH, CONTINUE), the branch for PRUNE, the label or −1 for ANSWER, the status
for FAIL. `count` is the number of branches (BRANCH, READ: to open; otherwise as many entries of the branch list), for
NOTE and FAIL the number of text bytes. Of one episode a frame holds PRUNE and NOTE entries and then at most one
other, which alone is replied to (ANSWER and FAIL are not). Before the first frame the host sends the job as one text
frame.
"""

import json
import os
import struct
from array import array
from typing import Any, NamedTuple

HEADER = struct.Struct("<4I")
CALL_FIELDS = 4

FINISHED, PARSED = 2, 1
"""Flags of a target: whether its branch is at its end, and whether what it revealed is an answer at all."""

MAX_FRAME = 1 << 24
"""Bytes; no honest frame comes near it."""
MAX_TEXT = 400
"""Bytes of one note or failure, as a worker may send it."""
MAX_KNOBS = 100
"""Knobs that a schedule may have."""
MAX_KNOB = 1e300
"""The largest value of a knob: any number up to it fits a float."""


class Reply(NamedTuple):
    """The host's answer to a frame, still flat."""

    refusals: "array[int]"
    """Two entries a reply: the refusal, and the number of targets."""
    tokens: "array[int]"
    labels: "array[int]"
    depths: "array[int]"
    flags: bytes
    confidences: "array[float] | None"
    texts: list[Any]


class Closed(Exception):
    """The other side has closed the stream."""


def pack_calls(calls: "array[int]", branches: "array[int]", text: bytes) -> bytes:
    """A worker's frame; `calls` has four entries a call."""
    header = HEADER.pack(len(calls) // CALL_FIELDS, len(branches), len(text), 0)
    return b"".join((header, calls.tobytes(), branches.tobytes(), text))


def read_reply(descriptor: int) -> Reply:
    """Wait for the host's next reply; raises Closed if there is none to come."""
    replies, targets, text_bytes, has_confidences = HEADER.unpack(read_exactly(descriptor, HEADER.size))
    size = replies * 16 + targets * (17 if has_confidences else 9) + text_bytes
    body = memoryview(read_exactly(descriptor, size))
    at = 0

    def take(kind: str, count: int) -> "array[Any]":
        nonlocal at
        values = array(kind)
        end = at + count * values.itemsize
        values.frombytes(body[at:end])
        at = end
        return values

    refusals = take("i", replies * 2)
    tokens = take("q", replies)
    labels = take("i", targets)
    depths = take("i", targets)
    confidences = take("d", targets) if has_confidences else None
    flags = bytes(body[at : at + targets])
    texts = json.loads(bytes(body[at + targets :])) if text_bytes else []
    return Reply(refusals, tokens, labels, depths, flags, confidences, texts)


def pack_text(value: Any) -> bytes:
    """A frame of text alone: one JSON value."""
    text = json.dumps(value).encode()
    return HEADER.pack(0, 0, len(text), 0) + text


def read_text(descriptor: int) -> Any:
    """Wait for a frame of text alone."""
    *_, text_bytes, _ = HEADER.unpack(read_exactly(descriptor, HEADER.size))
    return json.loads(read_exactly(descriptor, text_bytes))


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

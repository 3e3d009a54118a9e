"""The wire format between a worker and the host: binary frames over a byte stream, little-endian.

Every frame is a header of four unsigned 32-bit counts (six in a reply), followed by the data that they count:

    worker → host: (calls, branches, text bytes, 0)
        calls × int32[4] (episode, op, value, count), branches × int32, text as UTF-8
    host → worker: (replies, targets, details, text bytes, 1 if confidences follow, signal values)
        replies × int64 (tokens), replies × int32 (refusal), replies × int32 (details of a plain call, or −1),
        targets × int32 (label, −1 where nothing was revealed), details × int32, targets × float64 (confidences),
        signal values × float32, details × uint8 (flags), text: a JSON list of [episode, label, spelling]. Details and
        plain calls are defined in `sandbox.link.RevealedRows` and `sandbox.link.CallReply`.

`value` is 1 for a call that probes (BRANCH, CONTINUE), the branch for PRUNE, the label or −1 for ANSWER, the status
for FAIL, the signal's index in the job for SIGNAL. `count` is the number of branches (BRANCH, READ: to open; otherwise
the entries of the branch list), for NOTE and FAIL the number of text bytes. SIGNAL lists two entries for each branch:
its index, and the depth after which values are wanted. For one episode a frame holds any number of PRUNE and NOTE
entries and then at most one other, which alone gets a reply (ANSWER and FAIL get none). Before the first frame the host
sends the job as one text frame.
"""

import json
import os
import struct
from array import array
from typing import Any, NamedTuple

from sandbox.link import RevealedRows

HEADER = struct.Struct("<4I")
REPLY = struct.Struct("<6I")
CALL_FIELDS = 4

FINISHED, PARSED = 2, 1
"""Flags of a target: its branch is finished; the revealed answer is parsed."""

_DECODER = json.JSONDecoder()
_AT_ONCE = 1 << 16
MAX_NOTES = 1 << 18
"""Largest size of the NOTE entries and their texts in one frame, in bytes; further notes are dropped."""
MAX_TEXT = 400
"""Largest size of the text of one NOTE or FAIL, in bytes."""
MAX_TEXT_FRAME = 1 << 20
"""Largest size of a frame of text alone, in bytes."""
MAX_KNOBS = 100
"""Largest number of knobs in a schedule."""
MAX_KNOB = 1e300
"""Largest absolute value of a knob; any integer up to it fits a float."""


def frame_limit(episodes: int, live: int, branches: int) -> int:
    """Return the size in bytes of the longest frame that the worker's own code sends.

    All episodes may end in one frame, with a text each; each live one may prune or list all of its branches.

    Args:
        episodes: Episodes in the job.
        live: Episodes suspended at the same time.
        branches: Branches that an episode can open.
    """
    ends, lists = 4 * CALL_FIELDS + MAX_TEXT, 4 * CALL_FIELDS + 2 * 4
    return HEADER.size + MAX_NOTES + episodes * ends + min(live, episodes) * (branches * lists + 4 * CALL_FIELDS)


class ReplyFrame(NamedTuple):
    """The host's reply to a frame of n calls that are answered."""

    refusals: "array[int]"
    """(n,): values of `envdata.actions.Refusal`."""
    tokens: "array[int]"
    """(n,): tokens that the call's episode has spent."""
    special: "array[int]"
    """(n,): number of details of a plain call, −1 for other calls."""
    rows: RevealedRows
    texts: list[Any]
    """[episode, label, text] of newly revealed answers, where the run shows answers."""


class Closed(Exception):
    """The peer has closed the stream."""


def pack_calls(calls: "array[int]", branches: "array[int]", text: bytes) -> bytes:
    """Return a worker's frame.

    Args:
        calls: Four entries per call: episode, op, value, count.
        branches: The branch lists of the calls, one after another.
        text: The texts of NOTE and FAIL, one after another, in UTF-8.
    """
    header = HEADER.pack(len(calls) // CALL_FIELDS, len(branches), len(text), 0)
    return b"".join((header, calls.tobytes(), branches.tobytes(), text))


def read_reply(descriptor: int) -> ReplyFrame:
    """Wait for the host's next reply and return it. Raises Closed if the stream has ended."""
    # One system call for nearly every reply: no bytes follow it before the worker has sent its next frame.
    data = os.read(descriptor, _AT_ONCE)
    if len(data) < REPLY.size:
        data += read_exactly(descriptor, REPLY.size - len(data))
    replies, targets, detailed, text_bytes, has_confidences, signals = REPLY.unpack_from(data)
    size = (
        REPLY.size + replies * 16 + targets * (12 if has_confidences else 4) + detailed * 5 + text_bytes + signals * 4
    )
    if len(data) < size:
        data += read_exactly(descriptor, size - len(data))
    return unpack_reply(data)


def unpack_reply(data: bytes) -> ReplyFrame:
    """Return the reply in `data`, a whole reply frame."""
    replies, targets, detailed, text_bytes, has_confidences, signals = REPLY.unpack_from(data)
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
    values = iter(take("f", signals) if signals else ())
    flags = data[at : at + detailed]
    texts = json.loads(data[len(data) - text_bytes :]) if text_bytes else []
    return ReplyFrame(
        refusals, tokens, special, RevealedRows(iter(labels), confidences, iter(details), iter(flags), values), texts
    )


def pack_text(value: Any) -> bytes:
    """Return a frame of text alone that holds one JSON value."""
    text = json.dumps(value).encode()
    return HEADER.pack(0, 0, len(text), 0) + text


def read_text(descriptor: int) -> Any:
    """Wait for a frame of text alone and return its JSON value. Raises Closed if the stream ends before."""
    *_, text_bytes, _ = HEADER.unpack(read_exactly(descriptor, HEADER.size))
    # The decoder itself is faster: `loads` looks for an encoding and for blanks, which a frame does not have.
    value, _ = _DECODER.raw_decode(read_exactly(descriptor, text_bytes).decode())
    return value


def read_exactly(descriptor: int, size: int) -> bytes:
    """Wait for `size` bytes and return them. Raises Closed if the stream ends before."""
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
    """Write all of `data`, blocking while the peer is slow."""
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])

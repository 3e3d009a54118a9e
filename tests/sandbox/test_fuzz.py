"""The host under arbitrary bytes from a worker: always a typed end, never an exception, a hang or endless memory."""

import json
import random
import re
import socket
import struct
import unicodedata
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envdata.actions import Op
from envdata.episodes import Episodes, Terms
from envdata.grid import Grid
from sandbox import frame_server
from sandbox.backends.base import Limits, Received, RunningSandbox, SandboxUnavailable
from sandbox.backends.docker import tell_apart
from sandbox.candidate import Candidate
from sandbox.conformance.targets import make_targets
from sandbox.host import CandidateFailed, InfrastructureError
from sandbox.inside import zygote
from sandbox.inside.wire import HEADER
from sandbox.replay_player import EvaluationSettings, Player, Repeat
from sandbox.request_frames import RequestFrame
from sandbox.sanitize import MAX_QUOTED, printable, quoted
from sandbox.status import Status
from sandbox.streams import FrameReader, Malformed
from sandbox.text_frames import read_text

QUIET = settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))

LIMIT = 1 << 20

INT32 = st.integers(-(2**31), 2**31 - 1)
NEAR = st.one_of(st.integers(-2, 70), INT32)


@pytest.fixture(scope="module")
def grid() -> Iterator[Grid]:
    with make_targets() as targets:
        yield targets.grid


@given(st.lists(st.binary(max_size=200), max_size=20))
@QUIET
def test_frames_are_put_together_or_refused(pieces: list[bytes]) -> None:
    reader = FrameReader(LIMIT)
    try:
        for piece in pieces:
            frame = reader.feed(piece)
            if frame is not None:
                calls, branches, text, zero = HEADER.unpack_from(frame)
                assert len(frame) == HEADER.size + calls * 16 + branches * 4 + text <= LIMIT
                assert zero == 0
    except Malformed:
        pass


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
@QUIET
def test_no_header_makes_the_reader_keep_more_than_a_frame(calls: int, branches: int, text: int, zero: int) -> None:
    reader = FrameReader(LIMIT)
    try:
        reader.feed(HEADER.pack(calls, branches, text, zero) + b"x")
    except Malformed:
        return
    assert calls * 16 + branches * 4 + text <= LIMIT


CALLS = st.lists(st.tuples(NEAR, st.one_of(st.sampled_from([int(op) for op in Op]), NEAR), NEAR, NEAR), max_size=8)


def _frame(calls: list[tuple[int, int, int, int]], branches: list[int], text: bytes) -> bytes:
    packed = b"".join(struct.pack("<4i", *call) for call in calls)
    listed = struct.pack(f"<{len(branches)}i", *branches)
    return HEADER.pack(len(calls), len(branches), len(text), 0) + packed + listed + text


@given(st.lists(st.tuples(CALLS, st.lists(NEAR, max_size=12), st.binary(max_size=30)), max_size=12), st.booleans())
@settings(QUIET, max_examples=100)
def test_frames_of_random_calls(
    grid: Grid, frames: list[tuple[list[tuple[int, ...]], list[int], bytes]], show: bool
) -> None:
    _serve_all(grid, [_frame(*frame) for frame in frames], show)  # type: ignore[arg-type]


@given(st.integers(0, 2**32 - 1), st.booleans())
@QUIET
def test_frames_that_are_nearly_right(grid: Grid, seed: int, show: bool) -> None:
    """Counts agree and numbers are small, so that the frames come far; what they ask for is nonsense."""
    rng = random.Random(seed)
    frames = []
    for _ in range(rng.randint(1, 12)):
        calls, branches, text = [], [], b""
        for episode in rng.sample(range(3), rng.randint(1, 3)):
            for _ in range(rng.randint(0, 2)):
                note = bytes(rng.randrange(256) for _ in range(rng.randint(0, 9)))
                kind = rng.choice([(Op.PRUNE, rng.randint(-1, 5), 0), (Op.NOTE, 0, len(note))])
                calls.append((episode, *kind))
                text += note if kind[0] == Op.NOTE else b""
            op = rng.choice(list(Op))
            count = rng.randint(0, 5)
            if op in (Op.CONTINUE, Op.FINISH, Op.PROBE):
                branches += [rng.randint(-1, 5) for _ in range(count)]
            elif op in (Op.NOTE, Op.FAIL):
                text += b"x" * count
            calls.append((episode, int(op), rng.randint(-2, 9), count))
        frames.append(_frame(calls, branches, text))
    _serve_all(grid, frames, show)


def _serve_all(grid: Grid, frames: list[bytes], show: bool) -> None:
    """Serve frames of two workers alternately, as the player does: one whose frame was broken is not heard again."""
    episodes = Episodes(grid, Terms(), 2)
    numbering = frame_server.Numbering(2, 3)
    numbering.begin(1, [2, 0, 1])
    order = [np.arange(4, dtype=np.int32)] * 3
    for group in (0, 1):
        episodes.begin(group, order, traced=group == 0)
    heard = {0, 1}
    for number, data in enumerate(frames):
        group = number % 2
        if group not in heard:
            continue
        replies, broken = frame_server.serve(
            episodes, [RequestFrame(group, data)], show_answers=show, numbering=numbering
        )
        assert set(replies) <= {group}
        for wrong in broken:
            assert wrong.group == group
            heard.discard(group)
    for group in (0, 1):
        for episode in episodes.running(group).tolist():
            episodes.fail(episode, Status.PROTOCOL_ERROR, "x")
        result = episodes.result(group)
        assert set(result.status.tolist()) <= set(Status)
        assert (result.branches <= 4).all()
        assert ((result.tokens >= 0) & (result.tokens <= 4 * 25)).all()
    assert episodes.traces.take(slice(0, 3)).num_rows < 10_000


@given(
    st.one_of(
        st.binary(max_size=100),
        st.text(max_size=100).map(str.encode),
        st.builds(lambda n: b"[" * n, st.integers(0, 10**5)),
    )
)
@QUIET
def test_text_is_json_or_a_failure_of_the_candidate(text: bytes) -> None:
    try:
        read_text(HEADER.pack(0, 0, len(text), 0) + text)
    except CandidateFailed:
        return


@given(st.text(max_size=3000))
@QUIET
def test_quoted_text_is_one_short_printable_line(text: str) -> None:
    line = quoted(text)
    assert len(line) <= MAX_QUOTED
    assert line.isprintable()
    assert not any(unicodedata.category(character) == "Cf" for character in line)


# Each is "printable" to Python, and none can be seen; by property, not by what the code lists.
INVISIBLE = {
    "variation selectors": "".join(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))),
    "mongolian selectors": "\u180b\u180c\u180d\u180f",
    "tags": "".join(map(chr, range(0xE0000, 0xE0080))),
    "reserved for ignorable ones": "\ufff0\U000e0fff\U000e0080\u2065",
    "bidi controls": "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
    "joiners": "\u00ad\u034f\u200b\u200c\u200d\u2060\u2061\u2062\u2063\u2064\ufeff\u17b4\u17b5",
    "notation": "".join(map(chr, (*range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B)))),
    "fillers": "\u115f\u1160\u3164\uffa0\u2800\U00016fe4\U0001d159",
    "separators": "\u00a0\u1680\u2003\u2028\u2029\u3000\x85",
    "controls": "".join(map(chr, (*range(32), *range(0x7F, 0xA0)))),
    "nothing at all": "\ud800\udfff\ue000\U0010fffd\uffff\U000ffffe",
}


@pytest.mark.parametrize("hidden", INVISIBLE.values(), ids=INVISIBLE.keys())
@given(st.data())
@QUIET
def test_no_text_is_hidden_in_what_is_quoted(hidden: str, data: st.DataObject) -> None:
    """Whatever is spelt with characters that cannot be seen, between words that can, comes to the same line."""
    spelt = data.draw(st.text(st.sampled_from(hidden), min_size=1, max_size=200))
    assert quoted(f"division {spelt} by{spelt}") == "division by"
    assert not set(hidden) - set("\n\t") & set(printable(f"division {spelt} by{spelt}\nzero")) - {" "}


@given(st.text(st.characters(categories=("Mn", "Mc", "Me")), min_size=20, max_size=100))
@QUIET
def test_marks_do_not_pile_up(marks: str) -> None:
    line = quoted(f"e{marks}x")
    assert line.startswith("e")
    assert line.endswith("x")
    kinds = "".join(unicodedata.category(each)[0] for each in line)
    assert max(map(len, re.findall("M+", kinds)), default=0) <= 4


@pytest.mark.parametrize(
    "text",
    [
        "cafe\u0301, Tiê\u0301ng",
        "\u05d1\u05bc\u05b0\u05e8\u05b5\u05d0",
        "रा\u093cष्ट्रि",
        "\u0f62\u0fab\u0f7c\u0f42\u0f66",
        "βθ ≤ ½ 中文 한글 😀 𝔸",
    ],
    ids=["accents", "points", "devanagari", "tibetan", "symbols"],
)
def test_written_languages_are_left_alone(text: str) -> None:
    assert quoted(text) == text
    assert printable(f"{text}\n\n  {text}\n") == f"{text}\n\n  {text}\n"


def test_a_heart_stays_without_its_selector() -> None:
    assert quoted("❤\ufe0f") == "❤"
    assert quoted("a\u3164\u115f\u2800b") == "a b"


@given(st.lists(st.binary(max_size=100), max_size=10))
@QUIET
def test_an_engines_stream_is_told_apart_or_refused(pieces: list[bytes]) -> None:
    pending = b""
    try:
        for piece in pieces:
            control, output, pending = tell_apart(pending + piece)
            assert len(control) + len(output) + len(pending) <= sum(map(len, pieces))
    except ConnectionError:
        pass


# ---- a whole player against a zygote that says anything ----------------------------------------------------------


class _Nonsense:
    """A sandbox whose zygote answers every message with bytes of its own choice, and ends."""

    relay = True

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._host, self._peer = socket.socketpair()
        self._host.setblocking(False)
        self._peer.setblocking(False)
        self._messages = 0
        self._closed = False

    @property
    def alive(self) -> bool:
        return not self._closed

    @property
    def unsent(self) -> bool:
        return False

    @property
    def sources(self) -> list[int]:
        return [] if self._closed else [self._host.fileno()]

    def receive(self, source: int) -> Received:
        try:
            data = self._host.recv(1 << 18)
        except BlockingIOError:
            return Received(b"", b"", False)
        return Received(data, b"", data == b"")

    def send(self, data: bytes, descriptor: int | None = None) -> None:
        _, kind, slot = zygote.MESSAGE.unpack_from(data)
        self._messages += 1
        if kind == zygote.LOAD:
            loaded = b'{"python": [3, 11, 0]}' if self._rng.random() < 0.9 else self._payload(slot)
            return self._say(zygote.LOADED, 0, loaded)
        for _ in range(self._rng.randint(0, 2)):
            self._say(self._rng.choice([zygote.DATA, zygote.DATA, zygote.EXIT, zygote.CLOSED, zygote.LOADED, 99]), slot)
        if kind == zygote.KILL or self._messages > 60:
            self._say(zygote.EXIT, slot, zygote.ENDING.pack(*self._rng.choice([(1, 0), (1, 71), (2, 9), (3, 24)])))
        if self._messages > 200:
            self._peer.close()
        return None

    def _say(self, kind: int, slot: int, payload: bytes | None = None) -> None:
        data = self._payload(slot) if payload is None else payload
        slot = slot if self._rng.random() < 0.95 else self._rng.randrange(65536)
        message = zygote.MESSAGE.pack(len(data), kind, slot) + data
        if self._rng.random() < 0.02:
            message = self._rng.randbytes(len(message))
        try:
            self._peer.send(message)
        except OSError:
            return

    def _payload(self, slot: int) -> bytes:
        rng = self._rng
        calls = [
            (rng.randint(0, 2), rng.randint(1, 8), rng.randint(-1, 4), rng.randint(0, 3))
            for _ in range(rng.randint(0, 3))
        ]
        text = json.dumps(rng.choice([{"status": rng.randint(-3, 12), "why": "x"}, [], 7, {"why": 1}, None])).encode()
        return rng.choice(
            [
                rng.randbytes(rng.randint(0, 40)),
                struct.pack("<i", rng.randint(0, 2**16)),
                _frame(calls, [rng.randint(0, 4) for _ in range(rng.randint(0, 3))], b""),
                HEADER.pack(0, 0, len(text), 0) + text,
                HEADER.pack(*(rng.randint(0, 2**32 - 1) for _ in range(4))),
            ]
        )

    def kill(self) -> None:
        if not self._closed:
            self._closed = True
            self._host.close()
            self._peer.close()

    def explain(self) -> str:
        return "nonsense \x1b[31m"


class _NonsenseBackend:
    name = "nonsense"

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)

    def launch(self, limits: Limits) -> RunningSandbox:
        return _Nonsense(self._rng)

    def close(self) -> None:
        pass


@pytest.mark.parametrize("seed", range(60))
def test_a_zygote_that_says_anything(grid: Grid, seed: int) -> None:
    limits = Limits(reply_seconds=0.3, repeat_seconds=2.0, start_seconds=0.5, wall_seconds=0.5)
    player = Player(_NonsenseBackend(seed), Candidate("x", "pass"), grid, EvaluationSettings(limits=limits))
    repeats = [Repeat(1.0, number, traced=number == 0) for number in range(12)]
    try:
        played = list(player.play(repeats))
    except (InfrastructureError, SandboxUnavailable):
        return
    assert sorted(one.repeat.number for one in played) == list(range(12))
    for one in played:
        assert set(one.result.status.tolist()) <= set(Status) - {Status.INFRASTRUCTURE_ERROR}
        assert all(why.isprintable() and len(why) <= MAX_QUOTED + 100 for why in one.result.why.values())

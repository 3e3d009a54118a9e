"""Group 2: floods of output, noise, and forged frames. Descriptor 3 is a worker's channel to the host."""

import re

from sandbox.conformance.case import QUICK, Case, CaseGroup, Observation, attack, unquoted
from sandbox.status import Status

_FLOOD, _FORGED, _OK = (Status.OUTPUT_LIMIT,), (Status.PROTOCOL_ERROR,), (Status.OK,)

_TOP = "import json, os, struct\nHEAD = struct.Struct('<4I')\n"


def _case(name: str, body: str, expected: tuple[Status, ...], top: str = "") -> Case:
    return Case(name, CaseGroup.OUTPUT, attack(body, _TOP + top), expected)


def _no_escape(observation: Observation) -> str | None:
    bad = [note for note in observation.notes if re.search(r"[\x00-\x1f\x7f-\x9f‎‏‪-‮⁦-⁩]", note)]
    return f"a note that is not quoted: {bad[0]!r}" if bad else None


def _few_notes(observation: Observation) -> str | None:
    return f"{len(observation.notes)} notes were kept" if len(observation.notes) > 3 * 1000 else None


CASES = [
    _case("flood of standard output", "while True:\n    print('x' * 65536)", _FLOOD),
    _case("flood of standard error", "while True:\n    os.write(2, b'x' * 65536)", _FLOOD),
    _case("one endless line", "os.write(1, b'x' * 100_000_000)", _FLOOD),
    _case("flood at import", "", _FLOOD, "while True:\n    print('x' * 65536)"),
    _case("bytes that are not text", "os.write(1, bytes(range(256)) * 8 + b'\\x1b[2J\\x00\\xff')", _OK),
    _case(
        "output that imitates the zygote",
        """
        os.write(1, struct.pack('<IHH', 4, 5, 1) + struct.pack('<i', 0))
        os.write(2, struct.pack('<IHH', 2, 6, 0) + b'{}')
        os.write(2, bytes([1, 0, 0, 0, 0, 0, 0, 12]) + struct.pack('<IHHi', 4, 5, 1, 0))
        """,
        _OK,
    ),
    _case("noise on the channel", "os.write(3, os.urandom(4096))\nepisode.branch(1)", _FORGED),
    _case(
        "a header that asks for gigabytes",
        "os.write(3, HEAD.pack(2**32 - 1, 2**32 - 1, 0, 0))\nepisode.branch(1)",
        _FORGED,
    ),
    _case("a frame that is cut off", "os.write(3, HEAD.pack(1, 0, 0, 0) + b'1234')\nos._exit(0)", _FORGED),
    _case(
        "a frame twice",
        "frame = HEAD.pack(1, 0, 0, 0) + struct.pack('<4i', 0, 1, 1, 1)\nos.write(3, frame + frame)\nos.read(3, 1)",
        _FORGED,
    ),
    _case("a frame without calls", "os.write(3, HEAD.pack(0, 0, 0, 0))\nos.read(3, 1)", _FORGED),
    _case(
        "an action that does not exist",
        "os.write(3, HEAD.pack(1, 0, 0, 0) + struct.pack('<4i', 0, 77, 0, 0))\nos.read(3, 1)",
        _FORGED,
    ),
    _case(
        "an episode that does not exist",
        "os.write(3, HEAD.pack(1, 0, 0, 0) + struct.pack('<4i', 9999, 1, 0, 1))\nos.read(3, 1)",
        _FORGED,
    ),
    _case(
        "a negative count",
        "os.write(3, HEAD.pack(1, 0, 0, 0) + struct.pack('<4i', 0, 1, 0, -5))\nos.read(3, 1)",
        _FORGED,
    ),
    _case(
        "a huge count",
        "os.write(3, HEAD.pack(1, 0, 0, 0) + struct.pack('<4i', 0, 1, 0, 2**31 - 1))\nos.read(3, 1)\nos._exit(0)",
        _FORGED,
    ),
    _case(
        "answers given for every episode",
        """
        calls = b''.join(struct.pack('<4i', number, 6, 0, 0) for number in range(3))
        os.write(3, HEAD.pack(3, 0, 0, 0) + calls)
        os._exit(0)
        """,
        _FORGED,
    ),
    _case(
        "a failure of a kind that only the host reports",
        """
        text = json.dumps({'status': 8, 'why': 'infrastructure'}).encode()
        os.write(3, HEAD.pack(0, 0, len(text), 0) + text)
        os.read(3, 1)
        """,
        _FORGED,
    ),
    _case(
        "deeply nested text",
        "text = b'[' * 1_000_000\nos.write(3, HEAD.pack(0, 0, len(text), 0) + text)\nos.read(3, 1)",
        _FORGED,
    ),
    _case(
        "text that is not JSON",
        "os.write(3, HEAD.pack(0, 0, 3, 0) + b'\\xff\\x00{')\nos.read(3, 1)",
        _FORGED,
    ),
    _case("the channel closed", "os.close(3)\nimport time\ntime.sleep(0.1)\nos._exit(0)", _FORGED),
    Case(
        "a flood of notes",
        CaseGroup.OUTPUT,
        attack("while True:\n    episode.note('x' * 200)"),
        (Status.TIMEOUT,),
        QUICK,
        slow=True,
    ),
    _case(
        "a frame of 16 MB of notes",
        """
        notes = (1 << 24) // 16 - 2
        frame = HEAD.pack(notes + 1, 0, 0, 0) + struct.pack('<4i', 0, 7, 0, 0) * notes + struct.pack('<4i', 0, 2, 1, 0)
        view = memoryview(frame)
        while view:
            view = view[os.write(3, view):]
        os.read(3, 1)
        """,
        _FORGED,
    ),
    _case(
        "as many branches as a number can say",
        """
        for action in (1, 9):
            os.write(3, HEAD.pack(1, 0, 0, 0) + struct.pack('<4i', episode._number, action, 1, 2**31 - 1))
            if len(os.read(3, 4096)) > 100:
                raise RuntimeError("LEAK: more than a refusal came back")
        """,
        _OK,
    ),
    Case(
        "a flood of notes, frame by frame",
        CaseGroup.OUTPUT,
        attack(
            """
            for _ in range(15):
                for _ in range(100):
                    episode.note("x" * 200)
                episode._link.call(episode._number, 2, True, 0, [])
            """
        ),
        check=_few_notes,
    ),
    Case(
        "notes with escapes",
        CaseGroup.OUTPUT,
        attack(r"episode.note('\x1b[31mred\x00 ' + chr(0x202e) + 'reversed')"),
        check=_no_escape,
    ),
    Case(
        "an exception with a long text of escapes",
        CaseGroup.OUTPUT,
        attack(r"raise ValueError('\x1b]0;title\x07\x00' + chr(0x202e) + 'x' * 10_000_000)"),
        (Status.EXCEPTION,),
        check=unquoted,
    ),
    _case(
        "an exception that cannot be printed",
        "class Nasty(Exception):\n    def __str__(self):\n        raise KeyError('again')\nraise Nasty()",
        (Status.EXCEPTION,),
    ),
    Case(
        "a schedule that is not a number",
        CaseGroup.OUTPUT,
        attack("").replace("2}", "float('nan')}"),
        (Status.CONTRACT_ERROR,),
    ),
    Case(
        "a schedule that is infinite",
        CaseGroup.OUTPUT,
        attack("").replace("2}", "float('inf')}"),
        (Status.CONTRACT_ERROR,),
    ),
]

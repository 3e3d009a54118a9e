"""Group 1: exceeding limits on time, memory and processes. The status must name the limit that was exceeded."""

from collections.abc import Callable

from sandbox.backends.base import Limits
from sandbox.conformance.case import PATIENT, QUICK, Case, CaseGroup, Observation, attack
from sandbox.status import Status

_TIME, _MEMORY = (Status.TIMEOUT,), (Status.OUT_OF_MEMORY,)

_SMALL = Limits(memory_mb=96, reply_seconds=60, source_bytes=1 << 20)
_LONG = Limits(reply_seconds=60, source_bytes=1 << 20)
"""Limits for cases whose source is longer than a candidate's may be."""


def _case(
    name: str,
    source: str,
    expected: tuple[Status, ...] = (Status.OK,),
    limits: Limits | None = None,
    check: Callable[[Observation], str | None] | None = None,
) -> Case:
    if limits is None:
        limits = _SMALL if expected == _MEMORY else QUICK if Status.TIMEOUT in expected else PATIENT
    return Case(name, CaseGroup.RESOURCES, source, expected, limits, check, slow=Status.TIMEOUT in expected)


def _at_the_compiler(observation: Observation) -> str | None:
    """Return a message if memory ran out elsewhere than in the compiler."""
    stray = [why for why in observation.whys if not why.startswith("compiling")]
    return f"ended elsewhere: {stray[0]}" if stray else None


CASES = [
    Case(
        "waiting for the reply to a frame that asks for none",
        CaseGroup.RESOURCES,
        attack(
            """
            os.write(3, struct.pack("<4I", 1, 0, 0, 0) + struct.pack("<4i", episode._number, 7, 0, 0))
            os.read(3, 1)
            """,
            "import os, struct",
        ),
        (Status.TIMEOUT,),
        QUICK,
        slow=True,
    ),
    _case("fork bomb", attack("for _ in range(1000):\n    refused(os.fork)", "import os")),
    _case(
        "daemon that outlives its parent",
        attack(
            """
            def daemonise():
                if os.fork() == 0:
                    os.setsid()
                    if os.fork() == 0:
                        time.sleep(600)
                    os._exit(0)
            refused(daemonise)
            """,
            "import os, time",
        ),
    ),
    _case(
        "thread bomb",
        attack(
            "for _ in range(100):\n    refused(threading.Thread(target=time.sleep, args=(600,)).start)",
            "import threading, time",
        ),
    ),
    _case("child processes", attack("refused(subprocess.run, ['/python', '-V'])", "import subprocess")),
    _case("memory at once", attack("bytearray(1 << 32)"), _MEMORY),
    _case("memory bit by bit", attack("kept = []\nwhile True:\n    kept.append(b'x' * (1 << 20) + b'y')"), _MEMORY),
    _case("memory in small objects", attack("kept = []\nwhile True:\n    kept.append([None] * 100)"), _MEMORY),
    _case("memory at import", attack("", "kept = b'x' * (1 << 32)"), _MEMORY),
    _case("memory mapped", attack("refused(mmap.mmap, -1, 1 << 33)", "import mmap")),
    _case("loop", attack("while True:\n    pass"), _TIME),
    _case("sleep", attack("time.sleep(1e6)", "import time"), _TIME),
    _case("loop at import", attack("", "while True:\n    pass"), _TIME),
    _case("loop in the schedule", attack("").replace('return {"width": 2}', "while True: pass"), _TIME),
    _case("hang in a regular expression", attack("re.match('(a+)+$', 'a' * 60 + 'b')", "import re"), _TIME),
    _case("hang in a power", attack("x = 10\nx ** x ** 8 ** x", "x = 1"), _TIME),
    _case("hang in a constant", attack("", "x = 10 ** 10 ** 8 ** 3"), (*_TIME, *_MEMORY, Status.LOAD_ERROR)),
    _case(
        "signals ignored",
        attack(
            """
            for number in range(1, 65):
                try:
                    signal.signal(number, signal.SIG_IGN)
                except (OSError, ValueError):
                    pass
            while True:
                pass
            """,
            "import signal",
        ),
        _TIME,
    ),
    _case(
        "exceptions swallowed",
        attack(
            "while True:\n    try:\n        time.sleep(0.01)\n    except BaseException:\n        pass", "import time"
        ),
        _TIME,
    ),
    _case(
        "hang between many short frames",
        attack(
            """
            while True:
                try:
                    episode.advance(episode.branch(1)[0])
                except Exception:
                    pass
                time.sleep(0.05)
                try:
                    episode._link.call(episode._number, 2, True, 1, [0])
                except Exception:
                    pass
            """,
            "import time",
        ),
        _TIME,
        Limits(reply_seconds=1.0, repeat_seconds=3.0),
    ),
    _case(
        "endless recursion",
        attack("def again(n):\n    return again(n + 1)\nagain(0)"),
        (Status.EXCEPTION,),
    ),
    _case(
        "endless recursion in C",
        attack(
            "sys.setrecursionlimit(2**31 - 1)\nnested = []\nfor _ in range(2 * 10**5):\n    nested = [nested]\nrepr(nested)",
            "import sys",
        ),
        (Status.PROTOCOL_ERROR, Status.EXCEPTION, Status.OUT_OF_MEMORY),
        _SMALL,
    ),
    _case(
        "source that is hard to compile",
        attack("", "x = " + "-" * 200_000 + "1"),
        (Status.LOAD_ERROR, Status.OUT_OF_MEMORY),
        _LONG,
    ),
    _case(
        "source that is hard to read",
        attack("", "x = " + "+".join(["1"] * 20_000)),
        (Status.OK, Status.LOAD_ERROR, Status.OUT_OF_MEMORY),
    ),
    _case(
        "source that takes memory to compile",
        attack("", "x = [" + "f(1), " * 60_000 + "]").replace("x = [", "f = int\nx = ["),
        _MEMORY,
        check=_at_the_compiler,
    ),
    _case(
        "source of nested lists",
        attack("", "x = " + "[" * 50_000 + "]" * 50_000),
        (Status.LOAD_ERROR, Status.OUT_OF_MEMORY),
        _LONG,
    ),
    _case("crash", attack("ctypes.string_at(0)", "import ctypes"), (Status.PROTOCOL_ERROR,)),
    _case("abort", attack("os.abort()", "import os"), (Status.PROTOCOL_ERROR,)),
]

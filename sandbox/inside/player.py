"""Plays the episodes of one job in a forked worker: each a suspended call stack, all of them served by one frame.

A job is one (grid, β, repeat). Every episode's `solve` runs in a greenlet of its own; an action suspends it until the
host has answered the frame in which the actions of all episodes travel together.
"""

import json
import random
import socket
import sys
from array import array
from collections.abc import Callable
from types import CodeType, ModuleType
from typing import Any, Protocol

from greenlet import getcurrent, greenlet

from envdata.actions import Op
from sandbox.inside import wire
from sandbox.inside.errors import MODULE, Broken, describe_error
from sandbox.inside.native import NativeCandidate
from sandbox.inside.release import ReleaseCandidate
from sandbox.link import Link, Reply
from sandbox.status import Status

# A plain number: an enumeration's members are slow to reach in Python 3.11.
_PRUNE = int(Op.PRUNE)

MOST_DESCRIPTORS = 253
"""What one message can carry (SCM_MAX_FD of Linux)."""


class Playable(Protocol):
    """A candidate of some API; all of its methods run candidate code, and raise Broken where it breaks the contract."""

    name: str
    """Its class."""

    def schedule(self, beta: float, settings: dict[str, float]) -> dict[str, float]:
        """The knobs at β, settings included."""
        ...

    def prepare(self, job: dict[str, Any]) -> None:
        """Take on what all episodes of a job share."""
        ...

    def play(self, link: Link, number: int, job: dict[str, Any]) -> int | None:
        """Play one episode to its answer's label, None for no answer."""
        ...


APIS: dict[str, Callable[[ModuleType], Playable]] = {"native": NativeCandidate, "autotts": ReleaseCandidate}
"""How a file's candidate is found, by the API that it is written against."""


def serve(channel: int, code: CodeType) -> None:
    """Read one job from the channel and do it: say what the candidate is, or play its episodes."""
    job = wire.read_text(channel)
    random.seed(job["seed"])
    try:
        module = _import(code)
        candidate = APIS[job["api"]](module)
        if job["kind"] == "describe":
            wire.write_all(channel, wire.pack_text(_describe(candidate, module, job)))
            return
        candidate.prepare(job)
    except Broken as broken:
        wire.write_all(channel, wire.pack_text({"status": broken.status, "why": str(broken)}))
        return
    _Hub(channel, job, candidate).run()


class _Hub:
    """The link of all episodes of a job (`sandbox.link.Link`)."""

    def __init__(self, channel: int, job: dict[str, Any], candidate: Playable) -> None:
        self._channel = channel
        self._job = job
        self._candidate = candidate
        self._calls = array("i")
        self._branches = array("i")
        self._text: list[bytes] = []
        self._waiting: list[greenlet] = []
        self._spelling: dict[tuple[int, int], str] = {}
        self._hub = getcurrent()
        self._sealed: dict[int, dict[int, int]] = {}
        self._pipes: list[int] = []
        """Descriptors that came with replies, of the pipes that sealed branches are in."""
        self._receive = _receiving(channel, self._pipes) if job.get("sealed") else None

    def call(self, episode: int, op: int, probe: bool, count: int, branches: list[int]) -> Reply:
        self._calls.fromlist([episode, op, probe, count])
        self._branches.fromlist(branches)
        self._waiting.append(getcurrent())
        reply: Reply = self._hub.switch()
        return reply

    def post(self, episode: int, op: int, value: int, text: str) -> None:
        if op == _PRUNE:
            self._calls.extend((episode, op, value, 0))
        else:
            encoded = text.encode("utf-8", "replace")[: wire.MAX_TEXT]
            self._calls.extend((episode, op, value, len(encoded)))
            self._text.append(encoded)

    def tell(self, episode: int, taken: list[int]) -> None:
        self._calls.extend((episode, Op.TAKEN, 0, len(taken)))
        self._branches.extend(taken)

    def sealed(self, episode: int) -> dict[int, int]:
        return self._sealed.setdefault(episode, {})

    def text(self, episode: int, label: int) -> str | None:
        return self._spelling.get((episode, label))

    def run(self) -> None:
        """Play all episodes, `live` of them at a time, in order."""
        unstarted = iter(range(len(self._job["episodes"])))

        def start_next() -> bool:
            for number in unstarted:
                stack = greenlet(self._play)
                stack.switch(number)
                if not stack.dead:
                    return True
            return False

        for _ in range(self._job["live"]):
            if not start_next():
                break
        while self._waiting:
            self._send()
            reply = wire.read_reply(self._channel, self._receive)
            served, self._waiting = self._waiting, []
            for episode, label, spelling in reply.texts:
                if label == wire.SEALED:
                    self._sealed[episode].update((branch, self._pipes[pipe]) for branch, pipe in spelling)
                else:
                    self._spelling[episode, label] = spelling
            rows = reply.rows
            for stack, refusal, tokens, special in zip(
                served, reply.refusals, reply.tokens, reply.special, strict=True
            ):
                stack.switch((refusal, tokens, special, rows))
                if stack.dead:
                    start_next()
        self._send()

    def _send(self) -> None:
        wire.write_all(self._channel, wire.pack_calls(self._calls, self._branches, b"".join(self._text)))
        self._calls, self._branches, self._text = array("i"), array("i"), []

    def _play(self, number: int) -> None:
        """One episode, from its first action to its ANSWER or FAIL."""
        try:
            label = self._candidate.play(self, number, self._job)
        except Broken as broken:
            return self._fail(number, broken.status, str(broken))
        except MemoryError:
            return self._fail(number, Status.OUT_OF_MEMORY, "MemoryError")
        except BaseException as error:
            return self._fail(number, Status.EXCEPTION, describe_error(error))
        finally:
            self._sealed.pop(number, None)
        return self._calls.extend((number, Op.ANSWER, -1 if label is None else label, 0))

    def _fail(self, number: int, status: Status, why: str) -> None:
        self.post(number, Op.FAIL, status, why)


def _receiving(channel: int, arrived: list[int]) -> Callable[[int, int], bytes]:
    """What reads from the channel, and keeps the descriptors that come along in `arrived`."""
    # All told: it would ask the kernel otherwise, which is refused to workers.
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=channel)
    space = socket.CMSG_SPACE(MOST_DESCRIPTORS * array("i").itemsize)

    def receive(descriptor: int, size: int) -> bytes:
        data, ancillary, _, _ = stream.recvmsg(size, space)
        for _, _, packed in ancillary:
            arrived.extend(array("i", packed[: len(packed) // 4 * 4]))
        return data

    return receive


def _import(code: CodeType) -> ModuleType:
    """Run the candidate's file as a module of its own."""
    module = ModuleType(MODULE)
    sys.modules[MODULE] = module
    try:
        exec(code, module.__dict__)  # noqa: S102 - running the candidate is what this process is for
    except MemoryError:
        raise Broken(Status.OUT_OF_MEMORY, "MemoryError while importing the file") from None
    except BaseException as error:
        raise Broken(Status.LOAD_ERROR, describe_error(error)) from None
    return module


def _describe(candidate: Playable, module: ModuleType, job: dict[str, Any]) -> dict[str, Any]:
    schedules = [candidate.schedule(beta, job["settings"]) for beta in job["betas"]]
    return {"name": candidate.name, "doc": str(module.__doc__ or "")[:2000], "schedules": schedules}


def compile_candidate(source: str) -> CodeType:
    """Compile a candidate's source, running nothing of it; raises Broken."""
    try:
        return compile(source, f"{MODULE}.py", "exec", dont_inherit=True)
    except MemoryError:
        raise Broken(Status.OUT_OF_MEMORY, "MemoryError while compiling the file") from None
    except (SyntaxError, ValueError, RecursionError) as error:
        raise Broken(Status.LOAD_ERROR, describe_error(error)) from None


def loaded_message(broken: Broken | None) -> bytes:
    """What the worker says of the candidate once it is compiled."""
    report: dict[str, Any] = {"python": list(sys.version_info[:3])}
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        report["numpy"] = str(numpy.__version__)
    if broken is not None:
        report |= {"status": broken.status, "why": str(broken)}
    return json.dumps(report).encode()

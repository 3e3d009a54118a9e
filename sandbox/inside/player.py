"""Plays the episodes of one job in a forked worker; one frame carries the actions of all of them.

A job is one (grid, β, repeat). Every episode's `solve` runs in a greenlet of its own; an action suspends it until the
host has answered the frame that holds the actions of all waiting episodes.
"""

import json
import random
import sys
from array import array
from collections.abc import Callable, Iterator
from types import CodeType, ModuleType
from typing import Any, Protocol

from greenlet import getcurrent, greenlet

from envdata.actions import Op
from sandbox import tts
from sandbox.inside import wire
from sandbox.inside.autotts_release import ReleaseCandidate
from sandbox.inside.controller_runner import NativeCandidate
from sandbox.inside.errors import MODULE, BrokenCandidate, describe_error
from sandbox.link import CallReply, Link
from sandbox.status import Status

# A plain number: an enumeration's members are slow to reach in Python 3.11.
_PRUNE, _NOTE, _SIGNAL = int(Op.PRUNE), int(Op.NOTE), int(Op.SIGNAL)


class PlayableCandidate(Protocol):
    """A candidate of some API. Its methods run candidate code, and raise BrokenCandidate if it breaks the contract."""

    name: str
    """Name of its class."""

    def schedule(self, beta: float, settings: dict[str, float]) -> dict[str, float]:
        """Return the knobs at β, overridden by the settings."""
        ...

    def prepare(self, job: dict[str, Any]) -> None:
        """Compute the state that all episodes of a job share."""
        ...

    def play(self, link: Link, number: int, job: dict[str, Any]) -> int | None:
        """Play episode `number` over `link`; return its answer's label, None for no answer."""
        ...


APIS: dict[str, Callable[[ModuleType], PlayableCandidate]] = {"native": NativeCandidate, "autotts": ReleaseCandidate}
"""Makes the candidate of a file, by the name of the API that it is written against."""


def serve(channel: int, code: CodeType) -> None:
    """Read one job from the channel and do it: describe the candidate, or play its episodes.

    Args:
        channel: Descriptor of the worker's channel to the host.
        code: The compiled candidate.
    """
    job = wire.read_text(channel)
    random.seed(job["seed"])
    try:
        module = _import(code)
        candidate = APIS[job["api"]](module)
        if job["kind"] == "describe":
            wire.write_all(channel, wire.pack_text(_describe(candidate, module, job)))
            return
        candidate.prepare(job)
    except BrokenCandidate as broken:
        wire.write_all(channel, wire.pack_text({"status": broken.status, "why": str(broken)}))
        return
    _Hub(channel, job, candidate).run()


class _Hub:
    """The link of all episodes of a job (`sandbox.link.Link`)."""

    def __init__(self, channel: int, job: dict[str, Any], candidate: PlayableCandidate) -> None:
        self._channel = channel
        self._job = job
        self._candidate = candidate
        self._calls = array("i")
        self._branches = array("i")
        self._text: list[bytes] = []
        self._noted = 0
        """Bytes of notes in the next frame."""
        self._waiting: list[greenlet] = []
        self._spelling: dict[tuple[int, int], str] = {}
        self._hub = getcurrent()

    def call(self, episode: int, op: int, probe: int, count: int, branches: list[int]) -> CallReply:
        self._calls.fromlist([episode, op, probe, count])
        try:
            self._branches.fromlist(branches)
        except BaseException:
            # What is no number costs this call alone: the frame is other episodes' too.
            del self._calls[-wire.CALL_FIELDS :]
            raise
        self._waiting.append(getcurrent())
        reply: CallReply = self._hub.switch()
        return reply

    def read_signal(self, episode: int, signal: int, wanted: list[int]) -> Iterator[float]:
        reply = self.call(episode, _SIGNAL, signal, len(wanted), wanted)
        return reply[3].signals

    def post(self, episode: int, op: int, value: int, text: str) -> None:
        if op == _PRUNE:
            self._calls.extend((episode, op, value, 0))
        else:
            encoded = text.encode("utf-8", "replace")[: wire.MAX_TEXT]
            if op == _NOTE:
                self._noted += 4 * wire.CALL_FIELDS + len(encoded)
                if self._noted > wire.MAX_NOTES:
                    return
            self._calls.extend((episode, op, value, len(encoded)))
            self._text.append(encoded)

    def text(self, episode: int, label: int) -> str | None:
        return self._spelling.get((episode, label))

    def run(self) -> None:
        """Play all episodes in order, up to `live` of them at the same time."""
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
            reply = wire.read_reply(self._channel)
            served, self._waiting = self._waiting, []
            for episode, label, spelling in reply.texts:
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
        self._calls, self._branches, self._text, self._noted = array("i"), array("i"), [], 0

    def _play(self, number: int) -> None:
        """Play one episode, from its first action to its ANSWER or FAIL."""
        try:
            label = self._candidate.play(self, number, self._job)
        except BrokenCandidate as broken:
            return self._fail(number, broken.status, str(broken))
        except MemoryError:
            return self._fail(number, Status.OUT_OF_MEMORY, "MemoryError")
        except BaseException as error:
            return self._fail(number, Status.EXCEPTION, describe_error(error))
        return self._calls.extend((number, Op.ANSWER, -1 if label is None else label, 0))

    def _fail(self, number: int, status: Status, why: str) -> None:
        self.post(number, Op.FAIL, status, why)


def _import(code: CodeType) -> ModuleType:
    """Run the candidate's file as a module, in which `autotts` is the controller API alone.

    Raises BrokenCandidate if the file raises.
    """
    sys.modules["autotts"] = tts
    module = ModuleType(MODULE)
    sys.modules[MODULE] = module
    try:
        exec(code, module.__dict__)  # noqa: S102 - running the candidate is what this process is for
    except MemoryError:
        raise BrokenCandidate(Status.OUT_OF_MEMORY, "MemoryError while importing the file") from None
    except BaseException as error:
        raise BrokenCandidate(Status.LOAD_ERROR, describe_error(error)) from None
    return module


def _describe(candidate: PlayableCandidate, module: ModuleType, job: dict[str, Any]) -> dict[str, Any]:
    schedules = [candidate.schedule(beta, job["settings"]) for beta in job["betas"]]
    return {"name": candidate.name, "doc": str(module.__doc__ or "")[:2000], "schedules": schedules}


def compile_candidate(source: str) -> CodeType:
    """Compile a candidate's source without running it. Raises BrokenCandidate if it does not compile."""
    try:
        return compile(source, f"{MODULE}.py", "exec", dont_inherit=True)
    except MemoryError:
        raise BrokenCandidate(Status.OUT_OF_MEMORY, "MemoryError while compiling the file") from None
    except (SyntaxError, ValueError, RecursionError) as error:
        raise BrokenCandidate(Status.LOAD_ERROR, describe_error(error)) from None


def loaded_message(broken: BrokenCandidate | None) -> bytes:
    """Return the JSON message to the host after compilation: versions, and status and reason of a failure."""
    report: dict[str, Any] = {"python": list(sys.version_info[:3])}
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        report["numpy"] = str(numpy.__version__)
    if broken is not None:
        report |= {"status": broken.status, "why": str(broken)}
    return json.dumps(report).encode()

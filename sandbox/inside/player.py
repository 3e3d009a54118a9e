"""Plays the episodes of one job in a forked worker: each a suspended call stack, all of them served by one frame.

A job is one (grid, β, repeat). Every episode's `solve` runs in a greenlet of its own; an action suspends it until the
host has answered the frame in which the actions of all episodes travel together.
"""

import json
import random
import sys
from array import array
from types import CodeType, ModuleType
from typing import Any

from greenlet import getcurrent, greenlet

from envdata.actions import Op
from sandbox import tts
from sandbox.inside import wire
from sandbox.status import Status

MODULE = "controller"


class Broken(Exception):
    """The candidate cannot be played at all."""

    def __init__(self, status: Status, why: str) -> None:
        super().__init__(why)
        self.status = status


def serve(channel: int, code: CodeType) -> None:
    """Read one job from the channel and do it: say what the candidate is, or play its episodes."""
    job = wire.read_text(channel)
    random.seed(job["seed"])
    try:
        controller = _load(code)
        if job["kind"] == "describe":
            wire.write_all(channel, wire.pack_text(_describe(controller, job)))
            return
        knobs = _knobs(controller, job["beta"], job["settings"])
    except Broken as broken:
        wire.write_all(channel, wire.pack_text({"status": broken.status, "why": str(broken)}))
        return
    _Hub(channel, job, controller, knobs).run()


class _Hub:
    """The link of all episodes of a job (`sandbox.tts.Link`)."""

    def __init__(
        self, channel: int, job: dict[str, Any], controller: type[tts.Controller], knobs: dict[str, Any]
    ) -> None:
        self._channel = channel
        self._job = job
        self._controller = controller
        self._knobs = knobs
        self._calls = array("i")
        self._branches = array("i")
        self._text: list[bytes] = []
        self._waiting: list[greenlet] = []
        self._spelling: dict[tuple[int, int], str] = {}
        self._hub = getcurrent()

    def call(self, episode: int, op: int, probe: bool, count: int, branches: list[int]) -> tts.Reply:
        self._calls.extend((episode, op, probe, count))
        self._branches.extend(branches)
        self._waiting.append(getcurrent())
        reply: tts.Reply = self._hub.switch()
        return reply

    def post(self, episode: int, op: int, value: int, text: str) -> None:
        encoded = text.encode("utf-8", "replace")[: wire.MAX_TEXT]
        if op == Op.PRUNE:
            self._calls.extend((episode, op, value, 0))
        else:
            self._calls.extend((episode, op, value, len(encoded)))
            self._text.append(encoded)

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
            reply = wire.read_reply(self._channel)
            served, self._waiting = self._waiting, []
            for episode, label, spelling in reply.texts:
                self._spelling[episode, label] = spelling
            refusals, tokens, words, states, confidences = reply[:5]
            at = 0
            for i, stack in enumerate(served):
                stack.switch(tts.Reply(refusals[2 * i], tokens[i], at, words, states, confidences))
                at += refusals[2 * i + 1]
                if stack.dead:
                    start_next()
        self._send()

    def _send(self) -> None:
        wire.write_all(self._channel, wire.pack_calls(self._calls, self._branches, b"".join(self._text)))
        self._calls, self._branches, self._text = array("i"), array("i"), []

    def _play(self, number: int) -> None:
        """One episode, from its first action to its ANSWER or FAIL."""
        seed, ceiling, question = self._job["episodes"][number]
        job = self._job
        episode = tts.Episode(self, number, ceiling, job["interval"], job["budget"], seed, question)
        try:
            answer = self._controller(self._knobs).solve(episode)
        except MemoryError:
            return self._fail(number, Status.OUT_OF_MEMORY, "MemoryError")
        except BaseException as error:
            return self._fail(number, Status.EXCEPTION, describe_error(error))
        if answer is None:
            return self._calls.extend((number, Op.ANSWER, -1, 0))
        labels = episode._labels
        if type(answer) is not tts.Answer or not any(answer is label for label in labels):
            why = f"solve() returned {type(answer).__name__} {_safely(answer)}, not None or an Answer of this episode"
            return self._fail(number, Status.CONTRACT_ERROR, why)
        return self._calls.extend((number, Op.ANSWER, int(answer), 0))

    def _fail(self, number: int, status: Status, why: str) -> None:
        self.post(number, Op.FAIL, status, why)


def describe_error(error: BaseException) -> str:
    """An exception in one line, with the line of the controller's file that it came from."""
    line = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == f"{MODULE}.py":
            line = trace.tb_lineno
        trace = trace.tb_next
    where = "" if line is None else f" (line {line})"
    return f"{type(error).__name__}: {_safely(error)}{where}"


def _safely(value: object) -> str:
    """`str(value)`, of a value whose methods may be hostile."""
    try:
        return str(value)[:200]
    except BaseException:
        return "(unprintable)"


def _load(code: CodeType) -> type[tts.Controller]:
    """Run the candidate's file, and find its controller class."""
    module = ModuleType(MODULE)
    sys.modules[MODULE] = module
    try:
        exec(code, module.__dict__)  # noqa: S102 - running the candidate is what this process is for
    except MemoryError:
        raise Broken(Status.OUT_OF_MEMORY, "MemoryError while importing the file") from None
    except BaseException as error:
        raise Broken(Status.LOAD_ERROR, describe_error(error)) from None
    found = [
        value
        for value in list(module.__dict__.values())
        if isinstance(value, type) and issubclass(value, tts.Controller) and value.__module__ == MODULE
    ]
    leaves = [
        one for one in dict.fromkeys(found) if not any(other is not one and issubclass(other, one) for other in found)
    ]
    if len(leaves) != 1:
        names = ", ".join(one.__name__ for one in leaves) or "none"
        raise Broken(Status.CONTRACT_ERROR, f"the file must define one subclass of Controller; it defines {names}")
    abstract = sorted(getattr(leaves[0], "__abstractmethods__", ()))
    if abstract:
        raise Broken(Status.CONTRACT_ERROR, f"{leaves[0].__name__} does not define {', '.join(abstract)}")
    return leaves[0]


def _schedule(controller: type[tts.Controller], beta: float) -> dict[str, float]:
    try:
        schedule = controller.schedule(beta)
    except BaseException as error:
        raise Broken(Status.CONTRACT_ERROR, f"schedule({beta}) raised {describe_error(error)}") from None
    if not isinstance(schedule, dict) or not all(
        type(name) is str and type(value) in (int, float, bool) and abs(value) < float("inf")
        for name, value in schedule.items()
    ):
        raise Broken(Status.CONTRACT_ERROR, f"schedule({beta}) must return a dict of finite numbers by name")
    return schedule


def _knobs(controller: type[tts.Controller], beta: float, settings: dict[str, float]) -> dict[str, float]:
    knobs = _schedule(controller, beta)
    unknown = [name for name in settings if name not in knobs]
    if unknown:
        raise Broken(Status.CONTRACT_ERROR, f"no knob is called {unknown[0]!r}; the schedule has {', '.join(knobs)}")
    return {**knobs, **settings}


def _describe(controller: type[tts.Controller], job: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": controller.__name__,
        "doc": str(controller.__doc__ or "")[:2000],
        "schedules": [_knobs(controller, beta, job["settings"]) for beta in job["betas"]],
    }


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

"""Plays one candidate over repeats of one grid: forks a worker for each repeat, several in flight, and scores them."""

import contextlib
import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from envdata.episodes import Episodes, GroupResult, Terms
from envdata.grid import Grid
from envdata.orders import ORDERS
from sandbox import sealing, serving
from sandbox.backends.base import Backend, Limits
from sandbox.candidate import Candidate
from sandbox.constraints import Constraints
from sandbox.frames import Frame
from sandbox.host import CandidateFailed, Event, Host, InfrastructureError, Worker, read_text_frame
from sandbox.inside.wire import MAX_KNOB, MAX_KNOBS
from sandbox.quoting import quoted
from sandbox.sealing import Sealer
from sandbox.status import Status
from sandbox.streams import Malformed

IN_FLIGHT, AT_FIRST = 32, 4
"""Workers that are served side by side at most, and before anything is known of them: their waiting frames share the
cost of a pass over the arrays. Those that think for long share the processor instead, and their limits on time with it.
"""

QUICK = 0.01
"""Seconds a frame that are short enough for more workers at a time."""

AT_ONCE = 8192
"""Episodes that are in flight at most, where that leaves one worker or more: the host keeps arrays of them."""

PATIENCE = 0.02
"""Seconds that a worker's frame waits at most for those of the others."""

LIVE_EPISODES = 128
"""Episodes that are suspended at once in a worker; beyond a few hundred its memory no longer fits the caches."""

RETRIES = 2
"""How often a repeat is played again after the sandbox failed by itself."""

_KNOWN_FAILURES = {Status.LOAD_ERROR, Status.CONTRACT_ERROR, Status.OUT_OF_MEMORY}


@dataclass(frozen=True)
class Repeat:
    """One β and one branch order, for all questions of a grid."""

    beta: float
    number: int
    traced: bool = False


@dataclass(frozen=True)
class Settings:
    """How an evaluation is run; the same for all its candidates."""

    terms: Terms = field(default_factory=Terms)
    limits: Limits = field(default_factory=Limits)
    seed: int = 0
    order: str = "published"
    """The kind of branch order, of `envdata.orders.ORDERS`."""
    api: str = "native"
    """What candidates are written against: `native` (`sandbox.tts`), or `autotts`, the public AutoTTS release."""
    show_answers: bool = False
    show_questions: bool = False
    renamed: bool = False
    """Whether labels are numbered otherwise, to see whether a candidate goes by their numbers."""
    constraints: Constraints = field(default_factory=Constraints)
    """What a user asks of every episode; its limit on tokens is in the terms already."""

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise ValueError(f"order is {self.order!r}; give one of {', '.join(ORDERS)}")


@dataclass(frozen=True)
class PlayedRepeat:
    """How a repeat went."""

    repeat: Repeat
    result: GroupResult
    trace: pa.Table | None


@dataclass
class _Task:
    repeat: Repeat
    tries: int = 0
    alone: bool = False
    """Whether it is to be played without siblings, because with them memory ran out."""


class Player:
    """Plays repeats of one candidate on one grid with the workers of one sandbox."""

    def __init__(self, backend: Backend, candidate: Candidate, grid: Grid, settings: Settings) -> None:
        """Nothing is started before `play`."""
        self._backend, self._candidate, self._grid, self._settings = backend, candidate, grid, settings
        # Controllers of the release act one step at a time: theirs come sealed, where no budget has to be asked first.
        sealable = settings.api == "autotts" and sealing.suits(settings.terms)
        most = AT_FIRST if sealable else IN_FLIGHT
        self._groups = max(1, min(most, AT_ONCE // len(grid.questions)))
        self._in_flight = min(AT_FIRST, self._groups)
        self._served_at = 0.0
        self._episodes = Episodes(grid, settings.terms, self._groups)
        self._sealer = Sealer(self._episodes) if sealable else None
        self._texts = [hashlib.sha256(text.encode()).hexdigest() for text in grid.questions]
        self._tasks: dict[int, _Task] = {}
        """By group."""
        self._last: Worker | None = None
        """The worker that got its reply last."""

    def play(self, repeats: Sequence[Repeat], report: Callable[[], None] | None = None) -> Iterator[PlayedRepeat]:
        """Play the repeats, in no order of note; `report` is called after each.

        Raises InfrastructureError if the sandbox keeps failing by itself, SandboxUnavailable if there is none.
        """
        pending = deque(_Task(repeat) for repeat in repeats)
        while pending:
            files = Limits.OPEN_FILES if self._sealer is None else sealing.OPEN_FILES
            with Host(self._backend, self._settings.limits, self._candidate, open_files=files) as host, self._closing():
                try:
                    host.start()
                    for played in self._play_with(host, pending):
                        yield played
                        if report is not None:
                            report()
                except CandidateFailed as failed:
                    yield from self._give_up(pending, failed)
                except InfrastructureError as error:
                    self._again(pending, error)

    def refuse(self, repeats: Sequence[Repeat], status: Status, why: str) -> Iterator[PlayedRepeat]:
        """What the repeats of a candidate that cannot be played come to: every episode fails, having spent nothing."""
        return self._give_up(deque(_Task(repeat) for repeat in repeats), CandidateFailed(status, why))

    @contextlib.contextmanager
    def _closing(self) -> Iterator[None]:
        """Close what was handed out sealed, whatever happens."""
        try:
            yield
        finally:
            if self._sealer is not None:
                self._sealer.close()

    def _play_with(self, host: Host, pending: deque[_Task]) -> Iterator[PlayedRepeat]:
        free = list(range(self._groups - 1, -1, -1))
        self._served_at = time.perf_counter()
        while pending or self._tasks:
            while pending and len(self._tasks) < self._in_flight and self._may_start(pending[0]):
                self._start(host, free.pop(), pending.popleft())
            frames: dict[int, tuple[Worker, bytes]] = {}
            ended: list[Event] = []
            for event in self._gather(host):
                if event.status is not None:
                    ended.append(event)
                elif event.worker.group in frames:
                    host.kill(event.worker, Status.PROTOCOL_ERROR, "the worker sent a frame before it had its answer")
                elif event.frame is not None and not self._is_failure(host, event):
                    frames[event.worker.group] = (event.worker, event.frame)
            if frames:
                self._serve(host, frames)
                self._adapt(len(frames))
            # A worker's last frame, with its answers, may come in together with its end.
            for event in ended:
                free.append(event.worker.group)
                if event.by_system and len(self._tasks) > 1:
                    # Its siblings share the sandbox's memory with it. Alone it has what it is promised.
                    task = self._tasks.pop(event.worker.group)
                    task.alone = True
                    pending.append(task)
                else:
                    yield self._end(event)

    def _may_start(self, task: _Task) -> bool:
        """Whether a task may be started beside those that run: one that has to be alone may not."""
        return not self._tasks or not (task.alone or any(running.alone for running in self._tasks.values()))

    def _adapt(self, frames: int) -> None:
        """More workers at a time where they act quickly, fewer where they do not."""
        now = time.perf_counter()
        quick = now - self._served_at < QUICK * frames
        self._in_flight = min(self._groups, max(AT_FIRST, self._in_flight * 2 if quick else self._in_flight // 2))
        self._served_at = now

    def _gather(self, host: Host) -> list[Event]:
        """The next events; with several workers, those that are about to act are waited for a little.

        On one core the workers act one after the other in the order in which they got their replies. The host sleeps
        until the last of them has acted, and one pass serves them all; where a worker thinks for long, the others do
        not wait for it.
        """
        if self._last is not None:
            host.let_act(self._last, PATIENCE)
        events = list(host.wait(1.0))
        deadline = time.perf_counter() + PATIENCE
        while len(events) < len(self._tasks) and time.perf_counter() < deadline:
            more = list(host.wait(PATIENCE / 4))
            if not more:
                break
            events += more
        return events

    def _start(self, host: Host, group: int, task: _Task) -> None:
        settings, repeat, arrays = self._settings, task.repeat, self._grid.arrays
        order_of = ORDERS[settings.order]
        orders = [order_of(int(n), settings.seed, repeat.number) for n in self._grid.branches]
        self._episodes.begin(group, orders, traced=repeat.traced)
        self._tasks[group] = task
        job = {
            "kind": "play",
            "api": settings.api,
            "seed": _seed(settings.seed, "worker", repeat),
            "beta": repeat.beta,
            "settings": dict(self._candidate.settings),
            "interval": arrays.interval,
            "budget": settings.terms.budget,
            "live": LIVE_EPISODES if self._sealing(host) is None else sealing.LIVE,
            "sealed": self._sealing(host) is not None,
            "renamed": settings.renamed,
            "constraints": settings.constraints.job(),
            "episodes": [
                (
                    _seed(settings.seed, text, repeat),
                    int(ceiling),
                    self._grid.questions[question] if settings.show_questions else None,
                )
                for question, (text, ceiling) in enumerate(zip(self._texts, self._episodes.ceilings, strict=True))
            ],
        }
        host.spawn(group, job)

    def _serve(self, host: Host, frames: dict[int, tuple[Worker, bytes]]) -> None:
        waiting = [Frame(group, data) for group, (_, data) in frames.items()]
        seals = self._sealing(host)
        replies, broken = serving.serve(self._episodes, waiting, show_answers=self._settings.show_answers, seals=seals)
        for wrong in broken:
            replies.pop(wrong.group, None)
            host.kill(frames[wrong.group][0], Status.PROTOCOL_ERROR, wrong.why)
        self._last = None
        for group, reply in replies.items():
            self._last = frames[group][0]
            host.reply(self._last, reply, () if seals is None else seals.outgoing(group))
        if seals is not None:
            seals.sent()

    def _sealing(self, host: Host) -> Sealer | None:
        """Who hands out sealed branches, where workers can be given them."""
        return None if self._sealer is None or host.relay else self._sealer

    def _is_failure(self, host: Host, event: Event) -> bool:
        """Whether a frame says that the candidate cannot be played at all; ends the worker if so."""
        assert event.frame is not None  # noqa: S101 - asked of frames only
        try:
            said = read_text_frame(event.frame)
        except Malformed as error:
            host.kill(event.worker, Status.PROTOCOL_ERROR, f"the worker sent {error}")
            return True
        if said is None:
            return False
        match said:
            case {"status": int(code), "why": str(why)} if code in _KNOWN_FAILURES:
                host.kill(event.worker, Status(code), quoted(why))
            case _:
                host.kill(event.worker, Status.PROTOCOL_ERROR, "the worker sent text that is not a failure")
        return True

    def _end(self, event: Event) -> PlayedRepeat:
        assert event.status is not None  # noqa: S101 - the end of a worker
        worker = event.worker
        if worker.killed is not None:
            # What it said last came in together with its end.
            return self._finish(worker.group, worker.killed, worker.why)
        return self._finish(worker.group, event.status, event.why)

    def _finish(self, group: int, status: Status, why: str) -> PlayedRepeat:
        episodes, task = self._episodes, self._tasks.pop(group)
        for episode in episodes.running(group).tolist():
            if self._sealer is not None:
                self._sealer.charge(episode)
            episodes.fail(episode, status, why)
        start = group * episodes.questions
        if self._sealer is not None:
            self._sealer.end(group)
        trace = episodes.traces.take(slice(start, start + episodes.questions)) if task.repeat.traced else None
        return PlayedRepeat(task.repeat, episodes.result(group), trace)

    def _give_up(self, pending: deque[_Task], failed: CandidateFailed) -> Iterator[PlayedRepeat]:
        """The candidate as a whole failed: so have its running repeats, and all that did not start."""
        for group in sorted(self._tasks):
            yield self._finish(group, failed.status, failed.why)
        while pending:
            task = pending.popleft()
            orders = [ORDERS["published"](int(n), 0, 0) for n in self._grid.branches]
            self._episodes.begin(0, orders, traced=task.repeat.traced)
            self._tasks[0] = task
            yield self._finish(0, failed.status, failed.why)

    def _again(self, pending: deque[_Task], error: InfrastructureError) -> None:
        """Put the repeats that were running back, to be played anew in another sandbox."""
        for task in self._tasks.values():
            task.tries += 1
            if task.tries > RETRIES:
                raise error
            pending.appendleft(task)
        if not self._tasks:
            raise error
        self._tasks.clear()


def describe(
    backend: Backend, candidate: Candidate, betas: Sequence[float], settings: Settings
) -> dict[str, Any] | CandidateFailed:
    """What a candidate says of itself: `name`, `doc`, and `schedules`, its knobs at each β; or why it cannot."""
    job = {
        "kind": "describe",
        "api": settings.api,
        "seed": 0,
        "betas": list(betas),
        "settings": dict(candidate.settings),
    }
    for attempt in range(RETRIES + 1):
        with Host(backend, settings.limits, candidate) as host:
            try:
                host.start()
                host.spawn(0, job)
                return _hear_description(host, len(betas))
            except CandidateFailed as failed:
                return failed
            except InfrastructureError:
                if attempt == RETRIES:
                    raise
    raise AssertionError("unreachable")


def _hear_description(host: Host, schedules: int) -> dict[str, Any]:
    while True:
        for event in host.wait(1.0):
            if event.frame is None:
                raise CandidateFailed(event.status or Status.PROTOCOL_ERROR, event.why)
            try:
                said = read_text_frame(event.frame)
            except Malformed as error:
                raise CandidateFailed(Status.PROTOCOL_ERROR, str(error)) from None
            match said:
                case {"status": int(code), "why": str(why)} if code in _KNOWN_FAILURES:
                    raise CandidateFailed(Status(code), quoted(why))
                case {"name": str(name), "doc": str(doc), "schedules": list(listed)} if len(
                    listed
                ) == schedules and all(map(_is_schedule, listed)):
                    return {"name": quoted(name, 80), "doc": quoted(doc, 2000), "schedules": listed}
                case _:
                    raise CandidateFailed(Status.PROTOCOL_ERROR, "the worker sent no description")


def _is_schedule(value: object) -> bool:
    """Whether it is what our worker lets through: few identifiers, with numbers that a float can hold."""
    return (
        isinstance(value, dict)
        and len(value) <= MAX_KNOBS
        and all(
            len(name) <= 100 and name.isidentifier() and isinstance(knob, int | float) and -MAX_KNOB <= knob <= MAX_KNOB
            for name, knob in value.items()
        )
    )


def _seed(seed: int, what: str, repeat: Repeat) -> int:
    """64 bits from the run's seed, the question, the repeat and β."""
    said = f"{seed}\n{what}\n{repeat.number}\n{repeat.beta!r}"
    return int.from_bytes(hashlib.sha256(said.encode()).digest()[:8], "big")

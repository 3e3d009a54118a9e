"""Plays one candidate on repeats of one grid: one worker process per repeat, several at a time."""

import hashlib
import random
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from envdata.branch_orders import ORDERS
from envdata.episodes import Episodes, GroupResult, Terms
from envdata.grid import Grid
from sandbox import frame_server
from sandbox.backends.base import Backend, Limits
from sandbox.candidate import Candidate
from sandbox.constraints import Constraints
from sandbox.host import CandidateFailed, Host, InfrastructureError
from sandbox.inside.wire import frame_limit
from sandbox.request_frames import RequestFrame
from sandbox.run_secret import SECRET_BYTES, new_secret
from sandbox.status import Status
from sandbox.text_frames import check_no_failure
from sandbox.workers import Worker, WorkerEvent

IN_FLIGHT = 8
"""Largest number of workers served side by side: their waiting frames share the cost of a pass over the arrays.
With more workers, each finds less of its memory in the processor's caches when its turn comes."""

EPISODES_IN_FLIGHT = 8192
"""Largest number of episodes in flight, for which the host keeps arrays; one worker runs whatever its number."""

PATIENCE = 0.02
"""Longest time in seconds that a worker's frame waits for the frames of the other workers."""

LIVE_EPISODES = 128
"""Episodes suspended at the same time in a worker; beyond a few hundred, its memory no longer fits the caches."""

RETRIES = 2
"""Times that a repeat is played again after the sandbox failed by itself."""


class OutOfTime(RuntimeError):
    """The caller's deadline for an evaluation has passed; the evaluation has no result."""


@dataclass(frozen=True)
class Repeat:
    """One β and one branch order, for all questions of a grid."""

    beta: float
    number: int
    """Number of the branch order, from 0."""
    traced: bool = False
    """Whether its episodes' traces are kept."""


@dataclass(frozen=True)
class EvaluationSettings:
    """Settings of an evaluation, the same for all its candidates."""

    terms: Terms = field(default_factory=Terms)
    limits: Limits = field(default_factory=Limits)
    seed: int = 0
    """Seed of the branch orders, which only the host sees."""
    secret: bytes = field(default_factory=new_secret, repr=False)
    """Seeds everything random that a controller can see: its random numbers, and the order of the questions."""
    order: str = "published"
    """Kind of branch order: a key of `envdata.branch_orders.ORDERS`."""
    api: str = "native"
    """API that candidates are written against: `native` (`sandbox.tts`), or `autotts`, the public AutoTTS release."""
    show_answers: bool = False
    show_questions: bool = False
    renamed: bool = False
    """Whether labels are renumbered, to test whether a candidate depends on their numbers."""
    constraints: Constraints = field(default_factory=Constraints)
    """The user's constraints on every episode; their limit on tokens is in `terms` already."""

    def __post_init__(self) -> None:
        """Raise ValueError for an unknown order or a short secret."""
        if self.order not in ORDERS:
            raise ValueError(f"order is {self.order!r}; give one of {', '.join(ORDERS)}")
        if len(self.secret) < SECRET_BYTES:
            raise ValueError(f"the secret has {len(self.secret)} bytes; give {SECRET_BYTES} or more, at random")


@dataclass(frozen=True)
class PlayedRepeat:
    """The result of a repeat, and its trace if it was traced."""

    repeat: Repeat
    result: GroupResult
    trace: pa.Table | None


@dataclass
class _Task:
    repeat: Repeat
    tries: int = 0
    alone: bool = False
    """Whether it must be played without other workers, because memory ran out beside them."""


class Player:
    """Plays repeats of one candidate on one grid with the workers of one sandbox."""

    def __init__(
        self,
        backend: Backend,
        candidate: Candidate,
        grid: Grid,
        settings: EvaluationSettings,
        on_output: Callable[[bytes], None] | None = None,
    ) -> None:
        """Prepare a player; nothing is started before `play`.

        Args:
            backend: The isolation backend.
            candidate: The controller.
            grid: The grid.
            settings: Settings of the evaluation.
            on_output: Called with what the candidate prints, of one repeat after the other; None to discard it.
        """
        self._backend, self._candidate, self._grid, self._settings = backend, candidate, grid, settings
        self._on_output = on_output
        side_by_side = 1 if on_output is not None else IN_FLIGHT
        self._groups = max(1, min(side_by_side, EPISODES_IN_FLIGHT // len(grid.questions)))
        self._episodes = Episodes(grid, settings.terms, self._groups)
        self._frame_bytes = frame_limit(len(grid.questions), LIVE_EPISODES, int(self._episodes.ceilings.max()))
        self._numbering = frame_server.Numbering(self._groups, len(grid.questions))
        self._tasks: dict[int, _Task] = {}
        """The running task of each group."""
        self._last: Worker | None = None
        """The worker that was replied to last."""

    def play(
        self, repeats: Sequence[Repeat], report: Callable[[], None] | None = None, until: float | None = None
    ) -> Generator[PlayedRepeat, None, None]:
        """Play the repeats and yield each when it is done, in any order.

        Args:
            repeats: The repeats.
            report: Called after each repeat.
            until: Deadline by `time.time`, in seconds; kept within about a second. None for no deadline.

        Raises:
            OutOfTime: The deadline has passed.
            InfrastructureError: The sandbox keeps failing by itself.
            SandboxUnavailable: The backend does not work here.
        """
        pending = deque(_Task(repeat) for repeat in repeats)
        while pending:
            with Host(
                self._backend, self._settings.limits, self._candidate, frame_bytes=self._frame_bytes,
                on_output=self._on_output,
            ) as host:  # fmt: skip
                try:
                    host.start()
                    for played in self._play_with(host, pending, until):
                        yield played
                        if report is not None:
                            report()
                except CandidateFailed as failed:
                    yield from self._give_up(pending, failed)
                except InfrastructureError as error:
                    self._again(pending, error)

    def refuse(self, repeats: Sequence[Repeat], status: Status, why: str) -> Iterator[PlayedRepeat]:
        """Fail every episode of the repeats with this status and reason, without playing them; they cost 0 tokens."""
        return self._give_up(deque(_Task(repeat) for repeat in repeats), CandidateFailed(status, why))

    def _play_with(self, host: Host, pending: deque[_Task], until: float | None) -> Iterator[PlayedRepeat]:
        free = list(range(self._groups - 1, -1, -1))
        # A worker of a host that failed is gone with it.
        self._last = None
        while pending or self._tasks:
            check_time(until)
            while pending and len(self._tasks) < self._groups and self._may_start(pending[0]):
                self._start(host, free.pop(), pending.popleft())
            frames: dict[int, tuple[Worker, bytes]] = {}
            ended: list[WorkerEvent] = []
            for event in self._gather(host):
                if event.status is not None:
                    ended.append(event)
                elif event.worker.group in frames:
                    host.kill(event.worker, Status.PROTOCOL_ERROR, "the worker sent a frame before it had its answer")
                elif event.frame is not None and not self._is_failure(host, event):
                    frames[event.worker.group] = (event.worker, event.frame)
            if frames:
                self._serve(host, frames)
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
        """Whether a task may start now: a task that must run alone starts only when no other runs."""
        return not self._tasks or not (task.alone or any(running.alone for running in self._tasks.values()))

    def _gather(self, host: Host) -> list[WorkerEvent]:
        """Return the next events, after a short wait for the workers that are about to act.

        On one core the workers act one after another, in the order of their replies. The host sleeps until the last
        of them has acted, so that one pass serves all; the wait is short, so that a slow worker delays no others.
        """
        if self._last is not None:
            host.wait_for_worker(self._last, PATIENCE)
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
        questions = list(range(len(self._grid.questions)))
        random.Random(derived_seed(settings, "questions", repeat)).shuffle(questions)
        self._numbering.begin(group, questions)
        job = {
            "kind": "play",
            "api": settings.api,
            "seed": derived_seed(settings, "worker", repeat),
            "beta": repeat.beta,
            "settings": dict(self._candidate.settings),
            "interval": arrays.interval,
            "budget": settings.terms.budget,
            "live": LIVE_EPISODES,
            "renamed": settings.renamed,
            "signals": list(arrays.signal_names),
            "constraints": settings.constraints.job(),
            "episodes": [
                (
                    derived_seed(settings, self._grid.questions[question], repeat),
                    int(self._episodes.ceilings[question]),
                    self._grid.questions[question] if settings.show_questions else None,
                )
                for question in questions
            ],
        }
        host.spawn(group, job)

    def _serve(self, host: Host, frames: dict[int, tuple[Worker, bytes]]) -> None:
        waiting = [RequestFrame(group, data) for group, (_, data) in frames.items()]
        began = time.thread_time()
        replies, broken = frame_server.serve(
            self._episodes, waiting, show_answers=self._settings.show_answers, numbering=self._numbering
        )
        # The cost of a pass grows with the length of its frames; each worker is charged its share.
        a_byte = (time.thread_time() - began) / sum(len(data) for _, data in frames.values())
        for worker, data in frames.values():
            worker.clock.host += a_byte * len(data)
        for wrong in broken:
            replies.pop(wrong.group, None)
            host.kill(frames[wrong.group][0], Status.PROTOCOL_ERROR, wrong.why)
        for group, (worker, _) in frames.items():
            if group not in replies:
                # It has to send another frame, or to end.
                host.expect(worker)
        self._last = None
        for group, reply in replies.items():
            self._last = frames[group][0]
            host.reply(self._last, reply)

    def _is_failure(self, host: Host, event: WorkerEvent) -> bool:
        """Whether a frame reports that the candidate cannot be played at all; ends the worker if so."""
        assert event.frame is not None  # noqa: S101 - asked of frames only
        try:
            check_no_failure(event.frame)
        except CandidateFailed as failed:
            host.kill(event.worker, failed.status, failed.why)
            return True
        return False

    def _end(self, event: WorkerEvent) -> PlayedRepeat:
        assert event.status is not None  # noqa: S101 - the end of a worker
        worker = event.worker
        if worker.killed is not None:
            # Its last frame arrived together with its end.
            return self._finish(worker.group, worker.killed, worker.why)
        return self._finish(worker.group, event.status, event.why)

    def _finish(self, group: int, status: Status, why: str) -> PlayedRepeat:
        episodes, task = self._episodes, self._tasks.pop(group)
        for episode in episodes.running(group).tolist():
            episodes.fail(episode, status, why)
        start = group * episodes.questions
        trace = episodes.traces.take(slice(start, start + episodes.questions)) if task.repeat.traced else None
        return PlayedRepeat(task.repeat, episodes.result(group), trace)

    def _give_up(self, pending: deque[_Task], failed: CandidateFailed) -> Iterator[PlayedRepeat]:
        """Fail the running repeats and the pending ones, because the candidate as a whole failed."""
        for group in sorted(self._tasks):
            yield self._finish(group, failed.status, failed.why)
        while pending:
            task = pending.popleft()
            orders = [ORDERS["published"](int(n), 0, 0) for n in self._grid.branches]
            self._episodes.begin(0, orders, traced=task.repeat.traced)
            self._tasks[0] = task
            yield self._finish(0, failed.status, failed.why)

    def _again(self, pending: deque[_Task], error: InfrastructureError) -> None:
        """Put the running repeats back into `pending`, to be played from the start in another sandbox."""
        for task in self._tasks.values():
            task.tries += 1
            if task.tries > RETRIES:
                raise error
            pending.appendleft(task)
        if not self._tasks:
            raise error
        self._tasks.clear()


def derived_seed(settings: EvaluationSettings, purpose: str, repeat: Repeat) -> int:
    """Return a 64-bit seed from the secret, the repeat, β and `purpose` (a question's text, or a name).

    Without the secret, a controller could find its question and branch order by trying out seeds.
    """
    message = repr((purpose, repeat.number, repeat.beta)).encode()
    return int.from_bytes(hashlib.blake2b(message, key=settings.secret[:64], digest_size=8).digest(), "big")


def check_time(until: float | None) -> None:
    """Raise OutOfTime if `time.time` has reached `until`, in seconds; None is no deadline."""
    if until is not None and time.time() >= until:
        raise OutOfTime("the time for this evaluation is over")

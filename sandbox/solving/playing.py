"""Plays one live episode: a sandbox with one worker, whose actions are served as they come."""

import threading
import time
from collections import deque
from typing import Any

from envdata.collect.engine import CollectError
from envdata.live.episode import LiveEpisode
from sandbox import serving
from sandbox.backends.base import Backend, Limits
from sandbox.candidate import Candidate
from sandbox.frames import Frame
from sandbox.host import CandidateFailed, Event, Host, InfrastructureError, Worker, read_text_frame
from sandbox.quoting import quoted
from sandbox.solving.solution import FailedBy
from sandbox.status import Status
from sandbox.streams import Malformed

PATIENCE = 0.2
"""Seconds after which a waiting episode looks at whether it is still wanted."""

_REPORTED = {Status.LOAD_ERROR, Status.CONTRACT_ERROR, Status.OUT_OF_MEMORY}
"""What a worker may say of its candidate as a whole."""


class _Ended(Exception):
    """The episode goes no further, for a reason that is not its controller's own."""

    def __init__(self, by: FailedBy, status: Status, why: str) -> None:
        super().__init__(why)
        self.by, self.status, self.why = by, status, why


class LivePlay:
    """One episode's sandbox. `run` is called in a thread of its own, `stop` from any other."""

    def __init__(self, backend: Backend, candidate: Candidate, limits: Limits, seconds: float | None) -> None:
        """`seconds` is how long the whole episode may take by the clock; None is without an end."""
        self._backend, self._candidate, self._limits = backend, candidate, limits
        self._seconds = seconds
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._stopped = threading.Event()
        self._host: Host | None = None
        self._worker: Worker | None = None
        self._early: deque[Event] = deque()
        """What the worker did while its last call was being served."""
        self.failed_by: FailedBy | None = None

    def stop(self) -> None:
        """Nobody wants the answer any more: end the episode and all that runs for it."""
        self._stopped.set()

    def run(self, episode: LiveEpisode, job: dict[str, Any], show_answers: bool) -> None:
        """Play the episode to its end; `episode` says how it ended."""
        try:
            with Host(self._backend, self._limits, self._candidate) as host:
                self._host = host
                host.start()
                self._worker = host.spawn(0, job)
                while not episode.over:
                    self._step(host, episode, show_answers)
        except CandidateFailed as failed:
            self._fail(episode, "controller", failed.status, failed.why)
        except InfrastructureError as error:
            self._fail(episode, "sandbox", Status.INFRASTRUCTURE_ERROR, str(error))
        except CollectError as error:
            self._fail(episode, "model", Status.INFRASTRUCTURE_ERROR, str(error))
        except _Ended as ended:
            self._fail(episode, ended.by, ended.status, ended.why)
        if self.failed_by is None and episode.status != Status.OK:
            self.failed_by = "controller"

    def attend(self) -> None:
        """While the model decodes: raise if the episode is not wanted any more, or its controller has ended."""
        self._check()
        if self._host is None or self._worker is None:
            return
        now = time.monotonic()
        # It waits for us, not we for it.
        self._worker.started += now - self._worker.waited_since
        self._worker.waited_since = now
        self._early.extend(self._host.wait(0))
        for event in self._early:
            if event.status is not None:
                raise _Ended("controller", event.status, event.why)

    def _step(self, host: Host, episode: LiveEpisode, show_answers: bool) -> None:
        self._check()
        events = [*self._early] or list(host.wait(PATIENCE))
        self._early.clear()
        for event in events:
            if event.frame is None:
                # Its last frame, with the answer, may have come in together with its end.
                if not episode.over:
                    raise _Ended("controller", event.status or Status.PROTOCOL_ERROR, event.why)
                return
            self._check_failure(event.frame)
            event.worker.waited_since = time.monotonic()
            replies, broken = serving.serve(episode, [Frame(0, event.frame)], show_answers=show_answers)
            if broken:
                raise _Ended("controller", Status.PROTOCOL_ERROR, broken[0].why)
            event.worker.started += time.monotonic() - event.worker.waited_since
            if 0 in replies:
                host.reply(event.worker, replies[0])

    def _check(self) -> None:
        if self._stopped.is_set():
            raise _Ended("time", Status.TIMEOUT, "nobody waits for the answer any more")
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise _Ended("time", Status.TIMEOUT, f"no answer within {self._seconds:g} s; give it longer")

    def _check_failure(self, frame: bytes) -> None:
        """Raise if a frame says that the candidate cannot be played at all."""
        try:
            said = read_text_frame(frame)
        except Malformed as error:
            raise _Ended("controller", Status.PROTOCOL_ERROR, f"the worker sent {error}") from None
        match said:
            case None:
                return
            case {"status": int(code), "why": str(why)} if code in _REPORTED:
                raise _Ended("controller", Status(code), quoted(why))
            case _:
                raise _Ended("controller", Status.PROTOCOL_ERROR, "the worker sent text that is not a failure")

    def _fail(self, episode: LiveEpisode, by: FailedBy, status: Status, why: str) -> None:
        if not episode.over:
            self.failed_by = by
            episode.fail(0, status, why)

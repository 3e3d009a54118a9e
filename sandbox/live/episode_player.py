"""Plays one live episode: a sandbox with one worker, whose frames are served one by one."""

import threading
import time
from collections import deque
from typing import Any

from envdata.collect.engine import CollectError
from envdata.live.episode import LiveEpisode
from sandbox import frame_server
from sandbox.backends.base import Backend, Limits
from sandbox.candidate import Candidate
from sandbox.host import CandidateFailed, Host, InfrastructureError
from sandbox.live.solution import FailedBy
from sandbox.request_frames import RequestFrame
from sandbox.status import Status
from sandbox.text_frames import check_no_failure
from sandbox.workers import Worker, WorkerEvent

PATIENCE = 0.2
"""Seconds between two checks whether a waiting episode was stopped."""

_ONLY = frame_server.Numbering(1, 1)
"""The numbering of a single episode, number 0."""


class _Ended(Exception):
    """The episode ends without its controller's answer."""

    def __init__(self, by: FailedBy, status: Status, why: str) -> None:
        """Take what failed, the episode's status, and the reason."""
        super().__init__(why)
        self.by, self.status, self.why = by, status, why


class LiveEpisodePlayer:
    """One episode's sandbox. `run` is called in a thread of its own, `stop` from any other."""

    def __init__(self, backend: Backend, candidate: Candidate, limits: Limits, seconds: float | None) -> None:
        """Prepare a sandbox; nothing is started before `run`.

        Args:
            backend: The isolation backend.
            candidate: The controller.
            limits: Limits on the controller.
            seconds: Wall-clock time for the whole episode, from now; None for no limit.
        """
        self._backend, self._candidate, self._limits = backend, candidate, limits
        self._seconds = seconds
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._stopped = threading.Event()
        self._host: Host | None = None
        self._worker: Worker | None = None
        self._early: deque[WorkerEvent] = deque()
        """Events of the worker while its last call was being served."""
        self.failed_by: FailedBy | None = None

    def stop(self) -> None:
        """End the episode and its requests, because nobody waits for the answer any more."""
        self._stopped.set()

    def run(self, episode: LiveEpisode, job: dict[str, Any], show_answers: bool) -> None:
        """Play the episode to its end; its status and answer are then in `episode`.

        Args:
            episode: The episode.
            job: The worker's job (`sandbox.inside.player.serve`).
            show_answers: Whether the controller sees the texts of answers.
        """
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
        """Raise, while the model decodes, if the episode was stopped or its controller has ended."""
        self._check()
        if self._host is None or self._worker is None:
            return
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
                # Its last frame, with the answer, may have arrived together with its end.
                if not episode.over:
                    raise _Ended("controller", event.status or Status.PROTOCOL_ERROR, event.why)
                return
            check_no_failure(event.frame)
            frames = [RequestFrame(0, event.frame)]
            replies, broken = frame_server.serve(episode, frames, show_answers=show_answers, numbering=_ONLY)
            if broken:
                raise _Ended("controller", Status.PROTOCOL_ERROR, broken[0].why)
            if 0 in replies:
                host.reply(event.worker, replies[0])
            else:
                host.expect(event.worker)

    def _check(self) -> None:
        if self._stopped.is_set():
            raise _Ended("time", Status.TIMEOUT, "nobody waits for the answer any more")
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise _Ended("time", Status.TIMEOUT, f"no answer within {self._seconds:g} s; give it longer")

    def _fail(self, episode: LiveEpisode, by: FailedBy, status: Status, why: str) -> None:
        if not episode.over:
            self.failed_by = by
            episode.fail(0, status, why)

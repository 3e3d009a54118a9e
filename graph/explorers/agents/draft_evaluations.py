"""The evaluation that an agent may ask for: a socket, a draft in, figures out, a limited number of times.

The host plays the draft in the sandbox, over the search set alone, as often as the loop's own screening does. What goes
back is what the loop would tell an explorer anyway: a status, the objective, the sweep. No answer is among it.
"""

import json
import socket
import socketserver
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from graph.analysis.curves import Curve, questions_of
from graph.analysis.objective import REFERENCE, Objective, Scorer, reference_curve
from graph.explorers.base import Brief
from graph.explorers.context import ExplorerContext
from graph.explorers.submissions import source_text
from graph.run.transcript import Transcript
from sandbox.candidate import MAX_SOURCE, Candidate
from sandbox.evaluate import Plan
from sandbox.evaluation_cache import baselines_cache
from sandbox.host import CandidateFailed
from sandbox.replay_player import OutOfTime

EVENT = "try"
PATIENCE = 10.0
"""Seconds that a client may take to say what it wants, and to hear the answer."""
MAX_REQUEST = 6 * MAX_SOURCE + 1000
"""Bytes of a request: JSON spells a character with six at most."""


class Tries:
    """Plays drafts, and counts them in the transcript: a kill gives none back."""

    def __init__(
        self, context: ExplorerContext, brief: Brief, transcript: Transcript, until: float | None = None
    ) -> None:
        """A draft that is being played at `until`, by `time.time`, is given up; None is never."""
        self._context, self._brief, self._journal, self._until = context, brief, transcript, until

    @property
    def limit(self) -> int:
        """How many there are for a round and attempt."""
        return self._context.settings.agent_tries

    @property
    def left(self) -> int:
        """How many there still are for this round and attempt."""
        key, stamp = (EVENT, self._brief.round, self._brief.attempt), self._journal.stamp.items()
        events = [each for each in self._journal.events() if stamp <= each.items()]
        used = sum(key == (e["event"], e.get("round"), e.get("attempt")) for e in events)
        return max(0, self.limit - used)

    def play(self, source: str) -> dict[str, Any]:
        """A draft's figures; refused without playing it once there are no tries left."""
        if not self.left:
            return {"status": "refused", "why": "there are no tries left in this round", "tries_left": 0}
        # Counted before it is played, so that no way of failing is free.
        self._journal.record(EVENT, round=self._brief.round, attempt=self._brief.attempt, source=source)
        try:
            said = self.figures(source)
        except OutOfTime:
            said = {"status": "out_of_time", "why": "the session ended while this draft was played"}
        self._journal.record("tried", round=self._brief.round, attempt=self._brief.attempt, **said)
        return {**said, "tries_left": self.left}

    @cached_property
    def _scorer(self) -> Scorer:
        """Objective of the run; self-consistency's episodes, if it compares with them, are those of round 0."""
        settings, evaluator = self._context.settings, self._context.evaluator
        assert evaluator is not None  # noqa: S101 - a run has one
        objective, reference = Objective.parse(settings.objective), None
        if objective.relative:
            plan = Plan(
                Candidate.parse(REFERENCE), settings.grids, settings.betas, settings.repeats, cache=baselines_cache()
            )
            reference = reference_curve(objective, evaluator.evaluate([plan]).episodes, settings.grids)
        low, high = self._brief.low, self._brief.high
        return Scorer(objective, low, high, questions_of(settings.grids), reference, settings.latency)

    def figures(self, source: str) -> dict[str, Any]:
        """A draft's figures, without counting or recording it. Raises OutOfTime."""
        settings, brief, evaluator = self._context.settings, self._brief, self._context.evaluator
        assert evaluator is not None  # noqa: S101 - a run has one
        candidate = Candidate("draft", source)
        try:
            described = evaluator.describe(candidate, settings.betas, self._until)
        except CandidateFailed as error:
            return {"status": error.status.label, "why": error.why}
        betas = None if described.ignores_beta else settings.betas
        plan = Plan(candidate, settings.grids, betas, settings.screening_repeats)
        played = evaluator.evaluate([plan], until=self._until)
        curve = Curve.from_episodes(played.episodes, "draft", settings.grids)
        if curve.failures:
            return {"status": next(iter(curve.failures)), "why": curve.why}
        rows = zip(curve.betas, curve.accuracy.tolist(), curve.tokens.tolist(), strict=True)
        sweep = [{"beta": b, "accuracy": round(a, 4), "tokens": round(t, 1)} for b, a, t in rows]
        best = max(brief.baselines.values(), default=None)
        score = round(self._scorer.score(curve), 4)
        return {"status": "ok", "objective": score, "best_baseline": best, "sweep": sweep}


class Service(socketserver.UnixStreamServer):
    """Serves `Tries` on a socket, a request at a time, in whatever thread calls `handle_request`."""

    timeout = 0.2

    def __init__(self, path: Path, play: Callable[[str], Mapping[str, Any]], patience: float = PATIENCE) -> None:
        super().__init__(str(path), _Handler)
        self.play, self.patience = play, patience

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is not our trouble; anything else is."""
        import sys

        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            assert error is not None  # noqa: S101 - called while one is handled
            raise error


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        """One line of JSON in, one object out."""
        assert isinstance(self.server, Service)  # noqa: S101
        line = _line(self.request, self.server.patience)
        try:
            source = source_text(json.loads(line)["source"])
            if len(source.encode("utf-8")) > MAX_SOURCE:
                raise ValueError
        except (ValueError, TypeError, KeyError, RecursionError, AttributeError):
            why = f"send one line of JSON with source, at most {MAX_SOURCE} bytes of UTF-8"
            answer: Mapping[str, Any] = {"status": "refused", "why": why}
        else:
            answer = self.server.play(source)
        self.request.settimeout(self.server.patience)
        self.request.sendall(json.dumps(answer).encode())


def _line(link: socket.socket, patience: float) -> bytes:
    """What a client sends up to a line's end; empty where that is too long. Raises OSError after `patience` seconds.

    The time is that of the whole line: a client that sends a byte now and then has no more of it.
    """
    deadline, line = time.monotonic() + patience, bytearray()
    while b"\n" not in line[-1 << 16 :]:
        link.settimeout(max(0.001, deadline - time.monotonic()))
        data = link.recv(1 << 16)
        if time.monotonic() > deadline:
            raise TimeoutError("no request in time")
        if not data:
            break
        line += data
        if len(line) > MAX_REQUEST:
            return b""
    return bytes(line)

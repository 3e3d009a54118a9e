"""The evaluation that an agent may ask for: a socket, a draft in, figures out, a limited number of times.

The host plays the draft in the sandbox, over the search set alone, as often as the loop's own screening does. What goes
back is what the loop would tell an explorer anyway: a status, the objective, the sweep. No answer is among it.
"""

import json
import socketserver
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from graph.context import questions_of
from graph.curves import Curve
from graph.explorers.base import Brief
from graph.explorers.setup import Setup
from graph.journal import Journal
from graph.objective import Objective, Yardstick
from sandbox.candidate import MAX_SOURCE, Candidate
from sandbox.evaluate import Plan
from sandbox.host import CandidateFailed

EVENT = "try"
PATIENCE = 10.0
"""Seconds that a client may take to say what it wants."""


class Tries:
    """Plays drafts, and counts them in the transcript: a kill gives none back."""

    def __init__(self, setup: Setup, brief: Brief, journal: Journal) -> None:
        self._setup, self._brief, self._journal = setup, brief, journal

    @property
    def left(self) -> int:
        """How many there still are for this round and attempt."""
        key = (EVENT, self._brief.round, self._brief.attempt)
        used = sum(key == (e["event"], e.get("round"), e.get("attempt")) for e in self._journal.events())
        return max(0, self._setup.settings.agent_tries - used)

    def play(self, source: str) -> dict[str, Any]:
        """A draft's figures; refused without playing it once there are no tries left."""
        if not self.left:
            return {"status": "refused", "why": "there are no tries left in this round", "tries_left": 0}
        # Counted before it is played, so that no way of failing is free.
        self._journal.record(EVENT, round=self._brief.round, attempt=self._brief.attempt, source=source)
        said = self._figures(source)
        self._journal.record("tried", round=self._brief.round, attempt=self._brief.attempt, **said)
        return {**said, "tries_left": self.left}

    def _figures(self, source: str) -> dict[str, Any]:
        settings, brief, evaluator = self._setup.settings, self._brief, self._setup.evaluator
        assert evaluator is not None  # noqa: S101 - a run has one
        candidate = Candidate("draft", source)
        try:
            described = evaluator.describe(candidate, settings.betas)
        except CandidateFailed as error:
            return {"status": error.status.label, "why": error.why}
        betas = None if len(described.schedules) > 1 and described.ignores_beta else settings.betas
        played = evaluator.evaluate([Plan(candidate, settings.grids, betas, settings.screening_repeats)])
        curve = Curve.from_episodes(played.episodes, "draft", settings.grids)
        if curve.failures:
            return {"status": next(iter(curve.failures)), "why": curve.why}
        yardstick = Yardstick(Objective.parse(settings.objective), brief.low, brief.high, questions_of(settings.grids))
        rows = zip(curve.betas, curve.accuracy.tolist(), curve.tokens.tolist(), strict=True)
        sweep = [{"beta": b, "accuracy": round(a, 4), "tokens": round(t, 1)} for b, a, t in rows]
        best = max(brief.baselines.values(), default=None)
        score = round(yardstick.score(curve), 4)
        return {"status": "ok", "objective": score, "best_baseline": best, "sweep": sweep}


class Service(socketserver.UnixStreamServer):
    """Serves `Tries` on a socket, a request at a time, in whatever thread calls `handle_request`."""

    timeout = 0.2

    def __init__(self, path: Path, play: Callable[[str], Mapping[str, Any]]) -> None:
        super().__init__(str(path), _Handler)
        self.play = play

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is not our trouble; anything else is."""
        import sys

        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            assert error is not None  # noqa: S101 - called while one is handled
            raise error


class _Handler(socketserver.StreamRequestHandler):
    timeout = PATIENCE

    def handle(self) -> None:
        """One line of JSON in, one object out."""
        limit = 6 * MAX_SOURCE + 1000
        line = self.rfile.readline(limit + 1)
        try:
            said: Any = json.loads(line) if len(line) <= limit else {}
            source = said["source"]
            if not isinstance(source, str) or len(source.encode("utf-8")) > MAX_SOURCE:
                raise ValueError
        except (ValueError, TypeError, KeyError, RecursionError):
            answer: Mapping[str, Any] = {
                "status": "refused", "why": f"send one line of JSON with source, at most {MAX_SOURCE} bytes of UTF-8"
            }  # fmt: skip
        else:
            assert isinstance(self.server, Service)  # noqa: S101
            answer = self.server.play(source)
        self.wfile.write(json.dumps(answer).encode())

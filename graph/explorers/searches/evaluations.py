"""The evaluations that a framework asks for in a session, and the proposals that follow from them.

All programs that a framework tries are evaluated by the host, so the host needs nothing else from it: the proposals of
a session are the programs that were tried in it for the first time, the best first. A program is played once in a run.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from graph.explorers.agents.draft_evaluations import EVENT, Tries
from graph.explorers.base import Brief
from graph.explorers.context import ExplorerContext
from graph.run.transcript import Transcript

PER_CANDIDATE, BESIDES = 4, 8
"""Evaluations of new programs in a session: so many for each candidate that is wanted, and so many besides."""
KEPT = ("status", "why", "objective", "best_baseline", "sweep")
"""Figures of an evaluation, without the number of tries that were left."""
UNFINISHED = ("refused", "out_of_time")
"""Statuses of programs that were not played to the end."""


class SearchEvaluations(Tries):
    """Plays the programs of a framework, each once; known figures are returned without playing it again."""

    def __init__(
        self, context: ExplorerContext, brief: Brief, transcript: Transcript, until: float | None = None
    ) -> None:
        """As of `Tries`, with the figures of all earlier sessions of this explorer."""
        super().__init__(context, brief, transcript, until)
        self._known = {source: figures for _, source, figures in _tried(transcript.of_all_rounds(), transcript)}

    @property
    def limit(self) -> int:
        """Number of new programs that may be played in the session."""
        return PER_CANDIDATE * self._brief.wanted + BESIDES

    def play(self, source: str) -> dict[str, Any]:
        """Return a program's figures; refused without playing it once there are no tries left."""
        known = self._known.get(source)
        if known is None:
            known = super().play(source)
            if known["status"] not in UNFINISHED:
                self._known[source] = known
        return known


def best_sources(brief: Brief, transcript: Transcript, known: Collection[str]) -> list[str]:
    """Return the sources that were tried for this brief, without those in `known`, the best first.

    Those that fail come last, in the order in which they were tried: the run archives them as it does any others.
    """
    seen = {each.strip() for each in known}
    found: dict[str, tuple[bool, float]] = {}
    for key, source, figures in _tried(transcript.of_all_rounds(), transcript):
        if source.strip() in seen:
            continue
        if key == (brief.round, brief.attempt):
            sound = figures["status"] == "ok"
            found.setdefault(source, (not sound, -figures["objective"] if sound else 0.0))
        else:
            seen.add(source.strip())
    return sorted(found, key=lambda source: found[source])


def _tried(
    events: Sequence[dict[str, Any]], transcript: Transcript
) -> Iterator[tuple[tuple[int, int], str, dict[str, Any]]]:
    """Yield round and attempt, source and figures of each program that was played to the end, in order."""
    source: str | None = None
    for each in events:
        if not transcript.stamp.items() <= each.items():
            continue
        if each["event"] == EVENT:
            source = str(each["source"])
        elif each["event"] == "tried" and source is not None:
            figures = {name: each[name] for name in KEPT if name in each}
            if figures["status"] not in UNFINISHED:
                yield (int(each["round"]), int(each["attempt"])), source, figures
            source = None

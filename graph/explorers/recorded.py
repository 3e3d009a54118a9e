"""The explorer `recorded:RUN`: the proposals of a finished run again, which select the same candidate.

Proposals are read from the rounds' archived candidates, since a kill may have left events twice in the transcript. A
run with other grids or terms is refused: it would score the proposals differently, might select another candidate, and
would look like a search that never took place.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from graph.explorers.base import (
    Assignment,
    Brief,
    Consolidation,
    Critique,
    Evidence,
    Explorer,
    ExplorerError,
    Findings,
    Proposal,
)
from graph.explorers.context import ExplorerContext
from graph.explorers.prompts import ReplyError
from graph.run.files import RunError, read_source
from graph.run.knowledge import CONSOLIDATED, PAGE_KEPT
from graph.run.paths import RunFolder, read_json
from graph.run.pinned import Pinned
from graph.run.settings import SETTINGS
from graph.run.transcript import Transcript
from sandbox.status import Status


class RecordedExplorer(Explorer):
    """An explorer that proposes the candidates of a finished run."""

    def __init__(self, path: str) -> None:
        """Open the run in the folder `path`. Raises ExplorerError if there is none, or it has not ended."""
        if not path:
            raise ExplorerError("recorded: give the folder of a finished run, as in recorded:runs/mine")
        self._folder = RunFolder(Path(path))
        try:
            self._pinned = Pinned.load(self._folder.settings)
        except RunError as error:
            raise ExplorerError(f"recorded:{path}: {error}") from None
        if not self._folder.result.exists():
            raise ExplorerError(
                f"recorded:{path}: this run has not ended; finish it with autotts discover --resume {path}"
            )

    def identity(self) -> Mapping[str, str]:
        """Return the run's folder and a hash of its proposals, critiques and consolidations."""
        rounds: list[Any] = [
            (number, self._entries(number), self._diagnosis(number))
            for number in range(1, self._pinned.settings.rounds + 1)
        ]
        pages = {}
        for number in range(1, self._pinned.settings.rounds + 1):
            with suppress(ReplyError):
                pages[number] = self._changes(number)
        # Recordings without consolidations have the hash that they had before there were any.
        rounds += [(number, changes) for number, changes in pages.items() if changes is not None]
        digest = hashlib.sha256(json.dumps(rounds, sort_keys=True, default=vars).encode()).hexdigest()
        return {"explorer": "recorded", "run": str(self._folder.path), "proposals": digest}

    def check_run(self, pinned: Pinned) -> None:
        """Raise ExplorerError, naming the value, if a run differs from the recorded one in what affects scores."""
        for name, setting in SETTINGS.items():
            recorded, given = getattr(self._pinned.settings, name), getattr(pinned.settings, name)
            if name == "grids":
                # Grids are compared by content: they may have been moved.
                recorded, given = ([each.grid_hashes[path] for path in each.settings.grids]
                            for each in (self._pinned, pinned))  # fmt: skip
            if name == "rounds" and given < recorded:
                continue
            if recorded != given and setting.option.scores:
                value = "the grids' content" if name == "grids" else name
                run = self._folder.path
                raise ExplorerError(
                    f"recorded:{run}: {value}: the recorded run had {recorded!r}, this one {given!r}; "
                    "its proposals would be scored otherwise, and the end would not be the same. Give the recorded "
                    f"value, or play single candidates with autotts evaluate {run}/round-001/candidates/….py"
                )

    def propose(self, brief: Brief, transcript: Transcript) -> Sequence[Proposal]:
        """Return the candidates of the recorded round `brief.round`; on a further attempt, those that did not load.

        Candidates that did not load are returned at each attempt, so that they count as they did in the recorded run.

        Args:
            brief: Names the round and the attempt.
            transcript: The round's transcript, which records the labels.

        Raises:
            ExplorerError: The recorded round is incomplete.
        """
        entries = self._entries(brief.round)
        if brief.attempt:
            entries = [entry for entry in entries if entry["status"] != Status.OK.label]
        transcript.record(
            "played back", run=str(self._folder.path), round=brief.round, labels=[e["label"] for e in entries]
        )
        return [
            # Runs of earlier versions have no assignments.
            Proposal(each["source"], each["idea"], each["notes"], Assignment.from_json(each.get("assignment")))
            for each in entries
        ]

    def critique(self, evidence: Evidence, transcript: Transcript) -> Critique:
        """Return the recorded critique of the round."""
        return self._diagnosis(evidence.round)

    def consolidate(self, findings: Findings, transcript: Transcript) -> Consolidation | None:
        """Return the recorded changes of the page after a round; None if there were none.

        Raises:
            ReplyError: The recorded page stayed as it was, since no reply could be read.
        """
        return self._changes(findings.round)

    def _changes(self, number: int) -> Consolidation | None:
        """Return the recorded changes after round `number`; raises as `consolidate` does."""
        for event in reversed(Transcript(self._folder.round(number).transcript).events()):
            if event["event"] == PAGE_KEPT:
                raise ReplyError(str(event["why"]))
            if event["event"] == CONSOLIDATED:
                return Consolidation.from_json(event)
        return None

    def _entries(self, number: int) -> list[dict[str, Any]]:
        """Return a round's entries of `proposals.json`, with their sources. Raises ExplorerError."""
        folder = self._folder.round(number)
        try:
            entries: list[dict[str, Any]] = read_json(folder.proposals)
            return [{**each, "source": read_source(folder.source(each["label"]))} for each in entries]
        except FileNotFoundError as error:
            if not folder.path.exists():
                # A cap ended the recorded run before this round.
                return []
            raise ExplorerError(
                f"recorded:{self._folder.path}: round {number} is not complete ({error.filename} is missing)"
            ) from None

    def _diagnosis(self, number: int) -> Critique:
        """Return the last critique in a round's transcript; an empty one if it has none."""
        known = {each.name for each in fields(Critique)}
        for event in reversed(Transcript(self._folder.round(number).transcript).events()):
            if event["event"] == "critique":
                values: dict[str, Any] = {
                    name: tuple(value) if isinstance(value, list) else value
                    for name, value in event.items() if name in known
                }  # fmt: skip
                return Critique(**values)
        return Critique("")


def make_recorded(argument: str, context: ExplorerContext) -> Explorer:
    """Return the explorer `recorded:RUN`. Raises ExplorerError if the run is missing or has not ended."""
    return RecordedExplorer(argument)

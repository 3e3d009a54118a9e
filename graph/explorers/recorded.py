"""The explorer `recorded:RUN`: a finished run's proposals once more, with the same end.

What was proposed is read from the rounds' archived candidates, not from the transcript, which a kill may have doubled.
A run on other grids or terms would score these proposals otherwise and select another one; it would look like a search
and be none, so it is refused.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from graph.explorers.base import Brief, Critique, Evidence, ExplorerError, Proposal
from graph.folder import RunFolder, read_json
from graph.journal import Journal
from graph.settings import Pinned, RunError, RunSettings
from sandbox.status import Status

FREE = frozenset(
    {"heldout", "sandbox", "explorers", "side_by_side", "critic", "base_url", "checkpoints", "approve"}
    | {"thinking", "effort", "temperature", "max_output"}
)
"""Settings that may differ: what is played at the end, where, by whom and how the proposals were written."""
FREE_STARTS = ("max_cost", "max_minutes", "max_tokens", "price", "brief_", "agent_")


class Recorded:
    """Reads a finished run's folder, and nothing else."""

    def __init__(self, path: str) -> None:
        """Raises ExplorerError if there is no finished run in the folder."""
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
        """The run, and a hash over all it proposed and said."""
        said = [
            (number, self._entries(number), self._diagnosis(number))
            for number in range(1, self._pinned.settings.rounds + 1)
        ]
        digest = hashlib.sha256(json.dumps(said, sort_keys=True, default=vars).encode()).hexdigest()
        return {"explorer": "recorded", "run": str(self._folder.path), "proposals": digest}

    def check_run(self, wanted: Pinned) -> None:
        """Raise ExplorerError, naming the value, if a run would not be the recorded one once more."""
        for each in fields(RunSettings):
            name = each.name
            was, now = getattr(self._pinned.settings, name), getattr(wanted.settings, name)
            if name == "grids":
                # Where a grid lies does not matter; what is in it does.
                was, now = ([pinned.grid_hashes[path] for path in pinned.settings.grids]
                            for pinned in (self._pinned, wanted))  # fmt: skip
            if name == "rounds" and now < was:
                continue
            if was != now and name not in FREE and not name.startswith(FREE_STARTS):
                what = "the grids' content" if name == "grids" else name
                raise ExplorerError(
                    f"recorded:{self._folder.path}: {what}: the recorded run had {was!r}, this one {now!r}; its "
                    "proposals would be scored otherwise and the end would not be the same. Give the recorded value, "
                    f"or play single candidates with autotts evaluate {self._folder.path}/round-001/candidates/….py"
                )

    def propose(self, brief: Brief, journal: Journal) -> Sequence[Proposal]:
        """What the round had. What did not load is given as often as it is asked for, so that it counts as it did."""
        entries = self._entries(brief.round)
        if brief.attempt:
            entries = [entry for entry in entries if entry["status"] != Status.OK.label]
        journal.record(
            "played back", run=str(self._folder.path), round=brief.round, labels=[e["label"] for e in entries]
        )
        return [Proposal(each["source"], each["idea"], each["notes"]) for each in entries]

    def critique(self, evidence: Evidence, journal: Journal) -> Critique:
        """What was said of the round."""
        return self._diagnosis(evidence.round)

    def _entries(self, number: int) -> list[dict[str, Any]]:
        folder = self._folder.round(number)
        try:
            entries: list[dict[str, Any]] = read_json(folder.proposals)
            return [
                {**each, "source": (folder.candidates / f"{each['label']}.py").read_text(encoding="utf-8")}
                for each in entries
            ]
        except FileNotFoundError as error:
            if not folder.path.exists():
                # A cap ended the recorded run early: its later rounds never were.
                return []
            raise ExplorerError(
                f"recorded:{self._folder.path}: round {number} is not complete ({error.filename} is missing)"
            ) from None

    def _diagnosis(self, number: int) -> Critique:
        known = {each.name for each in fields(Critique)}
        for event in reversed(Journal(self._folder.round(number).transcript).events()):
            if event["event"] == "critique":
                said = {name: value for name, value in event.items() if name in known}
                values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in said.items()}
                return Critique(**values)
        return Critique("")

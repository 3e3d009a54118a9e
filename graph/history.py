"""A run read back from its folder: complete or still going on."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from graph.context import curves_of, questions_of, source_of
from graph.curves import Curve, Questions
from graph.folder import RunFolder, read_json
from graph.settings import Pinned, RunError, RunSettings
from graph.tables import Tables
from sandbox.candidate import SHIPPED


@dataclass(frozen=True)
class RoundRecord:
    """A complete round."""

    number: int
    best: str | None
    """The label of its best candidate; None if none was sound."""
    candidates: list[dict[str, Any]]
    """As in `metrics.json`: label, status, why, screening, score, interval, over_baseline, gain, doc, idea, notes,
    points (β, accuracy, tokens), same_as."""
    sources: Mapping[str, str]
    """By label."""
    critique: str
    best_curve: Curve | None


@dataclass(frozen=True)
class History:
    """What a run's folder holds."""

    folder: RunFolder
    settings: RunSettings
    pinned: Pinned
    low: float
    high: float
    """The range of tokens that the baselines fixed."""
    baselines: Mapping[str, Curve]
    """On the search set; those without failures."""
    rounds: list[RoundRecord]
    frontier: pa.Table | None
    result: dict[str, Any] | None
    """What `result.json` holds; None for a run that has not ended."""

    @property
    def tables(self) -> Tables:
        """The run as Arrow tables: candidates, knobs, rounds, episodes, traces, calls, drafts."""
        return Tables(self)

    def search_questions(self) -> Questions:
        """Those of the search set. Raises GridError if a grid has gone."""
        return questions_of(self.settings.grids)

    def selected(self) -> Curve | None:
        """The selected controller on the search set."""
        if self.result is None:
            return None
        label, number = self.result["selected"], self.result["round"]
        return curves_of(self.folder.round(number), [label], self.settings.grids)[label]

    def heldout(self) -> dict[str, Curve]:
        """The baselines and the selected controller on the held-out set; empty if there is none."""
        if self.result is None or not self.settings.heldout:
            return {}
        episodes = pq.read_table(self.folder.heldout)
        names = dict.fromkeys([*SHIPPED, self.result["selected"]])
        curves = {name: Curve.from_episodes(episodes, name, self.settings.heldout) for name in names}
        return {name: curve for name, curve in curves.items() if not curve.failures}


def load(path: Path) -> History:
    """Read the run in a folder. Raises RunError if there is none, or if its baselines are not there yet."""
    folder = RunFolder(path)
    pinned = Pinned.load(folder.settings)
    settings = pinned.settings
    start = folder.round(0)
    if not start.metrics.exists():
        raise RunError(f"{path}: the baselines are not evaluated yet; go on with autotts discover --resume {path}")
    fixed = read_json(start.metrics)
    baselines = curves_of(start, SHIPPED, settings.grids)
    rounds = []
    for number in range(1, settings.rounds + 1):
        if not folder.round(number).metrics.exists():
            break
        rounds.append(_round(folder, settings, number))
    return History(
        folder=folder,
        settings=settings,
        pinned=pinned,
        low=fixed["low"],
        high=fixed["high"],
        baselines={name: curve for name, curve in baselines.items() if not curve.failures},
        rounds=rounds,
        frontier=pq.read_table(folder.frontier) if folder.frontier.exists() else None,
        result=read_json(folder.result) if folder.result.exists() else None,
    )


def _round(folder: RunFolder, settings: RunSettings, number: int) -> RoundRecord:
    own = folder.round(number)
    said = read_json(own.metrics)
    best = said["best"]
    return RoundRecord(
        number=number,
        best=best,
        candidates=said["candidates"],
        sources={each["label"]: source_of(own, each["label"]) for each in said["candidates"]},
        critique=own.critique.read_text(encoding="utf-8"),
        best_curve=curves_of(own, [best], settings.grids)[best] if best is not None else None,
    )

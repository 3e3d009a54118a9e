"""Record of a run, read from its folder; the run may be complete or in progress."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from envdata.grid import GridError
from graph.analysis.curves import COLUMNS, Curve, Questions, questions_of
from graph.analysis.objective import Objective, Scorer, reference_curve
from graph.run.candidates import RoundRecord, curves_of, read_round
from graph.run.files import RunError, read_table
from graph.run.paths import RunFolder, read_json
from graph.run.pinned import Pinned, check_grids
from graph.run.questions import Which, read_questions
from graph.run.settings import RunSettings
from graph.run.tables import Tables


@dataclass(frozen=True)
class RunRecord:
    """Record of a run."""

    folder: RunFolder
    settings: RunSettings
    pinned: Pinned
    low: float
    high: float
    """Range of tokens of the objective, fixed by the baselines."""
    baselines: Mapping[str, Curve]
    """Curves of the baselines without failures on the search set, by name."""
    rounds: list[RoundRecord]
    """Complete rounds, in order."""
    frontier: pa.Table | None
    """`graph.analysis.frontier.FRONTIER`; None before the first complete round."""
    result: dict[str, Any] | None
    """Content of `result.json`; None for a run in progress."""

    @property
    def tables(self) -> Tables:
        """The run as Arrow tables, named in `graph.run.tables.TABLES`."""
        return Tables(
            folder=self.folder,
            betas=self.settings.betas,
            grids=self.settings.grids,
            baselines=self.baselines,
            round_records=self.rounds,
            stored_frontier=self.frontier,
            result=self.result,
            explorers=self.settings.explorers,
            scorer=self.scorer,
        )

    def scorer(self) -> Scorer:
        """Return the run's objective over its search set. Raises as `search_questions`."""
        objective = Objective.parse(self.settings.objective)
        questions = self.search_questions()
        reference = reference_curve(objective, read_table(self.folder.round(0).evaluation), self.settings.grids)
        return Scorer(objective, self.low, self.high, questions, reference, self.settings.latency)

    def search_questions(self) -> Questions:
        """Return the questions of the search set, as recorded by the run, or else from its grids.

        Raises:
            GridError: The run recorded no questions, and a grid cannot be read.
            RunError: The run recorded no questions, and the content of a grid is not the run's.
        """
        return self._questions("search", self.settings.grids)

    def heldout_questions(self) -> Questions:
        """Return the questions of the held-out set. Raises as `search_questions`."""
        return self._questions("heldout", self.settings.heldout)

    def _questions(self, which: Which, grids: tuple[str, ...]) -> Questions:
        recorded = read_questions(self.folder.round(0).questions, which, grids)
        if recorded is not None:
            return recorded
        check_grids(self.pinned, grids)
        return questions_of(grids)

    def selected(self) -> Curve | None:
        """Return the curve of the selected controller on the search set; None for a run in progress."""
        if self.result is None:
            return None
        label, number = self.result["selected"], self.result["round"]
        return curves_of(self.folder.round(number), [label], self.settings.grids)[label]

    def heldout(self) -> dict[str, Curve]:
        """Return the curves without failures on the held-out set, by label; empty without one."""
        return dict(self._heldout)

    @cached_property
    def _heldout(self) -> dict[str, Curve]:
        if self.result is None or not self.settings.heldout:
            return {}
        episodes = read_table(self.folder.heldout, COLUMNS)
        names = dict.fromkeys([*self.settings.baselines, self.result["selected"]])
        curves = {name: Curve.from_episodes(episodes, name, self.settings.heldout) for name in names}
        return {name: curve for name, curve in curves.items() if not curve.failures}


def load(path: Path) -> RunRecord:
    """Read the run in a folder.

    Raises:
        RunError: The folder holds no run, its files are damaged, or the baselines are not evaluated yet.
        GridError: A grid cannot be read.
    """
    try:
        return _load(path)
    except (RunError, GridError):
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise RunError(f"{path} holds files that no run wrote ({type(error).__name__}: {error})") from error


def _load(path: Path) -> RunRecord:
    folder = RunFolder(path)
    pinned = Pinned.load(folder.settings)
    settings = pinned.settings
    start = folder.round(0)
    if not start.metrics.exists():
        raise RunError(f"{path}: the baselines are not evaluated yet; go on with autotts discover --resume {path}")
    metrics = read_json(start.metrics)
    baselines = curves_of(start, settings.baselines, settings.grids)
    rounds = []
    for number in range(1, settings.rounds + 1):
        if not folder.round(number).metrics.exists():
            break
        rounds.append(read_round(folder, settings.grids, number))
    return RunRecord(
        folder=folder,
        settings=settings,
        pinned=pinned,
        low=metrics["low"],
        high=metrics["high"],
        baselines={name: curve for name, curve in baselines.items() if not curve.failures},
        rounds=rounds,
        frontier=read_table(folder.frontier) if folder.frontier.exists() else None,
        result=read_json(folder.result) if folder.result.exists() else None,
    )

"""What the nodes of the state machine work with, besides the checkpointed state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
import pyarrow.parquet as pq

from envdata.grid import Grid
from graph.curves import Curve, Questions
from graph.explorers.base import Explorer, Point, Tried
from graph.folder import RoundFolder, RunFolder, read_json
from graph.objective import Objective, Yardstick
from graph.settings import RunSettings
from graph.telling import Teller
from sandbox.candidate import SHIPPED
from sandbox.evaluate import Evaluator


@dataclass
class Context:
    """A run that is going on. Nothing in here is part of its state: that is on the disk."""

    settings: RunSettings
    folder: RunFolder
    evaluator: Evaluator
    explorer: Explorer
    teller: Teller

    @cached_property
    def objective(self) -> Objective:
        """What is maximised."""
        return Objective.parse(self.settings.objective)

    @cached_property
    def questions(self) -> Questions:
        """Those of the search set."""
        return questions_of(self.settings.grids)

    @cached_property
    def baselines(self) -> dict[str, Curve]:
        """The baselines on the search set, by name; round 0 must be complete."""
        return curves_of(self.folder.round(0), SHIPPED, self.settings.grids)

    @cached_property
    def baseline_scores(self) -> dict[str, float]:
        """The objective of each baseline that can be played, by name."""
        entries = read_json(self.folder.round(0).metrics)["baselines"]
        return {entry["label"]: entry["score"] for entry in entries if entry["score"] is not None}

    @cached_property
    def yardstick(self) -> Yardstick:
        """The objective with the range that round 0 fixed."""
        said = read_json(self.folder.round(0).metrics)
        return Yardstick(self.objective, said["low"], said["high"], self.questions)

    def history(self, before: int) -> list[Tried]:
        """The candidates of the rounds before round `before`, in their order."""
        return [tried for number in range(1, before) for tried in tried_in(self.folder.round(number), number)]

    def admissible(self, before: int) -> list[Curve]:
        """Curves that may be on the frontier from the rounds before round `before`; the baselines come first."""
        curves = list(self.baselines.values())
        for number in range(1, before):
            labels = [tried.label for tried in tried_in(self.folder.round(number), number) if tried.score is not None]
            curves += curves_of(self.folder.round(number), labels, self.settings.grids).values()
        return [curve for curve in curves if not curve.failures]


def questions_of(grids: Sequence[str]) -> Questions:
    """The questions of grids. Raises GridError."""
    return Questions(tuple(grids), tuple(tuple(Grid.load(path).questions) for path in grids))


def curves_of(folder: RoundFolder, labels: Sequence[str], grids: Sequence[str]) -> dict[str, Curve]:
    """The curves of a round's full evaluation, by label."""
    if not labels:
        return {}
    episodes: pa.Table = pq.read_table(folder.evaluation)
    return {label: Curve.from_episodes(episodes, label, grids) for label in labels}


def tried_in(folder: RoundFolder, number: int) -> list[Tried]:
    """The candidates of a complete round, as explorers see them."""
    return [
        Tried(
            label=said["label"],
            round=number,
            source=source_of(folder, said["label"]),
            notes=said["notes"],
            status=said["status"],
            why=said["why"],
            screening=said["screening"],
            score=said["score"],
            idea=said["idea"],
            points=[Point(said["label"], *point) for point in said["points"]],
            same_as=said["same_as"],
        )
        for said in read_json(folder.metrics)["candidates"]
    ]


def source_of(folder: RoundFolder, label: str) -> str:
    """A candidate's source."""
    return (folder.candidates / f"{label}.py").read_text(encoding="utf-8")


def best_of(scores: Mapping[str, float]) -> str | None:
    """The label with the best score, the earlier of equals; None if there is none."""
    return max(scores, key=scores.__getitem__) if scores else None

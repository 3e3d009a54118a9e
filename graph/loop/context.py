"""State and context of the machine's nodes: what LangGraph checkpoints, and what the process holds beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypedDict

from envdata.atomic import write_text
from envdata.grid import Grid
from graph.analysis.curves import Curve, Questions, questions_of
from graph.analysis.grid_facts.facts import grid_facts
from graph.analysis.grid_facts.markdown import write_facts
from graph.analysis.objective import Objective, Scorer, reference_curve
from graph.explorers.base import CandidateRecord, Explorer
from graph.run.candidates import curves_of, read_candidates
from graph.run.files import read_table, read_text
from graph.run.observers import RunObserver
from graph.run.paths import RunFolder, read_json
from graph.run.settings import RunSettings
from sandbox.evaluate import Evaluation, Evaluator, Plan, Progress


class State(TypedDict, total=False):
    """State of the graph, checkpointed between nodes. Small plain values; everything large is in the run's folder."""

    round: int
    """Round in progress, from 1."""
    labels: list[str]
    """Labels of the round's candidates, in the order of proposal."""
    finalists: list[str]
    """Labels of the candidates that were evaluated in full."""
    stopped: str
    """Name of the cap that ended the search early."""
    selected: str
    """Label of the controller that the run selected."""
    controller: str
    """Path of its source."""


class CountingEvaluator(Evaluator):
    """Evaluator that counts the episodes it evaluates."""

    episodes = 0
    """Episodes evaluated so far, cached ones included, so that runs can be compared by what they evaluated."""

    def evaluate(self, plans: Sequence[Plan], progress: Progress | None = None, **more: Any) -> Evaluation:
        """Evaluate as `Evaluator.evaluate` does, and add the episodes to the count."""
        evaluation = super().evaluate(plans, progress, **more)
        self.episodes += evaluation.episodes.num_rows
        return evaluation


@dataclass
class Context:
    """Objects of a running discovery that its nodes share. Nothing here is checkpointed."""

    settings: RunSettings
    folder: RunFolder
    evaluator: Evaluator
    explorer: Explorer
    observer: RunObserver

    @cached_property
    def objective(self) -> Objective:
        """Objective that the run maximises."""
        return Objective.parse(self.settings.objective)

    @cached_property
    def questions(self) -> Questions:
        """Questions of the search grids."""
        return questions_of(self.settings.grids)

    @cached_property
    def baselines(self) -> dict[str, Curve]:
        """Curves of the baselines on the search set, by name; round 0 must be complete."""
        return curves_of(self.folder.round(0), self.settings.baselines, self.settings.grids)

    @cached_property
    def baseline_scores(self) -> dict[str, float]:
        """Objective of each baseline without failed episodes, by name."""
        entries = read_json(self.folder.round(0).metrics)["baselines"]
        return {entry["label"]: entry["score"] for entry in entries if entry["score"] is not None}

    @cached_property
    def scorer(self) -> Scorer:
        """Objective with the range of tokens that round 0 fixed."""
        metrics = read_json(self.folder.round(0).metrics)
        episodes = read_table(self.folder.round(0).evaluation)
        reference = reference_curve(self.objective, episodes, self.settings.grids)
        return Scorer(self.objective, metrics["low"], metrics["high"], self.questions, reference, self.settings.latency)

    @cached_property
    def grid_facts(self) -> str:
        """Facts on the search grids as Markdown; they take seconds, so they are kept in a file of round 0."""
        path, settings = self.folder.round(0).facts, self.settings
        try:
            return read_text(path)
        except FileNotFoundError:
            grids = [Grid.load(grid) for grid in settings.grids]
            facts = grid_facts(grids, order=settings.order, seed=settings.seed, ceiling=settings.max_branches)
            write_text(path, write_facts(facts) + "\n")
            return read_text(path)

    def history(self, before: int) -> list[CandidateRecord]:
        """Return the candidates of the rounds before round `before`, in the order of proposal."""
        return [record for number in range(1, before) for record in read_candidates(self.folder.round(number), number)]

    def admissible(self, before: int) -> list[Curve]:
        """Return the curves without failures from the rounds before round `before`, baselines first."""
        curves = list(self.baselines.values())
        for number in range(1, before):
            records = read_candidates(self.folder.round(number), number)
            labels = [record.label for record in records if record.score is not None]
            curves += curves_of(self.folder.round(number), labels, self.settings.grids).values()
        return [curve for curve in curves if not curve.failures]


def best_of(scores: Mapping[str, float]) -> str | None:
    """Return the label with the highest score, the first of equals; None for no scores."""
    return max(scores, key=scores.__getitem__) if scores else None

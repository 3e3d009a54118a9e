"""Paths of a run's files: Parquet, JSON, Markdown and Python source."""

import contextlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from envdata.atomic import write_text
from graph.run.files import RunError, check_label
from graph.run.files import read_json as read_json


@dataclass(frozen=True)
class RoundFolder:
    """Folder of one round; round 0 holds the baselines."""

    path: Path

    @property
    def candidates(self) -> Path:
        """Folder of all candidates' sources, `<label>.py`, and `proposals.json`."""
        return self.path / "candidates"

    def source(self, label: str) -> Path:
        """Return the path of a candidate's source. Raises RunError for an invalid label."""
        return self.candidates / f"{check_label(label, self.candidates)}.py"

    @property
    def controller(self) -> Path:
        """Source of the round's best candidate."""
        return self.path / "controller.py"

    @property
    def proposals(self) -> Path:
        """JSON list of the proposals: label, status, error, docstring, schedules, idea, notes, assignment."""
        return self.candidates / "proposals.json"

    @property
    def screening(self) -> Path:
        """Episodes of all candidates in the screening."""
        return self.path / "screening.parquet"

    @property
    def evaluation(self) -> Path:
        """Episodes of the finalists, or of the baselines, in the full evaluation."""
        return self.path / "evaluation.parquet"

    @property
    def traces(self) -> Path:
        """Traces of the finalists, or of the baselines, at three β, repeat 0."""
        return self.path / "traces.parquet"

    @property
    def facts(self) -> Path:
        """Facts on the search grids, as briefs show them; of round 0 alone."""
        return self.path / "grids.md"

    @property
    def questions(self) -> Path:
        """Ids of the questions of the search and held-out grids, as JSON (`graph.run.questions`); of round 0 alone."""
        return self.path / "questions.json"

    @property
    def race(self) -> Path:
        """Candidates dropped in the race, and the replays that saved, as JSON."""
        return self.path / "race.json"

    @property
    def critique(self) -> Path:
        """Critique and measurements of the round, as Markdown."""
        return self.path / "critique.md"

    @property
    def proposal(self) -> Path:
        """Ideas of all candidates, as Markdown."""
        return self.path / "proposal.md"

    @property
    def measures(self) -> Path:
        """The critic's measurements, as JSON."""
        return self.path / "measures.json"

    @property
    def lesson(self) -> Path:
        """Critique, measurements and failure digests of the round, as JSON, from which later briefs are made."""
        return self.path / "lesson.json"

    @property
    def knowledge(self) -> Path:
        """What is known as of the round, as JSON (`graph.run.knowledge`); absent without consolidation."""
        return self.path / "knowledge.json"

    @property
    def metrics(self) -> Path:
        """Record of the round: all candidates with their scores, as JSON. Written last: it marks a complete round."""
        return self.path / "metrics.json"

    @property
    def transcript(self) -> Path:
        """Events between the loop and the explorer, one JSON object a line, with times (`graph.run.transcript`)."""
        return self.path / "transcript.jsonl"


@dataclass(frozen=True)
class RunFolder:
    """Folder of one run."""

    path: Path

    @property
    def settings(self) -> Path:
        """`run.toml`: settings, and the versions and hashes that are pinned."""
        return self.path / "run.toml"

    @property
    def secret(self) -> Path:
        """Secret that seeds the random numbers of controllers (`sandbox.run_secret`)."""
        return self.path / "secret"

    @property
    def checkpoints(self) -> Path:
        """LangGraph's checkpoints."""
        return self.path / "checkpoints.sqlite"

    @property
    def frontier(self) -> Path:
        """Frontier after the latest complete round."""
        return self.path / "frontier.parquet"

    @property
    def digest(self) -> Path:
        """Part of the next brief on earlier rounds: frontier, candidates and lessons, as Markdown."""
        return self.path / "digest.md"

    @property
    def knowledge(self) -> Path:
        """What is known as of the latest complete round, as Markdown; absent without consolidation."""
        return self.path / "knowledge.md"

    @property
    def selected(self) -> Path:
        """Source of the selected controller."""
        return self.path / "selected.py"

    @property
    def heldout(self) -> Path:
        """Episodes of the selected controller and the baselines on the held-out grids."""
        return self.path / "heldout.parquet"

    @property
    def result(self) -> Path:
        """Result of a complete run, as JSON."""
        return self.path / "result.json"

    @property
    def accounting(self) -> Path:
        """Spending of the run, in total and per round and node, as JSON. Holds times."""
        return self.path / "accounting.json"

    @property
    def picture(self) -> Path:
        """Plot of accuracy against tokens."""
        return self.path / "accuracy-tokens.png"

    @property
    def report(self) -> Path:
        """Page of the run: one self-contained HTML file."""
        return self.path / "report.html"

    def round(self, number: int) -> RoundFolder:
        """Return the folder of round `number`, 0 for the baselines. Raises RunError for an invalid number."""
        if type(number) is not int or not 0 <= number < 1_000_000:
            raise RunError(f"{self.path}: {str(number)[:40]!a} is no number of a round; no run wrote this")
        return RoundFolder(self.path / f"round-{number:03d}")


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON atomically; equal values give equal bytes. Raises ValueError for NaN and infinities."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


@contextlib.contextmanager
def new_run_folder(parent: Path) -> Iterator[Path]:
    """Make and yield a folder named by the time, for a run that is given none; it goes again if it stays empty.

    Runs that are started in the same second get different folders. Raises OSError if it cannot be made.
    """
    parent.mkdir(parents=True, exist_ok=True)
    name = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    for path in itertools.chain([parent / name], (parent / f"{name}-{number}" for number in itertools.count(2))):
        with contextlib.suppress(FileExistsError):
            path.mkdir()
            break
    try:
        yield path
    finally:
        # Not if it holds anything.
        with contextlib.suppress(OSError):
            path.rmdir()

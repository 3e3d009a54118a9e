"""Where the files of a run are. Plain files: Parquet, JSON, Markdown and Python source."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envdata.atomic import write_text


@dataclass(frozen=True)
class RoundFolder:
    """The files of one round; round 0 is that of the baselines."""

    path: Path

    @property
    def candidates(self) -> Path:
        """Every candidate's source, `<label>.py`, and `proposals.json`, what was said about them."""
        return self.path / "candidates"

    @property
    def controller(self) -> Path:
        """The round's best candidate."""
        return self.path / "controller.py"

    @property
    def proposals(self) -> Path:
        """What was proposed, and whether it loads."""
        return self.candidates / "proposals.json"

    @property
    def screening(self) -> Path:
        """Episodes of all candidates with few repeats."""
        return self.path / "screening.parquet"

    @property
    def evaluation(self) -> Path:
        """Episodes of the finalists, or of the baselines."""
        return self.path / "evaluation.parquet"

    @property
    def traces(self) -> Path:
        """Traces of the finalists, or of the baselines, at three β, repeat 0."""
        return self.path / "traces.parquet"

    @property
    def race(self) -> Path:
        """Who was dropped on the way to the full evaluation, and what that saved, as JSON."""
        return self.path / "race.json"

    @property
    def critique(self) -> Path:
        """What was measured, and what the explorer makes of it."""
        return self.path / "critique.md"

    @property
    def proposal(self) -> Path:
        """The ideas of all candidates, in words."""
        return self.path / "proposal.md"

    @property
    def measures(self) -> Path:
        """What the critic measured, as JSON."""
        return self.path / "measures.json"

    @property
    def lesson(self) -> Path:
        """What was made of the round, as JSON: what later briefs are told of it."""
        return self.path / "lesson.json"

    @property
    def metrics(self) -> Path:
        """The round's record: every candidate with its scores. Written last: a round that has it is complete."""
        return self.path / "metrics.json"

    @property
    def transcript(self) -> Path:
        """What went on between the loop and the explorer, line by line, with times."""
        return self.path / "transcript.jsonl"


@dataclass(frozen=True)
class RunFolder:
    """The files of one run."""

    path: Path

    @property
    def settings(self) -> Path:
        """`run.toml`."""
        return self.path / "run.toml"

    @property
    def checkpoints(self) -> Path:
        """LangGraph's checkpoints."""
        return self.path / "checkpoints.sqlite"

    @property
    def frontier(self) -> Path:
        """The frontier after the latest complete round."""
        return self.path / "frontier.parquet"

    @property
    def digest(self) -> Path:
        """What the next proposal is told of the complete rounds: the frontier, what was tried, what was learnt."""
        return self.path / "digest.md"

    @property
    def selected(self) -> Path:
        """The selected controller's source."""
        return self.path / "selected.py"

    @property
    def heldout(self) -> Path:
        """Episodes of the selected controller and the baselines on the held-out grids."""
        return self.path / "heldout.parquet"

    @property
    def result(self) -> Path:
        """What the run ended with, as JSON."""
        return self.path / "result.json"

    @property
    def accounting(self) -> Path:
        """What the run spent, in all and per round and node. Holds times."""
        return self.path / "accounting.json"

    @property
    def picture(self) -> Path:
        """Accuracy against tokens."""
        return self.path / "accuracy-tokens.png"

    @property
    def report(self) -> Path:
        """The run on one page."""
        return self.path / "report.html"

    def round(self, number: int) -> RoundFolder:
        """The folder of round `number`; 0 is that of the baselines."""
        return RoundFolder(self.path / f"round-{number:03d}")


def write_json(path: Path, value: Any) -> None:
    """Write JSON as a whole, in a form that people can read and that is the same for equal values."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON."""
    return json.loads(path.read_text(encoding="utf-8"))

"""Import of replay data in the JSON form of the public AutoTTS release.

A file is a list with one object a question: `question`, `gold_answer`, `probe_freq` (Δ in tokens) and `each_branch`,
a list of `[probe_answers, tokens, final_answer]`. `tokens` and Δ times the number of probes agree only roughly there;
both are kept as they stand.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envdata.grid import BranchRow, GridError, write_grid


@dataclass(frozen=True)
class Imported:
    """One file that was imported."""

    source: Path
    target: Path
    questions: int
    branches: int


def import_folder(folder: Path, out: Path) -> Iterator[Imported]:
    """Turn every `<model>/<benchmark>.json` below `folder` into `out/<model>/<benchmark>.parquet`, one at a time.

    `folder` may also hold them one level down, in `grids/`. Raises GridError if there is none, or for a file that is
    not of the form above; files imported before it stay.
    """
    base = next((place for place in (folder, folder / "grids") if any(place.glob("*/*.json"))), None)
    if base is None:
        raise GridError(f"{folder}: holds no <model>/<benchmark>.json; name the folder above the models' folders")
    for source in sorted(base.glob("*/*.json")):
        target = out / source.parent.name / f"{source.stem}.parquet"
        yield import_file(source, target)


def import_file(source: Path, target: Path) -> Imported:
    """Turn one JSON file into a grid at `target`; raises GridError."""
    try:
        questions = json.loads(source.read_bytes())
    except (OSError, ValueError) as error:
        raise GridError(f"{source}: is not readable JSON: {error}") from None
    if not isinstance(questions, list) or not questions:
        raise GridError(f"{source}: is not a list with one object a question")
    rows = [row for number, question in enumerate(questions) for row in _rows(question, number, source)]
    intervals = {question["probe_freq"] for question in questions}
    if len(intervals) != 1:
        raise GridError(f"{source}: 'probe_freq' takes several values, {sorted(intervals)}; a grid has one interval")
    provenance = {"model": source.parent.name, "benchmark": source.stem, "source": "AutoTTS release (arXiv 2605.08083)"}
    write_grid(target, rows, intervals.pop(), provenance)
    return Imported(source, target, len(questions), len(rows))


def _rows(question: Any, number: int, source: Path) -> Iterator[BranchRow]:
    try:
        text, gold, branches = question["question"], question["gold_answer"], question["each_branch"]
        interval = question["probe_freq"]
    except (TypeError, KeyError) as error:
        raise GridError(f"{source}: question {number}: {error} is missing from the object") from None
    if not (isinstance(text, str) and isinstance(gold, str) and isinstance(branches, list) and type(interval) is int):
        raise GridError(f"{source}: question {number}: question and gold_answer are strings, probe_freq a whole number")
    for index, branch in enumerate(branches):
        match branch:
            case [list() as answers, int() as tokens, str() as final] if all(isinstance(a, str) for a in answers):
                yield BranchRow(number, text, gold, index, tokens, final, answers)
            case _:
                raise GridError(
                    f"{source}: question {number}, branch {index}: is not [probe_answers, tokens, final_answer] "
                    "with a list of strings, a whole number and a string"
                )

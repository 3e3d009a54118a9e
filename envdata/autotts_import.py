"""Import of replay data in the JSON form of the public AutoTTS release.

A file is a list with one object for each question: `question`, `gold_answer`, `probe_freq` (Δ in tokens) and
`each_branch`, a list of `[probe_answers, tokens, final_answer]`. There `tokens` agrees only roughly with Δ times the
number of probes; both are kept as they are.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envdata.answers import is_parsed
from envdata.grid import BranchRow, GridError, write_grid
from envdata.json_text import parse
from envdata.text_files import TextFileError, read_bytes

SOURCE = "AutoTTS release (arXiv 2605.08083)"
"""Name of the data's source in a grid's provenance."""
LARGEST_INTERVAL = 1 << 30
"""Largest Δ that is accepted, in tokens."""


MOST_TOKENS = (1 << 31) - 1
"""Largest number of tokens of a branch."""


@dataclass(frozen=True)
class ImportedGrid:
    """One imported file, with the number of its questions and branches."""

    source: Path
    target: Path
    questions: int
    branches: int


def import_folder(folder: Path, out: Path, *, dedupe: bool = False) -> Iterator[ImportedGrid]:
    """Import every `<model>/<benchmark>.json` below a folder to `out/<model>/<benchmark>.parquet`, one at a time.

    Args:
        folder: A folder with the models' folders, or one that holds them in `grids/`. Files may be compressed by gzip,
            as `<benchmark>.json.gz`.
        out: The folder that the grids are written to.
        dedupe: Whether a repeated question is left out rather than an error.

    Yields:
        Each grid after it was written.

    Raises:
        GridError: The folder holds no such file, or a file is not of the release's form; files imported before it stay.
    """
    base = next((place for place in (folder, folder / "grids") if _sources(place)), None)
    if base is None:
        raise GridError(f"{folder}: holds no <model>/<benchmark>.json; name the folder above the models' folders")
    for source in _sources(base):
        target = out / source.parent.name / f"{source.name.partition('.json')[0]}.parquet"
        yield import_file(source, target, dedupe=dedupe)


def _sources(folder: Path) -> list[Path]:
    """Return the JSON files below the folders of models."""
    return sorted([*folder.glob("*/*.json"), *folder.glob("*/*.json.gz")])


def import_file(
    source: Path,
    target: Path,
    *,
    model: str | None = None,
    benchmark: str | None = None,
    more: Mapping[str, str] | None = None,
    dedupe: bool = False,
) -> ImportedGrid:
    """Import one JSON file to a grid.

    Args:
        source: The JSON file, possibly compressed by gzip.
        target: The grid's file. Nothing is written if an error is raised.
        model: The model's name for the provenance; by default the name of the source's folder.
        benchmark: The benchmark's name for the provenance; by default the source's name without `.json`.
        more: Further entries of the provenance.
        dedupe: Whether a question that was there before is left out, with its branches, rather than an error.

    Raises:
        GridError: The file cannot be read or is not of the release's form.
    """
    try:
        questions = parse(read_bytes(source))
    except OSError as error:
        raise GridError(f"{source}: cannot be read ({error.strerror})") from None
    except TextFileError as error:
        raise GridError(f"{source}: {error}") from None
    except ValueError as error:
        raise GridError(f"{source}: is not readable JSON: {error}") from None
    if not isinstance(questions, list) or not questions:
        raise GridError(f"{source}: is not a list with one object a question")
    for number, question in enumerate(questions):
        _check_question(question, number, source)
    if dedupe:
        questions = _distinct(questions, source)
    rows = [row for number, question in enumerate(questions) for row in _rows(question, number, source)]
    intervals = {question["probe_freq"] for question in questions}
    if len(intervals) != 1:
        raise GridError(f"{source}: 'probe_freq' takes several values, {sorted(intervals)}; a grid has one interval")
    provenance = {
        "model": model or source.parent.name,
        "benchmark": benchmark or source.name.partition(".json")[0],
        "source": SOURCE,
        **(more or {}),
    }
    write_grid(target, rows, intervals.pop(), provenance)
    return ImportedGrid(source, target, len(questions), len(rows))


def _distinct(questions: list[dict[str, Any]], source: Path) -> list[dict[str, Any]]:
    """Return the questions without repetitions. Raises GridError where a repeated question has another answer."""
    first: dict[str, tuple[int, dict[str, Any]]] = {}
    for number, question in enumerate(questions):
        at, known = first.setdefault(question["question"], (number, question))
        if known["gold_answer"] != question["gold_answer"]:
            raise GridError(
                f"{source}: question {number} repeats question {at} with another answer; correct one of them"
            )
    return [question for _, question in first.values()]


def _check_question(question: Any, number: int, source: Path) -> None:
    """Raise GridError if a question's object breaks the form, its branches aside."""
    if not isinstance(question, dict):
        raise GridError(f"{source}: question {number}: is not an object with 'question' and 'each_branch'")
    try:
        text, gold, branches = question["question"], question["gold_answer"], question["each_branch"]
        interval = question["probe_freq"]
    except (TypeError, KeyError) as error:
        raise GridError(f"{source}: question {number}: {error} is missing from the object") from None
    if not (isinstance(text, str) and isinstance(gold, str) and isinstance(branches, list) and type(interval) is int):
        raise GridError(f"{source}: question {number}: question and gold_answer are strings, probe_freq a whole number")
    if not branches:
        raise GridError(f"{source}: question {number} has no branches; leave it out, or collect some")
    if not 1 <= interval <= LARGEST_INTERVAL:
        raise GridError(f"{source}: question {number}: 'probe_freq' is {interval}, not a number of tokens from 1 up")
    if not is_parsed(gold.strip()):
        raise GridError(
            f"{source}: question {number}: gold_answer is {gold!r}, which marks the absence of an answer; correct it"
        )


def _rows(question: dict[str, Any], number: int, source: Path) -> Iterator[BranchRow]:
    """Yield the rows of a question's branches. Raises GridError for a branch that breaks the form."""
    text, gold = question["question"], question["gold_answer"]
    for index, branch in enumerate(question["each_branch"]):
        match branch:
            case [list() as answers, int() as tokens, str() as final] if (
                type(tokens) is int and 1 <= tokens <= MOST_TOKENS and all(isinstance(a, str) for a in answers)
            ):
                yield BranchRow(number, text, gold, index, tokens, final, answers)
            case _:
                raise GridError(
                    f"{source}: question {number}, branch {index}: is not [probe_answers, tokens, final_answer] "
                    f"with a list of strings, a whole number from 1 to {MOST_TOKENS:,} and a string"
                )

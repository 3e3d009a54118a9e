"""Dataset cards of grids for Hugging Face: a README.md with YAML metadata in front.

The metadata is written as JSON values, which are valid YAML, so that no name or text can break it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from envdata import grid_schema
from envdata.grid_names import grid_file
from envdata.grid_schema import SIGNAL
from envdata.intervals import Interval
from envdata.verification import GridVerification

COLUMNS = {
    "question_id": "number of the question, from 0",
    "question": "its text",
    "gold_answer": "the reference answer",
    "branch": "number of the trace within the question, from 0",
    "tokens": "tokens decoded on the whole branch",
    "final_answer": "the answer that the trace ends with; empty if there is none",
    "finish_reason": "why decoding ended",
    "probe_answers": "entry k: the answer when made to give one after k + 1 intervals",
    "probe_confidences": "mean log-probability of that answer's tokens",
    "probe_tokens": "tokens decoded to get it",
    "probe_prefill": "prompt tokens that it had to read anew, which no prefix cache held",
    "text": "the whole trace",
    "signal_token_confidence": "entry k: mean over step k + 1 of the confidence of its tokens, −mean log-probability "
    "of the most probable tokens at a place (their number is in the metadata); the last step has an entry too",
}
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
LONG_VALUE = 300


def card(grids: Sequence[GridVerification], *, title: str, licence: str) -> str:
    """Return the card of one or several grids in one folder; each grid is a split, named by its file.

    Args:
        grids: Verified grids.
        title: Title of the dataset.
        licence: Identifier of its licence.
    """
    return "\n".join([*_metadata(grids, title, licence), "", f"# {_line(title)}", "", *_body(grids)]) + "\n"


def _metadata(grids: Sequence[GridVerification], title: str, licence: str) -> Iterator[str]:
    rows = sum(len(grid.statistics.question) for grid in grids)
    size = next((name for most, name in SIZES if rows < most), "1M<n<10M")
    files = [{"split": _split(grid), "path": _file(grid).name} for grid in grids]
    values = {
        "pretty_name": title,
        "license": licence,
        "task_categories": ["question-answering"],
        "tags": ["test-time-scaling", "replay", "autotts"],
        "size_categories": [size],
        "configs": [{"config_name": "default", "data_files": files}],
    }
    yield "---"
    for name, value in values.items():
        yield f"{name}: {json.dumps(value, ensure_ascii=False)}"
    yield "---"


def _file(grid: GridVerification) -> Path:
    return grid_file(grid.statistics.grid.name)


def _split(grid: GridVerification) -> str:
    """Return the name of a grid's split, which may hold letters, digits, underscores and full stops."""
    stem = _file(grid).stem
    return "".join(letter if letter.isalnum() or letter in "._" else "_" for letter in stem)


def _body(grids: Sequence[GridVerification]) -> Iterator[str]:
    yield "Replay grids for test-time scaling: independent reasoning traces of a model, cut at equal intervals, with"
    yield "the answer that the model gives when it is made to answer at each cut. Written by `autotts grid card`;"
    yield "controllers are evaluated on them with `autotts evaluate CONTROLLER --grid FILE`."
    yield from ("", "## What is in a row", "")
    yield "One row a branch, sorted by question and branch. The file's metadata holds the format's version, the"
    yield "interval Δ in tokens and, as JSON, where the grid comes from."
    yield from ("", "| column | type | meaning |", "|---|---|---|")
    present = {name for grid in grids for name in pq.read_schema(_file(grid)).names}
    signals = [
        grid_schema.signal_field(name.removeprefix(SIGNAL)) for name in sorted(present) if name.startswith(SIGNAL)
    ]
    for field in (*grid_schema.SCHEMA, *signals):
        if field.name in present:
            meaning = COLUMNS.get(field.name, "a signal: entry k belongs to step k + 1 of the branch")
            yield f"| `{field.name}` | {_type(field.type)} | {meaning} |"
    yield from ("", "## Measured", "", "Accuracies in percent, with 95 % intervals over questions.", "")
    yield "| | " + " | ".join(_cell(_file(grid).name) for grid in grids) + " |"
    yield "|---|" + "---|" * len(grids)
    for name, cells in _measured(grids):
        yield f"| {name} | " + " | ".join(cells) + " |"
    yield from ("", "## Where it comes from", "")
    for grid in grids:
        yield f"`{_file(grid).name}`, SHA-256 `{grid.statistics.grid.content_hash}`:"
        yield ""
        yield from (f"- {name}: {value}" for name, value in _provenance(grid.statistics.grid.provenance))
        yield ""
    yield "Who shares this card adds what no file knows: the questions' own licence, the model's terms, what the grid"
    yield "is and is not good for."


def _measured(grids: Sequence[GridVerification]) -> Iterator[tuple[str, list[str]]]:
    all_statistics = [grid.statistics for grid in grids]
    yield "questions", [str(len(statistics.grid.questions)) for statistics in all_statistics]
    yield "branches", [str(len(statistics.question)) for statistics in all_statistics]
    yield "interval Δ, tokens", [str(statistics.grid.interval) for statistics in all_statistics]
    yield "tokens a branch, mean", [f"{statistics.grid.arrays.tokens.mean():,.0f}" for statistics in all_statistics]
    yield "a single branch is right", [_percent(statistics.single) for statistics in all_statistics]
    yield "the majority of all branches is right", [_percent(statistics.majority) for statistics in all_statistics]
    yield "some branch is right", [_percent(statistics.oracle) for statistics in all_statistics]
    agrees = [statistics.last_probe_agrees for statistics in all_statistics]
    yield (
        "last probe agrees with the final answer",
        [f"{100 * agree / both:.1f}" if both else "–" for agree, both in agrees],
    )


def _percent(figure: Interval) -> str:
    return figure.text(100, ".1f")


def _provenance(provenance: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in sorted(provenance.items()):
        plain = isinstance(value, str) and value == _line(value)
        text = str(value) if plain else json.dumps(value, ensure_ascii=False, sort_keys=True)
        shown = text if len(text) <= LONG_VALUE else f"{text[:LONG_VALUE]}… (the rest is in the file's metadata)"
        if shown:
            yield _line(name), f"`{shown.replace('`', chr(39))}`"


def _type(arrow: pa.DataType) -> str:
    if pa.types.is_list(arrow):
        return f"list of {_type(arrow.value_type)}"
    return _type(arrow.value_type) if pa.types.is_dictionary(arrow) else str(arrow)


def _cell(text: str) -> str:
    return _line(text).replace("|", "\\|")


def _line(text: str) -> str:
    return " ".join(text.split())

"""Adds a judge's scores of recorded branches to a grid, as the signal that the same judge gives live.

Scores are recorded beside `judged.parquet`, in `judged.parquet.scores/`, one file a branch and before they are used:
the same command goes on after any interruption, and no branch is paid for twice.
"""

import asyncio
import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from envdata import grid_schema, parquet
from envdata.answers import is_parsed
from envdata.atomic import replacing, write_text
from envdata.collect.concurrency import together
from envdata.collect.engine import CollectError
from envdata.grid import Grid
from envdata.grid_schema import GridError
from envdata.live.episode_judge import judged_text
from envdata.live.judge import JUDGE, Judge
from envdata.locks import FolderLock, LockError

COLUMN = grid_schema.SIGNAL + JUDGE
"""The column of the scores."""


@dataclass(frozen=True)
class JudgedCounts:
    """How many branches of a grid were judged."""

    branches: int
    asked: int
    """Branches that have an answer: the judge was asked about them, now or by a call that was stopped."""
    unscored: int
    """Those of them without a score."""
    recorded: int
    """Those of them that had been judged before."""


async def judge_grid(
    source: Path, target: Path, judge: Judge, report: Callable[[int, int], None] | None = None
) -> JudgedCounts:
    """Write a grid with a judge's scores; the judge is closed at the end.

    Args:
        source: The grid, with texts and without such a signal.
        target: The file to write.
        judge: The judge.
        report: Called with the number of branches that are judged, and the total.

    Raises:
        GridError: The grid cannot be read, has no texts or has the signal already.
        CollectError: The judge does not answer, a score cannot be recorded, or another process writes the same file.
    """
    try:
        grid = Grid.load(source)
        try:
            table = parquet.read(source, repeated=grid_schema.REPEATED)
        except parquet.ParquetError as error:
            raise GridError(f"{source}: {error}") from None
        if "text" not in table.column_names:
            raise GridError(f"{source}: has no texts to judge; collect it with --text")
        if COLUMN in table.column_names:
            raise GridError(f"{source}: has the signal {JUDGE!r} already; judge the grid that it was made from")
        with _locked(target.with_name(f"{target.name}.scores")) as folder:
            plan = {"grid": grid.content_hash, "judge": vars(judge.spec), "arguments": dict(judge.arguments)}
            _check_plan(folder, plan)
            await judge.check()
            rows = table.select(["question_id", "final_answer", "text", "probe_answers"]).to_pylist()
            wanted = [place for place, row in enumerate(rows) if row["text"] and is_parsed(row["final_answer"])]
            recorded = sum(_file(folder, place).exists() for place in wanted)
            scores = await _scores(grid, rows, wanted, judge, folder, report)
            _write(table, rows, scores, judge, target)
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        await judge.close()
    unscored = sum(score is None for score in scores.values())
    return JudgedCounts(len(rows), len(wanted), unscored, recorded)


async def _scores(
    grid: Grid,
    rows: list[dict[str, Any]],
    wanted: list[int],
    judge: Judge,
    folder: Path,
    report: Callable[[int, int], None] | None,
) -> dict[int, float | None]:
    """Return the scores of the wanted rows, from their files where they are recorded."""
    thinking = grid.provenance.get("thinking")
    end = thinking.get("end") if isinstance(thinking, dict) else None
    scores: dict[int, float | None] = {}
    places = asyncio.Semaphore(judge.client.concurrency)

    async def one(place: int) -> None:
        file, row = _file(folder, place), rows[place]
        if file.exists():
            scores[place] = json.loads(file.read_text("utf-8"))
        else:
            async with places:
                score = await judge.score(grid.questions[row["question_id"]], judged_text(row["text"], end))
            try:
                write_text(file, json.dumps(score))
            except OSError as error:
                raise CollectError(f"{folder} cannot be written ({error.strerror}); make room and go on") from None
            scores[place] = score
        if report is not None:
            report(len(scores), len(wanted))

    async with together() as group:
        for place in wanted:
            group.create_task(one(place))
    return scores


def _write(
    table: pa.Table, rows: list[dict[str, Any]], scores: dict[int, float | None], judge: Judge, target: Path
) -> None:
    """Write the table with the column of scores, each at its branch's last step, and the judge in the provenance."""
    values = [[*[None] * len(row["probe_answers"]), scores.get(place)] for place, row in enumerate(rows)]
    whole = table.append_column(grid_schema.signal_field(JUDGE), pa.array(values, pa.list_(pa.float32())))
    provenance = json.loads((table.schema.metadata or {}).get(grid_schema.PROVENANCE, b"{}"))
    provenance["judge"] = {**vars(judge.spec), "arguments": dict(judge.arguments)}
    encoded = json.dumps(provenance, sort_keys=True, ensure_ascii=False).encode()
    whole = whole.replace_schema_metadata({**(table.schema.metadata or {}), grid_schema.PROVENANCE: encoded})
    whole = grid_schema.conform(whole, str(target)).replace_schema_metadata(whole.schema.metadata)
    grid_schema.check(whole, str(target))
    with replacing(target) as temporary, temporary.open("wb") as stream:
        pq.write_table(whole, stream, compression="zstd", compression_level=19)


def _file(folder: Path, place: int) -> Path:
    return folder / f"branch-{place:07}.json"


def _check_plan(folder: Path, plan: dict[str, Any]) -> None:
    """Record what the scores in a folder are of. Raises CollectError if it holds scores of anything else."""
    file = folder / "plan.json"
    if not file.exists():
        write_text(file, json.dumps(plan))
    elif json.loads(file.read_text("utf-8")) != json.loads(json.dumps(plan)):
        raise CollectError(f"{folder} has scores of another grid or judge; choose another --out or delete the folder")


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[Path]:
    """Make a folder and hold its lock; yields it. Raises CollectError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(folder)
    except OSError as error:
        raise CollectError(f"{folder} cannot be written ({error.strerror}); choose another --out") from None
    except LockError as error:
        raise CollectError(f"{error} (--out)") from None
    try:
        yield folder
    finally:
        lock.close()

"""Checks whether a grid is fit to be searched on: conditions that must hold, and remarks.

Loading checks the format itself (`envdata.grid_schema`). The checks here are of the content: counts that cannot come
from decoding, probes that disagree with the traces' final answers, branches that are not independent draws. L =
ceil(tokens/Δ) − 1 holds in grids of our own collector: another L is a fault in those and a remark in published grids,
which follow their own data.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from envdata.grid import Grid, read_table
from envdata.grid_names import grid_file
from envdata.grid_statistics import NO_ANSWER_CODE, GridStatistics
from envdata.grid_suitability import unfit_reasons

AGREEMENT_TO_EXPECT = 0.8
"""Share of branches whose last probe gives the final answer, below which the closing deserves a look."""
AGREEMENT_AT_LEAST = 0.5
"""Share of branches below which the last probes disagree with the final answers so often that the grid is unfit."""
ANSWERS_AT_LEAST = 0.5
"""Share of branches that must have a final answer."""


@dataclass(frozen=True)
class Check:
    """One condition that was checked."""

    name: str
    holds: bool
    must: bool
    """Whether a grid that breaks the condition is unfit; otherwise breaking it is a remark."""
    found: str
    """The observation, in words with figures."""


@dataclass(frozen=True)
class GridVerification:
    """A grid's statistics and the results of its checks."""

    statistics: GridStatistics
    checks: list[Check]
    unfit: dict[str, str]
    """Reasons why no search can learn from the grid, by a short name; empty for a fit grid."""

    @property
    def holds(self) -> bool:
        """Whether all conditions that must hold do."""
        return all(check.holds or not check.must for check in self.checks)

    @property
    def fit(self) -> bool:
        """Whether the grid can be searched on."""
        return self.holds and not self.unfit


def verify(path: Path | str) -> GridVerification:
    """Check the grid at `path`, or of that name. Raises GridError if it breaks the format."""
    grid = Grid.load(path)
    # The file of record is checked again: the cache may come from a version that checked less.
    table = read_table(grid_file(path))
    statistics = GridStatistics(grid)
    ours = "collector" in grid.provenance
    return GridVerification(
        statistics, list(_checks(statistics, table, grid.provenance, ours)), dict(unfit_reasons(statistics))
    )


def _checks(statistics: GridStatistics, table: pa.Table, provenance: Mapping[str, Any], ours: bool) -> Iterator[Check]:
    """Yield all checks; `ours` is whether our collector made the grid."""
    branches = table.num_rows
    yield Check("format", True, True, f"{len(statistics.grid.questions)} questions, {branches} branches")
    yield _lengths(statistics, ours)
    longest = _setting(provenance, "sampling", "max_tokens")
    if longest is not None:
        over = int((statistics.grid.arrays.tokens > longest).sum())
        yield Check("longest branch", over == 0, True, f"{over} of {branches} are longer than {longest} tokens")
    if "probe_confidences" in table.column_names:
        above = int(pc.sum(pc.greater(table.column("probe_confidences").combine_chunks().flatten(), 0)).as_py() or 0)
        yield Check("confidences", above == 0, True, f"{above} are above 0, which no log-probability is")
    costliest = _setting(provenance, "probe_tokens")
    if "probe_tokens" in table.column_names and costliest is not None:
        over = int(pc.sum(pc.greater(table.column("probe_tokens").combine_chunks().flatten(), costliest)).as_py() or 0)
        yield Check("probe costs", over == 0, True, f"{over} probes cost more than {costliest} tokens")
    yield _answered(statistics)
    given_up = provenance.get("given_up")
    if isinstance(given_up, Mapping):
        count = sum(map(len, given_up.values()))
        found = (
            f"{count} took too long to be read as mathematics and are compared as text" if count else "none given up"
        )
        yield Check("answers read", not count, False, found)
    if statistics.grid.probed:
        yield from _agreement(statistics)
    else:
        yield Check("probes", True, False, "none: a controller sees final answers alone, and probes are refused")
    yield from _independent(statistics, table)


def _setting(provenance: Mapping[str, Any], *path: str) -> int | None:
    """Return a whole number from nested objects of the provenance, None where it is absent."""
    value: Any = provenance
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if type(value) is int else None


def _lengths(statistics: GridStatistics, ours: bool) -> Check:
    """Check L = ceil(tokens/Δ) − 1."""
    arrays = statistics.grid.arrays
    rest = arrays.tokens - arrays.interval * arrays.intervals
    short, long = int((rest < 1).sum()), int((rest > arrays.interval).sum())
    return Check(
        "token counts",
        not short + long,
        ours,
        f"{short} branches end before their last probe, {long} more than {arrays.interval} tokens after it"
        if short + long
        else "every branch ends within one interval after its last probe",
    )


def _answered(statistics: GridStatistics) -> Check:
    """Check that enough branches have a final answer."""
    share = float((statistics.final != NO_ANSWER_CODE).mean())
    return Check("final answers", share >= ANSWERS_AT_LEAST, True, f"{100 * share:.1f} % of the branches give one")


def _agreement(statistics: GridStatistics) -> Iterator[Check]:
    """Check that last probes and final answers agree."""
    agree, both = statistics.last_probe_agrees
    if not both:
        yield Check("last probe and final answer", True, False, "no branch has both")
        return
    share = agree / both
    found = f"{100 * share:.1f} % of the {both} branches with both agree"
    if share < AGREEMENT_AT_LEAST:
        found += "; the probes read something else than the traces conclude: look at the closing and the answer rule"
    yield Check("last probe and final answer", share >= AGREEMENT_AT_LEAST, True, found)
    if AGREEMENT_AT_LEAST <= share < AGREEMENT_TO_EXPECT:
        yield Check(
            "agreement at the end", False, False, f"below {100 * AGREEMENT_TO_EXPECT:g} %, which most grids reach"
        )


def _independent(statistics: GridStatistics, table: pa.Table) -> Iterator[Check]:
    """Check for repeated branches.

    Short traces do repeat by chance; but if all branches of a question are the same trace, they were not sampled.
    """
    seen = _traces(table)
    question = statistics.question
    pairs = np.unique(np.stack([question, seen]), axis=1)
    distinct = np.bincount(pairs[0], minlength=len(statistics.grid.questions))
    several = statistics.grid.branches > 1
    copied = int(((distinct == 1) & several).sum())
    share = 1 - distinct.sum() / table.num_rows
    by = "text" if _has_text(table) else "tokens and probed answers"
    yield Check(
        "repeated branches",
        bool(share < 0.5),
        False,
        f"{100 * share:.1f} % have the same {by} as an earlier one of their question",
    )
    yield Check(
        "independent branches",
        2 * copied <= int(several.sum()),
        True,
        f"{copied} of {int(several.sum())} questions have one trace only, all their branches being the same; "
        "if they are many, the server ignores seeds or the temperature is 0"
        if copied
        else "no question has the same trace in all its branches",
    )


def _has_text(table: pa.Table) -> bool:
    return "text" in table.column_names and table.column("text").null_count == 0


def _traces(table: pa.Table) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return a number for each branch, equal for equal branches, shape (B,).

    Branches are compared by their texts, or without texts by everything that is recorded of them.
    """
    if _has_text(table):
        codes = table.column("text").combine_chunks().dictionary_encode().indices
        return np.asarray(codes.to_numpy(), np.int64)
    known: dict[tuple[Any, ...], int] = {}
    rows = zip(
        table.column("tokens").to_pylist(),
        table.column("final_answer").to_pylist(),
        map(tuple, table.column("probe_answers").to_pylist()),
        strict=True,
    )
    return np.array([known.setdefault(row, len(known)) for row in rows], np.int64)

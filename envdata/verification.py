"""Whether a grid is fit to be searched on: what must hold, and what is worth knowing though it may be so.

The format itself is checked by loading (`envdata.gridcheck`). Here its content is: counts that cannot come from
decoding, probes that read something else than the traces conclude, branches that are no independent draws. A rule that
only grids of our own collector promise (`DESIGN`: L = ceil(tokens/Δ) − 1) is a fault in those and a remark elsewhere;
published grids follow their own data.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from envdata.grid import Grid, read_table
from envdata.survey import NONE, Survey

AGREEMENT_TO_EXPECT = 0.8
"""Share of branches whose last probe gives the final answer; below, the closing may not read what the model means."""
AGREEMENT_AT_LEAST = 0.5
ANSWERS_AT_LEAST = 0.5
"""Share of branches with a final answer."""


@dataclass(frozen=True)
class Check:
    """One thing looked at."""

    name: str
    holds: bool
    must: bool
    """Whether the grid is unfit without it; otherwise it is a remark."""
    found: str
    """What was found, in words with figures."""


@dataclass(frozen=True)
class Verified:
    """A grid with what was found."""

    survey: Survey
    checks: list[Check]

    @property
    def holds(self) -> bool:
        """Whether nothing that must hold is broken."""
        return all(check.holds or not check.must for check in self.checks)


def verify(path: Path | str) -> Verified:
    """Check the grid at `path`. Raises GridError if it breaks the format."""
    grid = Grid.load(path)
    # Again from the file of record: the cache may have been made by a version that checked less.
    table = read_table(Path(path))
    survey = Survey(grid)
    ours = "collector" in grid.provenance
    return Verified(survey, list(_checks(survey, table, grid.provenance, ours)))


def _checks(survey: Survey, table: pa.Table, provenance: Mapping[str, Any], ours: bool) -> Iterator[Check]:
    branches = table.num_rows
    yield Check("format", True, True, f"{len(survey.grid.questions)} questions, {branches} branches")
    yield _lengths(survey, ours)
    longest = _setting(provenance, "sampling", "max_tokens")
    if longest is not None:
        over = int((survey.grid.arrays.tokens > longest).sum())
        yield Check("longest branch", over == 0, True, f"{over} of {branches} are longer than {longest} tokens")
    if "probe_confidences" in table.column_names:
        above = int(pc.sum(pc.greater(table.column("probe_confidences").combine_chunks().flatten(), 0)).as_py() or 0)
        yield Check("confidences", above == 0, True, f"{above} are above 0, which no log-probability is")
    costliest = _setting(provenance, "probe_tokens")
    if "probe_tokens" in table.column_names and costliest is not None:
        over = int(pc.sum(pc.greater(table.column("probe_tokens").combine_chunks().flatten(), costliest)).as_py() or 0)
        yield Check("probe costs", over == 0, True, f"{over} probes cost more than {costliest} tokens")
    yield _answered(survey)
    given_up = provenance.get("given_up")
    if isinstance(given_up, Mapping):
        count = sum(map(len, given_up.values()))
        found = (
            f"{count} took too long to be read as mathematics and are compared as text" if count else "none given up"
        )
        yield Check("answers read", not count, False, found)
    yield from _agreement(survey)
    yield from _independent(survey, table)


def _setting(provenance: Mapping[str, Any], *path: str) -> int | None:
    value: Any = provenance
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if type(value) is int else None


def _lengths(survey: Survey, ours: bool) -> Check:
    arrays = survey.grid.arrays
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


def _answered(survey: Survey) -> Check:
    share = float((survey.final != NONE).mean())
    return Check("final answers", share >= ANSWERS_AT_LEAST, True, f"{100 * share:.1f} % of the branches give one")


def _agreement(survey: Survey) -> Iterator[Check]:
    agree, both = survey.last_probe_agrees
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


def _independent(survey: Survey, table: pa.Table) -> Iterator[Check]:
    """Repeated branches. Short traces do repeat; a question whose branches are all one trace was not sampled."""
    seen = _traces(table)
    question = survey.question
    pairs = np.unique(np.stack([question, seen]), axis=1)
    distinct = np.bincount(pairs[0], minlength=len(survey.grid.questions))
    several = survey.grid.branches > 1
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
    """(B,): a number for what each branch is, equal for equal ones: its text, or else all that is recorded of it."""
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

"""Tests whether live branches have the distribution of a grid's recorded branches.

usage: python -m benchmarks.draws --grid FILE --server URL --model NAME --out DRAWS.parquet
                                  [--ways whole,steps] [--branches 32] [--limit N] [--at-once 4] [--seed 0]
       python -m benchmarks.draws --grid FILE --out DRAWS.parquet        compares the branches of an earlier call

Every question of the grid is played live by a controller without decisions: "whole" reads each branch in one request,
"steps" advances it interval by interval with probes, each in a request with a seed of its own. The live branches are
compared with the recorded ones of the same question by a permutation test: under the null hypothesis of one
distribution the labels "live" and "recorded" are exchangeable within a question, and p is the share of permutations of
the labels with a statistic at least as large. The statistics are sums over questions: the difference of a mean, or
Pearson's χ² of answers, of lengths in intervals, and of probed answers at each depth.
"""

import argparse
import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.live import HEAD
from envdata.collect.canonical_answers import make_speller
from envdata.grid import Grid, read_table
from envdata.intervals import over_questions
from envdata.live.model import settings_of
from sandbox.candidate import Candidate
from sandbox.live import Solution, Solver
from sandbox.live.api import served
from sandbox.live.validation import live_settings_of

WAYS = {
    "whole": HEAD + "        episode.read(COUNT)\n",
    "steps": HEAD
    + """
        branches = episode.branch(COUNT)
        while going := [branch for branch in branches if not branch.finished]:
            episode.advance(going)
""",
}
PERMUTATIONS = 4000
Rows = list[dict[str, Any]]
Floats = npt.NDArray[np.float64]


async def draw(given: argparse.Namespace, grid: Grid, out: Path) -> None:
    """Draw the branches that are not in `out` yet; the file is written after each question."""
    asked = live_settings_of(grid)
    known: Rows = pq.read_table(out).to_pylist() if out.exists() else []
    done = {(row["way"], row["question"]) for row in known}
    chosen = range(min(given.limit or len(grid.questions), len(grid.questions)))
    places = asyncio.Semaphore(given.at_once)
    async with Solver(served(given.server, given.model, timeout=1800), asked[0]) as solver:

        async def one(way: str, question: int) -> None:
            source = WAYS[way].replace("COUNT", str(given.branches))
            async with places:
                solution = await solver.solve(
                    grid.questions[question],
                    Candidate(way, source),
                    seed=given.seed + 1000 * list(WAYS).index(way) + question,
                    live_settings=asked[question],
                )
            known.extend(_rows(way, question, solution))
            pq.write_table(pa.Table.from_pylist(known), out)
            print(f"{way} {question}: {len(known)} branches", flush=True)

        async with asyncio.TaskGroup() as group:
            for way in given.ways.split(","):
                for question in chosen:
                    if (way, question) not in done:
                        group.create_task(one(way, question))


def _rows(way: str, question: int, solution: Solution) -> Rows:
    probes: dict[int, list[str]] = {}
    for row in solution.trace.to_pylist():
        if row["action"] in ("BRANCH", "CONTINUE") and not row["finished"]:
            probes.setdefault(row["branch"], []).append(row["answer"] or "")
    return [
        {
            "way": way, "question": question, "branch": number, "tokens": branch.tokens,
            "answer": branch.answer or "", "probes": probes.get(number, []),
        }
        for number, branch in enumerate(solution.branches)
    ]  # fmt: skip


@dataclass(frozen=True)
class QuestionBranches:
    """A question's recorded branches, followed by its live ones."""

    recorded: int
    """Number of recorded branches."""
    right: Floats
    """1 for a correct final answer, shape (branches,)."""
    tokens: Floats
    """Tokens of each branch, shape (branches,)."""
    codes: list[npt.NDArray[np.int64]]
    """Categories of each branch: final answers, lengths in intervals, then probed answers by depth."""


def by_question(grid: Grid, drawn: Rows, *, probed: bool) -> list[QuestionBranches]:
    """Recorded and live branches of every drawn question; `probed` includes the probed answers."""
    settings = settings_of(grid.provenance)
    speller = make_speller(settings.answers)
    recorded: dict[int, Rows] = {}
    for row in read_table(Path(grid.name)).to_pylist():
        own = {"tokens": row["tokens"], "answer": row["final_answer"], "probes": row["probe_answers"]}
        recorded.setdefault(row["question_id"], []).append(own)
    questions = []
    for question in sorted({row["question"] for row in drawn}):
        rows = recorded[question] + [row for row in drawn if row["question"] == question]
        written = sorted({answer for row in rows for answer in (row["answer"], *row["probes"])} - {""})
        gold = grid.gold_answers[question]
        spelt = {"": "", **speller.spell(gold, written)}
        tokens = np.array([row["tokens"] for row in rows], float)
        columns: list[list[Any]] = [
            [spelt[row["answer"]] for row in rows],
            (-(-tokens // grid.interval)).tolist(),
        ]
        deepest = max(len(row["probes"]) for row in rows) if probed else 0
        columns += [
            [spelt[row["probes"][depth]] if depth < len(row["probes"]) else None for row in rows]
            for depth in range(deepest)
        ]
        right = np.array([spelt[row["answer"]] == gold for row in rows], float)
        codes = [np.unique(list(map(repr, column)), return_inverse=True)[1] for column in columns]
        questions.append(QuestionBranches(len(recorded[question]), right, tokens, codes))
    speller.close()
    return questions


def permutation_test(questions: Sequence[QuestionBranches], statistic: "Statistic") -> tuple[float, float]:
    """The statistic's sum over questions, and its p."""
    rng = np.random.default_rng(0)
    total = np.zeros(PERMUTATIONS + 1)
    for question in questions:
        live = np.zeros((PERMUTATIONS + 1, len(question.right)))
        live[:, question.recorded :] = 1
        live[1:] = rng.permuted(live[1:], axis=1)
        total += statistic(question, live)
    p = (1 + int((total[1:] >= total[0] - 1e-9).sum())) / (PERMUTATIONS + 1)
    return float(total[0]), p


def chi_square(codes: npt.NDArray[np.int64], live: Floats) -> Floats:
    """Pearson's χ² of live and recorded branches over categories, for each permutation.

    `codes` has the shape (branches,), `live` (permutations, branches) with 1 for a live branch.
    """
    each = np.eye(int(codes.max()) + 1)[codes]
    total = each.sum(axis=0)
    observed = live @ each
    share = live.sum(axis=1, keepdims=True) / len(codes)
    expected = share * total
    result: Floats = ((observed - expected) ** 2 / (expected * (1 - share))).sum(axis=1)
    return result


Statistic = Callable[[QuestionBranches, Floats], Floats]
"""Values by permutation, from labels of the shape (permutations, branches) with 1 for a live branch."""


def mean_difference(of: Callable[[QuestionBranches], Floats], sign: int) -> Statistic:
    """Difference of the means of live and recorded branches, times `sign`."""

    def difference(s: QuestionBranches, labels: Floats) -> Floats:
        live, recorded = (own @ of(s) / own.sum(axis=1) for own in (labels, 1 - labels))
        result: Floats = sign * (live - recorded)
        return result

    return difference


def categories(columns: slice) -> Statistic:
    """Sum of χ² over some of the categories in `QuestionBranches.codes`."""
    return lambda s, labels: sum((chi_square(codes, labels) for codes in s.codes[columns]), np.zeros(len(labels)))


def compare(grid: Grid, drawn: Rows, way: str) -> None:
    """Print the comparison for one way of drawing, a key of `WAYS`."""
    own = [row for row in drawn if row["way"] == way]
    if not own:
        return
    probed = way == "steps"
    questions = by_question(grid, own, probed=probed)
    count = sum(s.recorded for s in questions)
    print(f"\n{way}: {len(questions)} questions, {len(own)} live branches, {count} recorded ones")
    longest = settings_of(grid.provenance).sampling.max_tokens
    means: dict[str, Callable[[QuestionBranches], Floats]] = {
        "a branch is right, %": lambda s: 100 * s.right,
        "tokens a branch": lambda s: s.tokens,
        "ended at the length limit, %": lambda s: 100.0 * (s.tokens >= longest),
    }
    for name, of in means.items():
        recorded = np.array([of(s)[: s.recorded].mean() for s in questions])
        live = np.array([of(s)[s.recorded :].mean() for s in questions])
        difference = over_questions(live - recorded)

        above, below = (permutation_test(questions, mean_difference(of, sign))[1] for sign in (1, -1))
        print(
            f"  {name}: recorded {recorded.mean():.1f}, live {live.mean():.1f}, live − recorded "
            f"{difference.value:+.1f} ({difference.low:+.1f} … {difference.high:+.1f}), p = "
            f"{min(1.0, 2 * min(above, below)):.3f}"
        )
    columns = {"answers": slice(0, 1), "lengths": slice(1, 2), "probed answers": slice(2, None)}
    for name in list(columns) if probed else list(columns)[:2]:
        value, p = permutation_test(questions, categories(columns[name]))
        print(f"  χ² of {name}: {value:.0f}, p = {p:.3f}")


def main() -> None:
    """Draw branches if a server is given, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--grid", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--server")
    parser.add_argument("--model", default="")
    parser.add_argument("--ways", default="whole,steps")
    parser.add_argument("--branches", type=int, default=32)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    given: Any = parser.parse_args()
    grid = Grid.load(given.grid)
    if given.server:
        asyncio.run(draw(given, grid, given.out))
    drawn = pq.read_table(given.out).to_pylist()
    for way in WAYS:
        compare(grid, drawn, way)


if __name__ == "__main__":
    main()

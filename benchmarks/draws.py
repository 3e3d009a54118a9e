"""Are live branches drawn from the distribution that a grid's recorded branches were drawn from?

usage: python -m benchmarks.draws --grid FILE --server URL --model NAME --out DRAWS.parquet
                                  [--ways whole,steps] [--branches 32] [--limit N] [--at-once 4] [--seed 0]
       python -m benchmarks.draws --grid FILE --out DRAWS.parquet        compares what was drawn before

Every question of the grid is played live by a controller that decides nothing: "whole" reads its branches in one go,
"steps" takes them interval by interval and probes each, so that every piece has a request and a seed of its own. The
branches are then compared with the recorded ones of the same question. If both are draws from one distribution, which
of a question's branches are called live makes no difference: p is the share of permutations of that name, within each
question, that give at least as large a statistic. The statistics are sums over questions: the difference of a mean, or
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
from envdata.collect.spelling import make_speller
from envdata.grid import Grid, read_table
from envdata.live.model import settings_of
from envdata.scoring import over_questions
from sandbox.candidate import Candidate
from sandbox.solving import Solution, Solver
from sandbox.solving.two_lines import served
from sandbox.solving.validating import askings

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
    """Draw what is not in `out` yet, and keep each question as it comes."""
    asked = askings(grid)
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
                    asking=asked[question],
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
class Sides:
    """A question's branches, the recorded ones first."""

    recorded: int
    right: Floats
    tokens: Floats
    codes: list[npt.NDArray[np.int64]]
    """Answers, lengths in intervals, and probed answers by depth; one entry a branch each."""


def sides(grid: Grid, drawn: Rows, *, probed: bool) -> list[Sides]:
    """Both worlds' branches of every question that was drawn."""
    settings = settings_of(grid.provenance)
    speller = make_speller(settings.answers)
    recorded: dict[int, Rows] = {}
    for row in read_table(Path(grid.name)).to_pylist():
        own = {"tokens": row["tokens"], "answer": row["final_answer"], "probes": row["probe_answers"]}
        recorded.setdefault(row["question_id"], []).append(own)
    found = []
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
        found.append(Sides(len(recorded[question]), right, tokens, codes))
    speller.close()
    return found


def permuted(found: Sequence[Sides], statistic: "Statistic") -> tuple[float, float]:
    """The statistic's sum over questions and its p; `statistic` takes names, shape (permutations, branches)."""
    rng = np.random.default_rng(0)
    total = np.zeros(PERMUTATIONS + 1)
    for question in found:
        live = np.zeros((PERMUTATIONS + 1, len(question.right)))
        live[:, question.recorded :] = 1
        live[1:] = rng.permuted(live[1:], axis=1)
        total += statistic(question, live)
    p = (1 + int((total[1:] >= total[0] - 1e-9).sum())) / (PERMUTATIONS + 1)
    return float(total[0]), p


def chi_square(codes: npt.NDArray[np.int64], live: Floats) -> Floats:
    """Pearson's χ² of two samples over categories, one a permutation."""
    each = np.eye(int(codes.max()) + 1)[codes]
    total = each.sum(axis=0)
    observed = live @ each
    share = live.sum(axis=1, keepdims=True) / len(codes)
    expected = share * total
    result: Floats = ((observed - expected) ** 2 / (expected * (1 - share))).sum(axis=1)
    return result


Statistic = Callable[[Sides, Floats], Floats]
"""One value a permutation, of the names that it gives: shape (permutations, branches), 1 for a live branch."""


def mean_difference(of: Callable[[Sides], Floats], sign: int) -> Statistic:
    """Mean of the live branches less mean of the recorded ones, times `sign`."""

    def difference(s: Sides, names: Floats) -> Floats:
        live, recorded = (own @ of(s) / own.sum(axis=1) for own in (names, 1 - names))
        result: Floats = sign * (live - recorded)
        return result

    return difference


def categories(columns: slice) -> Statistic:
    """χ² of some of a branch's codes, added up."""
    return lambda s, names: sum((chi_square(codes, names) for codes in s.codes[columns]), np.zeros(len(names)))


def compare(grid: Grid, drawn: Rows, way: str) -> None:
    """Print one way's comparison."""
    own = [row for row in drawn if row["way"] == way]
    if not own:
        return
    probed = way == "steps"
    found = sides(grid, own, probed=probed)
    print(f"\n{way}: {len(found)} questions, {len(own)} live branches, {sum(s.recorded for s in found)} recorded ones")
    longest = settings_of(grid.provenance).sampling.max_tokens
    means: dict[str, Callable[[Sides], Floats]] = {
        "a branch is right, %": lambda s: 100 * s.right,
        "tokens a branch": lambda s: s.tokens,
        "ended for its length, %": lambda s: 100.0 * (s.tokens >= longest),
    }
    for name, of in means.items():
        recorded = np.array([of(s)[: s.recorded].mean() for s in found])
        live = np.array([of(s)[s.recorded :].mean() for s in found])
        difference = over_questions(live - recorded)

        above, below = (permuted(found, mean_difference(of, sign))[1] for sign in (1, -1))
        print(
            f"  {name}: recorded {recorded.mean():.1f}, live {live.mean():.1f}, live − recorded "
            f"{difference.value:+.1f} ({difference.low:+.1f} … {difference.high:+.1f}), p = "
            f"{min(1.0, 2 * min(above, below)):.3f}"
        )
    columns = {"answers": slice(0, 1), "lengths": slice(1, 2), "probed answers": slice(2, None)}
    for name in list(columns) if probed else list(columns)[:2]:
        value, p = permuted(found, categories(columns[name]))
        print(f"  χ² of {name}: {value:.0f}, p = {p:.3f}")


def main() -> None:
    """Draw if there is a server, and compare."""
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

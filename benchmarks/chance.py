"""Estimates the differences between live and replay that `autotts validate` finds by chance. No model is needed.

usage: python -m benchmarks.chance CONTROLLER [--grid FILE] [--beta 0.5] [--limit 24] [--live-repeats 1]
                                   [--found -14.6] [--draws DRAWS.parquet]

Replay is compared with itself: each trial takes `--live-repeats` branch orders in the place of live draws and compares
them with 50 others as `validate` does. Both have the same distribution, so that every difference is due to chance.
Printed are the standard deviation of the differences in accuracy, the share of 95 % intervals that exclude 0 (nominally
5 %), and the share of differences at least as large as `--found`, in its direction.

`--draws` is a file of live branches that `benchmarks.draws` wrote. The controller is then also replayed over the live
branches that were read whole, with many branch orders. This is for controllers that only READ.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from envdata.grid import BranchRow, Grid, write_grid
from envdata.intervals import over_questions
from sandbox.backends.choose import make_backend
from sandbox.candidate import Candidate
from sandbox.replay_player import EvaluationSettings, Player, Repeat

ORDERS, REPLAYED, TRIALS = 2000, 50, 4000
Floats = npt.NDArray[np.float64]


def accuracies(grid: Grid, spec: str, beta: float, repeats: int) -> Floats:
    """1 for each correct answer, shape (repeats, questions)."""
    player = Player(make_backend("auto"), Candidate.parse(spec), grid, EvaluationSettings())
    played = player.play([Repeat(beta, number) for number in range(repeats)])
    return np.array([np.asarray(each.result.correct) for each in played], float)


def live_grid(grid: Grid, draws: Path, out: Path) -> Grid:
    """Write the live branches that were read whole as a grid, with empty probe answers, and load it."""
    drawn = [row for row in pq.read_table(draws).to_pylist() if row["way"] == "whole"]
    kept = {question: number for number, question in enumerate(sorted({row["question"] for row in drawn}))}
    rows = [
        BranchRow(
            kept[row["question"]], grid.questions[row["question"]], grid.gold_answers[row["question"]], row["branch"],
            row["tokens"], row["answer"], [""] * (-(-row["tokens"] // grid.interval) - 1),
        )
        for row in sorted(drawn, key=lambda row: (row["question"], row["branch"]))
    ]  # fmt: skip
    write_grid(out, rows, grid.interval, {})
    return Grid.load(out)


def main() -> None:
    """Parse the arguments, run the trials and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("controller")
    parser.add_argument("--grid", default="envdata/bundled/word-problems-heldout.parquet")
    parser.add_argument("--beta", type=float, default=0.5)
    parser.add_argument("--limit", type=int, default=24)
    parser.add_argument("--live-repeats", type=int, default=1)
    parser.add_argument("--found", type=float, help="A difference in points of accuracy.")
    parser.add_argument("--draws", type=Path)
    given: Any = parser.parse_args()
    grid = Grid.load(given.grid)
    right = accuracies(grid, given.controller, given.beta, ORDERS)[:, : given.limit]
    rng = np.random.default_rng(0)
    differences, outside = [], 0
    for _ in range(TRIALS):
        own = right[rng.choice(ORDERS, REPLAYED + given.live_repeats, replace=False)]
        difference = over_questions(own[REPLAYED:].mean(axis=0) - own[:REPLAYED].mean(axis=0))
        outside += not difference.low <= 0 <= difference.high
        differences.append(100 * difference.value)
    low, high = np.quantile(differences, [0.025, 0.975])
    print(f"accuracy {100 * right.mean():.1f} %; a validation of {given.limit} questions × {given.live_repeats} draws:")
    spread = np.std(differences)
    print(f"  differences spread with a standard deviation of {spread:.1f} points, 95 % in {low:.1f} … {high:.1f}")
    print(f"  the interval excludes 0 in {outside / TRIALS:.1%}")
    if given.found is not None:
        sign = 1 if given.found > 0 else -1
        share = np.mean(sign * np.array(differences) >= sign * given.found - 0.05)
        print(f"  {given.found:+.1f} or more in that direction: {share:.1%}")
    if given.draws is not None:
        with tempfile.TemporaryDirectory() as folder:
            live = live_grid(grid, given.draws, Path(folder) / "live.parquet")
            drawn = accuracies(live, given.controller, given.beta, 400)[:, : given.limit].mean(axis=0)
        recorded = right.mean(axis=0)
        difference = over_questions(100 * (drawn - recorded[: len(drawn)]))
        print(
            f"over live branches: {100 * drawn.mean():.1f} %, live − recorded {difference.value:+.1f} "
            f"({difference.low:+.1f} … {difference.high:+.1f})"
        )


if __name__ == "__main__":
    main()

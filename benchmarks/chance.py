"""How far `autotts validate` may find live from replay by the luck of the draw alone. No model is needed.

usage: python -m benchmarks.chance CONTROLLER [--grid FILE] [--beta 0.5] [--limit 24] [--live-repeats 1]
                                   [--found -14.6] [--draws DRAWS.parquet]

Replay is validated against itself: each trial takes `--live-repeats` branch orders for the live draws and compares them
with 50 others as `validate` does. Both are of one distribution, so every difference is chance. Printed are how widely
the differences of accuracy spread, how often the 95 % interval leaves 0 out (5 % would be its promise), and how often a
difference is at least as large as the one `--found`, in its direction.

`--draws` are live branches that `benchmarks.draws` kept. The controller is then also replayed over those that were read
whole, as over the recorded ones: live branches, at the precision of many orders. For controllers that only READ.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from envdata.grid import BranchRow, Grid, write_grid
from envdata.scoring import over_questions
from sandbox.backends.choose import make_backend
from sandbox.candidate import Candidate
from sandbox.playing import Player, Repeat, Settings

ORDERS, REPLAYED, TRIALS = 2000, 50, 4000
Floats = npt.NDArray[np.float64]


def accuracies(grid: Grid, spec: str, beta: float, repeats: int) -> Floats:
    """Whether each question was answered right, shape (repeats, questions)."""
    player = Player(make_backend("auto"), Candidate.parse(spec), grid, Settings())
    played = player.play([Repeat(beta, number) for number in range(repeats)])
    return np.array([np.asarray(each.result.correct) for each in played], float)


def live_grid(grid: Grid, draws: Path, out: Path) -> Grid:
    """The live branches that were read whole as a grid of their own; its probes are blank."""
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
    """Read the arguments and print."""
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
    found, outside = [], 0
    for _ in range(TRIALS):
        own = right[rng.choice(ORDERS, REPLAYED + given.live_repeats, replace=False)]
        difference = over_questions(own[REPLAYED:].mean(axis=0) - own[:REPLAYED].mean(axis=0))
        outside += not difference.low <= 0 <= difference.high
        found.append(100 * difference.value)
    low, high = np.quantile(found, [0.025, 0.975])
    print(f"accuracy {100 * right.mean():.1f} %; a validation of {given.limit} questions × {given.live_repeats} draws:")
    print(
        f"  differences spread with a standard deviation of {np.std(found):.1f} points, 95 % in {low:.1f} … {high:.1f}"
    )
    print(f"  the interval leaves 0 out in {outside / TRIALS:.1%}")
    if given.found is not None:
        sign = 1 if given.found > 0 else -1
        share = np.mean(sign * np.array(found) >= sign * given.found - 0.05)
        print(f"  {given.found:+.1f} or further that way: {share:.1%}")
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

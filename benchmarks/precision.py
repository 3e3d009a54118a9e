"""Measures standard errors after R repeats, with published and with balanced branch orders.

    python benchmarks/precision.py PUBLISHED_FOLDER [--designs 40] [--models Qwen3-1.7B,…] [--jobs 2]

For SC@16, ASC and CMC on each grid of the published search set: the standard error of mean accuracy and mean tokens
that is due to the choice of branch orders, as between evaluations with different seeds. Published repeats are
independent: their standard error is the standard deviation of a repeat's mean, divided by √R. Balanced repeats are not:
theirs is the standard deviation of the mean of R repeats over many designs, each with another seed. "worth" is the
number of published repeats with the precision of the balanced ones.

Episodes are played by `benchmarks/naive.py`, which plays them as the engine does (tests/sandbox/test_controllers.py).
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks import naive, naive_episode
from envdata.autotts_import import import_folder
from envdata.branch_orders import balanced_order

REPEATS = (8, 16, 24)
"""Numbers of balanced repeats to measure."""

CONTROLLERS: list[tuple[str, str, dict[str, float]]] = [
    ("SC@16", "sc", {"branches": 16}),
    ("ASC(64)", "asc", {}),
    ("CMC β=0.5", "cmc", {"beta": 0.5}),
    ("CMC β=1", "cmc", {"beta": 1.0}),
]

ORDERS: dict[str, Callable[[int, int, int], Sequence[int]]] = {
    "published": naive.published_order,
    "balanced": lambda branches, seed, repeat: balanced_order(branches, seed, repeat).tolist(),
}


class Figure(NamedTuple):
    """One figure of one controller on one grid."""

    name: str
    mean: float
    published: float
    """Standard deviation of one repeat's mean."""
    balanced: dict[int, float]
    """Standard error after R repeats, by R."""

    def worth(self, repeats: int) -> float:
        """Number of published repeats with the precision of `repeats` balanced ones."""
        return (self.published / self.balanced[repeats]) ** 2 if self.balanced[repeats] else float("inf")


def measure(path: str, name: str, settings: dict[str, float], designs: int) -> list[Figure]:
    """The figures of one controller on one grid.

    Args:
        path: Parquet file of the grid.
        name: Method in `benchmarks.naive.METHODS`.
        settings: The method's arguments.
        designs: Number of evaluations, each with a seed of its own.
    """
    means = {kind: _repeat_means(path, name, settings, kind, designs) for kind in ORDERS}
    published = means["published"].reshape(-1, 2)
    balanced = means["balanced"]
    return [
        Figure(
            what,
            float(published[:, at].mean()),
            float(published[:, at].std(ddof=1)),
            {r: float(balanced[:, :r, at].mean(axis=1).std(ddof=1)) for r in REPEATS},
        )
        for at, what in enumerate(("accuracy %", "tokens"))
    ]


def _repeat_means(path: str, name: str, settings: dict[str, float], kind: str, designs: int) -> np.ndarray:
    """Mean accuracy in percent and mean tokens of every repeat: shape (designs, repeats, 2)."""
    questions, repeats = _questions(path), max(REPEATS)
    means = np.zeros((designs, repeats, 2))
    for design in range(designs):
        # Published repeats of two seeds overlap unless the seeds are far apart.
        played = naive.play(name, questions, repeats, seed=1000 * design, order=ORDERS[kind], **settings)
        for outcome in played:
            means[design, outcome.repeat] += (100 * outcome.correct, outcome.tokens)
    return means / len(questions)


@cache
def _questions(path: str) -> list[naive_episode.Question]:
    return naive_episode.read(path)


def table(rows: Iterator[tuple[str, str, Figure]]) -> Iterator[str]:
    """Lines of the table."""
    last = max(REPEATS)
    heads = [f"balanced {r}" for r in REPEATS]
    yield f"{'grid':<12}{'controller':<11}{'figure':<11}{'mean':>10}" + "".join(
        f"{head:>14}" for head in (f"published {last}", "published 100", *heads)
    ) + f"{f'{last} worth':>10}"  # fmt: skip
    for grid, controller, figure in rows:
        errors = [figure.published / last**0.5, figure.published / 10, *(figure.balanced[r] for r in REPEATS)]
        digits = 3 if figure.name.startswith("accuracy") else 0
        worth = figure.worth(last)
        yield (
            f"{grid:<12}{controller:<11}{figure.name:<11}{figure.mean:>10,.{2 if digits else 0}f}"
            + "".join(f"{error:>14,.{digits}f}" for error in errors)
            + f"{'>10,000' if worth > 10_000 else f'{worth:.0f}':>10}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the published replay data")
    parser.add_argument("--designs", type=int, default=40, help="evaluations that are repeated, each with its own seed")
    parser.add_argument("--models", help="some models only, separated by commas")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as out, ProcessPoolExecutor(given.jobs) as pool:
        paths = {done.source.parent.name: str(done.target) for done in import_folder(given.folder, Path(out))}
        models = given.models.split(",") if given.models else list(paths)
        running = [
            (model, label, pool.submit(measure, paths[model], name, settings, given.designs))
            for model in models
            for label, name, settings in CONTROLLERS
        ]
        print("Standard errors due to branch orders")
        for line in table((model, label, figure) for model, label, future in running for figure in future.result()):
            print(line, flush=True)


if __name__ == "__main__":
    main()

"""The program `play.py` of a research folder: a controller's sweep over the search set, with its gain over SC.

    python data/play.py controller.py [--betas 0:1:0.1] [--repeats 8] [--grid NAME] [--json]

The gain is that of the loop but for one step: the mean over log tokens, from SC's cheapest to its dearest point, of how
far the better of the two frontiers stands above SC's, each linear in log tokens between its points. The loop also
chooses the points for each question from the others, so that noise does not choose them, and its interval, which is
somewhat wider, is the one to cite.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from envdata.branch_orders import ORDERS
from graph.explorers.research.player import (
    Played,
    ResearchGrid,
    latency_of,
    load_controller,
    load_grids,
    orders_of,
    play,
)
from sandbox.inside.controller_runner import NativeCandidate

Floats = npt.NDArray[np.float64]

PRICES = 500
"""Prices, evenly spaced in log tokens, at which curves are compared."""
DRAWS = 400
"""Sets of random weights of the questions, for the interval of the gain."""


@dataclass(frozen=True)
class Sweep:
    """Results of one controller, averaged over repeats: arrays of shape (β, grids, questions)."""

    betas: tuple[float, ...]
    correct: Floats
    """Share of repeats that were right; NaN where a grid lacks the question."""
    tokens: Floats
    sequential: Floats
    branches: Floats
    failed: int
    why: str
    """Traceback of the first failure."""

    def curve(self, weights: Floats | None = None, latency: float = 0.0) -> tuple[Floats, Floats]:
        """Return cost and accuracy of each point, means over questions and then over grids, each of shape (β,).

        `weights` has one entry a question, above 0; None weighs them equally. The cost of a question is
        tokens^(1 − latency) · sequential tokens^latency.
        """
        cost = self.tokens ** (1 - latency) * self.sequential**latency if latency else self.tokens
        return self._mean(cost, weights), self._mean(self.correct, weights)

    def rows(self) -> list[dict[str, float]]:
        """Return the figures of each β: accuracy in percent, and means an episode."""
        columns = [self._mean(each) for each in (100 * self.correct, self.tokens, self.sequential, self.branches)]
        names = ("accuracy", "tokens", "sequential_tokens", "branches")
        return [
            {"beta": beta, **dict(zip(names, values, strict=True))}
            for beta, values in zip(self.betas, np.stack(columns, axis=1).tolist(), strict=True)
        ]

    def _mean(self, values: Floats, weights: Floats | None = None) -> Floats:
        here = ~np.isnan(values)
        own = here * (np.ones(values.shape[2]) if weights is None else weights)
        means: Floats = ((np.where(here, values, 0) * own).sum(axis=2) / own.sum(axis=2)).mean(axis=1)
        return means


def sweep(
    candidate: NativeCandidate, grids: Sequence[ResearchGrid], betas: Sequence[float], repeats: int,
    *, order: str = "balanced", seed: int = 0, knobs: dict[str, float] | None = None,
) -> Sweep:  # fmt: skip
    """Play a controller over all questions of the grids, branch orders and β.

    Args:
        candidate: The controller (`load_controller`).
        grids: Grids (`load_grids`).
        betas: Values of β.
        repeats: Number of branch orders.
        order: Kind of branch order, `balanced` or `published`.
        seed: Seed of the branch orders.
        knobs: Knobs that override the schedule.
    """
    questions = 1 + max(int(grid.arrays["question"].max()) for grid in grids)
    values = {name: np.full((len(betas), len(grids), questions), np.nan) for name in ("correct", "tokens",
              "sequential", "branches")}  # fmt: skip
    failed, why = 0, ""
    for at, grid in enumerate(grids):
        orders = orders_of(grid, order, seed, repeats)
        for point, beta in enumerate(betas):
            played: Played = play(candidate, grid, beta, orders, knobs)
            failed, why = failed + played.failed, why or played.why
            for name, own in values.items():
                own[point, at, grid.arrays["question"]] = getattr(played, name).mean(axis=0)
    return Sweep(tuple(betas), failed=failed, why=why, **values)


def gain(candidate: Sweep, sc: Sweep, latency: float = 0.0) -> tuple[float, float, float]:
    """Return the gain over SC in points of accuracy, and its 95 % interval from random weights of the questions.

    `latency` is the weight of sequential tokens in the cost (`Sweep.curve`).
    """
    rng = np.random.default_rng(0)
    drawn = [
        _gain(candidate.curve(weights, latency), sc.curve(weights, latency))
        for weights in rng.exponential(size=(DRAWS, candidate.correct.shape[2]))
    ]
    low, high = np.percentile(drawn, (2.5, 97.5)).tolist()
    return _gain(candidate.curve(None, latency), sc.curve(None, latency)), low, high


def _gain(candidate: tuple[Floats, Floats], sc: tuple[Floats, Floats]) -> float:
    low, high = np.log(sc[0].min()), np.log(sc[0].max())
    prices = low + (np.arange(PRICES) + 0.5) / PRICES * (high - low)
    own, alone = (_read(*curve, prices) for curve in (candidate, sc))
    return float(100 * np.maximum(own - alone, 0).mean())


def _read(tokens: Floats, accuracy: Floats, prices: Floats) -> Floats:
    """Return the accuracy of a curve's frontier at log prices; below its cheapest point −1."""
    order = np.lexsort((-accuracy, tokens))
    tokens, accuracy = np.log(tokens[order]), accuracy[order]
    kept = np.append(True, accuracy[1:] > np.maximum.accumulate(accuracy)[:-1])
    read: Floats = np.interp(prices, tokens[kept], accuracy[kept], left=-1)
    return read


def main(folder: Path, arguments: Sequence[str] | None = None) -> int:
    """Play a file over the research data in `folder`, print its figures, and return the exit code."""
    options = _parser().parse_args(arguments)
    grids = [grid for grid in load_grids(folder) if not options.grid or grid.name in options.grid]
    if not grids:
        names = ", ".join(grid.name for grid in load_grids(folder))
        print(f"there is no grid {', '.join(options.grid)}; there are {names}", file=sys.stderr)
        return 2
    how = {"order": options.order, "seed": options.seed}
    own = sweep(load_controller(options.file), grids, options.betas, options.repeats, **how, knobs=dict(options.knob))
    sc = sweep(load_controller(folder / "sc.py"), grids, options.betas, options.repeats, **how)
    latency = latency_of(folder) if options.latency is None else options.latency
    value, low, high = gain(own, sc, latency)
    figures: dict[str, Any] = {"gain": value, "interval": [low, high], "failed": own.failed, "why": own.why}
    if options.json:
        print(json.dumps({**figures, "sweep": own.rows(), "sc": sc.rows()}))
        return 0
    print(f"{'β':>5} {'accuracy, %':>12} {'tokens':>12} {'sequential':>12} {'branches':>9}")
    for row in own.rows():
        print(
            f"{row['beta']:5g} {row['accuracy']:12.2f} {row['tokens']:12,.0f} {row['sequential_tokens']:12,.0f} "
            f"{row['branches']:9.1f}"
        )
    print(f"gain over SC: {value:.2f} points (95 %: {low:.2f} … {high:.2f}), over {len(grids)} grids"
          + (f", latency weighed {latency:g}" if latency else ""))  # fmt: skip
    if own.failed:
        print(f"{own.failed:,} episodes failed and count as wrong; the first one:\n{own.why}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Play a controller over the search set, in this process, unconfined.")
    parser.add_argument("file", type=Path, help="a controller's file")
    parser.add_argument("--betas", type=_betas, default=_betas("0:1:0.1"), help="as 0,0.5,1 or 0:1:0.1")
    parser.add_argument("--repeats", type=int, default=8, help="branch orders; eight balanced ones read all branches")
    parser.add_argument("--order", choices=tuple(ORDERS), default="balanced", help="kind of branch order")
    parser.add_argument("--seed", type=int, default=0, help="seed of the branch orders")
    parser.add_argument("--grid", action="append", default=[], metavar="NAME", help="a grid; may be given again")
    parser.add_argument("--knob", action="append", default=[], type=_knob, metavar="NAME=VALUE",
                        help="a knob that overrides the schedule; may be given again")  # fmt: skip
    parser.add_argument("--latency", type=float, help="weight of sequential tokens in the cost (default: the run's)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _betas(text: str) -> tuple[float, ...]:
    if ":" in text:
        first, last, step = map(float, text.split(":"))
        return tuple(round(first + at * step, 10) for at in range(round((last - first) / step) + 1))
    return tuple(map(float, text.split(",")))


def _knob(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    return name, float(value)

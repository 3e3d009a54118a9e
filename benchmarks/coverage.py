"""Simulates the coverage of confidence intervals, false positives of superiority, and the bias of objectives.

    python -m benchmarks.coverage [--trials 2000]

Questions are drawn from a population with a known true accuracy and answered with R repeats; counted is how often the
interval contains that accuracy. Populations: `alike`, every question is answered correctly with the same probability;
`mixed`, the probabilities are Beta-distributed, with equal variance between and within questions; `sure`, a question is
answered correctly always or never, so that repeats add no information. Each figure is shown beside that of the
percentile bootstrap, which was used before. No grid is needed; seeds are fixed.
"""

import argparse
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product

import numpy as np

from envdata.intervals import Floats, Interval, Sample, bounded, difference, superiority
from graph.analysis.curves import Curve, Questions
from graph.analysis.objective import Objective

Population = Callable[[np.random.Generator, int, float], Floats]
POPULATIONS: dict[str, Population] = {
    "alike": lambda rng, n, p: np.full(n, p),
    "mixed": lambda rng, n, p: rng.beta(p, 1 - p, n) if 0 < p < 1 else np.full(n, p),
    "sure": lambda rng, n, p: (rng.random(n) < p).astype(float),
}
QUESTIONS = (5, 10, 30, 100)
REPEATS = (1, 4, 24)
ACCURACIES = (0.5, 0.7, 0.9, 0.97, 1.0)
PAIRS = ((0.5, 0.5), (0.7, 0.6), (0.9, 0.9), (0.97, 0.9), (1.0, 0.97))
"""True accuracies of two controllers that differ on half of the questions."""
LEVELS = (0.5, 0.7, 0.9)
"""True accuracies of two equal controllers."""
DRAWS = 2000
"""Resamples of the bootstrap."""


@cache
def _weights(questions: int) -> Floats:
    """Weights of each question in each resample, shape (DRAWS, questions)."""
    drawn = np.random.default_rng(0).multinomial(questions, np.full(questions, 1 / questions), size=DRAWS)
    weights: Floats = drawn / questions
    return weights


@cache
def both_intervals(values: tuple[float, ...], kind: str) -> tuple[Interval, Interval]:
    """Intervals of the percentile bootstrap and of the present method; `values` is one mean a question."""
    low, high = np.quantile(_weights(len(values)) @ np.array(values), [0.025, 0.975])
    sample = Sample((np.array(values),))
    return Interval(0, float(low), float(high)), bounded(sample) if kind == "accuracy" else difference(sample)


@cache
def both_superiorities(values: tuple[float, ...]) -> tuple[float, float]:
    """Share of resamples with a mean above 0, as superiority was computed before, and the present superiority."""
    means = _weights(len(values)) @ np.array(values)
    above = np.where(np.abs(means) < 1e-12, 0.5, means > 0).mean()
    return float(above), superiority(Sample((np.array(values),)))


def accuracies(rng: np.random.Generator, kind: str, n: int, p: float, repeats: int) -> Floats:
    """Share of repeats in which each of n questions is answered correctly, shape (n,)."""
    return rng.binomial(repeats, POPULATIONS[kind](rng, n, p)) / repeats


def pairs(rng: np.random.Generator, kind: str, n: int, a: float, b: float, repeats: int) -> Floats:
    """Differences in accuracy of two controllers by question, shape (n,).

    On half of the questions their probabilities are equal, so that the true difference is (a − b) / 2.
    """
    first = POPULATIONS[kind](rng, n, a)
    second = np.where(rng.random(n) < 0.5, first, POPULATIONS[kind](rng, n, b))
    return (rng.binomial(repeats, first) - rng.binomial(repeats, second)) / repeats


def contains(interval: Interval, truth: float) -> bool:
    """Whether the interval contains the true value."""
    if interval.low is None or interval.high is None:
        return False
    return interval.low - 1e-9 <= truth <= interval.high + 1e-9


def coverage_table(trials: int) -> Iterator[str]:
    """Lines of Markdown: coverage in percent, of accuracies and of differences."""
    for name, truths in (("accuracy", [(p, p) for p in ACCURACIES]), ("difference", list(PAIRS))):
        heads = [f"{p:g}" if name == "accuracy" else f"{p:g} − {q:g}" for p, q in truths]
        yield f"\n| {name}: questions | repeats | population | " + " | ".join(heads) + " |"
        yield "|---|---|---|" + "---|" * len(truths)
        for n, repeats, kind in product(QUESTIONS, REPEATS, POPULATIONS):
            if repeats == 1 and kind != "alike":
                continue  # At one repeat all populations are the same.
            cells = []
            for p, q in truths:
                rng = np.random.default_rng([n, repeats, int(100 * p), int(100 * q), len(kind)])
                old = new = 0
                for _ in range(trials):
                    if name == "accuracy":
                        values, truth = accuracies(rng, kind, n, p, repeats), p
                    else:
                        values, truth = pairs(rng, kind, n, p, q, repeats), (p - q) / 2
                    before, now = both_intervals(tuple(sorted(values.tolist())), name)
                    old, new = old + contains(before, truth), new + contains(now, truth)
                cells.append(f"{100 * old / trials:.0f} → {100 * new / trials:.0f}")
            yield f"| {n} | {repeats} | {kind if repeats > 1 else 'any'} | " + " | ".join(cells) + " |"


def superiority_table(trials: int) -> Iterator[str]:
    """Lines of Markdown: percentage of pairs of equal controllers with a superiority above 0.975 or below 0.025."""
    yield "\n| equal controllers: questions | repeats | " + " | ".join(f"p = {p:g}" for p in LEVELS) + " |"
    yield "|---|---|" + "---|" * len(LEVELS)
    for n, repeats in product((10, 30, 100), REPEATS):
        cells = []
        for p in LEVELS:
            rng = np.random.default_rng([n, repeats, int(100 * p)])
            old = new = 0
            for _ in range(trials):
                chances = POPULATIONS["mixed"](rng, n, p)
                values = (rng.binomial(repeats, chances) - rng.binomial(repeats, chances)) / repeats
                before, now = both_superiorities(tuple(sorted(values.tolist())))
                old, new = old + (abs(before - 0.5) > 0.475), new + (abs(now - 0.5) > 0.475)
            cells.append(f"{100 * old / trials:.1f} → {100 * new / trials:.1f}")
        yield f"| {n} | {repeats} | " + " | ".join(cells) + " |"


def flat_sweep_table(trials: int) -> Iterator[str]:
    """Lines of Markdown: bias in points of each objective on a sweep of eleven points with 70 % accuracy throughout."""
    n, count, low, high = 30, 11, 10_000.0, 500_000.0
    questions = Questions(("g",), (tuple(map(str, range(n))),))
    tokens = np.repeat(np.geomspace(low, high, count)[:, None], n, axis=1)
    figures = {"area": Objective("area"), "accuracy@500000": Objective("accuracy", high), "gamma:0": Objective("gamma")}
    yield "\n| a flat sweep: repeats | the best point so far, over log tokens | " + " | ".join(figures) + " |"
    yield "|---|---|" + "---|" * len(figures)
    for repeats in (1, 4, 24, 100):
        rng = np.random.default_rng(repeats)
        old, new = 0.0, dict.fromkeys(figures, 0.0)
        for _ in range(trials):
            chances = POPULATIONS["mixed"](rng, n, 0.7)
            correct = rng.binomial(repeats, np.tile(chances, (count, 1))) / repeats
            truth = chances.mean()
            old += (np.maximum.accumulate(correct.mean(axis=1))[:-1].mean() - truth) / trials
            curve = Curve("flat", tuple(range(count)), (correct,), (tokens,), {}, None)
            for name, objective in figures.items():
                new[name] += (objective.sample([curve], questions, low, high).mean - truth) / trials
        yield f"| {repeats} | {100 * old:+.1f} | " + " | ".join(f"{100 * each:+.1f}" for each in new.values()) + " |"


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000, help="draws a cell")
    trials: int = parser.parse_args().trials
    for table in (coverage_table, superiority_table, flat_sweep_table):
        for line in table(trials):
            print(line, flush=True)


if __name__ == "__main__":
    main()

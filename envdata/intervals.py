"""95 % intervals over questions, and tests whether one controller is ahead of another.

Questions are the sample: a benchmark's questions stand for others of their kind, and repeats of one question say
nothing about another. So every figure is a mean of one value a question, where the repeats of a question are averaged
first.

An accuracy lies in 0 … 1, and the drawn questions need not show what others would. Its interval is Gaffke's (Gaffke
2005; Learned-Miller and Thomas 2019, arXiv:1905.06208): the questions get random weights, uniform over all weights of
sum 1, together with one unseen question that has the lowest possible value (for the lower end) or the highest (for the
upper end). With one repeat it is Clopper and Pearson's exact interval; with repeats the values between 0 and 1 narrow
it. A percentile bootstrap, which knows only the sample, gives 100 … 100 after thirty right answers.
`benchmarks/coverage.py` simulates both.

Random weights come from fixed seeds: the same values always give the same interval.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LEVEL = 0.95
"""Coverage of every interval."""
TAILS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
MOST_DRAWS, FEWEST_DRAWS, DRAWN_NUMBERS = 1 << 14, 1 << 11, 1 << 23
"""Limits on the number of sets of random weights, and the number of random numbers that all of them may take."""
ALL_EXCHANGES = 13
"""Number of differing questions up to which all ways of exchanging two controllers are enumerated: 2¹³."""
EXCHANGES = 1 << 14
"""Number of ways that are drawn beyond that."""
ROUNDING = 1e-12
"""Differences up to this size are rounding errors."""


@dataclass(frozen=True)
class Interval:
    """A figure with its interval; `low` and `high` are None for a single question, which does not determine one."""

    value: float
    low: float | None
    high: float | None

    def text(self, times: float = 1.0, form: str = ".2f", joint: str = " … ") -> str:
        """Return the figure and its interval as text: `61.25 (55.00 … 67.50)`, or `61.25 (no interval)`.

        Numbers below 0 have a minus sign, not a hyphen, and those that round to 0 have no sign.

        Args:
            times: Factor on all three numbers, such as 100 for percent.
            form: Format of a number.
            joint: Text between the two ends.
        """
        if self.low is None or self.high is None:
            return f"{number_text(times * self.value, form)} (no interval)"
        value, low, high = (number_text(times * each, form) for each in (self.value, self.low, self.high))
        return f"{value} ({low}{joint}{high})"

    def times(self, factor: float) -> "Interval":
        """Return the figure in another unit; `factor` is above 0."""
        low, high = (None if end is None else factor * end for end in (self.low, self.high))
        return Interval(factor * self.value, low, high)

    @property
    def sign(self) -> int:
        """1 if the whole interval is above 0, −1 if it is below, 0 if it contains 0 or there is none."""
        if self.low is None or self.high is None:
            return 0
        return int(self.low > ROUNDING) - int(self.high < -ROUNDING)


@dataclass(frozen=True)
class Sample:
    """One value a question, in sets of questions that were drawn independently: Σ share × mean of the set's values."""

    values: tuple[Floats, ...]
    """Values of each set, shape (Q,). Grids with the same questions are one set, whose values are averaged."""
    shares: tuple[float, ...] = (1.0,)
    """Weights of the sets, of sum 1."""

    @property
    def mean(self) -> float:
        """The figure."""
        return float(sum(share * own.mean() for share, own in zip(self.shares, self.values, strict=True)))

    @property
    def questions(self) -> int:
        """Number of questions in all sets."""
        return sum(map(len, self.values))

    @property
    def standard_error(self) -> float:
        """Standard error of the figure over questions; NaN where a set has a single one."""
        if min(map(len, self.values)) < 2:
            return float("nan")
        parts = zip(self.shares, self.values, strict=True)
        return float(sum(share**2 * own.var(ddof=1) / len(own) for share, own in parts) ** 0.5)

    def minus(self, other: "Sample") -> "Sample":
        """Return the differences, question by question."""
        return Sample(tuple(a - b for a, b in zip(self.values, other.values, strict=True)), self.shares)

    def parts(self) -> Floats:
        """Return each question's contribution to the figure, shape (questions,)."""
        return np.concatenate(
            [share * own / len(own) for share, own in zip(self.shares, self.values, strict=True)]
        )  # fmt: skip


@dataclass(frozen=True)
class Paired:
    """A figure of two controllers on the same episodes."""

    a: float
    b: float
    difference: Interval
    """a − b."""
    superiority: float
    """Confidence that a is better than b (`superiority`)."""


def bounded(sample: Sample) -> Interval:
    """Return the mean of values in 0 … 1, with Gaffke's interval. A value beyond the bounds extends them."""
    return bounded_each([sample])[0]


def bounded_each(samples: Sequence[Sample]) -> list[Interval]:
    """Return `bounded` of several samples of the same questions: together they take less time than one by one."""
    sets = [np.stack(own) for own in zip(*(sample.values for sample in samples), strict=True)]
    lows = [np.minimum(0.0, own.min(axis=1, keepdims=True)) for own in sets]
    highs = [np.maximum(1.0, own.max(axis=1, keepdims=True)) for own in sets]
    return _between(samples, lows, highs)


def difference(sample: Sample) -> Interval:
    """Return the mean of differences of accuracies, each in −1 … 1, with its interval.

    As `bounded`, except that the unseen question favours either controller with the same probability. After k questions
    that differ, the size of the next difference has any rank among the k + 1 with the same probability (Hill's A(n)):
    it is taken to be as large as the next larger one in the sample, and for the highest rank as large as possible, 1.
    Student's factor allows for sizes being estimated where they differ. At one repeat every difference is −1, 0 or 1,
    and 0 lies outside if and only if the sign test with the mid-p-value rejects, that is if `superiority` is beyond
    0.975 or 0.025.
    """
    direction = _direction(sample)
    if direction < 0:
        # The interval of b − a is exactly that of a − b with the signs changed.
        opposite = difference(Sample(tuple(-own for own in sample.values), sample.shares))
        return Interval(-opposite.value, *(None if end is None else -end for end in (opposite.high, opposite.low)))
    sizes = np.abs(np.concatenate(sample.values))
    sizes = np.append(np.sort(sizes[sizes > ROUNDING]), max(1.0, float(sizes.max())))
    draws = _draws(max(map(len, sample.values)))
    rank, side = np.random.default_rng([1, draws]).random((2, draws))
    size = sizes[(rank * len(sizes)).astype(int)]
    ends = [np.where(side < 0.5, -size, size)] * len(sample.values)
    (interval,) = _between([sample], ends, ends)
    if np.ptp(sizes) > ROUNDING:
        # Sizes that differ are estimated from these questions, as a variance is.
        interval = _widened(interval, sample.questions)
    if interval.low is None or interval.high is None:
        return interval
    most, low, high = float(sizes[-1]), interval.low, interval.high
    if not direction:
        reach = (high - low) / 2
        low, high = interval.value - reach, interval.value + reach
    # The factor must not put an end beyond the possible values.
    return Interval(interval.value, max(-most, low), min(most, high))


def unbounded(sample: Sample) -> Interval:
    """Return the mean of values without limits, such as tokens, with Student's interval.

    For several sets the degrees of freedom are Welch and Satterthwaite's.
    """
    errors, freedom = 0.0, 0.0
    for share, own in zip(sample.shares, sample.values, strict=True):
        if len(own) > 1:
            part = share**2 * float(own.var(ddof=1)) / len(own)
            errors, freedom = errors + part, freedom + part**2 / (len(own) - 1)
    value = sample.mean
    if min(map(len, sample.values)) < 2:
        return Interval(value, None, None)
    reach = student(errors**2 / freedom) * errors**0.5 if freedom > 0 else 0.0
    return Interval(value, value - reach, value + reach)


def student(freedom: float) -> float:
    """Return the end of a 95 % interval in standard errors: Student's, or with infinite degrees of freedom Gauss's."""
    # Imported by the first interval: SciPy is a third of the time that a command takes to start.
    from scipy import special  # type: ignore[import-untyped]

    return float(special.stdtrit(freedom, TAILS[1]) if freedom < math.inf else special.ndtri(TAILS[1]))


def superiority(differences: Sample) -> float:
    """Return 1 − the one-sided p-value of the paired randomisation test of a mean difference of at most 0.

    If two controllers were equally good, chance would decide which of them does better on a question, and the two could
    be exchanged there. Of all ways of exchanging them this is the share in which the figure is below the observed one,
    those in which it is equal counted by half (the mid-p-value). So 0.5 is a tie, the superiority of b over a is 1 −
    that of a over b, and of equal controllers 5 % are beyond 0.975 or 0.025, or fewer where few questions differ. At
    one repeat it is the sign test: three more right and none lost give 1 − 0.125 / 2. It is not the probability that a
    is the better controller.
    """
    parts = differences.parts()
    parts = parts[np.abs(parts) > ROUNDING]
    parts = parts[np.argsort(np.abs(parts), kind="stable")]
    if not len(parts):
        return 0.5
    exact = len(parts) <= ALL_EXCHANGES
    observed = parts.sum()
    exchanged = _exchanges(len(parts)) @ parts
    tied = np.isclose(exchanged, observed, rtol=0, atol=1e-9 * np.abs(parts).sum())
    count = float((~tied & (exchanged < observed)).sum() + 0.5 * tied.sum())
    # The observed way is one of all ways: it is added to drawn ones, so that the result is never 0 or 1.
    return count / len(exchanged) if exact else (count + 0.5) / (len(exchanged) + 1)


def paired(a: Sample, b: Sample, *, alike: bool = False) -> Paired:
    """Compare accuracies of two controllers on the same questions.

    Args:
        a: Accuracies of the first controller.
        b: Accuracies of the second.
        alike: Whether both acted the same in every episode, so that the difference is exactly 0.
    """
    differences = a.minus(b)
    return Paired(a.mean, b.mean, NOTHING if alike else difference(differences), superiority(differences))


def paired_costs(a: Sample, b: Sample) -> Paired:
    """Compare costs of two controllers on the same questions; the cheaper one is the better."""
    return Paired(a.mean, b.mean, unbounded(a.minus(b)), superiority(b.minus(a)))


def question_weights(sizes: Sequence[int]) -> list[Floats]:
    """Return random weights of the questions of each set, uniform over all of sum 1 (Rubin's Bayesian bootstrap).

    Args:
        sizes: Number of questions of each set, Q.

    Returns:
        An array (D, Q) for each set, with the same D; the same sizes give the same weights.
    """
    weights = []
    count = min(FEWEST_DRAWS, *map(_draws, sizes))
    for place, size in enumerate(sizes):
        seen = _weights(size, place)[0][:count]
        weights.append(seen / seen.sum(axis=1, keepdims=True))
    return weights


def percentiles(value: float, drawn: Floats) -> Interval:
    """Return a figure with the interval between the percentiles of its values (D,) under random weights."""
    low, high = (float(np.quantile(drawn, tail)) for tail in TAILS)
    return Interval(value, min(value, low), max(value, high))


NOTHING = Interval(0.0, 0.0, 0.0)
"""The difference of two controllers that act alike."""


def difference_unless_alike(sample: Sample) -> Interval:
    """Return `difference`, or `NOTHING` if every value is 0, for differences that are 0 because both act alike."""
    return difference(sample) if any(values.any() for values in sample.values) else NOTHING


def over_questions(per_question: Floats) -> Interval:
    """Return the accuracy over questions with its interval; `per_question` holds fractions, shape (Q,)."""
    return bounded(Sample((per_question,)))


def _between(samples: Sequence[Sample], lows: Sequence[Floats], highs: Sequence[Floats]) -> list[Interval]:
    """Return the interval of each of N samples and one unseen question.

    The value of that question is `lows` for the lower end and `highs` for the upper one. Both have an array a set:
    (N, 1), or (D,) with one value for each draw.
    """
    first, count = samples[0], min(_draws(len(own)) for own in samples[0].values)
    if first.questions < 2:
        return [Interval(sample.mean, None, None) for sample in samples]
    low, high = np.zeros((len(samples), count)), np.zeros((len(samples), count))
    least, most = np.zeros(len(samples)), np.zeros(len(samples))
    for place, (share, lowest, highest) in enumerate(zip(first.shares, lows, highs, strict=True)):
        # Sorted, so that the result does not depend on the order of the questions.
        own = np.sort(np.stack([sample.values[place] for sample in samples]), axis=1)
        weights, unseen = (each[:count] for each in _weights(own.shape[1], place))
        seen = own @ weights.T
        low += share * (seen + unseen * lowest[..., :count])
        high += share * (seen + unseen * highest[..., :count])
        least += share * lowest.min(axis=-1)
        most += share * highest.max(axis=-1)
    # Rounding must put neither the figure outside nor an end beyond the possible values.
    return [
        Interval(
            sample.mean,
            max(float(least[n]), min(sample.mean, _quantile(low[n], TAILS[0]))),
            min(float(most[n]), max(sample.mean, _quantile(high[n], TAILS[1]))),
        )
        for n, sample in enumerate(samples)
    ]


def _quantile(drawn: Floats, tail: float) -> float:
    """Return the quantile of many numbers as `numpy.quantile` does, which takes four times as long."""
    place = (len(drawn) - 1) * tail
    below = int(place)
    if tail < 0.5:
        parted = np.partition(drawn, below + 1)
        low, high = parted[: below + 1].max(), parted[below + 1]
    else:
        parted = np.partition(drawn, below)
        low, high = parted[below], parted[below + 1 :].min()
    share = place - below
    return float(low + (high - low) * share if share < 0.5 else high - (high - low) * (1 - share))


def _widened(interval: Interval, questions: int) -> Interval:
    """Return an interval widened by Student's factor, for sizes that are estimated from the sample."""
    if interval.low is None or interval.high is None:
        return interval
    factor = student(questions - 1) / student(math.inf) * (questions / (questions - 1)) ** 0.5
    down, up = (factor * (interval.value - interval.low), factor * (interval.high - interval.value))
    return Interval(interval.value, interval.value - down, interval.value + up)


def _direction(sample: Sample) -> int:
    """Return −1 or 1 for the two signs of a sample, and 0 for a sample that equals its own negative.

    `difference` computes a sample of −1 from its negative, so that exchanging two controllers gives the same interval.
    """
    for own in sample.values:
        first, second = np.sort(own), np.sort(-own)
        unequal = np.flatnonzero(first != second)
        if len(unequal):
            return 1 if first[unequal[0]] > second[unequal[0]] else -1
    return 0


def _draws(questions: int) -> int:
    """Return the number of sets of random weights for so many questions."""
    return max(FEWEST_DRAWS, min(MOST_DRAWS, DRAWN_NUMBERS // (questions + 1)))


@lru_cache(maxsize=8)
def _weights(questions: int, place: int) -> tuple[Floats, Floats]:
    """Return weights of the questions, (draws, questions), and of one more, (draws,): uniform over all of sum 1."""
    rng, count = np.random.default_rng([0, place, questions]), _draws(questions)
    drawn = rng.standard_exponential((count, questions + 1))
    # The last weight is spread evenly over its distribution, since the ends of an interval depend on it most.
    last = 1 - ((rng.permutation(count) + 0.5) / count) ** (1 / questions)
    drawn[:, :-1] *= ((1 - last) / drawn[:, :-1].sum(axis=1))[:, None]
    # Apart, because products with rows that do not follow one another in memory take three times as long.
    seen = np.ascontiguousarray(drawn[:, :-1])
    for each in (seen, last):
        each.setflags(write=False)
    return seen, last


def _exchanges(questions: int) -> Floats:
    """Return ways of exchanging two controllers, −1 where they are exchanged: all of them, or many drawn ones."""
    if questions <= ALL_EXCHANGES:
        return _signs(questions)
    # The first columns of a larger table, so that few tables are computed.
    return _signs(1 << (questions - 1).bit_length())[:, :questions]


@lru_cache(maxsize=32)
def _signs(questions: int) -> Floats:
    """Return the table behind `_exchanges`, shape (ways, questions)."""
    if questions <= ALL_EXCHANGES:
        ways = np.arange(1 << questions)[:, None] >> np.arange(questions) & 1
    else:
        drawn = max(FEWEST_DRAWS, min(EXCHANGES, DRAWN_NUMBERS // questions))
        ways = np.random.default_rng([2, questions]).integers(0, 2, (drawn, questions))
    signs = np.asarray(1 - 2 * ways, np.float64)
    signs.setflags(write=False)
    return signs


def number_text(value: float, form: str) -> str:
    """Return a number as people read it: a minus sign, not a hyphen, below 0, and no sign for what rounds to 0."""
    text = f"{value:{form}}"
    return text.replace("-", "−") if text.strip("+-0.,") else text.lstrip("+-")

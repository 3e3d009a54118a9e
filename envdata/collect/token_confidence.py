"""The signal `token_confidence`: how sure a model is of its next tokens, interval by interval.

The confidence of a token is C = −(1/k) · Σ log P(j) over the k most probable tokens j at its place: the more of the
probability the first of them has, the smaller are the others' probabilities and the larger is C. An interval has the
mean over its tokens. Both as in DeepConf (Fu et al. 2025, "Deep Think with Confidence", arXiv 2508.15260, Section 2).
"""

import math
from collections.abc import Iterable, Sequence

from envdata.collect.cut_points import recorded_intervals
from envdata.collect.extraction import Token

CONFIDENCE_SIGNAL = "token_confidence"
"""The signal's name."""
TOP_LOGPROBS = 20
"""Default k, which is also the most that vLLM gives by default."""


def token_confidence(logprobs: Iterable[float | None], k: int) -> float | None:
    """Return −mean of the k largest log-probabilities at one place, None where there is none.

    Args:
        logprobs: Log-probabilities (natural) of the most probable tokens, in any order; with the drawn token, which an
            engine adds where it is not among them, there is one more than k.
        k: The number of tokens that count.
    """
    # Two tokens of one spelling are one entry in a server's reply, so that there may be fewer than k.
    largest = sorted((value for value in logprobs if value is not None), reverse=True)[:k]
    return -sum(largest) / len(largest) if largest else None


def mean_confidences(tokens: Sequence[Token], interval: int) -> list[float | None]:
    """Return the mean confidence of the tokens of each step of a branch, shape (L + 1,): its intervals and its rest.

    None where no token of a step has a confidence.

    Args:
        tokens: The tokens of a whole branch, at least one.
        interval: Δ, in tokens.
    """
    steps = recorded_intervals(len(tokens), interval) + 1
    return [_mean(tokens[step * interval : (step + 1) * interval]) for step in range(steps)]


def confidences_between(tokens: Sequence[Token], interval: int, first: int, depth: int) -> list[float]:
    """Return the mean confidences of a branch's tokens at depths `first` + 1 … `depth`, NaN where there is none."""
    known = mean_confidences(tokens, interval)[first:depth] if tokens else []
    values = [math.nan if value is None else value for value in known]
    return values + [math.nan] * (depth - first - len(values))


def _mean(tokens: Sequence[Token]) -> float | None:
    known = [token.confidence for token in tokens if token.confidence is not None]
    return sum(known) / len(known) if known else None

"""Numbers of questions that a paired comparison of accuracies needs, from the discordance that it measured.

Two controllers, or replay and live, are compared on the same questions. With d the difference on a question, in −1 … 1,
and δ its mean, a test at level α finds δ with probability 1 − β on

    n = (z₁₋α⸝₂ √ψ + z₁₋β √(ψ − δ²))² / δ²        questions,

where ψ = E[d²] is the discordance. At one episode a question d is −1, 0 or 1, ψ is the share of questions on which the
two disagree, and this is Connor's formula for McNemar's test (Connor 1987, Biometrics 43, 207–211); with several
episodes ψ is smaller, and the formula is that of a paired z-test whose variance is ψ if both are equally good and
ψ − δ² if they are not. It is an approximation for large n, and ψ is an estimate.
"""

import math
from statistics import NormalDist

from envdata.intervals import LEVEL, ROUNDING, Floats

POWER = 0.8
"""Probability with which the difference is found, the usual one."""


def discordance(differences: Floats) -> float:
    """Return ψ, the mean square of the differences of accuracies, one a question, shape (Q,)."""
    return float((differences**2).mean())


def questions_needed(psi: float, size: float, *, level: float = LEVEL, power: float = POWER) -> int | None:
    """Return the number of questions on which a difference is found with probability `power`.

    Args:
        psi: Discordance ψ, as `discordance` returns it.
        size: The difference of accuracies δ, above 0 and at most 1.
        level: 1 − α of the two-sided test.
        power: 1 − β.

    Returns:
        At least 2; None where ψ is 0: questions that show no difference say nothing about how many are needed.

    Raises:
        ValueError: `size` is not above 0 and at most 1.
    """
    if not 0 < size <= 1:
        raise ValueError(f"the difference is {size:g}; it is above 0 and at most 1, that is 100 points")
    if psi <= ROUNDING:
        return None
    # The mean square is never below the square of the mean: a larger difference comes with a larger ψ.
    psi = max(psi, size**2)
    level_z, power_z = (NormalDist().inv_cdf(share) for share in ((1 + level) / 2, power))
    root: float = level_z * psi**0.5 + power_z * (psi - size**2) ** 0.5
    return max(2, math.ceil((root / size) ** 2 - ROUNDING))


def smallest_difference(psi: float, questions: int, *, level: float = LEVEL, power: float = POWER) -> float | None:
    """Return the smallest difference of accuracies that `questions` questions find with probability `power`.

    The inverse of `questions_needed`; None where ψ is 0, or where even the largest difference takes more questions.
    """
    needed = questions_needed(psi, 1.0, level=level, power=power)
    if needed is None or needed > questions:
        return None
    low, high = 0.0, 1.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        needed = questions_needed(psi, middle, level=level, power=power)
        low, high = (low, middle) if needed is not None and needed <= questions else (middle, high)
    return high

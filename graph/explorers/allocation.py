"""Places of a round for several explorers: Thompson sampling on the gain of the frontier for what it costs.

Improvements are modelled as events of a Poisson process over spending, whose rate has a Gamma posterior: the shape
grows by an explorer's gains, in units of the mean gain of all, and the rate parameter by what it spent. The prior is
one improvement at the mean price of one place, so that an explorer of which little is known is tried. Each place of a
round goes to the explorer with the largest of one draw each. Earlier rounds count less, since gains get rarer
(discounted Thompson sampling, Raj and Kalyani 2017, arXiv:1707.09727).

Spending is in dollars if all explorers cost some, else in tokens of their models if all use some, else in places: an
explorer that calls no model, such as `evolution` or a person, costs nothing but the places of the round. It is never in
minutes, which depend on how busy the machine and the service are: the same run would divide its rounds otherwise.
"""

import random
from collections.abc import Sequence

from graph.run.explorer_shares import ExplorerShare

DISCOUNT = 0.8
"""Weight of a round, relative to the next one."""


def equal_places(names: Sequence[str], wanted: int, number: int) -> dict[str, int]:
    """Return the places of each explorer, which differ by one at most; who gets one more changes with the round.

    Args:
        names: The explorers.
        wanted: Places of the round.
        number: Round, from 1.
    """
    larger, count = wanted % len(names), len(names)
    return {name: wanted // count + ((index - number + 1) % count < larger) for index, name in enumerate(names)}


def sampled_places(
    names: Sequence[str], shares: Sequence[ExplorerShare], wanted: int, *, number: int, seed: int
) -> tuple[dict[str, int], str]:
    """Return the places of each explorer by Thompson sampling, and the unit of spending.

    Rounds are divided equally until each explorer had a place.

    Args:
        names: The explorers.
        shares: Their shares in all earlier rounds.
        wanted: Places of the round.
        number: Round, from 1.
        seed: Seed of the run.
    """
    unit, spent = _spending(names, shares)
    if (number - 1) * wanted < len(names):
        return equal_places(names, wanted, number), unit
    weights = [DISCOUNT ** (number - 1 - each.round) for each in shares]
    gains = [each.gain for each in shares if each.gain > 0]
    mean_gain = sum(gains) / len(gains) if gains else 1.0
    places = sum(w * each.places for w, each in zip(weights, shares, strict=True))
    price = sum(w * each for w, each in zip(weights, spent, strict=True)) / places if places else 1.0
    shape, rate = dict.fromkeys(names, 1.0), dict.fromkeys(names, price or 1.0)
    for weight, share, paid in zip(weights, shares, spent, strict=True):
        shape[share.explorer] += weight * share.gain / mean_gain
        rate[share.explorer] += weight * paid
    rng = random.Random(f"places of explorers\n{seed}\n{number}")
    given = dict.fromkeys(names, 0)
    for _ in range(wanted):
        draws = {name: rng.gammavariate(shape[name], 1 / rate[name]) for name in names}
        given[max(draws, key=draws.__getitem__)] += 1
    return given, unit


def _spending(names: Sequence[str], shares: Sequence[ExplorerShare]) -> tuple[str, list[float]]:
    """Return the unit of spending that is known and above 0 for all explorers, and the spending of each share."""
    for unit, paid in (("dollars", [each.cost for each in shares]), ("tokens", [each.tokens for each in shares])):
        known = [0.0 if each is None else float(each) for each in paid]
        payers = {share.explorer for share, each in zip(shares, known, strict=True) if each > 0}
        if None not in paid and payers >= set(names):
            return unit, known
    return "places", [float(each.places) for each in shares]

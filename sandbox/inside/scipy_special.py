"""A fast path for the special function that controllers like to call: the same values, remembered.

Controllers ask again and again how sure a vote is, P(p > 1/2) for a Beta distribution with whole parameters, through
`scipy.stats.beta.cdf`, `.sf` or `scipy.special.betainc`; a scalar call of the first costs 50 µs and more. Here scalar
calls are answered from a table, which SciPy itself fills: the whole of it for x = 1/2 in one array call before the
fork, the rest as it is asked for. So every value is SciPy's own, to the last bit.
"""

import sys
from collections.abc import Callable, Container
from functools import partial
from typing import Any

LARGEST_SUM = 132
"""Whole parameters a, b with a + b up to this are in the table from the start: votes of 130 branches."""

_SCALARS = (int, float)


def install(names: Container[str]) -> None:
    """Put the fast path over those of SciPy's functions that are imported and among the `names` of a candidate."""
    stats = sys.modules.get("scipy.stats")
    if stats is not None:
        distribution = type(stats.beta)
        for name in filter(names.__contains__, ("cdf", "sf")):
            original = getattr(distribution, name)
            setattr(distribution, name, _method(original, _table(0, partial(original, stats.beta, 0.5))))
    special = sys.modules.get("scipy.special")
    if special is not None:
        for name in filter(names.__contains__, ("betainc", "betaincc")):
            original = getattr(special, name, None)
            if original is not None:
                setattr(special, name, _function(original, _table(2, _at_half(original))))


def _at_half(original: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    return lambda a, b: original(a, b, 0.5)


def _table(place: int, values: Callable[[Any, Any], Any]) -> dict[Any, Any]:
    """Values for x = 1/2 by the arguments in their order; x is the argument at `place`."""
    import numpy as np

    pairs = [(a, b) for a in range(1, LARGEST_SUM) for b in range(1, LARGEST_SUM - a + 1)]
    a, b = np.array(pairs, float).T
    keys = [(*pair[:place], 0.5, *pair[place:]) for pair in pairs]
    return dict(zip(keys, values(a, b), strict=True))


def _method(original: Callable[..., Any], table: dict[Any, Any]) -> Callable[..., Any]:
    def remembered(self: Any, x: Any, *parameters: Any, **named: Any) -> Any:
        if named or len(parameters) != 2:
            return original(self, x, *parameters, **named)
        a, b = parameters
        if type(x) not in _SCALARS or type(a) not in _SCALARS or type(b) not in _SCALARS:
            return original(self, x, a, b)
        key = (x, a, b)
        value = table.get(key)
        if value is None:
            value = table[key] = original(self, x, a, b)
        return value

    return remembered


def _function(original: Callable[..., Any], table: dict[Any, Any]) -> Callable[..., Any]:
    def remembered(*arguments: Any, **named: Any) -> Any:
        if named or len(arguments) != 3 or any(type(argument) not in _SCALARS for argument in arguments):
            return original(*arguments, **named)
        value = table.get(arguments)
        if value is None:
            value = table[arguments] = original(*arguments)
        return value

    return remembered

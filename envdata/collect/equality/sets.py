r"""Sets of real numbers: intervals, their unions, and the solutions of inequalities in one variable.

math-verify compares a relation with a set only if the relation is the reference, takes (1, 2) for an interval wherever
the left end is smaller and for a pair elsewhere, and does not know `x \ne 0`.
"""

import functools
import re
from collections.abc import Callable
from typing import Any

from envdata.collect.equality.forms import Form, Ordered, Reading, unordered
from envdata.collect.equality.values import difference_key, formula, value_form

EMPTY = "empty set"
"""Group of the empty set."""
_RELATIONS = {"<": "StrictLessThan", ">": "StrictGreaterThan", r"\le": "LessThan", r"\ge": "GreaterThan", r"\ne": "Ne"}


def interval(low: Form, high: Form, *, left_open: bool, right_open: bool) -> Ordered:
    """Return the reading of an interval; at infinity it is open in any notation.

    Args:
        low: The left end.
        high: The right end.
        left_open: Whether the left end is outside.
        right_open: Whether the right end is outside.
    """
    left_open = left_open or low.group == "-oo"
    right_open = right_open or high.group == "oo"
    return Ordered(f"interval {'(' if left_open else '['}{')' if right_open else ']'}", (low, high))


def set_form(region: Any) -> Form | None:
    """Return the form of a SymPy set of real numbers; None for a set that is not a union of intervals and points."""
    import sympy

    if region is sympy.S.EmptySet:
        return empty()
    if region is sympy.S.Reals:
        region = sympy.Interval(-sympy.oo, sympy.oo)
    if isinstance(region, sympy.FiniteSet):
        return _together([value_form(part) for part in region.args], lambda parts: unordered("set", parts), "set")
    if isinstance(region, sympy.Interval):
        low, high = value_form(region.start), value_form(region.end)
        if low is None or high is None:
            return None
        reading = interval(low, high, left_open=bool(region.left_open), right_open=bool(region.right_open))
        return Form((reading,), group=f"{reading.tag} {low.group} {high.group}")
    if isinstance(region, sympy.Union):
        return _together([set_form(part) for part in region.args], lambda parts: unordered("union", parts), "union")
    return None


def empty() -> Form:
    """Return the form of the empty set."""
    return Form((unordered("set", ()),), group=EMPTY)


def _together(parts: list[Form | None], reading: Callable[[list[Form]], Reading], tag: str) -> Form | None:
    """Return the form of a set of parts; None if a part has no form."""
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return Form((reading(known),), group=f"{tag} {sorted(part.group for part in known)}")


def set_of(text: str) -> Any:
    r"""Return the SymPy set that a tidied text writes with brackets, \cup, \cap and \setminus; None for other texts."""
    import sympy

    for command, combined in ((r"\setminus", sympy.Complement), (r"\cup", sympy.Union), (r"\cap", sympy.Intersection)):
        parts = re.split(rf"{re.escape(command)}(?![A-Za-z])", text)
        if command == r"\cup":
            parts = [
                piece
                for part in parts
                for piece in re.split(r"(?<=[)\]}])\s*(?:U|⟦\s*U\s*⟧|union)\s*(?=[(\[\\])", part)
            ]
        if len(parts) > 1:
            sets = [set_of(part.strip()) for part in parts]
            return None if any(each is None for each in sets) else functools.reduce(combined, sets)
    if re.fullmatch(r"\\R|all real numbers|all reals|(?:the )?real numbers|⟦all real numbers⟧", text.strip()):
        return sympy.S.Reals
    match = re.fullmatch(r"([(\[])\s*(.+?)\s*,\s*([^,]+?)\s*([)\]])", text)
    if match:
        low, high = formula(match[2]), formula(match[3])
        if low is None or high is None or not (low.is_extended_real and high.is_extended_real):
            return None
        return sympy.Interval(low.doit(), high.doit(), match[1] == "(", match[4] == ")")
    match = re.fullmatch(r"\\\{(.*)\\\}", text)
    if match:
        members = [formula(part.strip()) for part in match[1].split(",")]
        return None if any(member is None for member in members) else sympy.FiniteSet(*members)
    return None


def chain(text: str) -> tuple[list[str], list[str]] | None:
    """Return the sides and the signs of a chain of inequalities; None for a text with none or with equations."""
    pieces = re.split(r"(<|>|\\le(?![A-Za-z])|\\ge(?![A-Za-z])|\\ne(?![A-Za-z]))", text)
    sides, signs = [side.strip() for side in pieces[::2]], pieces[1::2]
    return (sides, signs) if signs and all(sides) and "=" not in text else None


def solved(text: str) -> tuple[str, Any] | None:
    """Return the variable and the solutions of a chain of inequalities in one variable; None for other texts."""
    import sympy

    found = chain(text)
    if found is None:
        return None
    sides, signs = found
    formulas = [formula(side) for side in sides]
    if any(not isinstance(each, sympy.Expr) for each in formulas):
        return None
    symbols = set().union(*(each.free_symbols for each in formulas))
    if len(symbols) != 1:
        return None
    (symbol,) = symbols
    real = sympy.Symbol(symbol.name, real=True)
    whole: Any = sympy.S.Reals
    for left, sign, right in zip(formulas, signs, formulas[1:], strict=False):
        relation = getattr(sympy, _RELATIONS[sign])(left.doit().subs(symbol, real), right.doit().subs(symbol, real))
        if relation in (sympy.true, sympy.false):
            return None
        try:
            whole = sympy.Intersection(whole, relation.as_set())
        except (NotImplementedError, TypeError, ValueError):
            return None
    return symbol.name, whole


def inequality_key(text: str) -> str | None:
    """Return a key of an inequality in several variables, equal up to a positive factor and to exchanging sides.

    None for other texts.
    """
    import sympy

    found = chain(text)
    if found is None or len(found[1]) != 1:
        return None
    (left, right), (sign,) = ([formula(side) for side in found[0]], found[1])
    if not isinstance(left, sympy.Expr) or not isinstance(right, sympy.Expr):
        return None
    if sign in (">", r"\ge"):
        left, right, sign = right, left, {">": "<", r"\ge": r"\le"}[sign]
    key = difference_key(left, right, signed=sign != r"\ne")
    return None if key is None else f"{sign} {key}"

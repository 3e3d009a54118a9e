"""Forms: possible meanings of an answer, and the equality of two answers.

An answer has readings of its own, and readings that remain when a part is dropped that the other side may omit: `x=5`
is an equation, and 5 once its name is dropped; `5 km` is a length, and 5 without its unit. Two answers are the same if
an own reading of one is a reading of the other. So `x=5` and 5 are the same, and so are `y=5` and 5, but `x=5` and
`y=5` are not, since both sides would have to drop something.

This relation compares answers with a reference answer. It is reflexive and symmetric and, as the example shows, not
transitive, so it does not group answers. For grouping each form has a `group`: a text that depends on the answer alone
and is equal for answers that belong together. It drops names and units, and rounds numbers without a short decimal
form.

math-verify's `verify` does neither: it treats the reference as one side (x=5 is 5, 5 is not x=5), compares tuples with
lists in any order, (1,2) with {1,2}, and numbers to six decimals only (1/2004! is 1/2006! to it).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, localcontext
from typing import Any, TypeAlias

ROUNDED = 6
"""Decimals, and significant digits, from which on a decimal number counts as rounded.

As in math-verify's comparisons: 0.333333 is 1/3, 0.333 is not.
"""
DIGITS = 40
"""Significant digits by which constants are compared."""


@dataclass(frozen=True)
class Atom:
    """A reading that equals another only if their keys are equal."""

    key: str


@dataclass(frozen=True)
class Constant:
    """A real constant."""

    key: str
    """The fraction, or the first digits that equal constants share."""
    digits: str
    """Its decimal expansion, for comparison with rounded numbers."""


@dataclass(frozen=True)
class Rounded:
    """A decimal number that may have been rounded, or cut off, to its last place."""

    digits: str
    least: int = ROUNDED
    """Decimals that another decimal number must have to be compared by rounding."""


@dataclass(frozen=True)
class Ordered:
    """Parts in a fixed order: a tuple, an interval, a matrix, a name and its value; `tag` says which."""

    tag: str
    parts: tuple["Form", ...]


@dataclass(frozen=True)
class Unordered:
    """Parts in any order: a set, a list without brackets; `tag` says which."""

    tag: str
    parts: tuple["Form", ...]


Reading: TypeAlias = "Atom | Constant | Rounded | Ordered | Unordered"


@dataclass(frozen=True)
class Form:
    """The possible meanings of an answer."""

    own: tuple[Reading, ...]
    """Readings of the whole answer."""
    dropped: tuple[Reading, ...] = ()
    """Readings that remain when a name, a unit or brackets are dropped."""
    group: str = ""
    """Equal for answers that are grouped together."""


def same(a: Form, b: Form) -> bool:
    """Return whether two answers are the same; either of them may be the reference."""
    return (
        any(_alike(one, other) for one in a.own for other in b.own)
        or any(_alike(one, other) for one in a.own for other in b.dropped)
        or any(_alike(one, other) for one in a.dropped for other in b.own)
    )


def _alike(a: Reading, b: Reading) -> bool:
    """Return whether two readings are equal."""
    match a, b:
        case (Rounded(), Constant()):
            return is_rounding(a.digits, b.digits)
        case (Constant(), Rounded()):
            return is_rounding(b.digits, a.digits)
        case (Rounded(), Rounded()):
            shorter, longer = sorted((a, b), key=lambda each: places(each.digits))
            return places(shorter.digits) >= shorter.least and is_rounding(shorter.digits, longer.digits)
        case (Ordered(), Ordered()):
            return (
                a.tag == b.tag
                and len(a.parts) == len(b.parts)
                and all(same(one, other) for one, other in zip(a.parts, b.parts, strict=True))
            )
        case (Unordered(), Unordered()):
            return a.tag == b.tag and len(a.parts) == len(b.parts) and _paired(a.parts, b.parts)
        case (Atom(key), Atom(other)) | (Constant(key), Constant(other)):
            return key == other
    return False


def _paired(a: Sequence[Form], b: Sequence[Form]) -> bool:
    """Return whether the parts of both sides can be paired so that each equals its partner (augmenting paths)."""
    partner: dict[int, int] = {}

    def find(one: int, tried: set[int]) -> bool:
        for other in range(len(b)):
            if other not in tried and same(a[one], b[other]):
                tried.add(other)
                if other not in partner or find(partner[other], tried):
                    partner[other] = one
                    return True
        return False

    return all(find(one, set()) for one in range(len(a)))


def places(digits: str) -> int:
    """Return the number of decimals of a decimal number."""
    return len(digits.partition(".")[2])


def is_rounding(rounded: str, value: str) -> bool:
    """Return whether a decimal number is another one rounded, or cut off, to its own last place.

    Args:
        rounded: The decimal number that may be rounded.
        value: The other number, as a decimal expansion.
    """
    with localcontext() as context:
        context.prec = 400
        last, whole, exact = Decimal(1).scaleb(-places(rounded)), Decimal(rounded), Decimal(value)
        return any(exact.quantize(last, how) == whole for how in (ROUND_HALF_UP, ROUND_DOWN))


def coarse(digits: str) -> str:
    """Return a real constant to six decimals and at least six significant digits, for grouping.

    Likely roundings of one number give the same text.
    """
    with localcontext() as context:
        context.prec = 400
        value = Decimal(digits)
        decimals = max(ROUNDED, ROUNDED - 1 - value.adjusted()) if value else ROUNDED
        return f"~{value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP).normalize():f}"


def text_form(text: str) -> Form:
    """Return the form of a text without mathematics; case does not count."""
    key = f"text {' '.join(text.casefold().split())}"
    return Form((Atom(key),), group=key)


def unordered(tag: str, parts: Iterable[Form]) -> Unordered:
    """Return parts in any order, without repetitions."""
    return Unordered(tag, tuple(sorted(dict.fromkeys(parts), key=lambda part: part.group)))


def to_json(form: Form) -> list[Any]:
    """Return the form as JSON."""
    return [
        [_reading_to_json(each) for each in form.own],
        [_reading_to_json(each) for each in form.dropped],
        form.group,
    ]


def from_json(given: Sequence[Any]) -> Form:
    """Return the form that `to_json` wrote."""
    own, dropped, group = given
    return Form(tuple(map(_reading_from_json, own)), tuple(map(_reading_from_json, dropped)), group)


def _reading_to_json(reading: Reading) -> list[Any]:
    match reading:
        case Atom(key):
            return ["atom", key]
        case Constant(key, digits):
            return ["constant", key, digits]
        case Rounded(digits, least):
            return ["rounded", digits, least]
        case Ordered(tag, parts):
            return ["ordered", tag, [to_json(part) for part in parts]]
        case Unordered(tag, parts):
            return ["unordered", tag, [to_json(part) for part in parts]]


def _reading_from_json(given: Sequence[Any]) -> Reading:
    kind, first, *rest = given
    match kind:
        case "atom":
            return Atom(first)
        case "constant":
            return Constant(first, rest[0])
        case "rounded":
            return Rounded(first, rest[0])
        case "ordered":
            return Ordered(first, tuple(map(from_json, rest[0])))
        case _:
            return Unordered(first, tuple(map(from_json, rest[0])))


def described(form: Form | None) -> str:
    """Return a form in words, as `autotts answers` prints it: its first reading, and one with a part dropped."""
    if form is None:
        return "no answer"
    own = _described(form.own[0])
    dropped = next((text for text in map(_described, form.dropped) if text not in own), "")
    return f"{own}, or {dropped}" if dropped else own


def _described(reading: Reading) -> str:
    match reading:
        case Constant(key, digits):
            return f"{digits[:12]}…" if key.startswith("constant") else key if len(key) <= 40 else f"{key[:40]}…"
        case Rounded(digits):
            return f"{digits} (rounded)"
        case Atom(key):
            kind, _, rest = key.partition(" ")
            return f"formula {rest[:6]}" if kind == "formula" else key if kind != "name" else rest
        case Ordered("=", (name, value)):
            return f"{_described(name.own[0])} = {_described(value.own[0])}"
        case Ordered(tag, parts) | Unordered(tag, parts):
            inside = ", ".join(_described(part.own[0]) for part in parts)
            return f"{_unit(tag)} {inside}" if tag.startswith("unit ") else f"{tag} of {inside or 'nothing'}"


def _unit(tag: str) -> str:
    """Return a unit's tag, `unit (('length', 1), ('time', -1))`, as `length·time^-1`."""
    powers = re.findall(r"\('([^']*)', (-?\d+)\)", tag)
    return "·".join(base if power == "1" else f"{base}^{power}" for base, power in powers)

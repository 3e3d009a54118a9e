"""The rule `number`: the first number of a text, or the first behind its last equals sign, as an exact fraction.

Currencies, units and words around it are dropped, and so is a percent sign: 25 % is 25 here. A sign counts before and
behind a currency. Thousands may be separated by commas, spaces and apostrophes.
"""

import re
import unicodedata
from fractions import Fraction

from envdata.collect.equality.tidying import SUPERSCRIPTS, VULGAR_FRACTIONS

_RAISED = "[" + "".join(SUPERSCRIPTS) + "]+"
_SAME = {
    **dict.fromkeys("−–‐‑‒―—﹣－", "-"),
    "’": "'",
    **dict.fromkeys("  \u2009\u202f\u2007", " "),
    "＋": "+",
    "×": "x",
    "✕": "x",
    "·": "*",
    "⋅": "*",
}
_CURRENCY = r"(?:\\?\$|[€£¥₹]|US\\?\$|USD|EUR|GBP|Rs\.?)"
_POWER = r"\^\s*\{?\s*([-+]?\d{1,3})\s*\}?"
_NUMBER = re.compile(
    rf"""(?<![\w.])(?P<sign>[-+]\s*|(?:minus|negative)\s+)?(?:{_CURRENCY}\s*)?(?P<inner>[-+]\s*)?
    (?:\\[dtc]?frac\s*(?:\{{\s*(?P<over_sign>-)?\s*(?P<top>\d+)\s*\}}|(?P<digit>\d))
       \s*(?:\{{\s*(?P<bottom>\d+)\s*\}}|(?P<under>\d))
     |(?P<whole>\d{{1,3}}(?:(?:,|_|\ |'|\{{,\}}|\\,|,\\!)\d{{3}})+(?!\d)
       |\d{{1,2}}(?:,\d\d)+,\d{{3}}(?![\d,])|\d+)?(?P<part>\.\d*)?
      (?:(?P<mixed>\s*\\[dt]?frac\s*\{{(?P<mtop>\d+)\}}\s*\{{(?P<mbottom>\d+)\}}|\s+(?P<ptop>\d+)\s*/\s*(?P<pbottom>\d+)(?![\d/])
        |\s?(?P<sign_fraction>[{"".join(VULGAR_FRACTIONS)}]))
       |\s*/\s*(?P<over>\d+(?:\.\d+)?)(?![\d/])
       |[eE](?P<e>[-+]?\d{{1,3}})(?![\w.])
       |\s*(?:x|\*|\\times|\\cdot)\s*10\s*(?:{_POWER.replace("(", "(?P<ten>", 1)}|(?P<raised_ten>{_RAISED}))
       |{_POWER.replace("(", "(?P<power>", 1)}|(?P<raised>{_RAISED}))?
      (?:\s*(?P<scale>hundred|thousand|million|billion|trillion)(?![A-Za-z]))?
    )""",
    re.VERBOSE,
)
_SCALES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
MOST_DIGITS = 1000
"""Largest number of digits of a number; a longer one is skipped."""


def find_number(text: str) -> tuple[str, int, int] | None:
    """Return the number in a text, as `plain` spells it, with its start and end as character offsets.

    None if there is no number.
    """
    # Full-width digits and signs for minus and space become plain ones, one for one: offsets stay the same.
    same = "".join(_one(character) for character in text)
    starts = [0]
    equals = same.rfind("=")
    if equals >= 0:
        starts.insert(0, equals + 1)
    for start in starts:
        for found in _NUMBER.finditer(same, start):
            value = _value(found)
            if value is not None and len(spelling := plain(value)) <= MOST_DIGITS:
                return spelling, _begin(found), found.end()
    return None


def plain(value: Fraction) -> str:
    """Return a fraction as a decimal number without trailing zeros if it has a finite one, else as p/q."""
    bottom, twos, fives = value.denominator, 0, 0
    while bottom % 2 == 0:
        bottom, twos = bottom // 2, twos + 1
    while bottom % 5 == 0:
        bottom, fives = bottom // 5, fives + 1
    if value.denominator == 1 or bottom != 1:
        return str(value)
    places = max(twos, fives)
    digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    return f"{'-' if value < 0 else ''}{digits[:-places]}.{digits[-places:]}"


def _one(character: str) -> str:
    """Return the plain form of a digit, a sign or a space."""
    known = _SAME.get(character)
    if known is None and not character.isascii() and unicodedata.category(character) == "Nd":
        return str(unicodedata.digit(character))
    return known or character


def _begin(found: re.Match[str]) -> int:
    """Return the offset at which the number begins: its sign, or the first character behind a currency."""
    if found["sign"]:
        return found.start()
    starts = [found.start(name) for name in ("inner", "whole", "part", "sign_fraction") if found[name]]
    return min([start for start in starts if start >= 0], default=found.start())


def _value(found: re.Match[str]) -> Fraction | None:
    """Return the value of a match, None if it is not a number."""
    try:
        value = _unsigned(found)
    except ZeroDivisionError:
        return None
    if value is None:
        return None
    words = (found["sign"] or "").strip() in ("minus", "negative")
    signs = f"{found['sign'] or ''}{found['inner'] or ''}"
    value *= _SCALES.get(found["scale"] or "", 1)
    return -value if (words or "-" in signs) != (found["over_sign"] is not None) else value


def _unsigned(found: re.Match[str]) -> Fraction | None:
    """Return the value without sign and scale."""
    if found["top"] or found["digit"]:
        return Fraction(int(found["top"] or found["digit"]), int(found["bottom"] or found["under"]))
    digits, part = re.sub(r"\D", "", found["whole"] or ""), (found["part"] or "").removeprefix(".")
    if not digits and not part and not found["sign_fraction"]:
        return None
    value = Fraction(int(digits + part or 0), 10 ** len(part))
    if found["mixed"]:
        if found["sign_fraction"]:
            return value + Fraction(VULGAR_FRACTIONS[found["sign_fraction"]])
        return value + Fraction(int(found["mtop"] or found["ptop"]), int(found["mbottom"] or found["pbottom"]))
    if found["over"]:
        return value / Fraction(found["over"])
    ten = found["e"] or found["ten"] or _lowered(found["raised_ten"])
    if ten:
        return value * Fraction(10) ** int(ten)
    power = found["power"] or _lowered(found["raised"])
    return value ** int(power) if power and abs(int(power)) * len(digits + part) <= MOST_DIGITS else value


def _lowered(raised: str | None) -> str:
    """Return superscript characters as plain ones."""
    return "".join(SUPERSCRIPTS[character] for character in raised or "")

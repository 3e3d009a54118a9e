"""Numbers and formulas with additions: units, percent, currency, ordinals, bases, dots.

math-verify drops everything that it takes for a unit from the end of an answer (5 km is 5 m to it, and so is 5 t), and
letters that are variables (`6 h`) as well; here both sides have to agree on dropped units, and only known ones are
dropped.
"""

import re
from fractions import Fraction
from typing import Any

from envdata.collect.equality.forms import ROUNDED, Atom, Form, Ordered, Rounded, coarse, text_form
from envdata.collect.equality.notation import repeating_decimal
from envdata.collect.equality.tidying import TEXT_CLOSE, TEXT_OPEN
from envdata.collect.equality.units import SCALES, spoken_number, unit_of
from envdata.collect.equality.values import decimal_expansion, formula, rational_form, value_form

_DECIMAL = re.compile(r"([-+]?)\s*(\d{1,3}(?:[, ]\d{3})+(?!\d)|\d*)(?:\.(\d*))?")
_DOTS = re.compile(r"([-+]?)\s*(\d*)\.(\d+)\s*(?:\\ldots|\.\.\.+)")
_CURRENCY = re.compile(
    rf"([-+]?)\s*(?:US\s*)?([$€£¥₹]|{TEXT_OPEN}?\s*(?:Rs|USD|EUR|GBP|INR)\b\.?\s*{TEXT_CLOSE}?)\s*([-+]?)\s*(?=[\d.\\])(.+)"
)
_ORDINAL = re.compile(rf"(\d[\d,]*)\s*(?:\^\s*)?\{{?\s*{TEXT_OPEN}?\s*(?:th|st|nd|rd)\s*{TEXT_CLOSE}?\s*\}}?")
_DEGREES = re.compile(
    rf"(.+?)\s*(?:\^\s*\{{?\s*\\circ\s*\}}?|{TEXT_OPEN}?\s*(?<![A-Za-z])(?:degrees?|deg)\s*{TEXT_CLOSE}?)\s*"
    rf"{TEXT_OPEN}?\s*(C|F|K|[Cc]elsius|[Ff]ahrenheit)?\s*{TEXT_CLOSE}?"
)
_PERCENT = re.compile(
    rf"(.+?)\s*(?:%|{TEXT_OPEN}?\s*(?<![A-Za-z])(?:percent|per cent|percentage|pct)\.?\s*{TEXT_CLOSE}?)"
)
_SCALE = re.compile(
    rf"(?<=[\d}}])\s*{TEXT_OPEN}?\s*(hundred|thousand|million|billion|trillion|dozen)(?![A-Za-z])\s*({TEXT_CLOSE}?)",
    re.I,
)
_IN_BASE = re.compile(
    rf"\(?{TEXT_OPEN}?([0-9A-Za-z]+){TEXT_CLOSE}?\)?\s*"
    rf"(?:_\s*\{{?\s*[{TEXT_OPEN}(]?\s*(?:base[\s{TEXT_CLOSE}]+)?(\w+)\s*[{TEXT_CLOSE})]?\s*\}}?"
    rf"|,?\s*\(?(?:in )?base[ -](\w+)\)?)"
)
_TAIL = re.compile(
    rf"(?<=[\d)}}\]|!\w])(?P<space>\s*)(?P<tail>{TEXT_OPEN}.*|(?<=[\d)}}])[A-Za-z$€£¥₹¢].*|(?<=\s)[A-Za-z$€£¥₹¢].*)$"
)


def scalar(text: str) -> Form:
    """Return the form of a tidied text without commas or relations at its top level."""
    for reader in (_decimal, _dots, _percent, _currency, _ordinal, _degrees, _in_base, _spoken, _measured):
        found = reader(text)
        if found is not None:
            return found
    return value(text) or wording(text)


def value(text: str) -> Form | None:
    """Return the form of a bare formula; None for other texts."""
    text = _SCALE.sub(lambda found: f" \\cdot {SCALES[found[1].lower()]}", text)
    found = formula(text)
    return None if found is None else value_form(found)


def wording(text: str) -> Form:
    """Return the form of a text, without marks of text and LaTeX's spaces."""
    plain = re.sub(rf"[{TEXT_OPEN}{TEXT_CLOSE}$]", " ", text)
    plain = re.sub(r"\\(?=\s|$)", " ", plain)
    if "\\" in plain:
        # LaTeX that is not understood: its spaces and braces are dropped.
        plain = re.sub(r"(?<![A-Za-z])\s+|\s+(?![A-Za-z])|(?<!\\)[{}]", "", plain)
    return text_form(plain.strip().strip("\"'.").strip())


def _decimal(text: str) -> Form | None:
    found = _DECIMAL.fullmatch(text)
    if found is None or not (found[2] or found[3]):
        return None
    whole, part = re.sub("[, ]", "", found[2]) or "0", found[3] or ""
    number = Fraction(int(whole + part), 10 ** len(part)) * (-1 if found[1] == "-" else 1)
    form = rational_form(number)
    significant = (whole + part).lstrip("0").rstrip("0")
    if len(part.rstrip("0")) >= ROUNDED and len(significant) >= ROUNDED:
        digits = f"{found[1].replace('+', '')}{whole}.{part}"
        return Form((*form.own, Rounded(digits)), group=coarse(digits))
    return form


def _dots(text: str) -> Form | None:
    """Return the form of a number that goes on: with a repeated block (0.333…), or with digits cut off (3.14…)."""
    found = _DOTS.fullmatch(text)
    if found is None:
        return None
    sign, whole, part = found.groups()
    for length in range(1, len(part) // 2 + 1):
        block = part[-length:]
        times = 3 if length == 1 else 2
        if part.endswith(block * times) or (length == 1 and len(part) == 2 and part == block * 2):
            steady = part[: -length * times] if part.endswith(block * times) else ""
            number = repeating_decimal(whole, steady, block)
            return rational_form(-number if sign == "-" else number)
    digits = f"{sign.replace('+', '')}{whole or 0}.{part}"
    return Form((Rounded(digits, least=2),), group=coarse(digits))


def _percent(text: str) -> Form | None:
    found = _PERCENT.fullmatch(text)
    if found is None:
        return None
    plain = _valued(found[1])
    exact = formula(_head(found[1]))
    share = None if exact is None else value_form(exact / 100)
    if plain is None or share is None:
        return None
    # 50 may mean 50 %, but 0.5 does not mean half a percent.
    small = exact.is_number and abs(exact) < 1
    return Form(share.own, () if small else plain.own, share.group)


def _currency(text: str) -> Form | None:
    found = _CURRENCY.fullmatch(text)
    if found is None:
        return None
    sign = "-" if "-" in found[1] + found[3] else ""
    named = f"{sign}{found[4]}"
    unit = unit_of(re.sub(f"[{TEXT_OPEN}{TEXT_CLOSE}. ]", "", found[2]), marked=True)
    # "$5 dollars", "$3 each": the following words add nothing.
    tail = _split_tail(named)
    head = tail[0] if tail and (tail[1] == unit or _FOLLOWING.fullmatch(tail[2])) else named
    return None if unit is None else _with_unit(head, *unit)


_FOLLOWING = re.compile(
    rf"[{TEXT_OPEN}{TEXT_CLOSE}\s]*(?:each|total|in total|altogether|dollars|per\s+\w+|USD)?"
    rf"[{TEXT_OPEN}{TEXT_CLOSE}\s]*"
)


def _ordinal(text: str) -> Form | None:
    found = _ORDINAL.fullmatch(text)
    return None if found is None else rational_form(Fraction(int(found[1].replace(",", ""))))


def _degrees(text: str) -> Form | None:
    import sympy

    found = _DEGREES.fullmatch(text)
    if found is None:
        return None
    if re.search(r"[a-z]\s*\(?\s*[\d.]+$|\\circ", found[1]):
        # The sine of 30 degrees, or a sum of angles: a formula.
        return None
    plain, exact = _valued(found[1]), formula(_head(found[1]))
    if plain is None or exact is None:
        return None
    if found[2]:
        scale = {"c": "celsius", "f": "fahrenheit", "k": "kelvin"}[found[2][0].lower()]
        # Degrees alone may be degrees Celsius.
        bare = tuple(
            Ordered(f"unit {(('angle', 1),)}", (angle,)) for angle in [value_form(exact * sympy.pi / 180)] if angle
        )
        return Form((Ordered(f"unit {((scale, 1),)}", (plain,)),), (*plain.own, *bare), plain.group)
    angle = value_form(exact * sympy.pi / 180)
    if angle is None:
        return None
    return Form((Ordered(f"unit {(('angle', 1),)}", (angle,)),), (*plain.own, *angle.own), plain.group)


def _in_base(text: str) -> Form | None:
    if re.fullmatch(r"0[bB][01]+|0[xX][0-9A-Fa-f]+|0o[0-7]+", text):
        return rational_form(Fraction(int(text, 0)))
    found = _IN_BASE.fullmatch(text)
    if found is None or not any(character.isdigit() or character.isupper() for character in found[1]):
        return None
    named = found[2] or found[3]
    base = int(named) if named.isdigit() else int(spoken_number(named) or 0)
    if not found[1][0].isdigit() and (base <= 10 or len(found[1]) < 2):
        return None
    try:
        return rational_form(Fraction(int(found[1], base))) if 2 <= base <= 36 else None
    except ValueError:
        return None


def _spoken(text: str) -> Form | None:
    number = spoken_number(re.sub(f"[{TEXT_OPEN}{TEXT_CLOSE}]", " ", text))
    return None if number is None else rational_form(number)


def compound(text: str) -> Form | None:
    """Return the form of a measure in several units: 3 hours 30 minutes, 5 feet and 6 inches; None for other texts."""
    text = re.sub(f"[{TEXT_OPEN}{TEXT_CLOSE}]", " ", text).strip()
    if not _COMPOUND.fullmatch(text):
        return None
    parts = [(Fraction(found[1]), unit_of(found[2], marked=True)) for found in _AMOUNT.finditer(text)]
    units = {unit[1] for _, unit in parts if unit is not None}
    if len(units) != 1 or any(unit is None or unit[0] == 1 == len(parts) for _, unit in parts):
        return None
    (dimensions,) = units
    if not dimensions or dimensions[0][0] not in ("length", "time", "mass", "month"):
        return None
    total = sum((amount * unit[0] for amount, unit in parts if unit is not None), Fraction(0))
    form = rational_form(total)
    return Form((Ordered(f"unit {dimensions}", (form,)),), group=f"unit {form.group}")


_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)\.?\s*(?:,\s*)?(?:and\s+)?")
_COMPOUND = re.compile(rf"(?:{_AMOUNT.pattern}){{2,4}}")


def _measured(text: str) -> Form | None:
    """Return the form of a number or formula with a unit, or with a name of counted things, behind it."""
    found = _split_tail(text)
    if found is None:
        return None
    head, unit, tail, space = found
    form = _with_unit(head, *unit)
    if form is None:
        return None
    if re.fullmatch(r"[A-Za-z]{1,2}(?:\^\{?\d\}?)?", tail) and TEXT_CLOSE not in text:
        # Letters may be variables as well; without a space a unit of one letter is not dropped.
        product = value(text)
        own = (*form.own, *(product.own if product else ()))
        dropped = bool(space) or re.match("[A-Za-z]{2}", tail) is not None
        return Form(own, form.dropped if dropped else (), form.group if dropped or product is None else product.group)
    return form


def _split_tail(text: str) -> tuple[str, tuple[Fraction, Any], str, str] | None:
    """Return head, unit, tail and the space between of a number or formula with a unit; None without a unit."""
    for found in _TAIL.finditer(text):
        head, tail = text[: found.start()], found["tail"]
        marked = tail.startswith(TEXT_OPEN)
        plain = re.sub(f"[{TEXT_OPEN}{TEXT_CLOSE}~]", " ", tail).replace("\\", " ").strip()
        unit = unit_of(plain, marked=marked)
        if unit is not None and _balanced(head):
            return head.strip(), unit, plain, found["space"]
    for start in range(1, len(text)):
        # The head may end in any character: the first place is taken behind which everything is a unit.
        if text[start] in (TEXT_OPEN, "$", "€", "£") or (text[start - 1] == " " and text[start].isalpha()):
            tail = text[start:]
            plain = re.sub(f"[{TEXT_OPEN}{TEXT_CLOSE}]", " ", tail).strip()
            unit = unit_of(plain, marked=text[start] == TEXT_OPEN)
            if unit is not None and _balanced(text[:start]) and text[:start].strip():
                return text[:start].strip(), unit, plain, " "
    return None


def _balanced(text: str) -> bool:
    """Return whether a text has as many closing marks as opening ones."""
    return text.count("{") == text.count("}") and text.count(TEXT_OPEN) == text.count(TEXT_CLOSE)


def _with_unit(head: str, scale: Fraction, dimensions: Any) -> Form | None:
    """Return the form of a number or formula with a unit."""
    import sympy

    plain = _valued(head)
    if plain is None:
        return None
    scaled: Form | None = plain
    if scale != 1:
        exact = formula(_head(head))
        scaled = None if exact is None else value_form(exact * sympy.Rational(scale.numerator, scale.denominator))
    if scaled is None:
        return None
    return Form((Ordered(f"unit {dimensions}", (scaled,)),), (*plain.own, *plain.dropped), plain.group)


def _head(text: str) -> str:
    """Return a number or formula as `formula` reads it: number words and separated thousands become digits."""
    text = _SCALE.sub(lambda found: f" \\cdot {SCALES[found[1].lower()]}", text.strip())
    if re.fullmatch(r"[-+]?\d{1,3}(?: \d{3})+(?:\.\d+)?", text):
        text = text.replace(" ", "")
    spoken = spoken_number(text)
    return text if spoken is None else f"{'-' if spoken < 0 else ''}{decimal_expansion(abs(spoken))}"


def _valued(text: str) -> Form | None:
    """Return the form of a number or a formula, None for other texts."""
    text = _head(text)
    return _decimal(text) or _dots(text) or value(text)


def atom(key: str) -> Form:
    """Return a form that equals only forms with the same key."""
    return Form((Atom(key),), group=key)

"""Known units, prose and number words.

Words outside these tables are not dropped from an answer, with one exception: a word of four letters or more behind a
number and a space, such as `12 apples`, names the counted things.
"""

import re
from fractions import Fraction

Dimensions = tuple[tuple[str, int], ...]
"""Powers of base units, sorted by unit."""

_SAME = {
    "length": "m meter meters metre metres",
    "mass": "g gram grams gramme grammes gm gms",
    "time": "s sec secs second seconds",
    "litre": "l liter liters litre litres",
    "dollar": "$ dollar dollars usd buck bucks",
    "euro": "€ euro euros eur",
    "pound": "£ gbp",
    "yen": "¥ yen jpy",
    "rupee": "₹ rupee rupees rs inr",
    "unit": "unit units",
    "newton": "newton newtons n",
    "joule": "j joule joules",
    "watt": "w watt watts",
    "volt": "v volt volts",
    "ampere": "amp amps ampere amperes",
    "pascal": "pascal pascals",
    "hertz": "hz hertz",
    "mole": "mol mole moles",
    "kelvin": "k kelvin kelvins",
    "celsius": "celsius",
    "fahrenheit": "fahrenheit",
    "ohm": "ohm ohms",
    "bit": "bit bits",
    "person": "person persons people",
    "child": "child children",
    "man": "man men",
    "woman": "woman women",
    "month": "month months",
}
_SCALED: dict[str, tuple[str, str]] = {
    "km kilometer kilometers kilometre kilometres": ("1000", "length"),
    "dm decimeter decimeters": ("1/10", "length"),
    "cm centimeter centimeters centimetre centimetres": ("1/100", "length"),
    "mm millimeter millimeters millimetre millimetres": ("1/1000", "length"),
    "in inch inches": ("254/10000", "length"),
    "ft foot feet": ("3048/10000", "length"),
    "yd yard yards": ("9144/10000", "length"),
    "mi mile miles": ("1609344/1000", "length"),
    "kg kgs kilogram kilograms kilo kilos": ("1000", "mass"),
    "mg milligram milligrams": ("1/1000", "mass"),
    "ton tons tonne tonnes": ("1000000", "mass"),
    "lb lbs pound pounds": ("45359237/100000", "mass"),
    "oz ounce ounces": ("28349523125/1000000000", "mass"),
    "ms millisecond milliseconds": ("1/1000", "time"),
    "min mins minute minutes": ("60", "time"),
    "h hr hrs hour hours": ("3600", "time"),
    "day days": ("86400", "time"),
    "week weeks": ("604800", "time"),
    "ml milliliter milliliters millilitre millilitres": ("1/1000", "litre"),
    "cl centiliter centiliters": ("1/100", "litre"),
    "kl kiloliter kiloliters": ("1000", "litre"),
    "cent cents ¢": ("1/100", "dollar"),
    "year years yr yrs": ("12", "month"),
    "kw kilowatt kilowatts": ("1000", "watt"),
    "kj kilojoule kilojoules": ("1000", "joule"),
    "khz": ("1000", "hertz"),
}
_COUNTED = (
    "way ways time times point points apple apples student students book books coin coins ticket tickets marble "
    "marbles ball balls card cards gallon gallons quart quarts pint pints cup cups acre acres hectare hectares "
    "square squares cube cubes triangle triangles side sides digit digits number numbers integer integers pair "
    "pairs solution solutions root roots boy boys girl girls dog dogs cat cats car cars egg eggs pen pens box "
    "boxes bag bags step steps game games page pages row rows seat seats tile tiles worker workers set sets path "
    "paths zero zeros zeroes term terms vote votes value values function functions subset subsets element "
    "elements divisor divisors factor factors prime primes color colors kid kids hat hats toy toys pie pies bus "
    "buses cow cows pig pigs hen hens map maps nut nuts jar jars key keys dime dimes nickel nickels penny pennies "
    "quarter quarters spot spots plant plants "
)
_FILLERS = (
    "total left remaining in of tall long wide high old away more each altogether different distinct possible all "
    "the a an deep exactly only such respectively apart older younger long. there are is "
)
FILLERS = frozenset(_FILLERS.split())
"""Words around a unit that do not change its meaning."""

_LETTERS_THAT_ARE_UNITS = frozenset({"m", "g", "s", "h", "l", "L"})
"""Units of one letter that count as units behind a space; without a space they are variables."""


def _table() -> dict[str, tuple[Fraction, Dimensions]]:
    """Return size and dimensions of all units by name."""
    table: dict[str, tuple[Fraction, Dimensions]] = {}
    for base, names in _SAME.items():
        table.update({name: (Fraction(1), ((base, 1),)) for name in names.split()})
    for names, (size, base) in _SCALED.items():
        table.update({name: (Fraction(size), ((base, 1),)) for name in names.split()})
    for name in _COUNTED.split():
        table.setdefault(name, (Fraction(1), ((_singular(name), 1),)))
    speed = (Fraction(1000, 3600), (("length", 1), ("time", -1)))
    table.update({"kmh": speed, "kph": speed, "kmph": speed, "km/h": speed})
    table["mph"] = (Fraction(1609344, 3600000), (("length", 1), ("time", -1)))
    table["acre"] = table["acres"] = (Fraction(40468564224, 10000000), (("length", 2),))
    table["hectare"] = table["hectares"] = table["ha"] = (Fraction(10000), (("length", 2),))
    litre = (Fraction(1, 1000), (("length", 3),))
    for name, (scale, dimensions) in list(table.items()):
        if dimensions == (("litre", 1),):
            table[name] = (scale * litre[0], litre[1])
    table["cc"] = (Fraction(1, 1000000), (("length", 3),))
    table["rad"] = table["radian"] = table["radians"] = (Fraction(1), (("angle", 1),))
    return table


def _singular(word: str) -> str:
    """Return the singular of an English word."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "xes", "sses")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word


UNITS = _table()
"""Units by name: size in base units, and dimensions."""

_PART = re.compile(r"\s*(?:(?P<per>/|per\b|an?\b(?=\s+(?:hour|day|minute|second|week|year)))|(?P<times>\*|\\cdot|-)|"
                   r"(?P<square>square|sq\.?|cubic|cu\.?)(?![A-Za-z])|(?P<word>[A-Za-z$€£¥₹¢][A-Za-z]*)\.?"
                   r"(?:\s*\^\s*\{?\s*(?P<power>-?\d)\s*\}?|(?P<digit>[23])(?!\d))?)")  # fmt: skip


def unit_of(text: str, *, marked: bool) -> tuple[Fraction, Dimensions] | None:
    """Return the unit that a text names, as its size in base units and their powers; None for other texts.

    Args:
        text: The text behind a number.
        marked: Whether the text was marked as text, so that a single letter is not a variable.
    """
    powers: dict[str, int] = {}
    scale, sign, pending = Fraction(1), 1, 1
    place, named = 0, False
    text = text.strip()
    while place < len(text):
        found = _PART.match(text, place)
        if found is None or found.end() == place:
            return None
        place = found.end()
        if found["per"]:
            sign = -1
        elif found["square"]:
            pending = 2 if found["square"].startswith("s") else 3
        elif found["word"]:
            known = _word(found["word"], marked=marked)
            if known is None:
                return None
            power = sign * pending * int(found["power"] or found["digit"] or 1)
            scale *= known[0] ** power
            for base, own in known[1]:
                powers[base] = powers.get(base, 0) + own * power
            pending, sign, named = 1, 1, named or bool(known[1])
    if pending != 1:
        # "5 square": the unit itself is missing.
        powers["unit"] = powers.get("unit", 0) + pending
        named = True
    return (scale, tuple(sorted((base, power) for base, power in powers.items() if power))) if named else None


def _word(word: str, *, marked: bool) -> tuple[Fraction, Dimensions] | None:
    """Return size and dimensions of a word of a unit, None for other words."""
    lower = word.lower()
    if lower in FILLERS and not (marked and lower == "in"):
        return (Fraction(1), ())
    if len(word) == 1 and word.isalpha() and not marked and word not in _LETTERS_THAT_ARE_UNITS:
        return None
    known = UNITS.get(word) or UNITS.get(lower)
    if known is not None:
        return known
    return (
        (Fraction(1), ((_singular(lower), 1),))
        if is_word(word) or (marked and len(word) > 2 and lower not in NO_WORDS)
        else None
    )


_NO_WORDS = (
    "sqrt frac arcsin arccos arctan sinh cosh tanh cosec theta alpha beta gamma delta lambda omega sigma infinity "
    "infty binom log choose minus plus times percent base over pi and or million billion thousand trillion "
    "hundred dozen floor ceil abs negative union degrees degree "
)
NO_WORDS = frozenset(_NO_WORDS.split())
"""Names of functions and operators, which are not words."""


def is_word(letters: str) -> bool:
    """Return whether letters are a word rather than a product of variables or a function's name.

    Products are short, or have no vowel inside (`abcd`).
    """
    lower = letters.lower()
    if lower in NO_WORDS or len(letters) < 3:
        return False
    if lower in UNITS or lower in WORDS:
        return True
    return len(letters) >= 4 and any(vowel in lower[1:-1] for vowel in "aeiou") and not letters.isupper()


_WORDS = (
    "yes no not none odd even true false east west north south all any red blue green monday tuesday wednesday "
    "thursday friday saturday sunday the is are was has for with from "
)
WORDS = frozenset(_WORDS.split())

_SPOKEN = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen "
)
_ONES = _SPOKEN.split()
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12}
"""Number words that multiply."""
_SMALL = {
    **{word: number for number, word in enumerate(_ONES)},
    **{word: 10 * (number + 2) for number, word in enumerate(_TENS)},
}
_RANKS = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
_ORDINALS = {word: number for number, word in enumerate(_RANKS.split(), 1)}
_NAMED_PARTS = "third quarter fourth fifth sixth seventh eighth ninth tenth"
_PARTS = {
    "half": 2,
    "halves": 2,
    **{
        name + plural: 4 if name == "quarter" else _RANKS.split().index(name) + 1
        for name in _NAMED_PARTS.split()
        for plural in ("", "s")
    },
}


def spoken_number(text: str) -> Fraction | None:
    """Return the number that words spell out (twenty-one, minus five, two thirds, three and a half).

    None for other words.
    """
    text = re.sub(r"(?<=hundred|housand|million|billion),", "", text.lower().strip())
    found = re.fullmatch(r"(.+?) and (a|an|one|two|three|five) ([a-z]+)", text)
    if found and found[3] in _PARTS:
        whole, part = spoken_number(found[1]), spoken_number(f"{found[2]} {found[3]}")
        return None if whole is None or part is None else whole + (part if whole >= 0 else -part)
    words = text.replace("-", " ").split()
    sign = -1 if words[:1] in (["minus"], ["negative"]) else 1
    words = words[1:] if sign < 0 else words
    if len(words) == 1 and words[0] in (*_ORDINALS, "half"):
        return Fraction(sign, 2) if words[0] == "half" else Fraction(_ORDINALS[words[0]])
    bottom = 1
    if len(words) > 1 and words[-1] in _PARTS and words[-2] in (*_SMALL, "a", "an"):
        bottom = _PARTS[words.pop()]
    number = _whole(["one" if word in ("a", "an") else word for word in words])
    return None if number is None else Fraction(sign * number, bottom)


def _whole(words: list[str]) -> int | None:
    """Return the whole number that words spell out, None for other words."""
    whole, part, before = 0, 0, 0
    for word in words:
        if word in _SMALL:
            number = _SMALL[word]
            # "Twenty one" is a number, "one twenty" and "one two" are not.
            if before and not (before >= 20 and before % 10 == 0 and 0 < number < 10) and before < 100:
                return None
            part, before = part + number, number
        elif word in SCALES and (part or not whole):
            part, before = (part or 1) * SCALES[word], 100
            if SCALES[word] > 100:
                whole, part, before = whole + part, 0, 0
        elif word != "and" or not (whole or part) or (before < 100 and part):
            return None
    return whole + part if words and (set(words) & set(_SMALL)) else None

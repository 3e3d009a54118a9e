"""Names, signs and number formats of formulas, for `explicit`."""

import re
from fractions import Fraction

FUNCTIONS = (
    "arcsin",
    "arccos",
    "arctan",
    "arccot",
    "sinh",
    "cosh",
    "tanh",
    "sin",
    "cos",
    "tan",
    "cot",
    "sec",
    "csc",
    "ln",
    "log",
    "exp",
    "lg",
)
"""Functions of one argument."""
OF_SEVERAL = ("gcd", "lcm", "max", "min")
"""Functions of several arguments."""
_GREEK = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho sigma tau "
    "upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Sigma Upsilon Phi Psi Omega ell hbar Pi "
)
GREEK = _GREEK.split()
SPELT_OUT = sorted(
    [
        *FUNCTIONS,
        *OF_SEVERAL,
        "sqrt",
        "pi",
        "infinity",
        "infty",
        "inf",
        "theta",
        "alpha",
        "beta",
        "gamma",
        "lambda",
        "omega",
    ],
    key=len,
    reverse=True,
)
"""Names that may stand without a backslash, the longest first."""
ACCENTS = (
    "overline",
    "bar",
    "hat",
    "vec",
    "tilde",
    "widehat",
    "overrightarrow",
    "mathbf",
    "mathcal",
    "mathbb",
    "dot",
    "angle",
    "triangle",
    "overarc",
    "mathfrak",
    "mathscr",
    "widetilde",
    "overleftrightarrow",
)
"""Commands that mark a name."""
NUMBER = re.compile(r"(\d{1,3}(?:,\d{3})+(?!\d)|\d+)?(?:\.(\d*))?(?:[eE]([+-]?\d{1,4})(?![\dA-Za-z]))?")
"""A decimal number with thousands' commas and an exponent."""
_REPEATING = re.compile(
    r"(\d*)\.(\d*)(?:\\(?:overline|bar|dot)\s*\{?\s*(\d+)\s*\}?|\((\d+)\)|\\dot\{?(\d)\}?(\d*)\\dot\{?(\d)\}?)(?!\d)"
)
_MIXED = re.compile(
    r"(\d+)\s*\\frac\s*(?:\{\s*(\d+)\s*\}|(\d))\s*(?:\{\s*(\d+)\s*\}|(\d))|(\d+)\s+(\d+)\s*/\s*(\d+)(?![\d/.])"
)
SIMPLE = r"\d+|v_\{\d+\}|e|\\pi"
"""Pattern of terms that need no brackets; brackets cost the reader time."""
OPERATORS = (
    (re.compile(r"(?:\{\})?[_^]\s*\{?(\w+)\}?\s*C\s*_\s*\{?(\w+)\}?"), r"\\binom{\1}{\2}"),
    (re.compile(r"(?<![A-Za-z\\])C\(\s*(\w+)\s*,\s*(\w+)\s*\)"), r"\\binom{\1}{\2}"),
    (re.compile(r"(?<![A-Za-z\\])C_\s*\{?(\d+)\}?\s*\^\s*\{?(\d+)\}?"), r"\\binom{\1}{\2}"),
    (re.compile(r"(?<![\w\\])(\d+)C(\d+)(?!\w)"), r"\\binom{\1}{\2}"),
    (re.compile(r"(?<![A-Za-z\\])(?:minus|negative)(?![A-Za-z])"), "-"),
    (re.compile(r"(?<![A-Za-z\\])plus(?![A-Za-z])"), "+"),
    (re.compile(r"(?<![A-Za-z\\])(?:times|multiplied by)(?![A-Za-z])"), r"\\cdot "),
    (re.compile(r"(?<![A-Za-z\\])(?:over|divided by)(?![A-Za-z])"), "/"),
    (re.compile(r"(?<![A-Za-z\\])(?:the )?square root of(?![A-Za-z])"), r"\\sqrt "),
    (re.compile(r"(?<![A-Za-z\\])squared(?![A-Za-z])"), "^2"),
    (re.compile(r"(?<![A-Za-z\\])cubed(?![A-Za-z])"), "^3"),
    (re.compile(r"(?<![A-Za-z\\])degrees?(?![A-Za-z])"), r"^\\circ "),
    (re.compile(r"(\w+|\{[^{}]*\})\s*(?:\\choose|(?<![A-Za-z\\])choose)\s*(\w+|\{[^{}]*\})"), r"\\binom{\1}{\2}"),
    (re.compile(r"\*\*"), "^"),
    (re.compile(r"(?<=[\d)])\s*[x✕](?=\s*10\s*\^)"), r" \\cdot "),
    (re.compile(r"(?<=\d)\s+x\s+(?=\d)"), r" \\cdot "),
)
"""Replacements of operators in words and of other notations."""


def repeating_decimal(whole: str, steady: str, block: str) -> Fraction:
    """Return the value of `whole`.`steady` followed by `block` for ever; `whole` and `steady` may be empty."""
    value = Fraction(int(steady or 0), 10 ** len(steady)) + int(whole or 0)
    return value + Fraction(int(block), (10 ** len(block) - 1) * 10 ** len(steady))


def fraction_at(text: str, place: int) -> tuple[Fraction, int] | None:
    """Return the repeating decimal or the mixed number at an offset, and its end; None if there is neither."""
    repeating = _REPEATING.match(text, place)
    if repeating:
        whole, steady, *blocks, first, middle, last = repeating.groups("")
        block = "".join(blocks) or first + middle + last
        return repeating_decimal(whole, steady, block), repeating.end()
    mixed = _MIXED.match(text, place)
    if mixed:
        whole, top, bottom = (each for each in mixed.groups() if each is not None)
        return (int(whole) + Fraction(int(top), int(bottom)), mixed.end()) if int(bottom) else None
    return None

"""Keys of formulas: equal for equal formulas, so that no two formulas have to be compared by algebra.

The key of a fraction is the fraction, of any other constant its first digits, and of a formula with variables its
values at fixed points. The points depend on the variables' names. Real formulas that agree at all of them are equal
except by chance: any open set decides analytic ones, and the point where all variables are negative decides the others
too (absolute values, roots of squares).
"""

import functools
import hashlib
import re
import zlib
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from envdata.collect.equality.explicit import explicit
from envdata.collect.equality.forms import DIGITS, ROUNDED, Atom, Constant, Form, coarse
from envdata.collect.equality.scanner import NotExplicitError

LONGEST = 400
"""Largest length of a formula in characters; longer ones are compared as text."""
_PLACES = 3
"""Number of points with positive variables."""
_BITS = 5000
"""Largest size of numerator and denominator of a fraction that is kept with its digits, in bits."""
_SAFE = 60
"""Digits that are computed, of which `DIGITS` are compared."""


@functools.lru_cache(maxsize=4096)
def formula(text: str) -> Any:
    """Return the SymPy object of a tidied formula; None for other texts."""
    import sympy

    if not text or len(text) > LONGEST:
        return None
    try:
        written, names = explicit(text)
    except NotExplicitError:
        return _as_it_stands(text)
    plain = re.fullmatch(r"(-?)(?:(\d+)|\\frac\{(\d+)\}\{(\d*[1-9]\d*)\})", written)
    if plain:
        # Most formulas are numbers, which need no parser.
        return sympy.Rational(int(f"{plain[1]}{plain[2] or plain[3]}"), int(plain[4] or 1))
    expression = _latex(written)
    variables = {sympy.Symbol(f"v_{number}"): _symbol(name) for number, name in enumerate(names)}
    return expression.subs(variables) if variables else expression


def _symbol(name: str) -> Any:
    """Return the SymPy symbol of a name, the imaginary unit for `i`."""
    import sympy

    return sympy.I if name == "i" else sympy.Symbol(name)


def _latex(written: str) -> Any:
    """Return the SymPy object of LaTeX that `explicit` wrote."""
    from latex2sympy2_extended.latex2sympy2 import latex2sympy

    return latex2sympy(written, is_real=None, convert_degrees=False, normalization_config=None)


def _as_it_stands(text: str) -> Any:
    """Return math-verify's reading of formulas that only it knows: sums, integrals, limits, matrices."""
    if not re.search(r"\\(?:sum|prod|int|lim|begin|det|iint)(?![A-Za-z])", text):
        return None
    from latex2sympy2_extended.latex2sympy2 import ConversionConfig, NormalizationConfig, latex2sympy

    cleaned = NormalizationConfig(units=False, malformed_operators=True, nits=True, boxed="none")
    try:
        return latex2sympy(
            text, normalization_config=cleaned, conversion_config=ConversionConfig(lowercase_symbols=False)
        )
    except Exception:
        # Its parser raises Exception for unknown notation.
        return None


def value_form(expression: Any) -> Form | None:
    """Return the form of a SymPy object; None for one without a value."""
    import sympy

    if isinstance(expression, sympy.MatrixBase):
        return _matrix(expression)
    if not isinstance(expression, sympy.Basic):
        return None
    expression = expression.doit()
    if isinstance(expression, sympy.MatrixBase):
        return _matrix(expression)
    if not isinstance(expression, sympy.Expr) or expression.has(sympy.nan, sympy.zoo):
        return None
    if expression in (sympy.oo, -sympy.oo):
        return _atom(str(expression))
    if expression.is_Rational:
        return rational_form(Fraction(int(expression.p), int(expression.q)))
    if not expression.free_symbols:
        number = _computed(expression)
        return None if number is None else _constant(number)
    places = _places(expression)
    values = [_computed(_at(expression, place)) for place in places[:_PLACES]]
    # With negative variables, sqrt(x) sqrt(y) is read as the usual sqrt(xy), and a logarithm has no value.
    plain_log = expression.has(sympy.log) and not expression.has(sympy.Abs)
    values.append(None if plain_log else _computed(_at(_combined(expression), places[_PLACES])))
    if values[0] is None or any(value is None for value in values[:_PLACES]):
        return _atom(f"formula {sympy.srepr(sympy.simplify(expression))}")
    if all(value is not None and value == values[0] for value in values):
        return _constant(values[0])
    return _atom(f"formula {_digest(values)}")


def _at(expression: Any, place: dict[Any, Any]) -> Any:
    """Return a formula with the values of a place for its variables.

    Powers whose base and exponent both vary get decimal numbers: SymPy would look for roots in powers of fractions,
    by factors of huge numbers.
    """
    import sympy

    if any(power.base.free_symbols and power.exp.free_symbols for power in expression.atoms(sympy.Pow)):
        place = {name: sympy.Float(value, _SAFE + 20) for name, value in place.items()}
    return expression.subs(place)


def _combined(expression: Any) -> Any:
    """Return a formula with products of roots combined."""
    import sympy

    roots = [power for power in expression.atoms(sympy.Pow) if power.exp.is_Rational and not power.exp.is_Integer]
    return sympy.powsimp(expression, force=True) if roots else expression


def difference_key(left: Any, right: Any, *, signed: bool) -> str | None:
    """Return a key of the equation left = right: of its polynomial up to a factor. None without variables.

    Args:
        left: The left side, a SymPy expression.
        right: The right side.
        signed: Whether only positive factors count as equal, for inequalities left < right.
    """
    import sympy

    difference = sympy.together((left - right).doit())
    top, bottom = sympy.fraction(difference)
    difference = difference if signed and bottom.free_symbols else top if not signed else difference
    symbols = difference.free_symbols
    if not symbols:
        return None
    values = [_computed(_at(difference, place)) for place in _places(difference)[:_PLACES]]
    if any(value is None or value == "0" for value in values):
        return None
    scale = _number(values[0])
    scale = abs(scale) if signed else scale
    ratios = [_text(sympy.N(_number(value) / scale, _SAFE)) for value in values]
    # The names of the variables count too: x = 0 and y = 0 have the same ratios.
    names = ",".join(sorted(symbol.name for symbol in symbols))
    return f"{names} {_digest(ratios)}"


def rational_form(value: Fraction) -> Form:
    """Return the form of a fraction."""
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > _BITS:
        # Python writes no more than 4300 digits.
        return _atom(f"fraction {hashlib.sha256(f'{value.numerator:x}/{value.denominator:x}'.encode()).hexdigest()}")
    key = str(value)
    digits = decimal_expansion(value)
    if terminates(value) and len(digits.partition(".")[2]) < ROUNDED:
        return Form((Constant(key, digits),), group=key)
    return Form((Constant(key, digits),), group=coarse(digits))


def terminates(value: Fraction) -> bool:
    """Return whether a fraction has a finite decimal expansion."""
    bottom = value.denominator
    for prime in (2, 5):
        while bottom % prime == 0:
            bottom //= prime
    return bottom == 1


def decimal_expansion(value: Fraction) -> str:
    """Return a fraction as a decimal number: exact if it ends within 60 digits, else to 60 significant digits."""
    from decimal import Decimal, localcontext

    with localcontext() as context:
        context.prec = _SAFE + len(str(abs(value.numerator) // value.denominator))
        digits = f"{Decimal(value.numerator) / Decimal(value.denominator):f}"
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def _atom(key: str) -> Form:
    """Return a form that equals only forms with the same key."""
    return Form((Atom(key),), group=key)


def _constant(value: str | None) -> Form | None:
    """Return the form of a computed constant."""
    if value is None:
        return None
    if value.startswith("complex"):
        return _atom(value)
    fraction = _near_fraction(value)
    if fraction is not None:
        return rational_form(fraction)
    import sympy

    digits = f"{_decimal(value):f}"
    key = f"constant {_text(sympy.Float(value, _SAFE))}"
    return Form((Constant(key, digits),), group=coarse(digits))


def _decimal(value: str) -> Any:
    """Return a number as Decimal."""
    from decimal import Decimal

    return Decimal(value)


def _near_fraction(value: str) -> Fraction | None:
    """Return the fraction with a small denominator that a computed constant equals, or None."""
    from decimal import Decimal

    exact = Fraction(Decimal(value))
    near = exact.limit_denominator(10**6)
    return near if abs(exact - near) <= abs(exact) * Fraction(1, 10**45) else None


def _computed(constant: Any) -> str | None:
    """Return a constant to 60 digits, as a decimal number or "complex RE IM"; None if it is not a finite number."""
    import sympy

    try:
        number = sympy.N(constant, _SAFE, maxn=400)
        real, imaginary = number.as_real_imag()
    except (TypeError, ValueError, AttributeError, ZeroDivisionError):
        return None
    if not (real.is_number and imaginary.is_number and real.is_finite and imaginary.is_finite):
        return None
    size = max(abs(real), abs(imaginary))
    if size < sympy.Float("1e-40") and constant.is_zero is not False:
        return "0" if constant.is_zero or sympy.simplify(constant) == 0 or size < sympy.Float("1e-50") else _text(real)
    small = size * sympy.Float("1e-45")
    if abs(imaginary) <= small:
        return str(_plain(real))
    return f"complex {_text(real) if abs(real) > small else 0} {_text(imaginary)}"


def _plain(number: Any) -> str:
    """Return a number without an exponent."""
    return f"{_decimal(str(number)):f}" if number else "0"


def _text(number: Any) -> str:
    """Return the digits of a number that are compared."""
    from decimal import Decimal, localcontext

    with localcontext() as context:
        context.prec = DIGITS
        return str((+Decimal(str(number))).normalize())


def _number(value: str | None) -> Any:
    """Return the SymPy number of a computed constant."""
    import sympy

    assert value is not None  # noqa: S101 - the caller has looked
    if value.startswith("complex"):
        real, imaginary = value.split()[1:]
        return sympy.Float(real, _SAFE) + sympy.I * sympy.Float(imaginary, _SAFE)
    return sympy.Float(value, _SAFE)


def _places(expression: Any) -> list[dict[Any, Any]]:
    """Return values of the variables: `_PLACES` times positive fractions, then negative ones."""
    import sympy

    places = []
    for place in range(_PLACES + 1):
        values = {}
        for symbol in expression.free_symbols:
            own = zlib.crc32(f"{symbol.name} {place}".encode()) % 8999
            value = sympy.Rational(11000 + own, 9973)
            values[symbol] = -value if place == _PLACES else value
        places.append(values)
    return places


def _digest(values: Sequence[str | None]) -> str:
    """Return a hash of a formula's values."""
    shown = [None if value is None or (place == _PLACES and value.startswith("complex")) else _shortened(value)
             for place, value in enumerate(values)]  # fmt: skip
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:32]


def _shortened(value: str) -> str:
    """Return a computed constant with the digits that are compared."""
    if value.startswith("complex"):
        return " ".join(["complex", *map(_text, value.split()[1:])])
    return _text(value)


def _matrix(matrix: Any) -> Form | None:
    """Return the form of a matrix."""
    from envdata.collect.equality.forms import Ordered

    parts = [value_form(entry) for entry in matrix]
    known = tuple(part for part in parts if part is not None)
    if len(known) < len(parts):
        return None
    tag = f"matrix {matrix.rows} {matrix.cols}"
    # A row or a column may be written as a tuple.
    plain = (Ordered("tuple", known),) if 1 in (matrix.rows, matrix.cols) and len(known) > 1 else ()
    return Form((Ordered(tag, known),), plain, f"{tag} {[part.group for part in known]}")

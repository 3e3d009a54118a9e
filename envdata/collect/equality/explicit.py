r"""Formulas rewritten so that math-verify's LaTeX reader (latex2sympy) has a single way to read them.

It misreads some notations, which are therefore written out:

- `2(3)` and `2 3` are 5 to it (a mixed number): products are written with `\cdot`, two adjacent numbers are refused,
  and only a whole number before a fraction is mixed (`2\frac12`, `2 1/2`);
- names lose their case, primes and fonts, `d`, `E`, `I`, `i`, `\Gamma` mean a differential, a symbol or a constant, and
  `a(b)` is a function: every name becomes a numbered variable, and `i` the imaginary unit afterwards;
- plain words are not commands to it (`2pi`, `ln 5`, `sqrt(2)`, `6xy` is one name): runs of letters are split;
- decimals become binary floats: they are written as fractions, repeating ones (`0.\overline{3}`) too;
- the extent of a function's argument depends on the following text: arguments are put in brackets;
- `1/2 x` is 1/(2x) to it: quotients are written with `\frac`, from left to right;
- `^\circ` is dropped, `_2` behind a number (its base) too, and `x' x`, `\sqrt23`, `\frac1{2}` are not read.

Sums, integrals, limits, matrices and other unknown notations go to it unchanged (`NotExplicitError`).
"""

import math
import re
from fractions import Fraction

from envdata.collect.equality.notation import (
    ACCENTS,
    FUNCTIONS,
    GREEK,
    NUMBER,
    OF_SEVERAL,
    OPERATORS,
    SIMPLE,
    SPELT_OUT,
    fraction_at,
)
from envdata.collect.equality.scanner import Scanner
from envdata.collect.equality.tidying import TEXT_CLOSE, TEXT_OPEN
from envdata.collect.equality.units import is_word, spoken_number

MOST_FACTORIAL = 300
"""Largest number whose double factorial is computed."""


def explicit(text: str) -> tuple[str, list[str]]:
    """Return a tidied formula as unambiguous LaTeX, and the names that its variables v_0, v_1, … stand for.

    Raises NotExplicitError.
    """
    for pattern, replacement in OPERATORS:
        text = pattern.sub(replacement, text)
    text = re.sub(r"^\{(\w+) *\\choose *(\w+)\}$", r"\\binom{\1}{\2}", text)
    reader = _Reader(text)
    written = reader.sum()
    if reader.place < len(text):
        raise reader.stuck()
    return written, reader.names


class _Reader(Scanner):
    """Recursive-descent reader that writes out a formula; each method returns its part as LaTeX."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.names: list[str] = []
        """Names by the number of their variable."""
        self.bars = 0
        """Number of open absolute values."""

    def sum(self) -> str:
        """Read terms and signs."""
        parts = [self.product(first=True)]
        while sign := self.take("+", "-"):
            parts.append(f"{sign} {self.product()}")
        return " ".join(parts)

    def product(self, *, first: bool = False) -> str:
        """Read factors with products and quotients; `first` if no sign precedes the product."""
        signs = ""
        while sign := self.take("+", "-"):
            signs += sign
        if signs.count("-") > 1:
            # Two minus signs side by side are a slip of the writer without a clear meaning.
            raise self.stuck()
        written = self.factor()
        while True:
            if self.take(r"\cdot", r"\times", "*"):
                sign = "-" if self.take("-") else ""
                written = f"{written} \\cdot ({sign}{self.factor()})"
            elif self.take("/", r"\div"):
                sign = "-" if self.take("-") else ""
                written = f"\\frac{{{written}}}{{{sign}{self.factor()}}}"
            elif self._begins_factor():
                if self.at(*"0123456789.") and re.search(r"[\d.]\s*$", self.text[: self.place]):
                    raise self.stuck()
                written = f"{written} \\cdot {self.factor()}"
            else:
                if not signs.count("-"):
                    return written
                return f"-{written}" if first else f"(-{written})"

    def _begins_factor(self) -> bool:
        """Return whether a factor begins here."""
        self.spaces()
        here = self.text[self.place : self.place + 1]
        if here == "|":
            return not self.bars
        if here == "\\":
            return (
                self.at(
                    r"\cdot",
                    r"\times",
                    r"\div",
                    r"\rfloor",
                    r"\rceil",
                    r"\}",
                    r"\pm",
                    r"\mp",
                    r"\mod",
                    r"\pmod",
                    r"\bmod",
                )
                is None
            )
        return bool(here) and (here.isalnum() or here in "({[." + TEXT_OPEN)

    def factor(self) -> str:
        """Read an atom with its factorials and powers."""
        base = self.atom()
        while True:
            if self.at("!!"):
                # math-verify reads a double factorial as the factorial of a factorial.
                if not base.isdigit() or int(base) > MOST_FACTORIAL:
                    raise self.stuck()
                self.take("!!")
                base = str(math.prod(range(int(base), 0, -2)))
            elif self.take("!"):
                base = f"({base})!"
            elif self.at("^"):
                self.take("^")
                if self.take(r"{\circ}", r"\circ"):
                    base = f"({base} \\cdot \\frac{{\\pi}}{{180}})"
                    continue
                shown = base if re.fullmatch(SIMPLE, base) else f"({base})"
                base = f"{shown}^{{{self.argument(single=False)}}}"
            else:
                return base

    def argument(self, *, single: bool = True) -> str:
        r"""Read the argument of ^, \frac or \sqrt: a group, or one sign; one digit if `single`."""
        self.spaces()
        if self.at("{"):
            return self.group("{", "}", bare=True)
        if self.at("("):
            return self.group("(", ")")
        sign = "-" if self.take("-") else ""
        if self.at("\\") or self.text[self.place : self.place + 1].isalpha():
            return sign + self.atom()
        # \\frac12 takes one digit for each part, but 2^10 is the tenth power.
        return sign + self.digit(single=single and not sign)

    def digit(self, *, single: bool) -> str:
        """Read a digit if `single`, else digits."""
        return self.run(r"\d" if single else r"\d+")

    def group(self, start: str, end: str, *, bare: bool = False) -> str:
        """Read a sum in brackets; the result has none if `bare`."""
        self.need(start)
        bars, self.bars = self.bars, 0
        inside = self.sum()
        self.bars = bars
        self.need(end)
        return inside if bare or re.fullmatch(SIMPLE, inside) else f"({inside})"

    def atom(self) -> str:
        """Read a number, a group, an absolute value, a marked text, a command or letters."""
        self.spaces()
        here = self.text[self.place : self.place + 1]
        if here.isdigit() or here == ".":
            return self.number()
        if here in "({[" and here:
            return self.group(here, {"(": ")", "{": "}", "[": "]"}[here])
        if here == "|":
            self.place += 1
            self.bars += 1
            inside = self.sum()
            self.need("|")
            self.bars -= 1
            return f"|{inside}|"
        if here == TEXT_OPEN:
            return self.marked()
        if here == "\\":
            return self.command()
        if here.isalpha():
            return self.letters()
        raise self.stuck()

    def number(self) -> str:
        """Read a number, exactly."""
        literal = fraction_at(self.text, self.place)
        if literal:
            value, self.place = literal
            return written(value)
        found = NUMBER.match(self.text, self.place)
        if found is None or not (found[1] or found[2]):
            raise self.stuck()
        self.place = found.end()
        whole, part, exponent = (found[1] or "0").replace(",", ""), found[2] or "", int(found[3] or 0)
        if self.at("_"):
            return self.in_base(whole + ("." + part if part else ""))
        return written(Fraction(int(whole + part or 0), 10 ** len(part)) * Fraction(10) ** exponent)

    def in_base(self, digits: str) -> str:
        """Read a base as a subscript, and convert the digits before it."""
        self.need("_")
        base = self.subscript()
        number = int(base) if base.isdigit() else int(spoken_number(base) or 0)
        if not 2 <= number <= 36 or "." in digits:
            raise self.stuck()
        try:
            return str(int(digits, number))
        except ValueError:
            raise self.stuck() from None

    def subscript(self) -> str:
        """Read a subscript without braces and spaces."""
        self.spaces()
        if self.at("{"):
            depth, start = 0, self.place
            while self.place < len(self.text):
                depth += {"{": 1, "}": -1}.get(self.text[self.place], 0)
                self.place += 1
                if depth == 0:
                    inside = self.text[start + 1 : self.place - 1]
                    return re.sub(rf"[\s{{}}{TEXT_OPEN}{TEXT_CLOSE}]", "", inside)
            raise self.stuck()
        found = re.compile(r"\\[A-Za-z]+|\w").match(self.text, self.place)
        if found is None:
            raise self.stuck()
        self.place = found.end()
        return found.group()

    def name(self, name: str) -> str:
        """Read subscripts and primes behind a name; return the numbered variable that stands for it."""
        while True:
            if self.at("_"):
                self.take("_")
                name += f"_{self.subscript()}"
            elif self.take("'", r"^\prime", r"^{\prime}", r"^*", r"^{*}"):
                name += "'"
            else:
                break
        if name not in self.names:
            self.names.append(name)
        return f"v_{{{self.names.index(name)}}}"

    def letters(self) -> str:
        """Read a function, a constant, points or a variable from a run of letters."""
        run = re.compile(r"[^\W\d_]+").match(self.text, self.place)
        assert run is not None  # noqa: S101 - a letter stands here
        letters = run.group()
        if is_word(letters):
            raise self.stuck()
        for name in SPELT_OUT:
            if letters.startswith(name):
                self.place += len(name)
                return self.function(name) if name in (*FUNCTIONS, *OF_SEVERAL, "sqrt") else self.constant(name)
        if letters.isupper() and len(letters) > 1:
            # Points, not a product: ABC and ACB are different.
            self.place += len(letters)
            return self.name(letters)
        self.place += 1
        return self.constant(letters[0])

    def constant(self, name: str) -> str:
        """Return a constant, or the variable of a name."""
        if name in ("infinity", "infty", "inf"):
            return r"\infty"
        if name in GREEK:
            name = f"\\{name}"
        if name in ("pi", "e") and not self.at("_"):
            return {"pi": r"\pi", "e": "e"}[name]
        return self.name(name)

    def marked(self) -> str:
        """Read a function or a name that is marked as text."""
        end = self.text.find(TEXT_CLOSE, self.place)
        inside = self.text[self.place + 1 : end].strip()
        if inside in (*FUNCTIONS, *OF_SEVERAL):
            self.place = end + 1
            return self.function(inside)
        if end < 0 or not inside.isalpha() or (len(inside) > 1 and is_word(inside)):
            raise self.stuck()
        self.place = end + 1
        return self.constant(inside)

    def command(self) -> str:
        """Read a LaTeX command."""
        found = re.compile(r"\\([A-Za-z]+)").match(self.text, self.place)
        if found is None:
            raise self.stuck()
        name = found[1]
        before, self.place = self.place, found.end()
        if name in ("frac", "binom"):
            top = self.argument()
            return f"\\{name}{{{top}}}{{{self.argument()}}}"
        if name == "sqrt" or name in (*FUNCTIONS, *OF_SEVERAL):
            return self.function(name)
        if name in ("lfloor", "lceil"):
            inside = self.sum()
            self.need("\\r" + name[1:])
            return f"\\{name} {inside} \\r{name[1:]}"
        if name in ("pi", "infty", "imath"):
            return self.constant("i" if name == "imath" else name)
        if name in GREEK:
            return self.name(f"\\{name}")
        if name in ACCENTS:
            name = "bar" if name == "overline" else name
            return self.name(f"\\{name} {self.subscript() if self.at('{') else self._letters_only()}")
        self.place = before
        raise self.stuck()

    def _letters_only(self) -> str:
        self.spaces()
        return self.run("[A-Za-z]+")

    def function(self, name: str) -> str:
        """Read the base, power and arguments of a function."""
        if name == "sqrt":
            index = ""
            if self.take("["):
                index = self.sum()
                self.need("]")
            self.spaces()
            found = re.compile(r"\d+(?:\.\d+)?").match(self.text, self.place)
            inside = self.number() if found else self.argument()
            return f"\\sqrt[{index}]{{{inside}}}" if index else f"\\sqrt{{{inside}}}"
        if name in OF_SEVERAL:
            close = ")" if self.take("(") else "}"
            if close == "}":
                self.need(r"\{")
                close = r"\}"
            every = [self.sum()]
            while self.take(","):
                every.append(self.sum())
            self.need(close)
            command = rf"\operatorname{{{name}}}" if name == "lcm" else f"\\{name}"
            return f"{command}({','.join(every)})"
        base = power = ""
        for _ in range(2):
            if self.at("_"):
                self.take("_")
                base = f"_{{{self.argument()}}}"
            elif self.at("^"):
                self.take("^")
                power = self.argument().replace(" ", "")
        if name in ("lg", "log") and not base:
            name, base = "log", "_{10}"
        inverse = power in ("-1", "(-1)") and name in ("sin", "cos", "tan", "cot", "sec", "csc")
        if inverse:
            name, power = f"arc{name}", ""
        applied = f"\\{name}{base}({self.function_argument()})"
        if name == "exp":
            applied = "e^{" + applied.removeprefix("\\exp") + "}"
        return f"({applied})^{{{power}}}" if power else applied

    def function_argument(self) -> str:
        """Read a group in brackets, or factors up to a sign, a bracket or another function."""
        if self.at("(", "{", "["):
            # factor() reads a power behind the brackets, which belongs to the function, as in \sin(x)^2.
            return self.group(*{"(": ("(", ")"), "{": ("{", "}"), "[": ("[", "]")}[self.text[self.place]])
        written_so_far = self.factor()
        while self._begins_factor() and not self.at("(", *(f"\\{name}" for name in FUNCTIONS)):
            if any(self.text.startswith(name, self.place) for name in FUNCTIONS):
                break
            written_so_far += f" \\cdot {self.factor()}"
        if self.at("/"):
            rest = re.compile(r"/\s*(\d+)").match(self.text, self.place)
            if rest:
                self.place = rest.end()
                written_so_far = f"\\frac{{{written_so_far}}}{{{rest[1]}}}"
        return written_so_far


def written(value: Fraction) -> str:
    """Return a non-negative fraction as LaTeX."""
    return str(value.numerator) if value.denominator == 1 else f"\\frac{{{value.numerator}}}{{{value.denominator}}}"

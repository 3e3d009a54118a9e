"""The process that reads and compares mathematical answers with math-verify: JSON lines in, JSON lines out.

It is a process of its own for two reasons. math-verify limits its time by signals, which work in a main thread only;
and what a model writes for an answer can keep SymPy busy for ever inside one C call, or take all memory (10^{10^{10}}),
which nothing but the system can end. So every request has a limit on processor time that the kernel enforces by ending
this process, and the whole of it one on memory. Processor time, not the clock's: a busy machine changes no answer.

Requests: {"read": text} gives {"spelling", "kind", "near"}; {"same": [a, b]} gives {"same": true or false}. What takes
too much memory gives {}.
"""

import functools
import json
import logging
import re
import resource
import sys
import zlib
from fractions import Fraction
from typing import Any

from envdata.collect.extraction import plain_number

SECONDS_A_REQUEST = 2
"""Processor time."""
MEMORY = 3 << 30
"""Bytes of address space."""
LONGEST = 300
"""Characters; anything longer is compared as text."""
ROUNDED = 6
"""Decimals from which on a number counts as rounded, as in math-verify's comparisons (0.333333 is 1/3)."""

EXACT, FORMULA, OTHER, TEXT = "exact", "formula", "other", "text"
"""Kinds of answers: a rational number, another number or formula, anything else (sets, equations), and what is none."""

_SPACED = re.compile(r"-?\d{1,3}(?:(?:\\[,!;: ]|~|\{,\}| )\d{3})+(?:\.\d+)?")
_PLAIN = re.compile(r"-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|-?\.\d+")
_WORD = re.compile(r"(?<![\\A-Za-z{])[A-Za-z]{2,}(?![A-Za-z}])")
_WORDLIKE_LATEX = re.compile(r"\\(?:text|textbf|mathrm|mbox)\s*\{([^{}]*)\}")


def tidied(text: str) -> str:
    """An answer without what only frames it: dollar signs, stars, a full stop, runs of spaces."""
    text = " ".join(text.split())
    while True:
        before = text
        text = text.strip().removesuffix(".").removeprefix("**").removesuffix("**").strip()
        for start, end in (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]")):
            inner = text[len(start) : -len(end)]
            if len(text) > len(start) + len(end) and text.startswith(start) and text.endswith(end) and "$" not in inner:
                text = inner
        if text == before:
            return text


@functools.lru_cache(maxsize=4096)
def expression(text: str) -> Any:
    """The SymPy expression that math-verify reads in a tidied answer, None if there is none."""
    from math_verify import parse

    if not text or len(text) > LONGEST:
        return None
    if _SPACED.fullmatch(text):
        text = re.sub(r"[^\d.\-]", "", text)
    if _WORD.search(text) and not _WORDLIKE_LATEX.search(text):
        # Words around one number: the number is meant ("12 apples"). With several, nobody can say which.
        numbers = re.findall(r"[\d.,/%]*\d%?", text)
        found = parse(text, parsing_timeout=None) if len(numbers) == 1 and "\\" not in text else []
    else:
        found = parse(f"\\boxed{{{text}}}", parsing_timeout=None)
    return next((each for each in found if not isinstance(each, str)), None)


def read(text: str) -> dict[str, Any]:
    """How an answer is spelt by itself, of which kind it is and, for a constant, near which value."""
    text = tidied(text)
    if _PLAIN.fullmatch(text) and len(text) <= LONGEST:
        # The many whole numbers need no parser.
        return _number(plain_number(text)) or {"spelling": text, "kind": TEXT}
    try:
        return _read(text)
    except MemoryError:
        return {}
    except Exception:
        # Whatever a parser for arbitrary text trips over: the answer is compared as text then.
        return {"spelling": text, "kind": TEXT}


def _read(text: str) -> dict[str, Any]:
    import sympy

    found = expression(text)
    if found is None:
        return {"spelling": text, "kind": TEXT}
    percent = found.has(sympy.UnevaluatedExpr) if isinstance(found, sympy.Basic) else False
    if isinstance(found, sympy.Expr) and not percent:
        value = found.doit()
        if value.is_Rational or value.is_Float:
            number = _number(plain_number(str(value)) if value.is_Float else str(value))
            if number is not None:
                return number
    if isinstance(found, sympy.Symbol):
        # math-verify writes names in small letters; the answer keeps its own. More than a letter is a word.
        name = _WORDLIKE_LATEX.sub(r"\1", text).strip()
        return {"spelling": name, "kind": TEXT if _WORD.search(name) else OTHER}
    if isinstance(found, sympy.Expr) and not percent:
        return {"spelling": _latex(found, text), "kind": FORMULA, "near": _near(found)}
    return {"spelling": text if percent else _latex(found, text), "kind": OTHER}


def _number(number: str) -> dict[str, Any] | None:
    """A fraction, or the fraction that a decimal stands for; with many decimals it stands for what it is near to."""
    value = Fraction(number)
    rounded = len(number.partition(".")[2]) >= ROUNDED
    spelling = number if rounded else str(value)
    if len(spelling) > LONGEST:
        return None
    return {"spelling": spelling, "kind": FORMULA if rounded else EXACT, "near": _as_float(value)}


def _as_float(value: Any) -> list[float] | None:
    try:
        return [float(value), 0.0]
    except OverflowError:
        return None


def _near(found: Any) -> list[float] | None:
    """Real and imaginary part of a formula, its symbols at fixed places; None if that is no finite number.

    Equal formulas are equal there too, so that most pairs need no algebra to be told apart.
    """
    places = {symbol: 1.37 + (zlib.crc32(symbol.name.encode()) % 1009) / 1009 for symbol in found.free_symbols}
    try:
        number = complex(found.doit().evalf(15, subs=places))
    except (TypeError, ValueError, OverflowError, AttributeError):
        return None
    finite = number == number and abs(number) != float("inf")
    return [number.real, number.imag] if finite else None


def _latex(found: Any, text: str) -> str:
    """LaTeX that reads back as the same expression; the text itself where SymPy's own does not."""
    import sympy

    written = " ".join(sympy.latex(found).split())
    if len(written) <= LONGEST and expression(tidied(written)) == found:
        return tidied(written)
    return text


def same(a: str, b: str) -> bool | None:
    """Whether math-verify takes two tidied answers for equal, either of them being the reference; None: too much."""
    from math_verify import verify

    left, right = expression(tidied(a)), expression(tidied(b))
    if left is None or right is None:
        return left is None and right is None and tidied(a).casefold() == tidied(b).casefold()
    try:
        return any(verify(*pair, timeout_seconds=None) for pair in ((left, right), (right, left)))
    except MemoryError:
        return None
    except Exception:
        return False


def versions() -> dict[str, str]:
    """What decides how answers are read; raises ImportError without math-verify."""
    import importlib.metadata

    import math_verify  # noqa: F401 - is it there, and all that it needs?

    return {name: importlib.metadata.version(name) for name in ("math-verify", "latex2sympy2-extended", "sympy")}


def _limit_processor_time() -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + 1 + SECONDS_A_REQUEST
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def main() -> None:
    """Serve requests until standard input ends."""
    out, sys.stdout = sys.stdout, sys.stderr
    # Each missing time-out and failed comparison is logged, and both are ours to handle.
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        print(json.dumps({"versions": versions()}), file=out, flush=True)
    except ImportError as error:
        print(json.dumps({"error": str(error)}), file=out, flush=True)
        return
    for line in sys.stdin:
        request = json.loads(line)
        _limit_processor_time()
        if "read" in request:
            reply = read(request["read"])
        else:
            found = same(*request["same"])
            reply = {} if found is None else {"same": found}
        print(json.dumps(reply), file=out, flush=True)


if __name__ == "__main__":
    main()

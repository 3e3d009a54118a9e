"""Process that reads mathematical answers with math-verify: JSON lines in, JSON lines out.

It is a process of its own for two reasons. math-verify limits its time by signals, which work in a main thread only;
and an answer can keep SymPy busy for ever inside one C call, or take all memory (10^{10^{10}}), which only the system
can end. So the kernel ends this process where a request exceeds a limit on processor time, and the whole process has a
limit on memory. The limit is on processor time, not on wall time: a busy machine changes no answer.

Requests: {"read": text} gives {"spelling", "form"} (`equality.forms`), or {"none": true} for a text without an answer.
A request that takes too much memory gives {}.
"""

import json
import logging
import re
import resource
import sys
from typing import Any

from envdata.collect.equality.forms import Constant, Form, Rounded, text_form, to_json
from envdata.collect.equality.structure import is_answer, read
from envdata.collect.equality.tidying import TEXT_CLOSE, TEXT_OPEN, tidied
from envdata.collect.equality.values import LONGEST

SECONDS_A_REQUEST = 2
"""Processor time of a request, in seconds."""
MEMORY = 3 << 30
"""Address space of the process, in bytes."""


def answered(text: str) -> dict[str, Any]:
    """Return the reply to a request to read an answer."""
    text = " ".join(text.split())
    if not is_answer(tidied(text)):
        return {"none": True}
    try:
        form = _form(text)
    except MemoryError:
        return {}
    return {"spelling": _spelling(text, form), "form": to_json(form)}


def _form(text: str) -> Form:
    """Return the form of an answer; a text that no parser can read, or that is too long, is compared as text."""
    if len(text) > LONGEST:
        return text_form(text)
    try:
        return read(text) or text_form(text)
    except MemoryError:
        raise
    except Exception:
        # A parser of arbitrary text can raise anything; such an answer is compared as text.
        return text_form(text)


def _spelling(text: str, form: Form) -> str:
    """Return the spelling of an answer: a number as a fraction in lowest terms, anything else tidied.

    A spelling is read as the same answer again; a text without such a spelling stays as it is.
    """
    plain = tidied(text)
    if re.search(r"[\d.]", plain) and not form.dropped:
        match form.own:
            case (Constant(key), Rounded(digits)):
                return digits if len(digits) <= LONGEST else text
            case (Constant(key),) if not key.startswith("constant") and len(key) <= LONGEST:
                return key
    if plain.casefold() in ("yes", "no", "true", "false"):
        # Lower case, because "No" marks the absence of an answer.
        return plain.casefold()
    plain = " ".join(re.sub(f"{TEXT_OPEN}([^{TEXT_OPEN}{TEXT_CLOSE}]*){TEXT_CLOSE}", r"\\text{\1}", plain).split())
    return plain if plain and _form(plain) == form else text


def versions() -> dict[str, str]:
    """Return the versions of the packages that decide how answers are read. Raises ImportError without math-verify."""
    import importlib.metadata

    import math_verify  # noqa: F401 - checks that it is installed with its requirements

    return {name: importlib.metadata.version(name) for name in ("math-verify", "latex2sympy2-extended", "sympy")}


def _limit_processor_time() -> None:
    """Set the limit on processor time for the next request."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + 1 + SECONDS_A_REQUEST
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def main() -> None:
    """Serve requests until standard input ends."""
    out, sys.stdout = sys.stdout, sys.stderr
    # math-verify logs each missing time limit and failed comparison; both are handled here.
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        print(json.dumps({"versions": versions()}), file=out, flush=True)
    except ImportError as error:
        print(json.dumps({"error": str(error)}), file=out, flush=True)
        return
    for line in sys.stdin:
        _limit_processor_time()
        reply = answered(json.loads(line)["read"])
        print(json.dumps(reply), file=out, flush=True)


if __name__ == "__main__":
    main()

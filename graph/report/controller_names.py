"""Names of controllers as people read them, and their ideas in a sentence.

A candidate's source comes from a model: it is matched with regular expressions here and never parsed, because parsing
hostile text can crash an interpreter.
"""

import re

from graph.report.accuracy_plot import NAMES
from sandbox.sanitize import printable

_CLASS = re.compile(r"^class[ \t]+([A-Za-z_]\w{0,79})[ \t]*\(([^()\n]{0,400})\)[ \t]*:", re.ASCII | re.MULTILINE)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SENTENCE = re.compile(r".+?[.!?](?=\s|$)", re.DOTALL)
_NAMED = re.compile(r"^[\w \-]{1,60}: +(?=\S)", re.ASCII)
LONGEST_IDEA = 300
"""Characters of an idea, at most."""


def controller_name(label: str, source: str) -> str:
    """Return a controller's name: a shipped one's, or the words of its class, as in `Photo Finish`; else the label."""
    if label in NAMES:
        return NAMES[label]
    found = _class_name(source)
    words = " ".join(_WORDS.findall(found)) if found else ""
    return words or label


def name_and_label(label: str, source: str) -> str:
    """Return the name with the label in brackets, as in `Photo Finish (r2-03)`; a name alone for shipped ones."""
    name = controller_name(label, source)
    return name if name == label or label in NAMES else f"{name} ({label})"


def idea_in_a_sentence(doc: str, idea: str) -> str:
    """Return the first sentence of a controller's docstring, else of its explorer's idea, else nothing.

    A name before a colon, as in `Surge: a vote …`, is left out.
    """
    said = ((doc or "").strip() or (idea or "").strip())[: 4 * LONGEST_IDEA].split("\n\n")[0]
    sentence = _SENTENCE.match(said)
    line = printable(" ".join((sentence.group() if sentence else said).split()))
    line = _NAMED.sub("", line)
    if len(line) > LONGEST_IDEA:
        line = line[: LONGEST_IDEA - 1].rsplit(" ", 1)[0] + "…"
    return line[:1].upper() + line[1:]


def _class_name(source: str) -> str | None:
    """Return the name of the last class that derives, in the source's own text, from `Controller`."""
    known, last = {"Controller"}, None
    for match in _CLASS.finditer(source):
        bases = {base.strip().rpartition(".")[2] for base in match.group(2).split(",")}
        if bases & known:
            last = match.group(1)
            known.add(last)
    return last

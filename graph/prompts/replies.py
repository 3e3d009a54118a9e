"""Reading what models reply: candidates out of code blocks, a critique out of JSON.

Replies are untrusted and often not what was asked for. Nothing in them is run or parsed as Python here: whether a
candidate loads is found out in the sandbox.
"""

import json
import re
from itertools import islice
from typing import Any

from graph.explorers.base import Critique, ExplorerError, Proposal
from sandbox.candidate import MAX_SOURCE
from sandbox.quoting import quoted

MAX_IDEA = 2000
"""Characters that are kept of what a proposal says about itself."""
MAX_DIAGNOSIS = 6000
MAX_DIRECTIONS = 8
MAX_DIRECTION = 600

CRITIQUE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "diagnosis": {"type": "string"},
        "directions": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["diagnosis", "directions"],
    "additionalProperties": False,
}
"""JSON Schema of a critique, for servers that can be held to one."""

_FENCE = re.compile(r"^(?P<indent> {0,3})(?P<marks>`{3,}|~{3,})(?P<info>[^`\n]*)$")
# Bounded on both sides: a reply is as long, and as hostile, as its writer likes.
_CLASS = re.compile(r"^class[ \t]+\w{1,200}[ \t]*\([^()\n]{0,200}\bController\b[^()\n]{0,200}\)[ \t]*:", re.MULTILINE)
_IMPORT = re.compile(r"^(?:from|import)\s+sandbox\b", re.MULTILINE)
_CODE_STARTS = re.compile(r'^(?:from\s+[\w.]+\s+import\b|import\s+\w|class\s+\w+\s*[(:]|[rRuU]?"""|@|#!)')
_OBJECT = re.compile(r'\{\s{0,200}["}]')
MAX_OBJECTS = 200
"""Places of a reply that are tried as the beginning of its JSON: a hostile one has as many as it is long."""
_FORM = (
    "answer with a paragraph on the idea, then the whole file in one block that begins with ```python and ends with ```"
)


class ReplyError(ExplorerError):
    """A reply cannot be used; the message says what is missing and how to answer, in words for the one who replied."""


def read_proposals(reply: str, wanted: int) -> list[Proposal]:
    """Up to `wanted` candidates of a reply, in their order. Raises ReplyError.

    Candidates are the fenced blocks that define a subclass of `Controller`; the prose before a block is its idea. If
    just one candidate is wanted and there are several, the last counts: models correct themselves. A file that is
    spread over several blocks is put together. A reply that is code without any fence is taken as it is, prose around
    it left out.
    """
    if not reply.strip():
        raise ReplyError(f"the reply is empty; {_FORM}")
    blocks, prose, is_open = _blocks(reply)
    found = [(text, idea) for text, idea in zip(blocks, prose, strict=True) if _CLASS.search(text)]
    if found and not all(_IMPORT.search(text) for text, _ in found) and len(blocks) > len(found):
        # The imports, or helpers, stand in a block of their own.
        found = (
            [("\n\n".join(text.strip("\n") for text in blocks) + "\n", " ".join(prose))] if len(found) == 1 else found
        )
    if not found and not blocks:
        bare = _bare_code(reply)
        found = [bare] if bare is not None else []
    if not found:
        raise ReplyError(_nothing(reply, blocks, is_open))
    if is_open and _CLASS.search(blocks[-1]):
        if len(found) == 1:
            raise ReplyError(
                "the last code block is not closed: the reply ended before the file did; write a shorter file, or "
                "fewer, and close each block with ```"
            )
        found = found[:-1]
    chosen = found[-1:] if wanted == 1 else found[:wanted]
    for text, _ in chosen:
        size = len(text.encode("utf-8", "replace"))
        if size > MAX_SOURCE:
            raise ReplyError(f"a candidate has {size:,} bytes of source; the limit is {MAX_SOURCE:,}")
    return [Proposal(text, quoted_idea(idea)) for text, idea in chosen]


def read_critique(reply: str) -> Critique:
    """The critique in a reply: one JSON object, alone, in a fence or with prose around it. Raises ReplyError."""
    form = 'answer with one JSON object, {"diagnosis": "…", "directions": ["…", "…"]}, and nothing else'
    if not reply.strip():
        raise ReplyError(f"the reply is empty; {form}")
    said = _json_object(reply)
    if said is None:
        raise ReplyError(f"the reply holds no JSON object that can be read; {form}")
    diagnosis, directions = said.get("diagnosis"), said.get("directions")
    if not isinstance(diagnosis, str) or not diagnosis.strip():
        raise ReplyError(f'"diagnosis" is {quoted(repr(diagnosis), 80)}, not a text; {form}')
    if not isinstance(directions, list) or not all(isinstance(each, str) for each in directions):
        raise ReplyError(f'"directions" is {quoted(repr(directions), 80)}, not a list of texts; {form}')
    cleaned = tuple(quoted(each, MAX_DIRECTION) for each in directions if each.strip())
    return Critique(_cleaned(diagnosis)[:MAX_DIAGNOSIS], cleaned[:MAX_DIRECTIONS])


def quoted_idea(text: str) -> str:
    """Prose as an idea: printable, without headings' marks, cut."""
    lines = [line.strip().lstrip("#").strip() for line in _cleaned(text).split("\n")]
    return "\n".join(line for line in lines if line)[:MAX_IDEA]


def _blocks(reply: str) -> tuple[list[str], list[str], bool]:
    """The texts of fenced blocks, the prose before each, and whether the last one is not closed."""
    blocks: list[str] = []
    before: list[str] = []
    prose: list[str] = []
    code: list[str] | None = None
    marks = ""
    for line in reply.replace("\r\n", "\n").split("\n"):
        fence = _FENCE.match(line)
        if code is None:
            if fence is None:
                prose.append(line)
                continue
            code, marks = [], fence["marks"]
            before.append("\n".join(prose))
            prose = []
        elif fence is not None and fence["marks"].startswith(marks) and not fence["info"].strip():
            blocks.append("\n".join(code).strip("\n") + "\n")
            code = None
        else:
            code.append(line)
    if code is not None:
        blocks.append("\n".join(code).strip("\n") + "\n")
    return blocks, before, code is not None


def _bare_code(reply: str) -> tuple[str, str] | None:
    """A file that stands in a reply without a fence, and the prose before it; None if there is no class in it."""
    lines = reply.replace("\r\n", "\n").split("\n")
    start = next((i for i, line in enumerate(lines) if _CODE_STARTS.match(line)), None)
    if start is None:
        return None
    # Prose after the file: unindented lines at its end that are no code.
    end = len(lines)
    while end > start and not lines[end - 1].startswith((" ", "\t")):
        end -= 1
    text = "\n".join(lines[start:end]) + "\n"
    return (text, "\n".join(lines[:start])) if _CLASS.search(text) else None


def _nothing(reply: str, blocks: list[str], is_open: bool) -> str:
    if is_open:
        return f"the only code block is not closed and defines no subclass of Controller; {_FORM}"
    if blocks:
        return f"no code block defines a subclass of Controller (class Name(Controller):); {_FORM}"
    return f"there is no code in the reply, which begins with {quoted(reply, 80)!r}; {_FORM}"


def _json_object(reply: str) -> dict[str, Any] | None:
    """The first JSON object of a reply that has one of the fields wanted, or else the first of all."""
    decoder = json.JSONDecoder()
    first = None
    read_to = 0
    for start in islice(_OBJECT.finditer(reply), MAX_OBJECTS):
        if start.start() < read_to:
            continue
        try:
            value, read_to = decoder.raw_decode(reply, start.start())
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            if value.keys() & {"diagnosis", "directions"}:
                return value
            first = value if first is None else first
    return first


def _cleaned(text: str) -> str:
    kept = "".join(c if c.isprintable() or c == "\n" else " " for c in text.replace("\r\n", "\n"))
    return kept.strip()

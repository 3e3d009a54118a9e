"""Parsers of models' replies: candidates from code blocks, a critique from JSON.

Replies are untrusted and often do not have the requested form: they are read in any form that leaves no doubt, and the
others are sent back with what is wrong with them.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

from graph.explorers.base import Critique, ExplorerError, Proposal
from graph.explorers.prompts.candidates import Search, find_code
from graph.explorers.prompts.json_reply import json_objects
from graph.explorers.prompts.python_source import mended
from graph.explorers.prompts.reasoning import split_reasoning
from sandbox.candidate import MAX_SOURCE
from sandbox.sanitize import quoted

BYTE_ORDER_MARK = "\ufeff"
"""Character at the start of some files, which models copy into replies; it is removed."""
MAX_IDEA = 2000
"""Characters of a proposal's idea that are kept."""
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
"""JSON Schema of a critique, for servers with structured output."""

Read = TypeVar("Read")

_MARK = re.compile(r"^\s*(?:[-*•]|\d{1,3}[.)])\s+")
"""The beginning of an item of a list."""
_FORM = (
    "answer with a paragraph on the idea, then the whole file in one block that begins with ```python and ends with ```"
)


class ReplyError(ExplorerError):
    """A reply cannot be used. The message, which is sent back to the model, says what is missing and how to answer."""


def read_proposals(reply: str, wanted: int, shown: Mapping[str, str] = MappingProxyType({})) -> list[Proposal]:
    """Return up to `wanted` candidates of a reply, in their order.

    Candidates are the fenced blocks that define a whole controller; the prose before a block is its idea. If one
    candidate is wanted and there are several, the last is taken, as models correct themselves. A file that is spread
    over several blocks is joined, a change is applied to the controller that it fits, code in JSON is taken out, and
    of a reply with code outside fences the code is taken without the prose around it.

    Args:
        reply: Text of the reply, without reasoning (`graph.explorers.prompts.reasoning`).
        wanted: Number of candidates, at most.
        shown: Sources of the controllers that the prompt shows, by label, the likeliest parents of a change first.

    Raises:
        ReplyError: The reply has no complete candidate, or one exceeds `sandbox.candidate.MAX_SOURCE` bytes.
    """
    reply = reply.replace(BYTE_ORDER_MARK, "")
    if not reply.strip():
        raise ReplyError(f"the reply is empty; {_FORM}")
    search = find_code(reply, shown)
    candidates = list(search.found)
    if not candidates:
        raise ReplyError(_nothing(reply, search))
    last = search.blocks[-1] if search.blocks else None
    if last is not None and not last.is_closed and mended(last.text) == candidates[-1].source:
        if len(candidates) == 1:
            raise ReplyError(
                "the last code block is not closed: the reply ended before the file did; write a shorter file, or "
                "fewer, and close each block with ```"
            )
        candidates = candidates[:-1]
    chosen = candidates[-1:] if wanted == 1 else candidates[:wanted]
    for each in chosen:
        size = len(each.source.encode("utf-8", "replace"))
        if size > MAX_SOURCE:
            raise ReplyError(f"a candidate has {size:,} bytes of source; the limit is {MAX_SOURCE:,}")
    return [Proposal(each.source, quoted_idea(each.prose)) for each in chosen]


def read_critique(reply: str) -> Critique:
    """Return the critique in a reply: one JSON object, alone, in a fence or with prose around it.

    Raises:
        ReplyError: The reply has no JSON object with a diagnosis and directions.
    """
    form = 'answer with one JSON object, {"diagnosis": "…", "directions": ["…", "…"]}, and nothing else'
    if not reply.strip():
        raise ReplyError(f"the reply is empty; {form}")
    return last_readable(json_objects(reply, {"diagnosis", "directions"}), _critique, form)


def last_readable(values: Sequence[Mapping[str, Any]], read: Callable[[Mapping[str, Any]], Read], form: str) -> Read:
    """Return the last of a reply's objects that can be read, as models correct themselves.

    Args:
        values: The objects.
        read: Reads one. Raises ReplyError.
        form: How to answer, for the error.

    Raises:
        ReplyError: There is none, or none can be read; of several, the last one's error.
    """
    if not values:
        raise ReplyError(f"the reply holds no JSON object that can be read; {form}")
    errors = []
    for value in reversed(values):
        try:
            return read(value)
        except ReplyError as error:
            errors.append(error)
    raise ReplyError(f"{errors[0]}; {form}")


def _critique(value: Mapping[str, Any]) -> Critique:
    diagnosis, directions = _prose(value.get("diagnosis")), value.get("directions")
    if diagnosis is None or not diagnosis.strip():
        raise ReplyError(f'"diagnosis" is {quoted(repr(value.get("diagnosis")), 80)}, not a text')
    if isinstance(directions, str):
        directions = [_MARK.sub("", line) for line in directions.split("\n")]
    texts = [_prose(each) for each in directions] if isinstance(directions, list) else [None]
    if None in texts:
        raise ReplyError(f'"directions" is {quoted(repr(directions), 80)}, not a list of texts')
    cleaned = tuple(quoted(each, MAX_DIRECTION) for each in texts if each and each.strip())
    return Critique(_cleaned(diagnosis)[:MAX_DIAGNOSIS], cleaned[:MAX_DIRECTIONS])


def _prose(value: Any) -> str | None:
    """Return a text without reasoning in it, also one that was divided into a list or an object; None for others."""
    if isinstance(value, str):
        split = split_reasoning(value)
        return split.text or split.thinking
    if isinstance(value, dict):
        parts = [(f"{name}: ", _prose(each)) for name, each in value.items()]
    elif isinstance(value, list):
        parts = [("", _prose(each)) for each in value]
    else:
        return None
    return "\n".join(name + text for name, text in parts if text) or None


def quoted_idea(text: str) -> str:
    """Return prose as an idea: printable characters, without heading marks and blank lines, cut to `MAX_IDEA`."""
    lines = [line.strip().lstrip("#").strip() for line in _cleaned(text).split("\n")]
    return "\n".join(line for line in lines if line)[:MAX_IDEA]


def _nothing(reply: str, search: Search) -> str:
    if search.misfit:
        return f"the reply holds a change that fits none of the controllers shown here; {_FORM}"
    if search.blocks and not search.blocks[-1].is_closed:
        return f"the only code block is not closed and defines no subclass of Controller; {_FORM}"
    if search.blocks:
        return f"no code block defines a subclass of Controller (class Name(Controller):); {_FORM}"
    return f"there is no code in the reply, which begins with {quoted(reply, 80)!r}; {_FORM}"


def _cleaned(text: str) -> str:
    kept = "".join(c if c.isprintable() or c == "\n" else " " for c in text.replace("\r\n", "\n"))
    return kept.strip()

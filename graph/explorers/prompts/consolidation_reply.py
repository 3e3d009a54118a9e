"""Parser of replies that consolidate rounds: one JSON object with statements and struck ones."""

from collections.abc import Mapping
from typing import Any

from graph.explorers.base import Consolidation, Findings
from graph.explorers.prompts.json_reply import json_objects
from graph.explorers.prompts.replies import ReplyError, last_readable
from graph.run.knowledge import MAX_FIGURES, MAX_TEXT, MisfitError, Revision, Strike, revise
from sandbox.sanitize import quoted

MAX_CHANGES = 100
"""Statements, and struck ones, of a reply that are read."""
_STATEMENT = {
    "type": "object",
    "properties": {
        "number": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "text": {"type": "string"},
        "rounds": {"type": "array", "items": {"type": "integer"}},
        "figures": {"type": "string"},
    },
    "required": ["number", "text", "rounds", "figures"],
    "additionalProperties": False,
}
_STRUCK = {
    "type": "object",
    "properties": {"number": {"type": "integer"}, "why": {"type": "string"}},
    "required": ["number", "why"],
    "additionalProperties": False,
}
CONSOLIDATION_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "statements": {"type": "array", "items": _STATEMENT},
        "struck": {"type": "array", "items": _STRUCK},
    },
    "required": ["statements", "struck"],
    "additionalProperties": False,
}
"""JSON Schema of a consolidation, for servers with structured output."""
_FORM = (
    'answer with one JSON object, {"statements": [{"text": "…", "rounds": [1], "figures": "…"}], '
    '"struck": [{"number": 1, "why": "…"}]}, and nothing else'
)


def read_consolidation(reply: str, findings: Findings) -> Consolidation:
    """Return the changes in a reply, which fit the page: one JSON object, alone, in a fence or with prose around it.

    Args:
        reply: Text of the reply.
        findings: The rounds that were to be consolidated, and the page that the changes are made to.

    Raises:
        ReplyError: There is no such object, or its changes do not fit the page; the message is for its author.
    """
    if not reply.strip():
        raise ReplyError(f"the reply is empty; {_FORM}")

    def read(value: Mapping[str, Any]) -> Consolidation:
        return _consolidation(value, findings)

    return last_readable(json_objects(reply, {"statements", "struck"}), read, _FORM)


def _consolidation(value: Mapping[str, Any], findings: Findings) -> Consolidation:
    statements, struck = value.get("statements"), value.get("struck") or []
    if not isinstance(statements, list) or not isinstance(struck, list) or not _are_objects(statements + struck):
        raise ReplyError('"statements" and "struck" are not two lists of objects')
    changes = Consolidation(
        tuple(
            Revision(
                _text(each, "text", MAX_TEXT), _rounds(each), _text(each, "figures", MAX_FIGURES), _number(each, True)
            )
            for each in statements[:MAX_CHANGES]
        ),
        tuple(Strike(_number(each, False) or 0, _text(each, "why", MAX_FIGURES)) for each in struck[:MAX_CHANGES]),
    )
    try:
        revise(findings.knowledge, changes, findings.round)
    except MisfitError as error:
        raise ReplyError(str(error)) from None
    return changes


def _are_objects(values: list[Any]) -> bool:
    return all(isinstance(each, dict) for each in values)


def _text(value: Mapping[str, Any], name: str, limit: int) -> str:
    text = value.get(name)
    if not isinstance(text, str):
        raise ReplyError(f'"{name}" is {quoted(repr(text), 80)}, not a text')
    return quoted(text, limit)


def _rounds(value: Mapping[str, Any]) -> tuple[int, ...]:
    rounds = value.get("rounds")
    if not isinstance(rounds, list) or not all(type(each) is int for each in rounds):
        raise ReplyError(f'"rounds" is {quoted(repr(rounds), 80)}, not a list of whole numbers')
    return tuple(rounds)


def _number(value: Mapping[str, Any], may_lack: bool) -> int | None:
    number = value.get("number")
    if not (type(number) is int or (may_lack and number is None)):
        raise ReplyError(f'"number" is {quoted(repr(number), 80)}, not a whole number')
    return number

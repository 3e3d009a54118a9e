"""JSON objects in models' replies, strict or nearly so.

Strict JSON is read by `json`. Where that fails, the usual faults of models are accepted: trailing commas, comments,
quotes of another kind, names without quotes, Python's `None` and `True`, line ends and quotes within a text, and
brackets that nothing closes. Nothing is guessed that is not in the reply.
"""

import json
import re
from collections.abc import Set
from itertools import islice
from typing import Any

from graph.explorers.prompts.code_blocks import fenced_blocks

MAX_OBJECTS = 200
"""Positions in a reply that are tried as the start of an object, at most."""
MAX_DEPTH = 40
"""Objects and lists within each other, at most."""
MAX_TOKENS = 200_000
"""Tokens that are read leniently, in all attempts together."""

_QUOTED = re.compile(r"^[ \t]*>[ ]?", re.MULTILINE)
_START = re.compile(r"\{")
_SPACE = re.compile(r"(?:[\s\u00a0\u200b\u2060\ufeff]|//[^\n]*|/\*.*?\*/|#[^\n]*)*", re.DOTALL)
_PLAIN = (
    r"""(?P<text>\"{3}(?:\\.|(?!\"{3})[^\\])*+\"{3}|"(?:\\.|[^"\\])*+"|'(?:\\.|[^'\\])*+'|"""
    r"""[“”„](?:\\.|[^“”\\])*+[“”]|[‘](?:\\.|[^’\\])*+’(?!\w))"""
)
_FOLLOWS = r"""\s*(?:,\s*(?:["“”„{}\[\]\d-]|true|false|null|\Z)|[:}\]]|\Z)"""
_WITH_QUOTES = rf"""(?P<text>["“”„](?:\\.|[^"“”„\\]|["“”„](?!{_FOLLOWS}))*+["“”„])"""
_REST = r"|(?P<mark>[{}\[\]:,])|(?P<word>[^\s{}\[\]:,\"'“”]+)"
_TOKENS = (re.compile(_PLAIN + _REST, re.DOTALL), re.compile(_WITH_QUOTES + _REST, re.DOTALL))
"""The second takes quotes within a text for a part of it, unless what follows could follow its end."""
_WORDS: dict[str, Any] = {
    "null": None, "none": None, "undefined": None, "nil": None, "nan": None, "true": True, "false": False,
}  # fmt: skip
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "\n": ""}


def json_objects(reply: str, wanted: Set[str]) -> list[dict[str, Any]]:
    """Return the objects of a reply with one of the wanted names, in order; all other objects if none has one.

    Objects may stand alone, in prose, in lists, in objects of other names, and in texts that hold JSON themselves.
    Names are compared in small letters.

    Args:
        reply: Text of the reply.
        wanted: Names, in small letters.
    """
    values = []
    for text in (reply, *(block.text for block in fenced_blocks(reply)), _QUOTED.sub("", reply)):
        values += _values(text)
        found = [each for value in values for each in _wanted(value, wanted, 0)]
        if found:
            return found
    return [value for value in values if isinstance(value, dict)]


def _values(reply: str) -> list[Any]:
    """Return the outermost objects of a reply, or its lists and texts where it is one of them."""
    strict = json.JSONDecoder(strict=False)
    whole = reply.strip().strip("`").strip()
    if whole.startswith(('"', "[")):
        try:
            return [strict.decode(whole)]
        except (ValueError, RecursionError):
            pass
    values: list[Any] = []
    lenient = _Lenient(reply)
    end = 0
    for start in islice(_START.finditer(reply), MAX_OBJECTS):
        if start.start() < end:
            continue
        try:
            value, end = strict.raw_decode(reply, start.start())
        except (ValueError, RecursionError):
            read = lenient.value(start.start())
            if read is None:
                continue
            value, end = read
        values.append(value)
    return values


def _wanted(value: Any, wanted: Set[str], depth: int) -> list[dict[str, Any]]:
    """Return the objects with one of the wanted names within a value, outermost first and no further."""
    if depth > MAX_DEPTH:
        return []
    if isinstance(value, str):
        if not any(name in value for name in wanted) or "{" not in value:
            return []
        return [each for inner in _values(value) for each in _wanted(inner, wanted, depth + MAX_DEPTH // 2)]
    if isinstance(value, dict):
        named = {str(name).strip().lower(): each for name, each in value.items()}
        if named.keys() & wanted:
            return [named]
        value = list(value.values())
    if not isinstance(value, list):
        return []
    return [each for inner in value for each in _wanted(inner, wanted, depth + 1)]


class _Malformed(Exception):
    """A text is no JSON, not even nearly."""


class _Lenient:
    """Reader of objects that are nearly JSON, at any place of one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._left = MAX_TOKENS
        self._tokens = _TOKENS[0]

    def value(self, start: int) -> tuple[Any, int] | None:
        """Return the object that begins at a place, and the place after it; None if there is none."""
        for self._tokens in _TOKENS:
            try:
                return self._read(start, 0)
            except _Malformed:
                continue
        return None

    def _next(self, at: int) -> tuple[str, str, int]:
        """Return the kind and the text of the next token, and the place after it; all empty at the end."""
        space = _SPACE.match(self._text, at)
        at = space.end() if space is not None else at
        if at >= len(self._text):
            return "", "", at
        self._left -= 1
        found = self._tokens.match(self._text, at)
        if found is None or self._left < 0:
            raise _Malformed
        return str(found.lastgroup), found[0], found.end()

    def _read(self, at: int, depth: int) -> tuple[Any, int]:
        kind, token, after = self._next(at)
        if kind == "text":
            return _plain(token), after
        if kind == "word":
            return _word(token), after
        if depth > MAX_DEPTH or token not in ("{", "["):
            raise _Malformed
        return self._object(after, depth) if token.startswith("{") else self._list(after, depth)

    def _object(self, at: int, depth: int) -> tuple[dict[str, Any], int]:
        value: dict[str, Any] = {}
        while True:
            kind, name, after = self._next(at)
            if kind == "" or name == "}":
                return value, after
            if name == ",":
                at = after
                continue
            _, colon, after = self._next(after)
            if kind not in ("text", "word") or colon != ":":
                raise _Malformed
            value[_plain(name) if kind == "text" else name], at = self._read(after, depth + 1)
            at = self._separated(at, "}")

    def _list(self, at: int, depth: int) -> tuple[list[Any], int]:
        value: list[Any] = []
        while True:
            kind, token, after = self._next(at)
            if not kind or token.startswith("]"):
                return value, after
            if token.startswith(","):
                at = after
                continue
            each, at = self._read(at, depth + 1)
            value.append(each)
            at = self._separated(at, "]")

    def _separated(self, at: int, end: str) -> int:
        """Return the place where the next item begins; models leave the comma between two texts away."""
        kind, token, _ = self._next(at)
        if kind not in ("", "text") and token not in (",", end):
            raise _Malformed
        return at


def _plain(token: str) -> str:
    """Return the text between quotes, with its escapes resolved."""
    text = token[3:-3] if token.startswith('"""') and len(token) >= 6 else token[1:-1]
    try:
        return str(json.loads(f'"{text}"', strict=False))
    except ValueError:
        return _ESCAPE.sub(_unescaped, text)


def _unescaped(found: re.Match[str]) -> str:
    if len(found[1]) == 5:
        return chr(int(found[1][1:], 16))
    return _ESCAPES.get(found[1], found[1])


def _word(token: str) -> Any:
    """Return a number, a constant, or a word that lacks its quotes."""
    if token.lower() in _WORDS:
        return _WORDS[token.lower()]
    try:
        return json.loads(token)
    except ValueError:
        raise _Malformed from None

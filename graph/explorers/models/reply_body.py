"""A service's response as JSON objects: server-sent events, one JSON text, or one in each line.

Services that are asked for a stream send whole JSON, and the other way round; proxies put pages of HTML in their place.
Everything is read without errors: what is not JSON is kept as text.
"""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

MAX_BODY = 64 << 20
"""Bytes of a response that are read; the rest is left."""
_TAIL = 256
"""Bytes at the end of what was received in which the last event is looked for."""
_LAST = re.compile(rb"(?:^|[\r\n])data:[ \t]*(?:\[DONE\]|\{\s*\"type\"\s*:\s*\"message_stop\"[^\r\n]*\})\s*$")
_DATA, _DONE = "data:", "[DONE]"


@dataclass(frozen=True)
class ReplyBody:
    """The content of one response."""

    events: tuple[dict[str, Any], ...] = ()
    """JSON objects, in order."""
    streamed: bool = False
    """Whether it is a stream of server-sent events."""
    done: bool = False
    """Whether its last event is there: `[DONE]`, or that of the Messages API."""
    rest: str = ""
    """Everything else, such as HTML or broken JSON."""


class Received:
    """The bytes of a response so far."""

    def __init__(self) -> None:
        """Begin without any."""
        self.data = bytearray()

    async def read(self, parts: AsyncIterator[bytes]) -> None:
        """Append the parts, up to the stream's last event: some servers leave the connection open after it."""
        async for part in parts:
            self.data += part
            if len(self.data) >= MAX_BODY or _LAST.search(self.data[-_TAIL:]):
                return

    @property
    def text(self) -> str:
        """The response as text; bytes that are not UTF-8 are replaced."""
        return self.data.decode("utf-8", "replace").removeprefix("\ufeff")


def read_body(text: str) -> ReplyBody:
    """Return the JSON objects of a response."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if any(line.lstrip("\ufeff").startswith(_DATA) for line in lines):
        return _read_stream(lines)
    value = _parsed(text)
    if isinstance(value, dict | list):
        # Google's compatible service puts an error into a list.
        return ReplyBody(tuple(each for each in _as_list(value) if isinstance(each, dict)))
    events = [value for line in lines if line.strip() and isinstance(value := _parsed(line), dict)]
    return ReplyBody(tuple(events), rest="" if events else text.strip())


def _read_stream(lines: list[str]) -> ReplyBody:
    """Read server-sent events; an event may have several lines of data."""
    events: list[dict[str, Any]] = []
    rest: list[str] = []
    begun: list[str] = []
    done = False
    for line in lines:
        sent = line.lstrip("\ufeff")
        if not sent.startswith(_DATA):
            # Comments keep the connection open; other lines name events. A blank line ends one.
            if not sent.strip() and begun:
                rest += begun
                begun = []
            continue
        content = sent.removeprefix(_DATA).strip()
        if content == _DONE:
            done = True
            continue
        if not content:
            continue
        for data in (content, "\n".join([*begun, content])):
            value = _parsed(data)
            if value is not None:
                break
        if value is None:
            begun.append(content)
            continue
        begun = []
        found = [each for each in _as_list(value) if isinstance(each, dict)]
        done = done or any(each.get("type") == "message_stop" for each in found)
        events += found
    return ReplyBody(tuple(events), True, done, "\n".join([*rest, *begun]))


def _parsed(text: str) -> Any:
    """Return the value of a JSON text; None if it is none."""
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]

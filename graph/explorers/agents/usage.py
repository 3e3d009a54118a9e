"""Reads the usage that a service tells with a reply, as it passes: Anthropic's Messages, OpenAI's two APIs.

https://docs.anthropic.com/en/docs/build-with-claude/streaming
https://platform.openai.com/docs/api-reference/responses-streaming
https://platform.openai.com/docs/api-reference/chat-streaming
"""

import json
from collections.abc import Mapping
from typing import Any

from graph.accounting.usage import Usage

MAX_KEPT = 16 << 20
"""Bytes of a reply, or of one event of it, that are read; the usage of a longer one stays unknown."""


class Watcher:
    """Sees the bytes of one reply go by."""

    def __init__(self, content_type: str) -> None:
        self._streamed = content_type.startswith("text/event-stream")
        self._kept = b""
        self._said: dict[str, Any] = {}
        self._ended = False

    def see(self, data: bytes) -> None:
        """The next bytes."""
        if len(self._kept) + len(data) > MAX_KEPT:
            self._kept, self._streamed = b"", False
            return
        self._kept += data
        if self._streamed and b"\n" in data:
            *lines, self._kept = self._kept.split(b"\n")
            for line in lines:
                if line.startswith(b"data:") and b'"usage"' in line:
                    self._read(line.removeprefix(b"data:"))

    def usage(self) -> Usage | None:
        """What the whole reply took; None if it did not say, or broke off before it did."""
        if not self._streamed:
            self._read(self._kept)
        return _usage(self._said) if self._ended else None

    def _read(self, text: bytes) -> None:
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):
            return
        if not isinstance(said, dict):
            return
        # A Messages stream begins with a first count, which is not the last.
        begins = said.get("type") == "message_start"
        inner = said.get("message") if begins else said.get("response")
        for each in (said, inner):
            found = each.get("usage") if isinstance(each, dict) else None
            if isinstance(found, dict):
                self._said |= {name: value for name, value in found.items() if value is not None}
                self._ended = self._ended or not begins


def _usage(said: Mapping[str, Any]) -> Usage | None:
    if "prompt_tokens" in said:
        into, out = _part(said, "prompt_tokens_details"), _part(said, "completion_tokens_details")
        return Usage(
            input=_number(said, "prompt_tokens"), cached=_number(into, "cached_tokens"),
            output=_number(said, "completion_tokens"), thinking=_number(out, "reasoning_tokens"),
        )  # fmt: skip
    if "input_tokens" not in said or "output_tokens" not in said:
        return None
    # Anthropic counts what is cached beside the input, OpenAI in it.
    cached, written = _number(said, "cache_read_input_tokens"), _number(said, "cache_creation_input_tokens")
    into, out = _part(said, "input_tokens_details"), _part(said, "output_tokens_details")
    return Usage(
        input=_number(said, "input_tokens") + cached + written,
        cached=cached + _number(into, "cached_tokens"),
        written=written,
        output=_number(said, "output_tokens"),
        thinking=_number(out, "reasoning_tokens") + _number(out, "thinking_tokens"),
    )


def _part(said: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = said.get(name)
    return part if isinstance(part, dict) else {}


def _number(said: Mapping[str, Any], name: str) -> int:
    value = said.get(name)
    return value if isinstance(value, int) and value > 0 else 0

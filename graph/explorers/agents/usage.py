"""Reads the usage that a service tells with a reply, as it passes: Anthropic's Messages, OpenAI's two APIs.

https://docs.anthropic.com/en/docs/build-with-claude/streaming
https://platform.openai.com/docs/api-reference/responses-streaming
https://platform.openai.com/docs/api-reference/chat-streaming
"""

from collections.abc import Mapping
from typing import Any

from graph.accounting.reported_usage import ReportedUsage, read_usage
from graph.explorers.models.reply_body import read_body

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

    def usage(self) -> ReportedUsage | None:
        """What the whole reply took; None if it did not say, or broke off before it did."""
        # What is left of a stream is an event without a line's end, or JSON that is called a stream.
        self._read(self._kept)
        return read_usage(self._said, cache_beside=_is_messages(self._said)) if self._ended and self._said else None

    def _read(self, text: bytes) -> None:
        # A service may send whole JSON for a stream, and the other way round.
        for event in read_body(text.decode("utf-8", "replace").strip()).events:
            self._take(event)

    def _take(self, said: Mapping[str, Any]) -> None:
        # A Messages stream begins with a first count, which is not the last.
        begins = said.get("type") == "message_start"
        inner = said.get("message") if begins else said.get("response")
        for each in (said, inner):
            found = each.get("usage") if isinstance(each, dict) else None
            if isinstance(found, dict):
                self._said |= {name: value for name, value in found.items() if value is not None}
                self._ended = self._ended or not begins


def _is_messages(said: Mapping[str, Any]) -> bool:
    """Whether a usage is that of Anthropic's Messages, which counts what is cached beside the input."""
    return "prompt_tokens" not in said and "input_tokens_details" not in said

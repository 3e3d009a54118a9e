"""Streamed replies, joined to the reply that the same request gives in one piece.

Streaming serves only to count the tokens of unfinished traces. So events are read as plain JSON, which costs a tenth of
the SDK's objects, and a reply that does not come to its end is dropped.
"""

import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Any

from envdata.collect.openai_replies import content_of

PREFIX = "data:"
"""Start of a line with an event."""
END = "[DONE]"
"""Content of a stream's last event."""
MAX_EVENT = 64 << 20
"""Bytes of a line, at most: a server that never ends one would fill the memory."""
SHOWN = 200
"""Characters that are quoted of a reply that is no stream."""
TEXTS = ("text", "content", "reasoning_content", "reasoning")
"""Fields that arrive piece by piece: of completions, of chats, and two names for thinking."""


class CutError(Exception):
    """A reply ended before its end; the message says how."""


class ServerSentError(CutError):
    """A server ended a reply with an error; the message is the server's."""

    def __init__(self, error: object) -> None:
        """Read an error of an event: an object with message and code, or a text."""
        fields = error if isinstance(error, Mapping) else {"message": error}
        super().__init__(str(fields.get("message") or error))
        code = fields.get("code")
        self.final = isinstance(code, int) and 400 <= code < 500
        """Whether another try would give the same error."""


class NoStreamError(Exception):
    """The reply is not a stream of the OpenAI API with usage at its end; the message says what it lacks."""


class StreamedReply:
    """The choices of a completion or a chat completion so far, and their tokens."""

    def __init__(self) -> None:
        self.tokens = 0
        """Tokens of all choices; events are counted where a server lists no tokens, as in most chats."""
        self._head: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}
        self._usage: Any = None

    def add(self, event: Mapping[str, Any]) -> None:
        """Add an event. Raises ServerSentError for an error, NoStreamError for an event that is not the API's."""
        if error := event.get("error"):
            raise ServerSentError(error)
        choices = event.get("choices")
        if not isinstance(choices, list) or not all(
            isinstance(choice, dict) and isinstance(choice.get("index"), int) for choice in choices
        ):
            raise NoStreamError("its stream has an event without choices")
        if not self._head:
            self._head = {key: value for key, value in event.items() if key not in ("choices", "usage")}
        self._usage = event.get("usage") or self._usage
        for choice in map(_plain, choices):
            whole = self._choices.setdefault(choice["index"], {})
            before = _listed(whole) or 0
            listed = _listed(_extend(whole, choice))
            self.tokens += _has_text(choice) if listed is None else listed - before

    def reply(self) -> dict[str, Any]:
        """Return the reply as if it had been sent whole.

        Raises CutError if its end is missing, NoStreamError if its usage is.
        """
        choices = [self._choices[index] for index in sorted(self._choices)]
        if not choices or not all(choice.get("finish_reason") for choice in choices):
            raise CutError("its end is missing")
        if self._usage is None:
            raise NoStreamError("its stream does not say how many tokens were written")
        for choice in choices:
            if (delta := choice.pop("delta", None)) is not None:
                choice["message"] = delta
        return {**self._head, "choices": choices, "usage": self._usage}


async def read_stream(lines: AsyncIterator[str], written: Callable[[int], None]) -> dict[str, Any]:
    """Join the events of a stream.

    Args:
        lines: The lines of the reply.
        written: Called after each event with the number of its tokens.

    Raises:
        CutError: The stream ends before the reply does.
        NoStreamError: The reply is not such a stream.
    """
    joined = StreamedReply()
    async for event in json_events(lines):
        before = joined.tokens
        joined.add(event)
        written(joined.tokens - before)
    # Some servers send no last event; then the finish reasons of the choices decide.
    return joined.reply()


async def lines_of(parts: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
    """Yield the lines of a reply, without empty ones. Raises NoStreamError for a line that never ends.

    Only CR and LF end a line: JSON holds the other characters that Python's `splitlines` cuts at, such as U+2028.
    """
    begun: list[bytes] = []
    size = 0
    async for part in parts:
        *ended, last = re.split(rb"[\r\n]", part)
        for end in ended:
            line = b"".join((*begun, end))
            begun, size = [], 0
            if line:
                yield line.decode("utf-8", "replace")
        begun.append(last)
        size += len(last)
        if size > MAX_EVENT:
            raise NoStreamError(f"it sends a line of more than {MAX_EVENT:,} bytes")
    if line := b"".join(begun):
        yield line.decode("utf-8", "replace")


async def json_events(lines: AsyncIterator[str]) -> AsyncGenerator[dict[str, Any], None]:
    """Yield the events of a stream, up to its last one; errors as of `read_stream`."""
    streams, other = False, ""
    async for sent in lines:
        line = sent.removeprefix("\ufeff")
        if not line.startswith(PREFIX):
            # Comments keep the connection open; other lines name events.
            other = other or line
            continue
        streams = True
        content = line.removeprefix(PREFIX).strip()
        if content == END:
            return
        try:
            event = json.loads(content)
        except ValueError:
            raise CutError("an event of it is incomplete") from None
        except RecursionError:
            raise NoStreamError("its stream has an event that is nested too deeply") from None
        if not isinstance(event, dict):
            raise NoStreamError("its stream has an event without choices")
        yield event
    if not streams:
        raise NoStreamError(f"it sends no stream: {other[:SHOWN]!r}" if other else "it sends nothing")


def _plain(choice: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a choice of an event with texts in place of a content of parts."""
    delta = choice.get("delta")
    if not isinstance(delta, Mapping) or not isinstance(delta.get("content"), list):
        return choice
    text, thinking = content_of(delta["content"])
    apart = {"reasoning_content": thinking} if thinking else {}
    return {**choice, "delta": {**delta, "content": text, **apart}}


def _extend(whole: dict[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Append texts to texts and lists to lists; other values are replaced by later ones that are not None."""
    for key, value in more.items():
        earlier = whole.get(key)
        if isinstance(value, Mapping):
            whole[key] = _extend(earlier if isinstance(earlier, dict) else {}, value)
        elif isinstance(value, list) and isinstance(earlier, list):
            earlier.extend(value)
        elif key in TEXTS and isinstance(value, str) and isinstance(earlier, str):
            whole[key] = earlier + value
        elif value is not None or key not in whole:
            whole[key] = value
    return whole


def _listed(choice: Mapping[str, Any]) -> int | None:
    """Return the number of tokens that a choice lists; None where it lists none."""
    logprobs = choice.get("logprobs")
    logprobs = logprobs if isinstance(logprobs, Mapping) else {}
    lists = (choice.get("token_ids"), logprobs.get("tokens"), logprobs.get("content"))
    return next((len(tokens) for tokens in lists if isinstance(tokens, list)), None)


def _has_text(choice: Mapping[str, Any]) -> bool:
    """Return whether an event of a choice holds a text."""
    delta = choice.get("delta")
    fields = delta if isinstance(delta, Mapping) else choice
    return any(fields.get(key) for key in TEXTS)

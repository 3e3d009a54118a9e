"""Replies that are sent as they are written, put together into what the same request gives in one piece.

Streaming serves only to count the tokens of traces that are not finished yet. So events are read as plain JSON, which
costs a tenth of what the SDK's objects do, and a reply that does not come to its end is worth nothing.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

PREFIX = "data:"
END = "[DONE]"
TEXTS = ("text", "content", "reasoning_content", "reasoning")
"""What is written piece by piece: of completions, of chats, and the two names that thinking goes by."""


class CutError(Exception):
    """A reply ended before its end; the message says how."""


class SentError(CutError):
    """A server broke a reply off with an error; the message is the server's."""

    def __init__(self, error: object) -> None:
        """Read an error as an event has it: an object with message and code, or a text."""
        said = error if isinstance(error, Mapping) else {"message": error}
        super().__init__(str(said.get("message") or error))
        code = said.get("code")
        self.final = isinstance(code, int) and 400 <= code < 500
        """Whether the server would say the same again."""


class NoStreamError(Exception):
    """What was sent is no stream of the OpenAI API with usage at its end; the message says what it lacks."""


class Joined:
    """The choices of a completion or of a chat completion so far, and the tokens in them."""

    def __init__(self) -> None:
        self.tokens = 0
        """Of all choices together; counted by events where a server lists no tokens, as in most chats."""
        self._head: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}
        self._usage: Any = None

    def add(self, event: Mapping[str, Any]) -> None:
        """Take in an event; raises SentError for an error, NoStreamError for what is no event of the API."""
        if error := event.get("error"):
            raise SentError(error)
        choices = event.get("choices")
        if not isinstance(choices, list) or not all(
            isinstance(choice, dict) and "index" in choice for choice in choices
        ):
            raise NoStreamError("its stream has an event without choices")
        if not self._head:
            self._head = {key: value for key, value in event.items() if key not in ("choices", "usage")}
        self._usage = event.get("usage") or self._usage
        for choice in choices:
            whole = self._choices.setdefault(choice["index"], {})
            before = _listed(whole) or 0
            listed = _listed(_extend(whole, choice))
            self.tokens += _says(choice) if listed is None else listed - before

    def reply(self) -> dict[str, Any]:
        """Give the reply as if it had been sent whole; raises CutError without its end, NoStreamError without usage."""
        choices = [self._choices[index] for index in sorted(self._choices)]
        if not choices or not all(choice.get("finish_reason") for choice in choices):
            raise CutError("its end is missing")
        if self._usage is None:
            raise NoStreamError("its stream does not say how many tokens were written")
        for choice in choices:
            if (delta := choice.pop("delta", None)) is not None:
                choice["message"] = delta
        return {**self._head, "choices": choices, "usage": self._usage}


async def join(lines: AsyncIterator[str], written: Callable[[int], None]) -> dict[str, Any]:
    """Put a stream's events together, telling `written` how many more tokens there are after each.

    Raises CutError where the stream ends before the reply does; NoStreamError where there is none.
    """
    joined = Joined()
    streams = False
    async for line in lines:
        if not line.startswith(PREFIX):
            # Comments that keep the connection open, and names of events.
            continue
        streams = True
        content = line.removeprefix(PREFIX).strip()
        if content == END:
            return joined.reply()
        try:
            event = json.loads(content)
        except ValueError:
            raise CutError("an event of it is incomplete") from None
        if not isinstance(event, dict):
            raise NoStreamError("its stream has an event without choices")
        before = joined.tokens
        joined.add(event)
        written(joined.tokens - before)
    if not streams:
        raise NoStreamError("it sends no stream")
    # Some servers end without saying so; it counts whether their choices have.
    return joined.reply()


def _extend(whole: dict[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Append texts to texts and lists to lists; what is neither is replaced by what comes later and is something."""
    for key, value in more.items():
        known = whole.get(key)
        if isinstance(value, Mapping):
            whole[key] = _extend(known if isinstance(known, dict) else {}, value)
        elif isinstance(value, list) and isinstance(known, list):
            known.extend(value)
        elif key in TEXTS and isinstance(value, str) and isinstance(known, str):
            whole[key] = known + value
        elif value is not None or key not in whole:
            whole[key] = value
    return whole


def _listed(choice: Mapping[str, Any]) -> int | None:
    """How many tokens a choice lists; None where it lists none."""
    logprobs = choice.get("logprobs") or {}
    lists = (choice.get("token_ids"), logprobs.get("tokens"), logprobs.get("content"))
    return next((len(tokens) for tokens in lists if isinstance(tokens, list)), None)


def _says(choice: Mapping[str, Any]) -> bool:
    said = choice.get("delta") or choice
    return any(said.get(key) for key in TEXTS)

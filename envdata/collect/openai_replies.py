"""Completions of different servers, converted to one form.

vLLM sends token ids beside the log-probabilities (`token_ids`, with `return_token_ids`); llama-cpp-python sends the
texts of tokens as the OpenAI API did; llama.cpp's own server lists tokens as chat completions do (`logprobs.content`).
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from openai.types import CompletionChoice

from envdata import plain_text
from envdata.collect.engine import Continuation, Piece
from envdata.collect.extraction import Token
from envdata.collect.token_confidence import token_confidence

MOST_TOKENS = 1 << 40
"""Tokens of one request, at most: a server that tells more has not counted them."""
NO_LOGPROB = -9999.0
"""Value that vLLM's server sends for −∞, which JSON cannot express."""


def ids_of(choice: CompletionChoice, name: str) -> list[int]:
    """Return a list of token ids, one of vLLM's own fields of a choice. Raises LookupError where it is missing."""
    value = (choice.model_extra or {}).get(name)
    if not isinstance(value, list):
        raise LookupError(f"its replies have no {name}")
    return value


def decoded(choice: CompletionChoice, *, by_ids: bool, top: int = 0, prefill: int | None = None) -> Continuation:
    """Convert a completion.

    Args:
        choice: The completion.
        by_ids: Whether pieces are token ids; otherwise they are texts of tokens.
        top: k of the tokens' confidences; 0 for none.
        prefill: Tokens of the prompt that were not in a prefix cache; None where that is unknown.

    Raises:
        LookupError: The reply lacks something; the message says what.
    """
    ids = ids_of(choice, "token_ids") if by_ids else None
    text = whole(choice.text)
    texts, logprobs = _texts(choice)
    if ids == [] or (ids is None and not text and not texts):
        return Continuation((), (), text, text, choice.finish_reason, 0, prefill)
    if not texts:
        raise LookupError("its replies have no log-probabilities")
    if ids is not None and len(ids) != len(texts):
        raise LookupError(f"a reply has {len(ids)} token ids and {len(texts)} log-probabilities")
    pieces = ids if ids is not None else texts
    sure = [token_confidence(values, top) for values in top_logprobs(choice)] if top else []
    if sure and len(sure) != len(texts):
        raise LookupError(f"a reply has {len(texts)} tokens and the most probable ones at {len(sure)} places")
    return put_together(pieces, texts, logprobs, text, choice.finish_reason, confidences=sure, prefill=prefill)


def unplaced(ids: Sequence[int], text: str, stop_reason: object, finish_reason: str | None) -> Continuation:
    """Convert a completion that was requested without log-probabilities.

    Args:
        ids: The token ids.
        text: The completion's text.
        stop_reason: vLLM's: the stop text, where one ended the completion.
        finish_reason: "stop" or "length".
    """
    text = whole(text)
    written = text + stop_reason if isinstance(stop_reason, str) else text
    return Continuation(tuple(ids), (), written, text, finish_reason, len(ids))


def put_together(
    pieces: Sequence[Piece],
    texts: Sequence[str],
    logprobs: Sequence[float | None],
    text: str,
    finish_reason: str | None,
    *,
    confidences: Sequence[float | None] = (),
    prefill: int | None = None,
) -> Continuation:
    """Make a continuation from its tokens: one piece, one text and one log-probability each.

    Args:
        pieces: Token ids or texts, shape (N,).
        texts: Texts of the tokens, shape (N,).
        logprobs: Log-probabilities of the tokens, shape (N,).
        text: The text without a stop text.
        finish_reason: "stop" or "length".
        confidences: Confidences of the tokens, shape (N,); empty where they were not asked for.
        prefill: Tokens of the prompt that were not in a prefix cache; None where that is unknown.
    """
    ends = list(itertools.accumulate(map(len, texts)))
    sure = confidences or [None] * len(ends)
    tokens = tuple(
        Token(end - len(own), end, logprob, confidence)
        for end, own, logprob, confidence in zip(ends, texts, logprobs, sure, strict=True)
    )
    written = "".join(texts)
    if not written.lstrip().startswith(text.lstrip()):
        # Tokens that are parts of a character have no text of their own; then only the whole text is correct.
        written = text
    return Continuation(tuple(pieces), tokens, written, text, finish_reason, len(tokens), prefill)


def top_logprobs(choice: CompletionChoice) -> list[list[float | None]]:
    """Return the log-probabilities of the most probable tokens at the place of each token; empty without any."""
    tops, content = _field(choice.logprobs, "top_logprobs"), _field(choice.logprobs, "content")
    if isinstance(tops, list) and tops:
        return [[logprob(value) for value in _values(top)] for top in tops]
    if isinstance(content, list) and all(isinstance(entry, dict) for entry in content):
        # llama.cpp's server lists them as chat completions do.
        return [[logprob(_field(top, "logprob")) for top in _listed(entry.get("top_logprobs"))] for entry in content]
    return []


def _values(top: object) -> list[object]:
    return list(top.values()) if isinstance(top, Mapping) else []


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def logprob(value: object) -> float | None:
    """Return a log-probability; None for null, NaN, −∞ and values that are not numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) and number > NO_LOGPROB else None


def token_count(value: object) -> int | None:
    """Return a number of tokens as a server counts them; None for a value that no count of tokens is."""
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else None


def whole(text: object) -> str:
    """Return a text of a reply without halves of surrogate pairs; empty for a value that is not a text."""
    return plain_text.whole(text) if isinstance(text, str) else ""


def content_of(content: object) -> tuple[str, str]:
    """Return the text and the thinking of a chat's content, which is a text, or with some services a list of parts."""
    if not isinstance(content, list):
        return whole(content), ""
    text = thinking = ""
    for part in content:
        if _field(part, "type") == "thinking":
            thinking += content_of(_field(part, "thinking"))[0]
        else:
            text += whole(_field(part, "text"))
    return text, thinking


def _texts(choice: CompletionChoice) -> tuple[list[str], list[float | None]]:
    """Return the texts and the log-probabilities of a choice's tokens; both empty where it has none."""
    given = choice.logprobs
    if given is None:
        return [], []
    tokens, logprobs = _field(given, "tokens"), _field(given, "token_logprobs")
    if isinstance(tokens, list) and tokens and isinstance(logprobs, list) and logprobs:
        if len(tokens) != len(logprobs):
            raise LookupError(f"a reply has {len(tokens)} tokens and {len(logprobs)} log-probabilities")
        return [whole(token) for token in tokens], [logprob(value) for value in logprobs]
    content = _field(given, "content")
    if isinstance(content, list) and all(isinstance(entry, dict) for entry in content):
        return [whole(entry.get("token")) for entry in content], [logprob(entry.get("logprob")) for entry in content]
    return [], []


def _field(given: Any, name: str) -> Any:
    """Return a field of an object that the SDK may have left as a mapping."""
    return given.get(name) if isinstance(given, Mapping) else getattr(given, name, None)

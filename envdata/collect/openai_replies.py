"""What the completions of different servers look like, read into one form.

vLLM sends token ids beside the log-probabilities (`token_ids`, with `return_token_ids`); llama-cpp-python sends the
texts of tokens as the OpenAI API did; llama.cpp's own server lists tokens as chat completions do (`logprobs.content`).
"""

import itertools
from collections.abc import Sequence

from openai.types import CompletionChoice

from envdata.collect.engine import Decoded, Piece
from envdata.collect.extraction import Token


def ids_of(choice: CompletionChoice, name: str) -> list[int]:
    """Give one of vLLM's own fields of a choice; raises LookupError where the server does not send it."""
    value = (choice.model_extra or {}).get(name)
    if not isinstance(value, list):
        raise LookupError(f"its replies have no {name}")
    return value


def decoded(choice: CompletionChoice, *, by_ids: bool) -> Decoded:
    """Read a completion whose pieces are token ids, or token texts unless `by_ids`.

    Raises LookupError, saying what the reply lacks.
    """
    ids = ids_of(choice, "token_ids") if by_ids else None
    if ids == [] or (ids is None and not choice.text and not _texts(choice)[0]):
        return Decoded((), (), choice.text, choice.text, choice.finish_reason, 0)
    texts, logprobs = _texts(choice)
    if not texts:
        raise LookupError("its replies have no log-probabilities")
    if ids is not None and len(ids) != len(texts):
        raise LookupError(f"a reply has {len(ids)} token ids and {len(texts)} log-probabilities")
    return put_together(ids if ids is not None else texts, texts, logprobs, choice.text, choice.finish_reason)


def unplaced(ids: Sequence[int], text: str, stop_reason: object, finish_reason: str | None) -> Decoded:
    """A completion that was asked for token ids alone; `stop_reason` is vLLM's: the stop text, where one ended it."""
    written = text + stop_reason if isinstance(stop_reason, str) else text
    return Decoded(tuple(ids), (), written, text, finish_reason, len(ids))


def put_together(
    pieces: Sequence[Piece], texts: Sequence[str], logprobs: Sequence[float], text: str, finish_reason: str | None
) -> Decoded:
    """Make a continuation of its tokens: one piece, one text and one log-probability each."""
    ends = list(itertools.accumulate(map(len, texts)))
    tokens = tuple(Token(end - len(own), end, logprob) for end, own, logprob in zip(ends, texts, logprobs, strict=True))
    written = "".join(texts)
    if not written.lstrip().startswith(text.lstrip()):
        # Tokens that are parts of a character have no text of their own; then only the whole text is right.
        written = text
    return Decoded(tuple(pieces), tokens, written, text, finish_reason, len(tokens))


def _texts(choice: CompletionChoice) -> tuple[list[str], list[float]]:
    """Give the texts and the log-probabilities of a choice's tokens; none where it has none."""
    given = choice.logprobs
    if given is None:
        return [], []
    if given.tokens and given.token_logprobs:
        if len(given.tokens) != len(given.token_logprobs):
            raise LookupError(
                f"a reply has {len(given.tokens)} tokens and {len(given.token_logprobs)} log-probabilities"
            )
        # The first token of some servers has none: it is as sure as can be.
        return list(given.tokens), [value if value is not None else 0.0 for value in given.token_logprobs]
    content = (given.model_extra or {}).get("content")
    if isinstance(content, list) and all(isinstance(entry, dict) for entry in content):
        return [str(entry.get("token", "")) for entry in content], [
            float(entry.get("logprob", 0.0)) for entry in content
        ]
    return [], []

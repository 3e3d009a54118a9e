"""A whole reply of the toy server, cut into the events of a stream: a token each, the choices in turns."""

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any


def events(reply: dict[str, Any], *, usage: bool) -> Iterator[dict[str, Any]]:
    head = {key: value for key, value in reply.items() if key not in ("choices", "usage")}
    for several in zip_longest(*map(_pieces, reply["choices"])):
        for choice in several:
            if choice is not None:
                yield {**head, "choices": [choice]}
    if usage:
        yield {**head, "choices": [], "usage": reply["usage"]}


def _pieces(choice: dict[str, Any]) -> Iterator[dict[str, Any]]:
    own = {"index": choice["index"], "finish_reason": None}
    if "message" in choice:
        for name in ("reasoning_content", "content"):
            for character in choice["message"][name] or "":
                yield {**own, "delta": {"role": "assistant", name: character}}
        yield {**own, "delta": {}, "finish_reason": choice["finish_reason"]}
        return
    logprobs = choice["logprobs"] or {}
    listed = {name: tokens for name, tokens in logprobs.items() if tokens}
    count = max([len(choice["text"]), *map(len, listed.values())])
    for place in range(count):
        piece = {**own, "text": choice["text"][place : place + 1], "logprobs": None}
        if listed:
            piece["logprobs"] = {name: tokens[place : place + 1] for name, tokens in listed.items()}
        if "token_ids" in choice:
            piece["token_ids"] = choice["token_ids"][place : place + 1]
            piece["prompt_token_ids"] = choice["prompt_token_ids"] if place == 0 else None
        yield piece
    yield {**own, "text": "", "logprobs": None, "finish_reason": choice["finish_reason"]}

"""Solutions in the format of the OpenAI API: completions, chunks and usage."""

import json
import time
from dataclasses import asdict
from typing import Any, Protocol

from envdata.collect.answer_reader import Thinking
from envdata.collect.settings import CollectionSettings
from graph.analysis.solution_cost import dollars_object
from graph.analysis.token_prices import LivePrices
from graph.serve.errors import Problem
from graph.serve.requests import ChatRequest
from sandbox.live import Solution


class Reply(Protocol):
    """A reply to one request, as a whole or as server-sent events."""

    def whole(self, solution: Solution, settings: CollectionSettings) -> dict[str, Any]:
        """Return the body of a reply that is not streamed."""
        ...

    def begin(self) -> bytes:
        """Return the events before anything is known."""
        ...

    def rest(self, solution: Solution, settings: CollectionSettings) -> list[bytes]:
        """Return all further events."""
        ...

    def failed(self, problem: Problem) -> bytes:
        """Return the events that end a stream whose question was not solved."""
        ...


class ChatReply:
    """A reply to one chat request, as a whole or in chunks."""

    def __init__(self, number: str, request: ChatRequest, prices: LivePrices | None) -> None:
        """Start the reply to a request; `number` is its unique id, `prices` those of tokens."""
        self._head = {"id": f"chatcmpl-{number}", "created": int(time.time()), "model": request.model}
        self._request, self._prices = request, prices

    def whole(self, solution: Solution, settings: CollectionSettings) -> dict[str, Any]:
        """Return a chat completion."""
        message = {"role": "assistant", **message_of(solution, settings), "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": finish_reason(solution), "logprobs": None}
        return {
            **self._head,
            "object": "chat.completion",
            "choices": [choice],
            "usage": usage_of(solution),
            "autotts": extension(solution, self._request, self._prices),
        }

    def begin(self) -> bytes:
        """Return the first chunk, which has no content yet."""
        return self._chunk({"role": "assistant", "content": ""})

    def rest(self, solution: Solution, settings: CollectionSettings) -> list[bytes]:
        """Return all further chunks."""
        closing = self._chunk({}, finish_reason(solution), autotts=extension(solution, self._request, self._prices))
        chunks = [self._chunk(message_of(solution, settings)), closing]
        if self._request.include_usage:
            body = {**self._head, "object": "chat.completion.chunk", "choices": [], "usage": usage_of(solution)}
            chunks.append(event(body))
        return [*chunks, b"data: [DONE]\n\n"]

    def failed(self, problem: Problem) -> bytes:
        """Return the error as the API's streams have it."""
        return event(problem.as_object())

    def _chunk(self, delta: dict[str, Any], reason: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
        return event({**self._head, "object": "chat.completion.chunk", "choices": [choice], **more})


def extension(solution: Solution, request: ChatRequest, prices: LivePrices | None) -> dict[str, Any]:
    """Return the `autotts` field, an extension of the API: answer, controller, branches and costs.

    Costs in dollars are null without prices; self-consistency's are those of equal width.
    """
    return {
        "answer": solution.answer,
        "controller": request.controller,
        "beta": request.beta,
        "branches": len(solution.branches),
        "failed_by": solution.failed_by,
        "why": solution.why,
        "cost": asdict(solution.cost),
        "self_consistency": asdict(solution.self_consistency),
        "dollars": dollars_object(solution, prices),
    }


def event(body: dict[str, Any]) -> bytes:
    """Return one server-sent event."""
    return b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\n\n"


def message_of(solution: Solution, settings: CollectionSettings) -> dict[str, str]:
    """Return the assistant's message: the reasoning of a branch that reached the answer, with thinking set apart.

    If no branch was read to its end, the text of a branch so far is followed by the probed answer; without an answer,
    it is the text of a branch alone.
    """
    text = solution.text
    if not solution.whole and solution.answer is not None:
        closing = settings.thinking.leaving(settings.closing) if settings.thinking else settings.closing
        text = (
            f"{text}{closing} {solution.answer}" if not closing.endswith("{") else f"{text}{closing}{solution.answer}}}"
        )
    tags = settings.thinking or Thinking()
    # Without --think, only text that the upstream itself set apart begins with the usual tag.
    if settings.thinking is None and not text.startswith(tags.start):
        return {"content": text.strip()}
    thought, ended, answer = text.partition(tags.end)
    if not ended:
        return {"content": text.strip()}
    return {"reasoning_content": thought.replace(tags.start, "", 1).strip(), "content": answer.strip()}


def finish_reason(solution: Solution) -> str:
    """Return `length` for a text that stops before the model's own end and before an answer, otherwise `stop`."""
    completed = not solution.whole and solution.answer is not None
    return "length" if solution.cut and not completed else "stop"


def usage_of(solution: Solution) -> dict[str, Any]:
    """Return the tokens of all requests for a solution, as the upstream counted them."""
    cost = solution.cost
    return {
        "prompt_tokens": cost.prompt_tokens,
        "completion_tokens": cost.generated,
        "total_tokens": cost.prompt_tokens + cost.generated,
        "prompt_tokens_details": {"cached_tokens": cost.cached_tokens},
    }

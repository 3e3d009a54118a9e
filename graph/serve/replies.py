"""Solutions as the OpenAI API writes them: completions, chunks and usage."""

import json
import time
from dataclasses import asdict
from typing import Any

from envdata.collect.settings import Settings
from graph.serve.asked import ChatRequest
from sandbox.solving import Solution


class Reply:
    """The reply to one request, whole or in chunks."""

    def __init__(self, number: str, request: ChatRequest) -> None:
        """`number` tells it from all others."""
        self._head = {"id": f"chatcmpl-{number}", "created": int(time.time()), "model": request.model}
        self._request = request

    def whole(self, solution: Solution, settings: Settings) -> dict[str, Any]:
        """A chat completion."""
        message = {"role": "assistant", **message_of(solution, settings), "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        return {
            **self._head,
            "object": "chat.completion",
            "choices": [choice],
            "usage": usage_of(solution),
            "autotts": self._told(solution),
        }

    def begin(self) -> bytes:
        """The first chunk, before there is anything to say."""
        return self._chunk({"role": "assistant", "content": ""})

    def rest(self, solution: Solution, settings: Settings) -> list[bytes]:
        """All further chunks."""
        chunks = [self._chunk(message_of(solution, settings)), self._chunk({}, "stop", autotts=self._told(solution))]
        if self._request.include_usage:
            body = {**self._head, "object": "chat.completion.chunk", "choices": [], "usage": usage_of(solution)}
            chunks.append(event(body))
        return [*chunks, b"data: [DONE]\n\n"]

    def _chunk(self, delta: dict[str, Any], reason: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
        return event({**self._head, "object": "chat.completion.chunk", "choices": [choice], **more})

    def _told(self, solution: Solution) -> dict[str, Any]:
        """What the OpenAI API has no place for."""
        return {
            "answer": solution.answer,
            "controller": self._request.controller,
            "beta": self._request.beta,
            "branches": len(solution.branches),
            "failed_by": solution.failed_by,
            "why": solution.why,
            "cost": asdict(solution.cost),
            "self_consistency": asdict(solution.self_consistency),
        }


def event(body: dict[str, Any]) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\n\n"


def message_of(solution: Solution, settings: Settings) -> dict[str, str]:
    """What the assistant says: the reasoning of a branch that came to the answer; thinking between tags stands apart.

    Where no branch was read to its end, the probed answer follows what there is of one.
    """
    text = solution.text
    if not solution.whole and solution.answer is not None:
        closing = settings.thinking.leaving(settings.closing) if settings.thinking else settings.closing
        text = (
            f"{text}{closing} {solution.answer}" if not closing.endswith("{") else f"{text}{closing}{solution.answer}}}"
        )
    if settings.thinking is None:
        return {"content": text.strip()}
    thought, ended, answer = text.partition(settings.thinking.end)
    if not ended:
        return {"content": text.strip()}
    return {"reasoning_content": thought.replace(settings.thinking.start, "", 1).strip(), "content": answer.strip()}


def usage_of(solution: Solution) -> dict[str, Any]:
    """Tokens of all requests that the answer took, as the upstream counted them."""
    cost = solution.cost
    return {
        "prompt_tokens": cost.prompt_tokens,
        "completion_tokens": cost.generated,
        "total_tokens": cost.prompt_tokens + cost.generated,
        "prompt_tokens_details": {"cached_tokens": cost.cached_tokens},
    }

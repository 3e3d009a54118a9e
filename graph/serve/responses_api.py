"""OpenAI's Responses API: requests of text, and solutions as responses or as their events.

https://platform.openai.com/docs/api-reference/responses
https://platform.openai.com/docs/api-reference/responses-streaming
"""

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from envdata.collect.settings import CollectionSettings
from graph.analysis.token_prices import LivePrices
from graph.serve.errors import Problem, bad_request
from graph.serve.replies import extension, finish_reason, message_of
from graph.serve.requests import (
    ROLES,
    ChatRequest,
    ServedControllers,
    find_controller,
    flag,
    number,
    refuse,
    sampling_of,
    without_effect,
)
from sandbox.live import Solution

ID_PREFIX = "resp_autotts_"
"""How the ids of solutions begin; others are the upstream's."""

_UNSUPPORTED: dict[str, tuple[Any, ...]] = {
    "tools": (None, []),
    "previous_response_id": (None,),
    "conversation": (None,),
    "prompt": (None,),
    "background": (None, False),
    "top_logprobs": (None, 0),
}
"""Fields that are not supported, with the values that have no effect and are accepted."""
_TEXT_PARTS = ("input_text", "output_text")


def unsupported_in_responses(given: Mapping[str, Any]) -> list[str]:
    """Return the fields of a request that make it something else than a question for a controller.

    Those are tools (unless none may be called), formats, log-probabilities, input that is more than text, and
    whatever refers to what a server keeps: conversations, prompts, earlier responses, work in the background.
    """
    names = without_effect(given, _UNSUPPORTED)
    if given.get("tool_choice") == "none" and "tools" in names:
        names.remove("tools")
    if str(given.get("previous_response_id")).startswith(ID_PREFIX):
        # Nobody has it: `read_response` says so.
        names.remove("previous_response_id")
    text, include, items = given.get("text"), given.get("include"), given.get("input")
    form = text.get("format") if isinstance(text, dict) else None
    if form is not None and form != {"type": "text"}:
        names.append("text")
    if isinstance(include, list) and "message.output_text.logprobs" in include:
        names.append("include")
    if isinstance(items, list) and any(_is_more_than_text(item) for item in items):
        names.append("input")
    return names


def _is_more_than_text(item: Any) -> bool:
    if not isinstance(item, dict):
        return False
    kind, content = item.get("type", "message"), item.get("content")
    if kind != "message":
        return isinstance(kind, str) and kind != "reasoning"
    kinds = [part.get("type") for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    return any(isinstance(each, str) and each not in _TEXT_PARTS for each in kinds)


def read_response(given: Mapping[str, Any], offer: ServedControllers) -> ChatRequest:
    """Return the request that a body of /v1/responses makes. Raises Problem that names the invalid field."""
    model, controller, beta = find_controller(given, offer)
    refuse(unsupported_in_responses(given), but="input")
    if given.get("previous_response_id") is not None:
        raise bad_request(
            "this endpoint keeps no responses; send the whole conversation as input", "previous_response_id"
        )
    return ChatRequest(
        model=model,
        controller=controller,
        beta=beta,
        turns=tuple(_turns(given)),
        sampling=sampling_of(given, number(given, "max_output_tokens", int, 1, 1 << 30)),
        seed=number(given, "seed", int, -(1 << 63), 1 << 63),
        stream=flag(given, "stream"),
        include_usage=True,
        budget=number(given.get("autotts", {}), "budget", int, 1, 1 << 40),
        given=given,
    )


def _turns(given: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Yield instructions and input as messages: role and content. Raises Problem."""
    instructions, items = given.get("instructions"), given.get("input")
    if instructions is not None:
        if not isinstance(instructions, str):
            raise bad_request("instructions is a text", "instructions")
        yield {"role": "system", "content": instructions}
    if isinstance(items, str):
        items = [{"role": "user", "content": items}]
    if not isinstance(items, list) or not items:
        raise bad_request("input is empty or missing; give a text, or a list of messages", "input")
    last = None
    for place, item in enumerate(items):
        if not isinstance(item, dict):
            raise bad_request(f"input[{place}] is not an object", f"input[{place}]")
        if item.get("type") == "reasoning":
            # A client sends back what it was sent; no model is asked to read its earlier thinking.
            continue
        last = item.get("role")
        if item.get("type", "message") != "message" or not isinstance(last, str) or last not in ROLES:
            raise bad_request(f"input[{place}] is no message of the roles {', '.join(ROLES)}", f"input[{place}]")
        yield {"role": ROLES[last], "content": _content(item.get("content"), f"input[{place}]")}
    if last != "user":
        raise bad_request("the last message is not the user's; there is nothing to answer", "input")


def _content(content: Any, where: str) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [None]
    texts = [part.get("text") if isinstance(part, dict) and part.get("type") in _TEXT_PARTS else None for part in parts]
    if not all(isinstance(text, str) for text in texts):
        raise bad_request(f"{where}: the content is text, or a list of parts of type input_text", f"{where}.content")
    return "".join(str(text) for text in texts)


class ResponseReply:
    """A reply to one request of the Responses API, as a whole or as events (`graph.serve.replies.Reply`)."""

    def __init__(self, key: str, request: ChatRequest, prices: LivePrices | None) -> None:
        """Start the reply to a request; `key` is unique, `prices` are those of tokens."""
        given, self._request, self._key, self._prices = request.given, request, key, prices
        self._sent = 0
        self._head: dict[str, Any] = {
            "id": f"{ID_PREFIX}{key}",
            "object": "response",
            "created_at": int(time.time()),
            "model": request.model,
            "background": False,
            "error": None,
            "incomplete_details": None,
            "instructions": given.get("instructions"),
            "max_output_tokens": given.get("max_output_tokens"),
            "metadata": given.get("metadata") if isinstance(given.get("metadata"), dict) else {},
            "parallel_tool_calls": True,
            "previous_response_id": None,
            "store": False,
            "temperature": given.get("temperature"),
            "text": {"format": {"type": "text"}},
            "tool_choice": "none" if given.get("tool_choice") == "none" else "auto",
            "tools": [],
            "top_p": given.get("top_p"),
            "truncation": "disabled",
            "usage": None,
        }

    def whole(self, solution: Solution, settings: CollectionSettings) -> dict[str, Any]:
        """Return a response."""
        ended = _status(solution)
        return {
            **self._head,
            "status": ended,
            "incomplete_details": None if ended == "completed" else {"reason": "max_output_tokens"},
            "output": self._output(solution, settings),
            "usage": _usage(solution),
            "autotts": extension(solution, self._request, self._prices),
        }

    def begin(self) -> bytes:
        """Return the events before anything is known."""
        begun = {**self._head, "status": "in_progress", "output": []}
        return self._event("response.created", response=begun) + self._event("response.in_progress", response=begun)

    def rest(self, solution: Solution, settings: CollectionSettings) -> list[bytes]:
        """Return all further events."""
        response = self.whole(solution, settings)
        events = [part for place, item in enumerate(response["output"]) for part in self._item(place, item)]
        return [*events, self._event(f"response.{response['status']}", response=response)]

    def failed(self, problem: Problem) -> bytes:
        """Return the event of a response that failed."""
        code = "invalid_prompt" if problem.status < 429 else "server_error"
        error = {"code": "rate_limit_exceeded" if problem.status == 429 else code, "message": problem.message}
        return self._event("response.failed", response={**self._head, "status": "failed", "output": [], "error": error})

    def _output(self, solution: Solution, settings: CollectionSettings) -> list[dict[str, Any]]:
        """Return the items of a response: the thinking where it is told apart, and the message."""
        said, items = message_of(solution, settings), []
        if "reasoning_content" in said:
            thought = {"type": "reasoning_text", "text": said["reasoning_content"]}
            items.append({
                "id": f"rs_{self._key}", "type": "reasoning", "summary": [], "content": [thought],
                "status": "completed",
            })  # fmt: skip
        text = {"type": "output_text", "text": said["content"], "annotations": [], "logprobs": []}
        items.append({
            "id": f"msg_{self._key}", "type": "message", "role": "assistant", "content": [text],
            "status": _status(solution),
        })  # fmt: skip
        return items

    def _item(self, place: int, item: dict[str, Any]) -> Iterator[bytes]:
        """Yield the events of one item, which has one part."""
        (part,) = item["content"]
        where = {"item_id": item["id"], "output_index": place, "content_index": 0}
        more: dict[str, Any] = {"logprobs": []} if part["type"] == "output_text" else {}
        begun = {**item, "status": "in_progress", "content": []}
        yield self._event("response.output_item.added", output_index=place, item=begun)
        yield self._event("response.content_part.added", **where, part={**part, "text": ""})
        yield self._event(f"response.{part['type']}.delta", **where, delta=part["text"], **more)
        yield self._event(f"response.{part['type']}.done", **where, text=part["text"], **more)
        yield self._event("response.content_part.done", **where, part=part)
        yield self._event("response.output_item.done", output_index=place, item=item)

    def _event(self, kind: str, **fields: Any) -> bytes:
        """Return one server-sent event with the next number."""
        body = {"type": kind, "sequence_number": self._sent, **fields}
        self._sent += 1
        return f"event: {kind}\ndata: {json.dumps(body, ensure_ascii=False)}\n\n".encode()


def _status(solution: Solution) -> str:
    return "completed" if finish_reason(solution) == "stop" else "incomplete"


def _usage(solution: Solution) -> dict[str, Any]:
    """Return the tokens of all requests for a solution; which of them are thinking is not known."""
    cost = solution.cost
    return {
        "input_tokens": cost.prompt_tokens,
        "input_tokens_details": {"cached_tokens": cost.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": cost.generated,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": cost.prompt_tokens + cost.generated,
    }

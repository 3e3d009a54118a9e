"""The toy of `tests.live_model` with chats: what an endpoint hands on to its upstream is answered here.

With tools it calls the first one; with a schema it answers as the schema asks; otherwise it says hello, as often as
asked. Replies and streams have the form of OpenAI's API, with oddities that only a relay of bytes keeps.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tests import live_model
from tests.live_model import Toy

USAGE = {"prompt_tokens": 21, "completion_tokens": 5, "total_tokens": 26}


@dataclass
class Handed:
    """What was handed on."""

    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    """The bytes of the replies."""
    refuses: int | None = None
    """The status of the next reply, with an error of the API."""


def filled(schema: dict[str, Any]) -> Any:
    """A value for a schema: 42 and "42" wherever they fit."""
    if schema.get("type") == "object":
        return {name: filled(each) for name, each in schema.get("properties", {}).items()}
    return {"integer": 42, "number": 42.0, "string": "42", "boolean": True, "array": []}.get(schema.get("type", ""))


def message_for(body: dict[str, Any]) -> dict[str, Any]:
    """The message that answers a chat."""
    if body.get("tools"):
        tool = body["tools"][0]["function"]
        call = {"name": tool["name"], "arguments": json.dumps(filled(tool["parameters"]))}
        return {"role": "assistant", "content": None,
                "tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": call}]}  # fmt: skip
    form = (body.get("response_format") or {}).get("json_schema")
    return {"role": "assistant", "content": json.dumps(filled(form["schema"])) if form else "hello ✓"}


def application(toy: Toy, handed: Handed) -> Starlette:
    """The toy's own routes, and chats."""

    async def chats(request: Request) -> Response:
        raw = await request.body()
        body = json.loads(raw)
        handed.bodies.append(raw)
        handed.headers.append(dict(request.headers))
        if handed.refuses is not None:
            status, handed.refuses = handed.refuses, None
            reply = json.dumps({"error": {"message": "not so", "type": "BadRequestError", "code": status}}).encode()
            handed.sent.append(reply)
            return Response(reply, status, {"retry-after": "7", "openai-organization": "secret"}, "application/json")
        message = message_for(body)
        head = {"id": "chat-1", "created": 0, "model": body["model"]}
        reason = "tool_calls" if "tool_calls" in message else "stop"
        if not body.get("stream"):
            choices = [
                {"index": number, "message": message, "finish_reason": reason} for number in range(body.get("n") or 1)
            ]
            reply = json.dumps({**head, "object": "chat.completion", "choices": choices, "usage": USAGE}, indent=1)
            handed.sent.append(reply.encode())
            return Response(reply.encode(), 200, media_type="application/json")
        chunks: list[dict[str, Any]] = [
            {"choices": [{"index": 0, "delta": message, "finish_reason": None}]},
            {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]},
        ]
        if (body.get("stream_options") or {}).get("include_usage"):
            chunks.append({"choices": [], "usage": USAGE})
        events = [f"data: {json.dumps({**head, 'object': 'chat.completion.chunk', **c})}\r\n\r\n" for c in chunks]
        parts = [b": hello\r\n\r\n", *(event.encode() for event in events), b"data: [DONE]\r\n\r\n"]
        handed.sent.append(b"".join(parts))

        async def stream() -> AsyncIterator[bytes]:
            for part in parts:
                while toy.holds and part is parts[-1]:
                    if await request.is_disconnected():
                        toy.left += 1
                        return
                yield part

        return StreamingResponse(stream(), 200, media_type="text/event-stream")

    async def responses(request: Request) -> Response:
        handed.bodies.append(await request.body())
        handed.sent.append(b'{"id":"resp_1","object":"response","output":[],  "status":"completed"}')
        return Response(handed.sent[-1], 200, media_type="application/json")

    routes = [*live_model.application(toy).routes, Route("/v1/chat/completions", chats, methods=["POST"])]
    routes.append(Route("/v1/responses", responses, methods=["POST"]))
    return Starlette(routes=routes)

"""A small server that streams chat completions and can do nothing else, in the wire formats of several services.

A token is one character, and the toy's ways are those of `tests.live_model`: the seed draws one of them, or where the
service takes no seed, the number of the request.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.live_model import WAYS, way

TRIAL = "one, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve"


@dataclass
class Service:
    """What the server does well or badly; changed by tests while it runs."""

    refuses: tuple[str, ...] = ()
    """Fields, at any place of a request, that are refused."""
    completions: bool = False
    """Whether it has a completions endpoint too, which lists no tokens, as Ollama's."""
    usage: bool = True
    """Whether it tells usage where it is asked to."""
    piece: int = 1
    """Tokens an event."""
    thinks: str = ""
    """The field in which thinking is sent, for services that set it apart."""
    hidden: int = 0
    """Tokens of thinking that are not shown."""
    logprobs: bool = False
    holds_after: int | None = None
    """After so many events of an answer, no more are sent until the client goes away."""
    cuts: int = 0
    """So many of the answers are cut off after half of their events."""
    context: int | None = None
    """Tokens of prompt and answer together, which it lists and checks, as vLLM's; it gives a prompt's then, too."""
    ways: str = WAYS
    requests: list[dict[str, Any]] = field(default_factory=list)
    written: int = 0
    """Tokens of answers sent, for questions other than trials."""
    left: int = 0
    """Clients that went away before the end of an answer."""


def _answer(question: str, seed: int, service: Service) -> str:
    found = re.findall(r"What is (\d+) \* (\d+)\?", question)
    if not found:
        return TRIAL
    a, b = map(int, found[-1])
    whole = way(service.ways[seed % len(service.ways)], a, b)
    return re.sub(r"\nAnswer: (\d+)(.|\n)*", r"\nIt is \\boxed{\1}.", whole)


def _refusal(status: int, message: str) -> JSONResponse:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return JSONResponse({"error": error}, status)


def application(service: Service) -> Starlette:
    """The server as an ASGI application."""

    async def models(_: Request) -> Response:
        listed = {} if service.context is None else {"max_model_len": service.context}
        return JSONResponse(
            {"object": "list", "data": [{"id": "toy", "object": "model", "owned_by": "toys", **listed}]}
        )

    async def tokenize(request: Request) -> Response:
        if service.context is None:
            return _refusal(404, "Not Found")
        return JSONResponse({"count": len((await request.json())["messages"][-1]["content"])})

    async def completions(request: Request) -> Response:
        if not service.completions:
            return _refusal(404, "This is a chat model and not supported in the v1/completions endpoint.")
        choice = {"index": 0, "text": "and so on", "finish_reason": "length", "logprobs": None}
        return JSONResponse({"id": "1", "object": "text_completion", "created": 0, "model": "toy", "choices": [choice]})

    async def chat(request: Request) -> Response:
        body = json.loads(await request.body())
        service.requests.append(body)
        body["number"] = len(service.requests)
        if body["model"] != "toy":
            return _refusal(404, f"The model `{body['model']}` does not exist.")
        for name in service.refuses:
            if f'"{name}"' in json.dumps(body):
                return _refusal(400, f"Unsupported parameter: '{name}'. Use 'max_completion_tokens' instead.")
        limit = int(body.get("max_tokens") or body["max_completion_tokens"])
        if service.context is not None and len(body["messages"][-1]["content"]) + limit > service.context:
            return _refusal(400, f"'max_tokens' is too large: {limit}. The maximum context length is {service.context}")
        if not body.get("stream"):
            return JSONResponse(_whole(body, service))
        return StreamingResponse(_stream(request, body, service), media_type="text/event-stream")

    async def messages(request: Request) -> Response:
        body = json.loads(await request.body())
        service.requests.append(body)
        body["number"] = len(service.requests)
        if request.headers["authorization"] != "Bearer none":
            error = {"type": "error", "error": {"type": "authentication_error", "message": "invalid bearer token"}}
            return JSONResponse(error, 401)
        return StreamingResponse(_messages(request, body, service), media_type="text/event-stream")

    return Starlette(
        routes=[
            Route("/v1/models", models),
            Route("/tokenize", tokenize, methods=["POST"]),
            Route("/v1/completions", completions, methods=["POST"]),
            Route("/v1/chat/completions", chat, methods=["POST"]),
            Route("/v1/messages", messages, methods=["POST"]),
        ]
    )


def _written(body: dict[str, Any], service: Service) -> tuple[str, int, str]:
    """What is written within the limit, the length of its thinking, and the reason of its end."""
    limit = int(body.get("max_tokens") or body["max_completion_tokens"])
    whole = _answer(body["messages"][-1]["content"], body.get("seed", body["number"]), service)
    text = whole[: limit - service.hidden]
    return text, text.find("\n") + 1 if service.thinks else 0, "stop" if text == whole else "length"


def _whole(body: dict[str, Any], service: Service) -> dict[str, Any]:
    text, thought, reason = _written(body, service)
    message = {"role": "assistant", "content": text[thought:]} | ({service.thinks: text[:thought]} if thought else {})
    read, written = len(body["messages"][-1]["content"]), len(text) + service.hidden
    return {
        "id": "c", "object": "chat.completion", "created": 0, "model": "toy",
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written},
    }  # fmt: skip


async def _pieces(request: Request, text: str, known: bool, service: Service) -> AsyncIterator[tuple[int, str]]:
    """The pieces of an answer and their places, as far as the service goes."""
    pieces = [text[at : at + service.piece] for at in range(0, len(text), service.piece)]
    for number, piece in enumerate(pieces):
        if known and service.holds_after is not None and number >= service.holds_after:
            try:
                while not await request.is_disconnected():
                    await asyncio.sleep(0.01)
            finally:
                # Starlette may cancel it first.
                service.left += 1
            raise _BrokenOff
        if known and service.cuts and number >= len(pieces) // 2:
            service.cuts -= 1
            raise _BrokenOff
        service.written += len(piece) if known else 0
        yield number * service.piece, piece


class _BrokenOff(Exception):
    """The answer ends here."""


async def _messages(request: Request, body: dict[str, Any], service: Service) -> AsyncIterator[bytes]:
    """An answer in the format of Anthropic's Messages API."""
    question = body["messages"][-1]["content"]
    text, thought, reason = _written(body, service)

    def event(kind: str, **more: Any) -> bytes:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **more})}\n\n".encode()

    usage = {"input_tokens": len(question) - 4, "cache_read_input_tokens": 4, "output_tokens": 1}
    yield event("message_start", message={"id": "m", "role": "assistant", "content": [], "usage": usage})
    yield event("ping")
    yield event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    try:
        async for at, piece in _pieces(request, text, "What is" in question, service):
            kind = "thinking" if at < thought else "text"
            yield event("content_block_delta", index=0, delta={"type": f"{kind}_delta", kind: piece})
    except _BrokenOff:
        return
    yield event("content_block_stop", index=0)
    stop = {"stop": "end_turn", "length": "max_tokens"}[reason]
    written = {"output_tokens": len(text) + service.hidden}
    yield event("message_delta", delta={"stop_reason": stop, "stop_sequence": None}, usage=written)
    yield event("message_stop")


async def _stream(request: Request, body: dict[str, Any], service: Service) -> AsyncIterator[bytes]:
    question = body["messages"][-1]["content"]
    text, thought, reason = _written(body, service)
    options = body.get("stream_options") or {}
    written = 0

    def event(choices: list[dict[str, Any]], **more: Any) -> bytes:
        told = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "toy", "choices": choices, **more}
        return b"data: " + json.dumps(told).encode() + b"\n\n"

    def usage() -> dict[str, int]:
        return {"prompt_tokens": len(question), "completion_tokens": written, "total_tokens": len(question) + written}

    try:
        async for at, piece in _pieces(request, text, "What is" in question, service):
            choice: dict[str, Any] = {"index": 0, "finish_reason": None}
            choice["delta"] = {service.thinks if at < thought else "content": piece}
            if body.get("logprobs") and service.logprobs:
                tops = [{"token": str(n), "logprob": -0.5 - n} for n in range(body["top_logprobs"])]
                choice["logprobs"] = {"content": [{"token": c, "logprob": -0.5, "top_logprobs": tops} for c in piece]}
            written += len(piece)
            yield event([choice], **({"usage": usage()} if options.get("continuous_usage_stats") else {}))
    except _BrokenOff:
        return
    written += service.hidden
    yield event([{"index": 0, "delta": {}, "finish_reason": reason}])
    if options.get("include_usage") and service.usage:
        yield event([], usage=usage())
    yield b"data: [DONE]\n\n"

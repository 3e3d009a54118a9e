"""A judge behind a real server: it knows what A * B is, as a chat model and as a reward model."""

import re
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


@dataclass
class JudgeState:
    """What the judge does and was asked."""

    asked: list[dict[str, Any]] = field(default_factory=list)
    """Bodies of the requests, without those of the check at the start."""
    keys: set[str | None] = field(default_factory=set)
    """Values of the header with the key, of all requests."""
    status: int = 200
    """Status of the replies after the check."""
    breaks_after: int | None = None
    """Number of requests after which it refuses all with 403; None for never."""
    rewards: tuple[float, float] = (3.5, -2.0)
    """Rewards of a right solution and of a wrong one."""
    silent: bool = False
    """Whether replies after the check have no score."""


def judge_application(state: JudgeState) -> Starlette:
    """Return the judge as an ASGI application."""

    async def chat(request: Request) -> Response:
        body = await request.json()
        state.keys.add(request.headers.get("authorization"))
        said = body["messages"][0]["content"]
        checked = "1 + 1" in said
        if not checked:
            state.asked.append(body)
        if state.breaks_after is not None and len(state.asked) > state.breaks_after:
            return JSONResponse({"error": {"message": "no"}}, 403)
        if not checked and state.status != 200:
            return JSONResponse({"error": {"message": "no"}}, state.status)
        score = "Score: 90" if checked or _right(said) else "**Score:** 5"
        content = "I cannot tell." if state.silent and not checked else f"<think>Score: 55</think>It says so.\n{score}"
        choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
        return JSONResponse(
            {"id": "c", "object": "chat.completion", "created": 0, "model": "j", "choices": [choice], "usage": usage}
        )

    async def pooling(request: Request) -> Response:
        body = await request.json()
        state.asked.append(body)
        if state.status != 200:
            return JSONResponse({"error": {"message": "no"}}, state.status)
        reward = state.rewards[not _right(" ".join(message["content"] for message in body["messages"]))]
        data = [{"index": 0, "object": "pooling", "data": [[0.1], [reward]]}]
        return JSONResponse({"object": "list", "data": data, "usage": {"prompt_tokens": 50, "total_tokens": 50}})

    return Starlette(
        routes=[Route("/v1/chat/completions", chat, methods=["POST"]), Route("/pooling", pooling, methods=["POST"])]
    )


def _right(text: str) -> bool:
    first, second = map(int, re.findall(r"What is (\d+) [*+] (\d+)", text)[0])
    return str(first * second) in text

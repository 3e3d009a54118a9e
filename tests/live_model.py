"""A small server that speaks vLLM's completions format over HTTP and goes on with whatever prefix it is given.

A token is one character and its id the character's code point, after a start token (id 2). The toy solves
"What is A * B?" in one of eight ways, drawn by the seed: the first character it writes says which, so that every
continuation of a prefix is the rest of one and the same trace. Way k thinks for some words and comes to A * B, the ways
c and f to one more; way g ends without an answer. In a chat the answer stands in a box. Made to answer, it gives the
last number that stands there, else 0.

It knows who is being served: a client that goes away is counted, and what it asked for ends.
"""

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

START = 2
WAYS = "abcdefgh"
STOP = "\n\nProblem"


@dataclass
class Toy:
    """What the server does well or badly; changed by tests while it runs."""

    token_ids: bool = True
    tells_cache: bool = True
    """Whether it reports the cached tokens of prompts."""
    tokenizes: bool = True
    """Whether it gives the ids of a text without decoding anything."""
    context: int = 4096
    most_logprobs: int = 20
    """The most probable tokens that a request may ask for; they have −0.5, −1.5, −2.5, …"""
    seconds: float = 0.0
    """How long a sampling request takes."""
    holds: bool = False
    """Sampling requests get no reply until this is changed."""
    together: int = 1
    """Nor until so many of them were served at once."""
    mute: bool = False
    """No completion request gets a reply until this is changed."""
    gone_after: int | None = None
    """After so many sampling requests, connections end without a reply."""
    busy: int = 0
    """So many sampling requests are first refused with 429."""
    ways: str = WAYS
    key: str | None = None
    """The key that completion requests must have; None takes any."""
    keys: set[str | None] = field(default_factory=set)
    """Values of the header with the key, of all completion requests."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    """The bodies of all completion requests."""
    sampled: int = 0
    active: int = 0
    """Requests being served now."""
    most: int = 0
    """The most that were served at once."""
    left: int = 0
    """Clients that went away before their reply."""
    decoded: int = 0
    """Tokens generated for "What is" prompts."""


def way(letter: str, a: int, b: int) -> str:
    """All that the toy writes in one of its ways, the first character included."""
    k = WAYS.index(letter)
    result = a * b + (letter in "cf")
    thought = f"{letter}: so it is " + "thinking " * k + f"{a} * {b} = {result}."
    return thought if letter == "g" else f"{thought}\nAnswer: {result}{STOP}: and so on, for nothing"


def continued(text: str, seed: int, ways: str) -> str:
    """How a sampled text goes on."""
    a, b = (int(n) for n in re.findall(r"What is (\d+) \* (\d+)\?", text)[-1])
    prefix = re.split(r"Reasoning:|<assistant>", text)[-1]
    letter = prefix[0] if prefix else ways[seed % len(ways)]
    whole = way(letter, a, b)
    if "<assistant>" in text:
        whole = re.sub(r"\nAnswer: (\d+)(.|\n)*", r"\nIt is \\boxed{\1}.", whole)
    return whole[len(prefix) :]


def answered(text: str) -> str:
    """How a text goes on that is made to answer."""
    if "What is" not in text:
        return "".join(chr(97 + (len(text) + place) * 7 % 26) for place in range(8))
    before, _, begun = re.split(r"Reasoning:|<assistant>", text)[-1].rpartition("Answer:")
    if "boxed" in text:
        return (re.findall(r"\d+", re.split(r"<assistant>", text)[-1]) or ["0"])[-1] + "}. So"
    numbers = re.findall(r"\d+", before)
    return f" {(numbers or ['0'])[-1]}\n".removeprefix(begun)


def completion(body: dict[str, Any], toy: Toy) -> dict[str, Any]:
    """The reply to a request."""
    prompts = body["prompt"]
    if isinstance(prompts, str):
        prompts = [[*([START] if body.get("add_special_tokens", True) else []), *map(ord, prompts)]]
    elif isinstance(prompts[0], int):
        prompts = [prompts]
    choices = []
    for ids in prompts:
        for number in range(body.get("n", 1)):
            text = "".join(chr(i) for i in ids if i != START)
            sampling = body.get("temperature", 1) > 0 and "What is" in text
            written = continued(text, body["seed"] + number, toy.ways) if sampling else answered(text)
            choices.append(_choice(len(choices), ids, written, body, toy))
    decoded = sum(choice.pop("decoded") for choice in choices)
    toy.decoded += decoded if any("What is" in "".join(map(chr, ids)) for ids in prompts) else 0
    size = sum(map(len, prompts))
    usage = {"prompt_tokens": size, "completion_tokens": decoded, "total_tokens": size + decoded}
    if toy.tells_cache:
        usage["prompt_tokens_details"] = {"cached_tokens": size // 16 * 16}
    return {
        "id": "cmpl-1", "object": "text_completion", "created": 0, "model": body["model"], "choices": choices,
        "usage": usage,
    }  # fmt: skip


def _choice(index: int, ids: list[int], written: str, body: dict[str, Any], toy: Toy) -> dict[str, Any]:
    decoded, text = written[: body["max_tokens"]], None
    reason = "length" if len(written) > body["max_tokens"] else "stop"
    for end in range(1, len(decoded) + 1):
        stop = next((stop for stop in body.get("stop") or () if decoded[:end].endswith(stop)), None)
        if stop:
            decoded, text, reason = decoded[:end], decoded[: end - len(stop)], "stop"
            break
    choice: dict[str, Any] = {
        "index": index, "text": decoded if text is None else text, "finish_reason": reason, "decoded": len(decoded),
        "logprobs": None if body.get("logprobs") is None else {
            "tokens": list(decoded), "token_logprobs": [-0.5] * len(decoded),
            "text_offset": list(range(len(decoded))),
            "top_logprobs": [{str(n): -0.5 - n for n in range(body["logprobs"])} for _ in decoded] or None,
        },
    }  # fmt: skip
    if text is not None:
        choice["stop_reason"] = stop
    if toy.token_ids and body.get("return_token_ids"):
        choice |= {"token_ids": list(map(ord, decoded)), "prompt_token_ids": ids}
    return choice


def _refused(status: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    error = {"error": {"message": message, "type": "BadRequestError", "param": None, "code": status}}
    return JSONResponse(error, status, headers)


def application(toy: Toy) -> Starlette:
    """The server as an ASGI application."""

    async def models(_: Request) -> Response:
        model = {"id": "toy", "object": "model", "created": 0, "owned_by": "vllm", "max_model_len": toy.context}
        return JSONResponse({"object": "list", "data": [model]})

    async def tokenize(request: Request) -> Response:
        body = await request.json()
        if not toy.tokenizes:
            return _refused(404, "Not Found")
        if "prompt" in body:
            while toy.mute:
                if await request.is_disconnected():
                    return Response(status_code=499)
                await asyncio.sleep(0.01)
            start = [START] if body["add_special_tokens"] else []
            return JSONResponse({"tokens": [*start, *map(ord, body["prompt"])]})
        messages = body["messages"]
        text = "".join(f"<{message['role']}>{message['content']}\n" for message in messages) + "<assistant>"
        return JSONResponse({"tokens": [START, *map(ord, text)]})

    async def completions(request: Request) -> Response:
        body = json.loads(await request.body())
        toy.requests.append(body)
        toy.keys.add(request.headers.get("authorization"))
        if toy.key is not None and request.headers.get("authorization") != f"Bearer {toy.key}":
            return _refused(401, "Unauthorized")
        if body["model"] != "toy":
            return _refused(404, f"The model `{body['model']}` does not exist.")
        if (body.get("logprobs") or 0) > toy.most_logprobs:
            return _refused(400, f"Requested logprobs of {body['logprobs']}, which is greater than max allowed")
        prompt = body["prompt"]
        text = prompt if isinstance(prompt, str) else "".join(map(chr, prompt if isinstance(prompt[0], int) else []))
        size = len(text)
        if size + body["max_tokens"] > toy.context:
            return _refused(400, f"This model's maximum context length is {toy.context} tokens")
        while toy.mute:
            if await request.is_disconnected():
                return Response(status_code=499)
            await asyncio.sleep(0.01)
        if body.get("temperature", 1) == 0 or "What is" not in text:
            return JSONResponse(completion(body, toy))
        toy.sampled += 1
        if toy.busy > 0:
            toy.busy -= 1
            return _refused(429, "too many requests", {"retry-after-ms": "20"})
        if toy.gone_after is not None and toy.sampled > toy.gone_after:
            return _Broken()
        toy.active += 1
        toy.most = max(toy.most, toy.active)
        try:
            waited = 0.0
            while toy.holds or toy.most < toy.together or waited < toy.seconds:
                if await request.is_disconnected():
                    toy.left += 1
                    return Response(status_code=499)
                await asyncio.sleep(0.01)
                waited += 0.01
        finally:
            toy.active -= 1
        return JSONResponse(completion(body, toy))

    routes = [
        Route("/v1/models", models),
        Route("/tokenize", tokenize, methods=["POST"]),
        Route("/v1/completions", completions, methods=["POST"]),
    ]
    return Starlette(routes=routes)


class _Broken(Response):
    """Promises a body and closes the connection before it."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
        raise ConnectionError("the toy is gone")


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve an ASGI application on a free local port; yields the API's URL."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError("the server did not start")
        threading.Event().wait(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v1"
    finally:
        server.should_exit = True
        server.force_exit = True
        thread.join(10)

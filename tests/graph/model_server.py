"""A small server that speaks the documented wire formats of Anthropic's Messages and OpenAI's chat completions.

Both streamed, as server-sent events. What it answers is a function of the request, and of how many came before; faults
are answers too.
"""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from graph.explorers.evolution.render import render
from graph.explorers.evolution.seeds import SEEDS

SOUND = render(SEEDS[0][1])


@dataclass(frozen=True)
class Say:
    """A reply."""

    text: str
    thinking: str = ""
    stop: str = "end"
    """`end`, `length` or `refusal`."""
    input: int = 1000
    cached: int = 0
    written: int = 0
    output: int = 200
    usage: bool = True
    """Whether usage is told (OpenAI's format alone may leave it out)."""
    cut: int | None = None
    """Break the connection off after that many events."""
    pause: float = 0.0
    """Seconds between events."""


@dataclass(frozen=True)
class Status:
    """An error."""

    code: int
    message: str = "no"
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: str = "error"


@dataclass(frozen=True)
class Raw:
    """Bytes as they are, with status 200."""

    body: bytes


@dataclass(frozen=True)
class Request:
    """What came in."""

    number: int
    """From 0."""
    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]

    @property
    def text(self) -> str:
        """All of the prompt."""
        parts = [self.body.get("system") or ""]
        for message in self.body["messages"]:
            content = message["content"]
            parts += [content] if isinstance(content, str) else [block["text"] for block in content]
        return "\n".join(parts)

    @property
    def is_critique(self) -> bool:
        """Whether a critique is asked for."""
        return '"diagnosis"' in self.text

    @property
    def is_consolidation(self) -> bool:
        """Whether a consolidation of rounds is asked for."""
        return "You are the historian" in self.text


Answer = Say | Status | Raw
Script = Callable[[Request], Answer]


def sensible(request: Request) -> Answer:
    """What a good model says: the same for the same prompt."""
    if request.is_consolidation:
        statement = {"number": None, "text": "Waiting helps.", "rounds": [1], "figures": "r1-01"}
        return Say(json.dumps({"statements": [statement], "struck": []}))
    if request.is_critique:
        return Say(json.dumps({"diagnosis": "It stops too early.", "directions": ["Wait longer when split."]}))
    digit = int(hashlib.sha256(request.text.encode()).hexdigest(), 16) % 90 + 10
    return Say(f"Another threshold.\n\n```python\n{SOUND.replace('0.97', f'0.9{digit}')}```\n")


class ModelServer:
    """Answers by a script; keeps what it was asked."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[Request] = []
        self.answered = 0
        self._handlers: list[threading.Thread] = []
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with server._lock:
                    server._handlers.append(threading.current_thread())
                    headers = {name.lower(): value for name, value in self.headers.items()}
                    request = Request(len(server.requests), self.path, headers, body)
                    server.requests.append(request)
                answer = server.script(request)
                try:
                    _answer(self, request, answer)
                    server.answered += 1
                except (BrokenPipeError, ConnectionResetError):
                    pass
                self.close_connection = True

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.root = f"http://127.0.0.1:{self._server.server_port}"
        self.url = f"{self.root}/v1"

    @contextmanager
    def serving(self) -> Iterator["ModelServer"]:
        """Until the end of the block."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()
            # One that still drips notices at its next word that nobody listens.
            for handler in self._handlers:
                handler.join(10)


def _answer(handler: BaseHTTPRequestHandler, request: Request, answer: Answer) -> None:
    is_anthropic = request.path.startswith("/v1/messages")
    if isinstance(answer, Status):
        error = {"type": answer.kind, "message": answer.message, "code": answer.kind}
        body = json.dumps({"type": "error", "error": error} if is_anthropic else {"error": error}).encode()
        _head(handler, answer.code, "application/json", {"content-length": str(len(body)), **answer.headers})
        handler.wfile.write(body)
        return
    if isinstance(answer, Say) and not is_anthropic and not request.body.get("stream"):
        body = json.dumps(_completion(request, answer)).encode()
        _head(handler, 200, "application/json", {"content-length": str(len(body))})
        handler.wfile.write(body)
        return
    _head(handler, 200, "text/event-stream", {"request-id": "req_1", "x-request-id": "req_1"})
    if isinstance(answer, Raw):
        handler.wfile.write(answer.body)
        return
    events = _anthropic(request, answer) if is_anthropic else _openai(request, answer)
    for number, event in enumerate(events):
        if answer.cut is not None and number >= answer.cut:
            return
        handler.wfile.write(event)
        handler.wfile.flush()
        if answer.pause:
            time.sleep(answer.pause)


def _head(handler: BaseHTTPRequestHandler, code: int, kind: str, headers: Mapping[str, str]) -> None:
    handler.send_response(code)
    handler.send_header("content-type", kind)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()


def _pieces(text: str) -> list[str]:
    return [text[at : at + 400] for at in range(0, len(text), 400)]


def _anthropic(request: Request, say: Say) -> Iterator[bytes]:
    def event(kind: str, **said: Any) -> bytes:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **said})}\n\n".encode()

    usage = {
        "input_tokens": say.input - say.cached - say.written,
        "cache_read_input_tokens": say.cached,
        "cache_creation_input_tokens": say.written,
        "output_tokens": 1,
    }
    message = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": request.body["model"], "content": [],
        "stop_reason": None, "stop_sequence": None, "usage": usage,
    }  # fmt: skip
    yield event("message_start", message=message)
    yield event("ping")
    index = 0
    if say.thinking:
        yield event("content_block_start", index=0, content_block={"type": "thinking", "thinking": "", "signature": ""})
        yield event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": say.thinking})
        yield event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "c2ln"})
        yield event("content_block_stop", index=0)
        index = 1
    if say.text:
        yield event("content_block_start", index=index, content_block={"type": "text", "text": ""})
        for piece in _pieces(say.text):
            yield event("content_block_delta", index=index, delta={"type": "text_delta", "text": piece})
        yield event("content_block_stop", index=index)
    stop = {"end": "end_turn", "length": "max_tokens"}.get(say.stop, say.stop)
    details = {"output_tokens": say.output, "output_tokens_details": {"thinking_tokens": 50 if say.thinking else 0}}
    yield event("message_delta", delta={"stop_reason": stop, "stop_sequence": None}, usage=details)
    yield event("message_stop")


def _completion(request: Request, say: Say) -> dict[str, Any]:
    message = {"role": "assistant", "content": say.text}
    usage = {"prompt_tokens": say.input, "completion_tokens": say.output, "total_tokens": say.input + say.output}
    return {
        "id": "c1", "object": "chat.completion", "created": 1, "model": request.body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage,
    }  # fmt: skip


def _openai(request: Request, say: Say) -> Iterator[bytes]:
    def chunk(choices: list[dict[str, Any]], **more: Any) -> bytes:
        said = {
            "id": "c1", "object": "chat.completion.chunk", "created": 1, "model": request.body["model"],
            "choices": choices, **more,
        }  # fmt: skip
        return f"data: {json.dumps(said)}\n\n".encode()

    def delta(finish: str | None = None, **said: Any) -> list[dict[str, Any]]:
        return [{"index": 0, "delta": said, "finish_reason": finish}]

    yield chunk(delta(role="assistant", content=""))
    if say.thinking:
        yield chunk(delta(reasoning_content=say.thinking))
    for piece in _pieces(say.text):
        yield chunk(delta(refusal=piece) if say.stop == "refusal" else delta(content=piece))
    yield chunk(delta({"end": "stop", "refusal": "stop"}.get(say.stop, say.stop)))
    if say.usage:
        usage = {
            "prompt_tokens": say.input, "completion_tokens": say.output, "total_tokens": say.input + say.output,
            "prompt_tokens_details": {"cached_tokens": say.cached},
            "completion_tokens_details": {"reasoning_tokens": 50 if say.thinking else 0},
        }  # fmt: skip
        yield chunk([], usage=usage)
    yield b"data: [DONE]\n\n"

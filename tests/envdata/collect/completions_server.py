"""A small server that speaks the completions wire format as vLLM does, over real HTTP, with a toy for a model.

A token is one character and its id the character's code point, after a start token (id 2) where special tokens are
asked for. The toy solves "What is A * B?" by writing "A * B = C." and the answer; every third trace, by its seed, gets
C wrong by one and every fifth is cut short of an answer. Made to answer, it gives the last number that stands before
"Answer:".
"""

import json
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

START = 2


@dataclass
class Behaviour:
    """What the server does well or badly; changed by tests while it runs."""

    token_ids: bool = True
    logprobs: bool = True
    one_completion: bool = False
    """One completion a request, whatever n says."""
    seconds: float = 0.0
    """How long a sampling request takes."""
    broken_for: str = ""
    """Prompts that hold this text are answered with a server error."""
    dies_after: int | None = None
    """After so many sampling requests, every connection is closed without a reply."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    """The bodies received, in order."""

    def sampled(self) -> list[str]:
        """The prompts that traces were asked for, in order."""
        return [decode(body["prompt"]) for body in self.requests if body.get("temperature")]

    def probed(self) -> list[str]:
        """The prompts that were probed, in order."""
        return [decode(ids) for body in self.requests if isinstance(body["prompt"][0], list) for ids in body["prompt"]]


def decode(ids: Sequence[int]) -> str:
    """The text of token ids."""
    return "".join(chr(i) for i in ids if i != START)


def trace(prompt: str, seed: int) -> str:
    """What the toy writes when it is sampled."""
    a, b = (int(n) for n in re.findall(r"What is (\d+) \* (\d+)\?", prompt)[-1])
    result = a * b + (seed % 3 == 0)
    words = f" {a} * {b} = {result}.\nAnswer: {result}\n\nProblem:"
    return words[:9] if seed % 5 == 0 else words


def probed(prompt: str) -> str:
    """What the toy writes when it is made to answer, or goes on with an answer it has begun."""
    before, _, begun = prompt.rpartition("Answer:")
    numbers = re.findall(r"[0-9]+", before)
    if not numbers:
        return "."
    answer = f" {numbers[-1]}\n"
    return answer.removeprefix(begun) if answer.startswith(begun) else "\n"


def completion(body: dict[str, Any], behaviour: Behaviour) -> dict[str, Any]:
    """The reply to one request."""
    prompts = body["prompt"]
    if isinstance(prompts, str):
        ids = [*([START] if body.get("add_special_tokens", True) else []), *map(ord, prompts)]
        prompts = [ids]
    elif isinstance(prompts[0], int):
        prompts = [prompts]
    count = 1 if behaviour.one_completion else body.get("n", 1)
    choices = []
    for ids in prompts:
        for number in range(count):
            text = decode(ids)
            sampling = body.get("temperature", 0) > 0
            written = trace(text, body["seed"] + number) if sampling else probed(text)
            choices.append(_choice(len(choices), ids, written, body, behaviour))
    return {"id": "cmpl-1", "object": "text_completion", "created": 0, "model": body["model"], "choices": choices}


def _choice(index: int, ids: list[int], written: str, body: dict[str, Any], behaviour: Behaviour) -> dict[str, Any]:
    decoded, text, reason = written[: body["max_tokens"]], None, "length"
    for end in range(1, len(decoded) + 1):
        stop = next((stop for stop in body.get("stop") or () if decoded[:end].endswith(stop)), None)
        if stop:
            decoded, text, reason = decoded[:end], decoded[: end - len(stop)], "stop"
            break
    choice: dict[str, Any] = {
        "index": index,
        "text": decoded if text is None else text,
        "finish_reason": reason,
        "logprobs": None,
    }
    if behaviour.logprobs and body.get("logprobs") is not None:
        choice["logprobs"] = {
            "tokens": list(decoded),
            # A digit is as sure as it is small, so that a test can work a mean out by hand.
            "token_logprobs": [-float(c) / 8 if c.isdigit() else -1.0 for c in decoded],
            "text_offset": list(range(len(decoded))),
            "top_logprobs": None,
        }
    if behaviour.token_ids and body.get("return_token_ids"):
        choice |= {"token_ids": list(map(ord, decoded)), "prompt_token_ids": ids}
    return choice


@contextmanager
def serving(behaviour: Behaviour) -> Iterator[str]:
    """Serve on a free local port; yields the API's URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path == "/version":
                self._send(200, {"version": "0.0.1"})
                return
            model = {"id": "toy", "object": "model", "created": 0, "owned_by": "vllm"}
            self._send(200, {"object": "list", "data": [model]})

        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"]))
            if not sent:  # From a client that was cancelled.
                return
            reply = self._reply(json.loads(sent))
            if behaviour.dies_after is not None and len(behaviour.sampled()) > behaviour.dies_after:
                self.close_connection = True
            else:
                self._send(*reply)

        def _reply(self, body: dict[str, Any]) -> tuple[int, object]:
            behaviour.requests.append(body)
            if body["model"] != "toy":
                return 404, {"error": {"message": f"no model {body['model']}"}}
            prompt = body["prompt"] if isinstance(body["prompt"], str) else ""
            if behaviour.broken_for and behaviour.broken_for in prompt:
                return 400, {"error": {"message": "this prompt hurts"}}
            if body.get("temperature"):
                time.sleep(behaviour.seconds)
            return 200, completion(body, behaviour)

        def _send(self, status: int, content: object) -> None:
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

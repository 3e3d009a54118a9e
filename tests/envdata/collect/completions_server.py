"""A small server that speaks the wire formats of vLLM's and llama.cpp's servers over HTTP, with a toy for a model.

A token is one character and its id the character's code point, after a start token (id 2) where special tokens are
asked for. The toy solves "What is A * B?" by writing "A * B = C." and the answer; every third trace, by its seed, gets
C wrong by one and every fifth is cut short of an answer. Made to answer, it gives the last number that stands before
"Answer:". A text that it knows nothing of it goes on with by the place of each character.

It answers chats too: `/tokenize` and `/apply-template` write messages out as "<role>content" lines, and a trace of a
chat thinks first, between <think> and </think>.
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

from tests.envdata.collect.streams import events

START = 2


@dataclass
class Behaviour:
    """What the server does well or badly; changed by tests while it runs."""

    token_ids: bool = True
    logprobs: bool = True
    llama: bool = False
    """Whether it is llama.cpp's: no ids in vLLM's way, tokens listed under `logprobs.content`, none for logprobs=0."""
    forgets: bool = False
    """Whether a partial answer is taken for a new question, as a chat endpoint would."""
    most_logprobs: int = 20
    """The most probable tokens that a request may ask for at each place."""
    tells_cache: bool = True
    """Whether usage tells how many tokens of the prompt were cached: half of the last prompt's."""
    usage: bool = True
    newer: bool = False
    """Whether a chat must give its limit as max_completion_tokens."""
    streams: bool = True
    """Whether it knows streams; if not, it ignores that it is asked for one."""
    stream_usage: bool = True
    cuts: int = 0
    """So many of the streamed traces are cut off after half of their events."""
    breaks_off: dict[str, Any] | None = None
    """An error that is sent after half of the events of a streamed trace."""
    events_held_after: int | None = None
    """After so many events of a streamed trace, no more are sent until this is changed."""
    one_completion: bool = False
    """One completion a request, whatever n says."""
    seconds: float = 0.0
    """How long a sampling request takes."""
    holds_after: int | None = None
    """After so many sampling requests, further ones get no reply until this is changed."""
    broken_for: str = ""
    """Prompts that hold this text are answered with a server error."""
    dies_after: int | None = None
    """After so many sampling requests, every connection is closed without a reply."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    """The bodies received, in order."""

    def sampled(self) -> list[str]:
        """The prompts that traces were asked for, in order."""
        return [_asked(body) for body in self.requests if body.get("temperature", 1) and "What is" in _asked(body)]

    def probed(self) -> list[str]:
        """The prompts that were probed, in order."""
        bodies = [body for body in self.requests if body.get("temperature") == 0 and "prompt" in body]
        lists = [ids for body in bodies if isinstance(body["prompt"][0], list) for ids in body["prompt"]]
        texts = [_asked(body) for body in bodies if not isinstance(body["prompt"][0], list)]
        return [decode(ids) for ids in lists] or [text for text in texts if "What is" in text]


def _asked(body: dict[str, Any]) -> str:
    if "messages" in body:
        return str(body["messages"][-1]["content"])
    return body["prompt"] if isinstance(body["prompt"], str) else decode(body["prompt"])


def written_out(messages: Sequence[dict[str, str]]) -> str:
    """The toy's chat template."""
    return "".join(f"<{message['role']}>{message['content']}\n" for message in messages) + "<assistant>"


def decode(ids: Sequence[int]) -> str:
    """The text of token ids; of several prompts, the first one's."""
    if isinstance(ids[0], list):
        return decode(ids[0])
    return "".join(chr(i) for i in ids if i != START)


def trace(prompt: str, seed: int) -> str:
    """What the toy writes when it is sampled."""
    a, b = (int(n) for n in re.findall(r"What is (\d+) \* (\d+)\?", prompt)[-1])
    result = a * b + (seed % 3 == 0)
    words = f" {a} * {b} = {result}.\nAnswer: {result}\n\nProblem:"
    if "<assistant>" in prompt:
        words = f"{a} * {b} = {result}. </think>\n\nIt is \\boxed{{{result}}}"
        words = words if prompt.endswith("<think>") else f"<think>{words}"
        return words[:12] if seed % 5 == 0 else words
    return words[:9] if seed % 5 == 0 else words


def probed(prompt: str) -> str:
    """What the toy writes when it is made to answer, or goes on with an answer it has begun."""
    if "What is" not in prompt:
        return "".join(chr(97 + (len(prompt) + place) * 7 % 26) for place in range(8))
    if "<assistant>" in prompt:
        thought, _, answered = prompt.partition("<assistant>")[2].partition("</think>")
        begun = answered.rpartition("\\boxed{")[2] if "\\boxed{" in answered else ""
        result = (re.findall(r"[0-9]+", thought) or ["none"])[-1]
        return f"{result}}}. So it is".removeprefix(begun)
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
            sampling = body.get("temperature", 1) > 0
            text = "nothing" if behaviour.forgets and "What is" not in text else text
            known = sampling and "What is" in text
            written = trace(text, body["seed"] + number) if known else probed(text)
            choices.append(_choice(len(choices), ids, written, body, behaviour))
    reply = {"id": "cmpl-1", "object": "text_completion", "created": 0, "model": body["model"], "choices": choices}
    if behaviour.usage:
        decoded = sum(choice.pop("decoded") for choice in choices)
        details = {"cached_tokens": len(prompts[-1]) // 2} if behaviour.tells_cache else None
        reply["usage"] = {
            "prompt_tokens": len(prompts[0]),
            "completion_tokens": decoded,
            "prompt_tokens_details": details,
        }
        reply["usage"]["total_tokens"] = decoded + len(prompts[0])
    return reply


def chat(body: dict[str, Any], behaviour: Behaviour) -> dict[str, Any]:
    """The reply to one chat request: its thinking is sent apart, as vLLM's reasoning parsers do."""
    prompt = written_out(body["messages"])
    limit = body.get("max_tokens") or body.get("max_completion_tokens")
    whole = trace(prompt, body.get("seed", 0)) if "What is" in prompt else "<think></think>yes"
    written = whole[:limit]
    thought, ended, answer = written.removeprefix("<think>").partition("</think>")
    message = {"role": "assistant", "content": answer if ended else None, "reasoning_content": thought}
    reason = "stop" if written == whole and ended else "length"
    choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
    reply = {"id": "chat-1", "object": "chat.completion", "created": 0, "model": body["model"], "choices": [choice]}
    if behaviour.usage:
        reply["usage"] = {"prompt_tokens": len(prompt), "completion_tokens": len(written)}
        reply["usage"]["total_tokens"] = len(prompt) + len(written)
    return reply


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
        "decoded": len(decoded),
    }
    if behaviour.llama:
        if behaviour.logprobs and body.get("logprobs"):
            sure = [-float(c) / 8 if c.isdigit() else -1.0 for c in decoded]
            tops = [[{"token": token, "logprob": p} for token, p in top.items()] for top in _tops(sure, body)]
            content = [
                {"id": ord(c), "token": c, "logprob": p, "top_logprobs": top}
                for c, p, top in zip(decoded, sure, tops, strict=True)
            ]
            choice["logprobs"] = {"content": content}
        return choice
    if behaviour.logprobs and body.get("logprobs") is not None:
        # A digit is as sure as it is small, so that a test can work a mean out by hand.
        sure = [-float(c) / 8 if c.isdigit() else -1.0 for c in decoded]
        choice["logprobs"] = {
            "tokens": list(decoded),
            "token_logprobs": sure,
            "text_offset": list(range(len(decoded))),
            "top_logprobs": _tops(sure, body) if body["logprobs"] else None,
        }
    if behaviour.token_ids and not behaviour.llama and body.get("return_token_ids"):
        choice |= {"token_ids": list(map(ord, decoded)), "prompt_token_ids": ids}
    return choice


def _tops(sure: list[float], body: dict[str, Any]) -> list[dict[str, float]]:
    """The most probable tokens at each place: the token itself, with log-probability p, then others at p − 1, p − 2, …

    One more than asked for follows, as where the drawn token is not among the most probable.
    """
    return [{f"other {place}" if place else "": p - place for place in range(body["logprobs"] + 1)} for p in sure]


class ManyAtOnce(ThreadingHTTPServer):
    """Lets as many connections wait as real servers do; five, as by default, are too few for probes one by one."""

    request_queue_size = 128


@contextmanager
def serving(behaviour: Behaviour) -> Iterator[str]:
    """Serve on a free local port; yields the API's URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path == "/version":
                self._send(200, {"version": "0.0.1"})
                return
            owner = "llamacpp" if behaviour.llama else "vllm"
            model = {"id": "toy", "object": "model", "created": 0, "owned_by": owner}
            self._send(200, {"object": "list", "data": [model]})

        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"]))
            if not sent:  # From a client that was cancelled.
                return
            body = json.loads(sent)
            reply = self._reply(body)
            if behaviour.dies_after is not None and len(behaviour.sampled()) > behaviour.dies_after:
                self.close_connection = True
            elif body.get("stream") and behaviour.streams and reply[0] == 200:
                self._stream(body, reply[1])
            else:
                self._send(*reply)

        def _reply(self, body: dict[str, Any]) -> tuple[int, object]:
            if self.path in ("/tokenize", "/apply-template"):
                text = written_out(body["messages"]) if "messages" in body else body["prompt"]
                known = self.path == ("/apply-template" if behaviour.llama else "/tokenize")
                start = [START] if body.get("add_special_tokens", True) else []
                tokens = {"tokens": [*start, *map(ord, text)], "prompt": text}
                return (200, tokens) if known else (404, {"error": {"message": "no such path"}})
            behaviour.requests.append(body)
            if body["model"] != "toy":
                return 404, {"error": {"message": f"no model {body['model']}"}}
            if (body.get("logprobs") or 0) > behaviour.most_logprobs:
                return 400, {"error": {"message": f"at most {behaviour.most_logprobs} logprobs"}}
            if behaviour.broken_for and behaviour.broken_for in _asked(body):
                return 400, {"error": {"message": "this prompt hurts"}}
            if "messages" in body:
                if behaviour.newer and "max_tokens" in body:
                    return 400, {"error": {"message": "max_tokens is not supported, use max_completion_tokens"}}
                return 200, chat(body, behaviour)
            if body.get("temperature", 1):
                time.sleep(behaviour.seconds)
                position = len(behaviour.sampled())
                while behaviour.holds_after is not None and position > behaviour.holds_after:
                    time.sleep(0.02)
            return 200, completion(body, behaviour)

        def _stream(self, body: dict[str, Any], reply: dict[str, Any]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            sent = list(events(reply, usage="usage" in reply and behaviour.stream_usage))
            known = "What is" in _asked(body)
            half = len(sent) // 2 if known and (behaviour.cuts or behaviour.breaks_off) else len(sent)
            for number, event in enumerate(sent[:half]):
                while known and behaviour.events_held_after is not None and number >= behaviour.events_held_after:
                    time.sleep(0.02)
                self._event(json.dumps(event))
            if half == len(sent):
                self._event("[DONE]")
            elif behaviour.breaks_off:
                self._event(json.dumps({"error": behaviour.breaks_off}))
            else:
                behaviour.cuts -= 1
                self.close_connection = True
                return
            self.wfile.write(b"0\r\n\r\n")

        def _event(self, content: str) -> None:
            data = f"data: {content}\n\n".encode()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

        def _send(self, status: int, content: object) -> None:
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ManyAtOnce(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""A model that asks for one shell command and then ends, in the wire formats of Anthropic and of OpenAI's Responses."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

USAGE = {"input_tokens": 100, "output_tokens": 20}


class Wire(BaseHTTPRequestHandler):
    """`command` is what the model wants run; `seen` keeps each request's path, headers and body."""

    command: str
    seen: list[tuple[str, dict[str, str], dict[str, Any]]]
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])) or b"{}")
        type(self).seen.append((self.path, {k.lower(): v for k, v in self.headers.items()}, asked))
        path = self.path.split("?")[0]
        if path.endswith("/count_tokens"):
            self._json({"input_tokens": 100})
        elif path.endswith("/messages"):
            self._messages(asked)
        elif path.endswith("/responses"):
            self._events(responses(asked, type(self).command))
        else:
            self._json({"error": {"type": "not_found_error", "message": path}}, 404)

    def do_GET(self) -> None:
        self._json({"data": [], "models": []})

    def _messages(self, asked: dict[str, Any]) -> None:
        tools = {tool.get("name") for tool in asked.get("tools", ())}
        ran = "tool_result" in json.dumps(asked["messages"])
        block: dict[str, Any] = {"type": "text", "text": "Done."}
        if "Bash" in tools and not ran:
            block = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": type(self).command}}
        message = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": asked["model"],
            "stop_sequence": None,
        }
        if asked.get("stream"):
            self._events(messages(message, block))
        else:
            reason = "tool_use" if block["type"] == "tool_use" else "end_turn"
            self._json({**message, "content": [block], "stop_reason": reason, "usage": USAGE})

    def _json(self, said: Any, status: int = 200) -> None:
        data = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _events(self, events: Iterator[dict[str, Any]]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for event in events:
            self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
            self.wfile.flush()
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


def messages(message: dict[str, Any], block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """https://docs.anthropic.com/en/docs/build-with-claude/streaming"""
    yield {"type": "message_start", "message": {**message, "content": [], "stop_reason": None, "usage": USAGE}}
    if block["type"] == "text":
        yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": block["text"]}}
    else:
        yield {"type": "content_block_start", "index": 0, "content_block": {**block, "input": {}}}
        said = json.dumps(block["input"])
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": said}}
    yield {"type": "content_block_stop", "index": 0}
    reason = "end_turn" if block["type"] == "text" else "tool_use"
    delta = {"stop_reason": reason, "stop_sequence": None}
    yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 20}}
    yield {"type": "message_stop"}


def responses(asked: dict[str, Any], command: str) -> Iterator[dict[str, Any]]:
    """https://platform.openai.com/docs/api-reference/responses-streaming"""
    item: dict[str, Any] = {
        "type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": "Done.", "annotations": []}],
    }  # fmt: skip
    tools = {tool.get("name"): tool for tool in asked.get("tools", ())}
    if "function_call_output" not in json.dumps(asked["input"]):
        arguments = {
            "shell": {"command": ["sh", "-c", command]},
            "shell_command": {"command": command},
            "exec_command": {"cmd": command},
        }
        name = next((name for name in arguments if name in tools), None)
        if name is not None:
            item = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": name, "status": "completed",
                    "arguments": json.dumps(arguments[name])}  # fmt: skip
    reply = {"id": "resp_1", "object": "response", "created_at": 0, "model": asked["model"], "status": "in_progress"}
    yield {"type": "response.created", "sequence_number": 0, "response": {**reply, "output": []}}
    yield {"type": "response.output_item.added", "sequence_number": 1, "output_index": 0, "item": item}
    yield {"type": "response.output_item.done", "sequence_number": 2, "output_index": 0, "item": item}
    usage = {**USAGE, "total_tokens": 120, "input_tokens_details": {"cached_tokens": 0},
             "output_tokens_details": {"reasoning_tokens": 0}}  # fmt: skip
    done = {**reply, "status": "completed", "output": [item], "usage": usage}
    yield {"type": "response.completed", "sequence_number": 3, "response": done}

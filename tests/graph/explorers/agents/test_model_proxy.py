"""What an agent can have its model's service do with the real key: generate text, within limits, and nothing else."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.accounting.caps import Caps
from graph.explorers.agents import allowed_requests
from graph.explorers.agents.meter import Meter
from graph.explorers.agents.model_proxy import Limits, Upstream, open_door
from graph.run.transcript import Transcript

KEY = "model-key-canary-2284"
MESSAGES = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "?"}]}
RESPONSES = {"model": "m", "input": "?"}
SAID = {"usage": {"input_tokens": 1, "output_tokens": 1}, "text": "x" * 2000}


class Service(BaseHTTPRequestHandler):
    """Keeps the requests that reached it."""

    seen: list[tuple[str, str, dict[str, str], bytes]]
    waits: threading.Event

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"] or 0))
        type(self).seen.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        type(self).waits.wait(10)
        data = json.dumps(SAID).encode()
        self.send_response(200)
        for name, value in {"content-length": str(len(data)), "openai-organization": "ours"}.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(data)

    do_GET = do_HEAD = do_DELETE = do_POST  # noqa: N815 - the base's names

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def door(tmp_path: Path, limits: Limits = Limits(), service: type[Service] = Service) -> Iterator[Path]:  # noqa: B008
    """The socket of a proxy of `service`."""
    Service.seen, Service.waits = [], threading.Event()
    Service.waits.set()
    transcript = Transcript(tmp_path / "run" / "round-001" / "transcript.jsonl")
    meter = Meter(transcript, Caps(), lambda model: None, "propose/1/agent-0")
    path = tmp_path / "model.sock"
    with ThreadingHTTPServer(("127.0.0.1", 0), service) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        upstream = Upstream(f"http://127.0.0.1:{server.server_address[1]}", {"x-api-key": KEY})
        with open_door(path, upstream, meter, limits):
            yield path
        Service.waits.set()
        server.shutdown()


def asked(path: Path, method: str, target: str, body: Any = None, headers: dict[str, str] | None = None) -> int:
    """The status of a request whose target is sent as it stands; 0 for a connection that was cut off."""
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"{method} {target} HTTP/1.1", "host: model", f"content-length: {len(data)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(20)
        link.connect(str(path))
        with contextlib.suppress(OSError):
            link.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
        with contextlib.suppress(ConnectionResetError):
            said = b"".join(iter(lambda: link.recv(1 << 16), b""))
            return int(said.split()[1]) if said else 0
    return 0


@pytest.mark.parametrize(
    ("method", "target", "forwarded"),
    [
        ("POST", "/v1/messages?beta=true", "/v1/messages?beta=true"),
        ("POST", "//v1//messages", "/v1/messages"),
        ("POST", "/v1/%6dessages", "/v1/messages"),
        ("POST", "/v1/files/../messages/", "/v1/messages"),
        ("GET", "/v1/models", "/v1/models"),
        ("GET", "/models/gpt-5.1-codex?client_version=0.171.0", "/models/gpt-5.1-codex?client_version=0.171.0"),
    ],
)
def test_an_endpoint_is_forwarded_as_it_is_listed(tmp_path: Path, method: str, target: str, forwarded: str) -> None:
    with door(tmp_path) as path:
        assert asked(path, method, target, MESSAGES if method == "POST" else None) == 200
    assert [(said[0], said[1]) for said in Service.seen] == [(method, forwarded)]


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", "/v1/messages/batches"),
        ("POST", "/v1/messages/%62atches"),
        ("POST", "/v1/messages/%2562atches"),
        ("POST", "/v1/messages//batches"),
        ("POST", "/v1/messages/./batches"),
        ("POST", "/v1/messages/x/../batches"),
        ("POST", "/v1/messages/%2e%2e/files"),
        ("POST", "/v1/messages%2fbatches"),
        ("POST", "/v1/messages/batches?beta=true"),
        ("POST", "/v1/messages;/batches"),
        ("POST", "/v1/messages%00/batches"),
        ("POST", "/v1/MESSAGES"),
        ("POST", "/v1/batches"),
        ("POST", "/v1/files"),
        ("GET", "/v1/files"),
        ("GET", "/v1/files/file-1/content"),
        ("DELETE", "/v1/files/file-1"),
        ("GET", "/v1/organizations/api_keys"),
        ("GET", "/v1/organization/admin_api_keys"),
        ("POST", "/v1/responses/resp_1/cancel"),
        ("GET", "/v1/responses/resp_1"),
        ("POST", "/v1/vector_stores"),
        ("POST", "/v1/containers"),
        ("POST", "/v1/skills"),
        ("POST", "/v1/images/generations"),
        ("GET", "/v1/messages"),
        ("PUT", "/v1/messages"),
        ("GET", "/v1/models/../files"),
        ("GET", "/v1/models/%2e%2e"),
        ("GET", "/v1/models/a%2f..%2f..%2ffiles"),
        ("POST", "/v1/messages?container=c"),
        ("POST", "/../v1/files"),
        ("POST", "http://example.com/v1/messages"),
        ("POST", "//example.com/v1/messages"),
        ("GET", "/"),
    ],
)
def test_any_other_endpoint_is_refused(tmp_path: Path, method: str, target: str) -> None:
    with door(tmp_path) as path:
        assert asked(path, method, target, MESSAGES if method == "POST" else None) in (403, 501)
    assert Service.seen == []


TOOL = {"name": "t", "input_schema": {"type": "object", "properties": {"type": {"type": "web_search"}}}}
HOSTED = [
    *({"type": kind, "name": "t"} for kind in (
        "web_search_20250305", "web_fetch_20250910", "code_execution_20250522", "computer_20250124", "mcp_toolset",
        "web_search", "web_search_preview", "code_interpreter", "computer_use_preview", "file_search", "mcp",
        "image_generation", "shell", "tool_search", "tool_search_tool_regex_20251119", "advisor_20260301", 7,
        ["function"],
    )),
    {"name": "t", "Type": "web_search"},
    {"type": "function", "name": "t", "server_url": "https://example.com"},
    {"type": "namespace", "name": "n", "tools": [{"type": "web_search"}]},
]  # fmt: skip


@pytest.mark.parametrize("tool", HOSTED, ids=lambda tool: str(tool.get("type", "no type")))
@pytest.mark.parametrize(
    ("target", "body"), [("/v1/messages", MESSAGES), ("/responses", RESPONSES), ("/chat/completions", MESSAGES)]
)
def test_tools_that_the_service_would_run_are_refused(target: str, body: dict[str, Any], tool: dict[str, Any]) -> None:
    hidden = json.dumps({**body, "tools": [TOOL, tool]})
    for data in (hidden, hidden.replace('"tools"', '"tools": [], "tools"'), hidden.replace('"tools"', '"\\u0074ools"')):
        with pytest.raises(allowed_requests.Refused):
            allowed_requests.checked("POST", target, data.encode())


@pytest.mark.parametrize(
    ("target", "more"),
    [
        ("/v1/messages", {"mcp_servers": [{"type": "url", "url": "https://example.com", "name": "x"}]}),
        ("/v1/messages", {"container": "container_1"}),
        ("/v1/messages", {"speed": "fast"}),
        ("/v1/messages", {"service_tier": "priority"}),
        ("/v1/messages", {"context_management": {"edits": [{"type": "compact_20260112"}]}}),
        ("/v1/messages", {"messages": [{"role": "user", "content": [{"type": "container_upload", "file_id": "f"}]}]}),
        ("/v1/messages", {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url"}}]}]}),
        ("/v1/messages", {"messages": [{"role": "user", "content": [
            {"type": "document", "source": {"type": "file", "file_id": "f"}}]}]}),
        ("/v1/messages", {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t",
            "content": [{"type": "image", "source": {"type": "url", "url": "https://example.com"}}]}]}]}),
        ("/v1/messages", {"messages": [{"role": "system", "content": [{"type": "tool_addition",
            "tool": {"type": "tool_definition", "definition": {"type": "web_search_20250305"}}}]}]}),
        ("/responses", {"previous_response_id": "resp_1"}),
        ("/responses", {"background": True}),
        ("/responses", {"max_tokens": 1}),
        ("/responses", {"prompt": {"id": "pmpt_1"}}),
        ("/responses", {"conversation": "conv_1"}),
        ("/responses", {"tool_choice": {"type": "mcp", "server_label": "x"}}),
        ("/responses", {"input": [{"type": "item_reference", "id": "x"}]}),
        ("/responses", {"input": [{"type": "mcp_approval_response", "approve": True}]}),
        ("/responses", {"input": [{"type": "additional_tools", "tools": [{"type": "web_search"}]}]}),
        ("/responses", {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]}),
        ("/responses", {"input": [{"role": "user", "content": [{"type": "input_file", "file_url": "https://x"}]}]}),
        ("/responses", {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "https://x"}]}]}),
        ("/chat/completions", {"web_search_options": {}}),
        ("/chat/completions", {"plugins": [{"id": "web"}]}),
        ("/chat/completions", {"model": "gpt-4o-search-preview"}),
        ("/chat/completions", {"model": "some/model:online"}),
        ("/chat/completions", {"messages": [{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "https://example.com"}}]}]}),
        ("/chat/completions", {"messages": [{"role": "user", "content": [
            {"type": "file", "file": {"file_id": "f"}}]}]}),
    ],
)  # fmt: skip
def test_what_lies_at_the_service_or_is_fetched_by_it_is_refused(target: str, more: dict[str, Any]) -> None:
    body = {**(RESPONSES if target == "/responses" else MESSAGES), **more}
    with pytest.raises(allowed_requests.Refused):
        allowed_requests.checked("POST", target, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("target", "more"),
    [
        ("/v1/messages", {"tools": [TOOL, {"type": "bash_20250124", "name": "bash"}, {**TOOL, "type": "custom"}]}),
        ("/v1/messages", {"thinking": {"type": "adaptive"}, "tool_choice": {"type": "auto"}, "stream": True,
            "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}}),
        ("/v1/messages", {"system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}],
            "messages": [
                {"role": "assistant", "content": [{"type": "thinking", "thinking": "…", "signature": "s"},
                    {"type": "tool_use", "id": "t", "name": "t", "input": {"type": "web_search", "file_id": "mine"}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}]}]}]}),
        ("/responses", {"tools": [{"type": "function", "name": "f", "parameters": {}, "strict": True},
            {"type": "custom", "name": "c", "format": {"type": "grammar"}}, {"type": "local_shell"},
            {"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "g"}]},
            {"type": "tool_search", "execution": "client", "description": "d", "parameters": {}}]}),
        ("/responses", {"input": [{"type": "reasoning", "summary": [], "encrypted_content": "x"},
            {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "1", "output": "web_search"},
            {"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,AA=="}]}]}),
        ("/chat/completions", {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}], "n": 2,
            "tool_choice": {"type": "function", "function": {"name": "f"}}, "stream_options": {"include_usage": True}}),
        ("/chat/completions", {"messages": [{"role": "assistant", "content": None, "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}]}),
    ],
)  # fmt: skip
def test_what_an_agent_does_itself_is_let_through_unchanged(target: str, more: dict[str, Any]) -> None:
    body = {**(RESPONSES if target == "/responses" else MESSAGES), **more}
    assert json.loads(allowed_requests.checked("POST", target, json.dumps(body).encode()).body) == body


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"\xff", b'{"a": NaN}', b'{"model": "m", "temperature": 1e999}', b'"' + b"[" * 10_000,
     b'{"model": "m", "input": ' + b"[" * 5000 + b"]" * 5000 + b"}", b'{"model": 7}', b"{}" + b"," * 4_000_001],
)  # fmt: skip
def test_a_body_that_cannot_be_read_one_way_is_refused(body: bytes) -> None:
    with pytest.raises(allowed_requests.Refused):
        allowed_requests.checked("POST", "/responses", body)


@given(st.text(max_size=30) | st.lists(st.sampled_from(["v1", "messages", "batches", "..", ".", "", "%2e%2e", "%62"])))
def test_no_path_is_forwarded_that_is_not_listed(target: str | list[str]) -> None:
    path = target if isinstance(target, str) else "/" + "/".join(target)
    for method in ("GET", "POST"):
        with contextlib.suppress(allowed_requests.Refused, ValueError):
            found, _ = allowed_requests.route(method, path)
            assert (
                found.removeprefix("/v1").split("?")[0] in allowed_requests.POSTED
                or found.removeprefix("/v1") == "/models"
            )


def test_headers_are_those_that_are_listed(tmp_path: Path) -> None:
    given = {
        "authorization": "Bearer mine", "x-api-key": "mine", "openai-organization": "o", "openai-project": "p",
        "openai-beta": "assistants=v2", "anthropic-version": "2023-06-01", "cookie": "c", "x-anything": "a",
        "anthropic-beta": "claude-code-20250219,mcp-client-2025-04-04, files-api-2025-04-14,effort-2025-11-24,nonsense",
    }  # fmt: skip
    with door(tmp_path) as path, httpx2.Client(transport=httpx2.HTTPTransport(uds=str(path))) as client:
        reply = client.post("http://model/v1/messages", json=MESSAGES, headers=given)
    assert reply.json() == SAID
    # Whose key it is stays on this side.
    assert "openai-organization" not in reply.headers
    ((_, _, headers, _),) = Service.seen
    assert headers["anthropic-beta"] == "claude-code-20250219,effort-2025-11-24"
    ours = {"host", "connection", "content-length", "content-type", "accept-encoding"}
    assert set(headers) <= ours | {"x-api-key", "anthropic-version", "anthropic-beta", "accept", "user-agent"}
    assert headers["x-api-key"] == KEY


def test_a_refusal_says_why_in_the_services_own_form(tmp_path: Path) -> None:
    with door(tmp_path) as path, httpx2.Client(transport=httpx2.HTTPTransport(uds=str(path))) as client:
        reply = client.post("http://model/v1/messages", json={**MESSAGES, "tools": [{"type": "mcp"}]})
    assert (reply.status_code, Service.seen) == (403, [])
    assert "tools of type 'mcp' are not let through" in reply.json()["error"]["message"]


def test_connections_are_limited(tmp_path: Path) -> None:
    with door(tmp_path, Limits(connections=2)) as path:
        Service.waits.clear()
        threads = [threading.Thread(target=asked, args=(path, "POST", "/v1/messages", MESSAGES)) for _ in range(2)]
        for thread in threads:
            thread.start()
        while len(Service.seen) < 2:
            time.sleep(0.01)
        assert asked(path, "POST", "/v1/messages", MESSAGES) == 503
        Service.waits.set()
        for thread in threads:
            thread.join()
        assert asked(path, "POST", "/v1/messages", MESSAGES) == 200


@pytest.mark.parametrize(
    ("limits", "codes"),
    [
        (Limits(), [200, 200, 200]),
        (Limits(requests=2), [200, 200, 403]),
        (Limits(request_bytes=20), [403, 403, 403]),
        (Limits(total_bytes=4000), [200, 200, 403]),
    ],
)
def test_requests_and_bytes_are_limited(tmp_path: Path, limits: Limits, codes: list[int]) -> None:
    with door(tmp_path, limits) as path:
        assert [asked(path, "POST", "/v1/messages", MESSAGES) for _ in codes] == codes
    assert len(Service.seen) == codes.count(200)


def test_a_reply_that_is_too_long_is_cut_off(tmp_path: Path) -> None:
    with (
        door(tmp_path, Limits(reply_bytes=1000)) as path,
        httpx2.Client(transport=httpx2.HTTPTransport(uds=str(path))) as client,
        pytest.raises(httpx2.RemoteProtocolError),
    ):
        client.post("http://model/v1/messages", json=MESSAGES)


@pytest.mark.parametrize("limits", [Limits(receive_seconds=0.2), Limits(until=0.0)])
def test_a_request_that_trickles_in_is_cut_off(tmp_path: Path, limits: Limits) -> None:
    with door(tmp_path, limits) as path, socket.socket(socket.AF_UNIX) as link:
        link.connect(str(path))
        assert trickled(link) < 1000
    assert Service.seen == []


def trickled(link: socket.socket) -> int:
    """How many bytes the other end waited for, one after the other, before it hung up."""
    link.settimeout(0.05)
    for sent in range(1000):
        try:
            link.sendall(b"x")
            if not link.recv(1):
                return sent
        except TimeoutError:
            continue
        except OSError:
            return sent
    return 1000


def test_a_reply_is_passed_on_as_it_comes(tmp_path: Path) -> None:
    """The service sends its second event only once the agent has its first."""
    heard = threading.Event()

    class Streaming(Service):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            self.wfile.write(b"data: 1\n\n")
            heard.wait(10)
            self.wfile.write(b"data: %d\n\n" % heard.is_set())

    with (
        door(tmp_path, service=Streaming) as path,
        httpx2.Client(transport=httpx2.HTTPTransport(uds=str(path)), timeout=20) as client,
        client.stream("POST", "http://model/v1/messages", json=MESSAGES) as reply,
    ):
        parts = reply.iter_bytes()
        assert next(parts) == b"data: 1\n\n"
        heard.set()
        assert b"".join(parts) == b"data: 1\n\n"


@pytest.mark.parametrize("told", [True, False])
def test_a_call_that_the_sessions_end_cuts_off_is_counted(tmp_path: Path, told: bool) -> None:
    """The door closes while the service still writes, or has not answered at all."""
    begun = threading.Event()

    class Endless(Service):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            if told:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"x")
            begun.set()
            type(self).waits.wait(10)

    with door(tmp_path, service=Endless) as path:
        Service.waits.clear()
        thread = threading.Thread(target=asked, args=(path, "POST", "/v1/messages", MESSAGES))
        thread.start()
        assert begun.wait(10)
    thread.join()
    events = [event["event"] for event in Transcript(tmp_path / "run" / "round-001" / "transcript.jsonl").events()]
    assert events == ["call", "failed"]

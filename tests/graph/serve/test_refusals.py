"""What an endpoint refuses before it costs anything: large bodies, other names and origins, JSON of wrong types."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envdata.episodes import Terms
from graph.serve.app import MAX_BODY, Endpoint, EndpointSettings
from graph.serve.errors import Problem
from graph.serve.requests import ChatRequest, ServedControllers, read_chat, read_object
from sandbox.candidate import Candidate
from sandbox.live import Solver
from sandbox.live.api import served
from tests import live_model
from tests.sandbox.live.conftest import live_settings

QUESTION = [{"role": "user", "content": "What is 6 * 7?"}]
GOOD: dict[str, Any] = {"model": "cmc", "messages": QUESTION}
OFFER = ServedControllers({"cmc": Candidate.parse("cmc")}, 0.5, "toy")


def read(body: bytes) -> ChatRequest:
    return read_chat(read_object(body), OFFER)


@pytest.fixture(scope="module")
def url(upstream: str) -> Iterator[str]:
    with ExitStack() as stack:
        solver = Solver(served(upstream, "toy", retries=0), live_settings(), sandbox="process")
        endpoint = Endpoint(solver, OFFER, live_settings(), Terms(), EndpointSettings())
        yield stack.enter_context(live_model.serving(endpoint.application))


def post(url: str, body: bytes | str, **headers: str) -> httpx.Response:
    sent = {"content-type": "application/json", **headers}
    return httpx.post(f"{url}/chat/completions", content=body, headers=sent, timeout=60)


# ---- size --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "declared"])
def test_a_body_is_cut_while_it_comes_in(url: str, chunked: bool) -> None:
    """The end of the body is never sent: only who counts while reading can answer."""
    where = urlsplit(url)
    size = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {100 * MAX_BODY}"
    piece = b" " * (1 << 16)
    framed = b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece
    with socket.create_connection((where.hostname, where.port), timeout=20) as connection:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {where.netloc}\r\n{size}\r\n\r\n"
        connection.sendall(head.encode())
        try:
            for _ in range(2 * MAX_BODY // len(piece)):
                connection.sendall(framed)
        except OSError:
            pass  # It has answered and closed: the limit was reached on the way.
        assert connection.recv(64).startswith(b"HTTP/1.1 413")


def test_a_body_below_the_limit_is_answered(url: str) -> None:
    padded = json.dumps({**GOOD, "metadata": {"pad": "x" * (MAX_BODY // 2)}})
    assert post(url, padded).status_code == 200


# ---- whom it answers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"}, {"host": "evil.example:8300"}, {"host": "127.0.0.1.evil.example"}, {"host": ""},
        {"host": "[::1"}, {"host": "user@evil.example"}, {"host": "8.8.8.8"},
        {"origin": "http://evil.example"}, {"origin": "null"}, {"origin": "http://127.0.0.1:1"}, {"origin": ""},
        {"origin": "http://localhost"},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("path", ["/chat/completions", "/models"])
def test_other_names_and_origins_are_refused(url: str, path: str, headers: dict[str, str]) -> None:
    method = "POST" if path == "/chat/completions" else "GET"
    reply = httpx.request(method, url + path, content=json.dumps(GOOD) if method == "POST" else None, headers=headers)
    assert reply.status_code in (400, 403), reply.text
    assert not headers.get("host") or reply.json()["error"]["type"] == "invalid_request_error"


def test_its_own_names_and_origin_are_answered(url: str) -> None:
    where = urlsplit(url)
    for host in (where.netloc, f"localhost:{where.port}", "localhost", f"LOCALHOST:{where.port}", "127.0.0.1:9000"):
        assert httpx.get(f"{url}/models", headers={"host": host}).status_code == 200
    assert httpx.get(f"{url}/models", headers={"origin": f"http://{where.netloc}"}).status_code == 200


def test_a_name_can_be_added(upstream: str) -> None:
    solver = Solver(served(upstream, "toy", retries=0), live_settings(), sandbox="process")
    endpoint = Endpoint(solver, OFFER, live_settings(), Terms(), EndpointSettings(hosts=("models.lan",)))
    with live_model.serving(endpoint.application) as url:
        assert httpx.get(f"{url}/models", headers={"host": "models.lan"}).status_code == 200
        assert httpx.get(f"{url}/models", headers={"host": "localhost"}).status_code == 403


def test_an_origin_can_be_added(upstream: str) -> None:
    page = "https://pages.example"
    solver = Solver(served(upstream, "toy", retries=0), live_settings(), sandbox="process")
    endpoint = Endpoint(solver, OFFER, live_settings(), Terms(), EndpointSettings(origins=(page,), key="k"))
    with live_model.serving(endpoint.application) as url:
        asked = {"origin": page, "access-control-request-method": "POST",
                 "access-control-request-headers": "authorization,content-type,x-stainless-os"}  # fmt: skip
        before = httpx.options(f"{url}/chat/completions", headers=asked)
        assert before.status_code == 200
        assert before.headers["access-control-allow-origin"] == page
        assert "x-stainless-os" in before.headers["access-control-allow-headers"]
        listed = httpx.get(f"{url}/models", headers={"origin": page, "authorization": "Bearer k"})
        assert (listed.status_code, listed.headers["access-control-allow-origin"]) == (200, page)
        refused = httpx.get(f"{url}/models", headers={"origin": page})
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, page)
        for other in ("http://pages.example", "https://pages.example:444", "https://pages.example.evil"):
            kept_out = httpx.get(f"{url}/models", headers={"origin": other})
            assert kept_out.status_code == 403
            assert "access-control-allow-origin" not in kept_out.headers
        assert httpx.get(f"{url}/models", headers={"origin": page, "host": "evil.example"}).status_code == 403


# ---- malformed ---------------------------------------------------------------------------------------------------

MALFORMED = {
    "no JSON": b"{",
    "no UTF-8": b'{"model": "\xff"}',
    "a list": b"[]",
    "deep": b'{"model": "cmc", "messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep in what is not read": b'{"model": "cmc", "x": ' + b"[" * 950 + b"]" * 950 + b"}",
    "NaN": b'{"model": "cmc", "temperature": NaN}',
    "NaN in what is not read": b'{"model": "cmc", "x": [NaN]}',
    "infinite": b'{"model": "cmc", "seed": 1e999}',
    "digits": b'{"model": "cmc", "seed": ' + b"9" * 5000 + b"}",
}
WRONG: dict[str, Any] = {
    "model": [None, 1, [], {}, ["cmc"]],
    "messages": [None, "x", {}, [1], [None], [[]], [{}], [{"role": ["user"], "content": "x"}],
                 [{"role": {}, "content": "x"}], [{"role": "user"}], [{"role": "user", "content": {}}],
                 [{"role": "user", "content": [{"type": "text", "text": 7}]}],
                 [{"role": "user", "content": [{"type": ["text"]}]}], [{"role": "user", "content": [7]}]],
    "autotts": [None, 1, [], "x", {"controller": []}, {"controller": {}}, {"controller": None}, {"controller": 1},
                {"beta": None}, {"beta": "0.5"}, {"beta": []}, {"beta": True}, {"beta": 10**400}, {"budget": "x"},
                {"budget": 0}, {"budget": 1e300}, {"more": 1}],
    "seed": ["1", [], {}, True, 1.5, 1e300, -(10**400)],
    "temperature": ["1", [], {}, True, 3, -1, 10**400],
    "top_p": [[], "x", 2],
    "max_tokens": [[], 0, 1.5, 1e300, "5"],
    "stop": [1, {}, [1], [[]], "", [""]],
    "stream": ["yes", 1, [], {}],
    "stream_options": ["x", 1, [], {"include_usage": "yes"}],
    "n": [True, 2, "1", 1.5], "logprobs": [0, True, []], "presence_penalty": [False, "0", 1],
}  # fmt: skip


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_not_strict_json_is_400(url: str, body: bytes) -> None:
    reply = post(url, body)
    assert reply.status_code == 400, reply.text
    assert reply.json()["error"]["type"] == "invalid_request_error"


def test_halves_of_surrogate_pairs_are_replaced() -> None:
    cut = [{"role": "user", "content": "1+1 \ud83d"}]
    assert read(json.dumps({**GOOD, "messages": cut}).encode()).turns[0]["content"] == "1+1 \ufffd"


@pytest.mark.parametrize("name", WRONG)
def test_wrong_types_are_400_and_named(name: str) -> None:
    for value in WRONG[name]:
        with pytest.raises(Problem) as refused:
            read(json.dumps({**GOOD, name: value}).encode())
        assert refused.value.status == 400, value
        assert len(refused.value.message) < 400
        assert refused.value.param is not None


def test_long_values_are_not_repeated_whole() -> None:
    with pytest.raises(Problem) as refused:
        read(json.dumps({**GOOD, "model": "x" * 1_000_000}).encode())
    assert refused.value.status == 404
    assert len(refused.value.message) < 400


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*WRONG, "tools", "response_format", "max_completion_tokens", "x"]), JSON))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_no_request_is_anything_but_read_or_refused(changed: dict[str, Any]) -> None:
    body = json.dumps({**GOOD, **changed}).encode("utf-8", "surrogatepass")
    status = 200
    try:
        json.dumps(read(body).turns, ensure_ascii=False).encode()
    except Problem as refused:
        status = refused.status
    assert status in (200, 400, 404)

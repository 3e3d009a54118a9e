"""What servers send for log-probabilities and texts that are none: read as none, and never a traceback."""

import json
import math
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import CompletionChoice

from envdata.collect.engine import CollectError, QuestionFailedError
from envdata.collect.extraction import mean_logprob
from envdata.collect.openai_client import Client
from envdata.collect.openai_replies import decoded, logprob, whole
from envdata.grid import Grid
from tests.envdata.collect import completions_server
from tests.envdata.collect.test_collect_run import QUESTIONS, records, run

NONE = [None, math.nan, -math.inf, math.inf, -9999.0, "-1", True, 10**400, [], {}]


@pytest.mark.parametrize("value", NONE)
def test_what_is_no_log_probability_is_none(value: Any) -> None:
    assert logprob(value) is None


@given(st.floats(-100, 0) | st.integers(-100, 0))
def test_what_is_one_is_kept(value: float) -> None:
    assert logprob(value) == value


def choice(**logprobs: Any) -> CompletionChoice:
    return CompletionChoice.construct(index=0, text="42", finish_reason="stop", logprobs=logprobs)


# The SDK makes numbers of what is in lists, as far as it can.
@pytest.mark.parametrize(
    ("form", "value"),
    [*(("lists", value) for value in (None, math.nan, -math.inf, -9999.0)), *(("content", value) for value in NONE)],
)
def test_a_token_without_one_takes_part_in_no_mean(value: Any, form: str) -> None:
    given = (
        {"tokens": ["4", "2"], "token_logprobs": [value, -1.0]}
        if form == "lists"
        else {"content": [{"token": "4", "logprob": value}, {"token": "2", "logprob": -1.0}]}
    )
    read = decoded(choice(**given), by_ids=False)
    assert [token.logprob for token in read.tokens] == [None, -1.0]
    assert mean_logprob(read.tokens, 0, 2) is None
    assert mean_logprob(read.tokens, 1, 2) == -1.0


def test_content_that_names_none() -> None:
    read = decoded(choice(content=[{"token": "42"}]), by_ids=False)
    assert [token.logprob for token in read.tokens] == [None]


@pytest.mark.parametrize("value", [None, math.nan, -math.inf])
@pytest.mark.parametrize("llama", [False, True])
def test_a_collection_keeps_none_and_goes_on(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, value: float | None, llama: bool
) -> None:
    """The toy's digits have a log-probability each; here that of 4 is none, in traces and in probes."""
    real = completions_server._choice

    def without(*arguments: Any) -> dict[str, Any]:
        made = real(*arguments)
        said = made["logprobs"] or {}
        if "tokens" in said:
            said["token_logprobs"] = [
                value if token == "4" else own
                for token, own in zip(said["tokens"], said["token_logprobs"], strict=True)
            ]
        for entry in said.get("content") or ():
            entry["logprob"] = value if entry["token"] == "4" else entry["logprob"]
        return made

    monkeypatch.setattr(completions_server, "_choice", without)
    behaviour = completions_server.Behaviour(llama=llama, token_ids=not llama)
    with completions_server.serving(behaviour) as url:
        run(url, tmp_path / "g.parquet", questions=QUESTIONS[2:3])
    found = {
        (answer, sure)
        for row in records(tmp_path / "g.parquet")
        for answer, sure in zip(row["probe_answers"], row["probe_confidences"], strict=True)
    }
    assert ("42", None) in found
    assert all(sure is not None and sure < 0 for answer, sure in found if answer == "7")
    assert not any(sure == 0 for _, sure in found)
    grid = Grid.load(tmp_path / "g.parquet")
    assert grid.arrays.confidences is not None
    assert np.isnan(grid.arrays.confidences).any()


@pytest.mark.parametrize(
    ("sent", "read"),
    [("a", "a"), ("\ud83d\ude00", "😀"), ("a\ud83d", "a�"), ("\ude00\ud83d", "��"), (None, ""), (3, "")],
)
def test_halves_of_surrogate_pairs_are_joined_or_replaced(sent: Any, read: str) -> None:
    assert whole(sent) == read


# ---- replies that are no replies ---------------------------------------------------------------------------------


@pytest.fixture
def answering() -> Iterator[tuple[str, dict[str, bytes]]]:
    """A server that answers each request with the same body."""
    body = {"": b""}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body[""])))
            self.end_headers()
            self.wfile.write(body[""])

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1", body
    server.shutdown()
    server.server_close()
    thread.join()


GOOD = {"choices": [{"index": 0, "text": "x", "finish_reason": "stop"}], "usage": {"completion_tokens": 1}}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"choices": ' + b"[" * 100_000, id="nested"),
        pytest.param(b'{"choices": [null]}', id="null choice"),
        pytest.param(b'{"choices": null}', id="no choices"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xff\xfe{", id="no text"),
    ],
)
def test_what_is_no_completion_is_an_error_in_a_sentence(answering: tuple[str, dict[str, bytes]], body: bytes) -> None:
    import asyncio

    url, said = answering
    said[""] = body

    async def ask() -> None:
        client = Client(url, "m", retries=0)
        try:
            await client.complete(prompt="a", max_tokens=1)
        finally:
            await client.close()

    with pytest.raises(CollectError):
        asyncio.run(ask())


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None}, {"completion_tokens": math.nan}, "many", 3])
def test_counts_that_are_no_numbers_count_nothing(answering: tuple[str, dict[str, bytes]], usage: Any) -> None:
    import asyncio

    url, said = answering
    said[""] = json.dumps({**GOOD, "usage": usage}).encode()

    async def ask() -> int:
        client = Client(url, "m", retries=0)
        try:
            await client.complete(prompt="a", max_tokens=1)
            return client.usage.decoded
        finally:
            await client.close()

    assert asyncio.run(ask()) == 0


@pytest.mark.parametrize(
    ("body", "context"),
    [
        (b"[]", None), (b"{}", None), (b'{"data": null}', None), (b"<html>", None), (b'"m"', None),
        (b'{"data": [7, null, {"id": "m", "max_model_len": "big"}]}', None),
        (b'{"data": [{"id": "other"}, {"id": "m", "max_model_len": 4096, "owned_by": 7}]}', 4096),
        (b'[{"id": "m", "max_model_len": 4096}]', 4096),
    ],
)  # fmt: skip
def test_models_may_be_listed_in_any_form(
    answering: tuple[str, dict[str, bytes]], body: bytes, context: int | None
) -> None:
    import asyncio

    url, said = answering
    said[""] = body

    async def ask() -> tuple[int | None, tuple[str, str | None]]:
        client = Client(url, "m", retries=0)
        try:
            try:
                found = await client.context()
            except QuestionFailedError:
                found = None
            return found, await client.identity()
        finally:
            await client.close()

    assert asyncio.run(ask()) == (context, ("OpenAI-compatible server", None))


def test_a_reply_may_begin_with_a_byte_order_mark(answering: tuple[str, dict[str, bytes]]) -> None:
    import asyncio

    url, said = answering
    said[""] = b"\xef\xbb\xbf" + json.dumps(GOOD).encode()

    async def ask() -> str:
        client = Client(url, "m", retries=0)
        try:
            return (await client.complete(prompt="a", max_tokens=1)).choices[0].text
        finally:
            await client.close()

    assert asyncio.run(ask()) == "x"

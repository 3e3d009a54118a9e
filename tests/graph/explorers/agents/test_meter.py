"""What agents' calls take is counted at their door, and caps hold between them."""

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest

from graph.accounting.caps import Caps
from graph.accounting.prices import GivenPrice
from graph.accounting.totals import compute_totals
from graph.explorers.agents.meter import ASSUMED_OUTPUT, Meter
from graph.explorers.agents.model_proxy import Upstream, open_door
from graph.explorers.agents.usage import Watcher
from graph.loop.default_caps import DEFAULT_MAX_COST, DEFAULT_MAX_TOKENS, with_default_caps
from graph.loop.machine import run
from graph.run.files import RunError
from graph.run.paths import read_json
from graph.run.settings import RunSettings
from graph.run.transcript import Transcript
from tests.graph.explorers.agents.model_wire import Wire
from tests.graph.explorers.agents.test_confined import context_of
from tests.graph.model_server import Answer, ModelServer, Raw, Request, Say, Status
from tests.graph.small import write_small

PRICE = GivenPrice(3.0, 15.0)
ASKED = [{"role": "user", "content": "?"}]
CHAT = {"model": "m", "max_tokens": 500, "messages": ASKED, "stream": True}
MESSAGES = {**CHAT, "system": ""}


@pytest.fixture
def transcript(tmp_path: Path) -> Transcript:
    transcript = Transcript(tmp_path / "run" / "round-001" / "transcript.jsonl")
    transcript.record("node", node="proposer")
    return transcript


def meter_of(transcript: Transcript, caps: Caps = Caps(), price: GivenPrice | None = PRICE) -> Meter:  # noqa: B008
    return Meter(transcript, caps, lambda model: price, "propose/1/agent-0")


@contextmanager
def through(tmp_path: Path, base: str, meter: Meter) -> Iterator[httpx2.Client]:
    path = tmp_path / "model.sock"
    with (
        open_door(path, Upstream(base, {}), meter),
        httpx2.Client(transport=httpx2.HTTPTransport(uds=str(path)), base_url="http://model") as client,
    ):
        yield client
    path.unlink()


def counted(transcript: Transcript) -> list[dict[str, Any]]:
    return [event for event in transcript.of_all_rounds() if event["event"] in ("call", "reply", "failed")]


@pytest.mark.parametrize(
    ("path", "body", "said", "usage"),
    [
        ("/messages", MESSAGES, Say("hi", input=900, cached=300, written=100, output=70, thinking="hm"),
         {"input": 900, "cached": 300, "written": 100, "output": 70, "thinking": 50}),
        ("/chat/completions", CHAT, Say("hi", input=900, cached=300, output=70, thinking="hm"),
         {"input": 900, "cached": 300, "written": 0, "output": 70, "thinking": 50}),
    ],
)  # fmt: skip
def test_usage_is_read_from_streams(
    tmp_path: Path, transcript: Transcript, path: str, body: dict[str, Any], said: Say, usage: dict[str, int]
) -> None:
    server = ModelServer(lambda request: said)
    with server.serving(), through(tmp_path, server.url, meter_of(transcript)) as client:
        assert client.post(path, json=body).status_code == 200
    call, reply = counted(transcript)
    assert (call["event"], reply["event"], call["id"]) == ("call", "reply", reply["id"])
    assert (call["worst"]["output"], call["worst"]["cost"] > 0) == (500, True)
    assert reply["usage"] == usage
    total = compute_totals(transcript.of_all_rounds())["rounds"]["round-001"]["nodes"]["proposer"]
    assert total["cost"] == pytest.approx((900 * 3 + 70 * 15) / 1e6)
    assert total["tokens"] == usage


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/responses", {"model": "m", "input": "?", "stream": True}),
        ("/v1/messages", {"model": "m", "max_tokens": 9, "messages": ASKED}),
    ],
)
def test_usage_of_responses_and_of_what_is_not_streamed(
    tmp_path: Path, transcript: Transcript, path: str, body: dict[str, Any]
) -> None:
    Wire.command, Wire.seen = "true", []
    with ThreadingHTTPServer(("127.0.0.1", 0), Wire) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with through(tmp_path, f"http://127.0.0.1:{server.server_address[1]}", meter_of(transcript)) as client:
            assert client.post(path, json=body).status_code == 200
            # Neither costs anything.
            assert client.post("/v1/messages/count_tokens", json=body).status_code == 200
            assert client.get("/v1/models").status_code == 200
            # What is billed later could not be counted.
            assert client.post("/v1/messages/batches", json=body).status_code == 403
        server.shutdown()
    call, reply = counted(transcript)
    assert (reply["usage"]["input"], reply["usage"]["output"]) == (100, 20)
    assert call["worst"]["output"] == body.get("max_tokens", ASSUMED_OUTPUT)


@pytest.mark.parametrize(
    ("said", "billed"),
    [
        (Status(429, "later"), "no"),
        (Status(500, "oops"), "no"),
        (Say("a reply that breaks off", cut=2), "possibly"),
        (Say("a reply", usage=False), "possibly"),
        (Raw(b"data: {nonsense\n\n"), "possibly"),
        (Raw(b'data: {"usage": "none of your business"}\n\n'), "possibly"),
    ],
)
def test_without_usage_a_call_may_have_been_billed_and_is_never_free(
    tmp_path: Path, transcript: Transcript, said: Answer, billed: str
) -> None:
    server = ModelServer(lambda request: said)
    with server.serving(), through(tmp_path, server.url, meter_of(transcript)) as client:
        client.post("/chat/completions", json=CHAT)
    _, failed = counted(transcript)
    assert (failed["event"], failed["billed"]) == ("failed", billed)
    total = compute_totals(transcript.of_all_rounds())["total"]
    assert (total["possibly_billed"], total["possible_cost"] > 0) == ((1, True) if billed == "possibly" else (0, False))


@pytest.mark.parametrize(
    ("usage", "streamed"),
    [
        ({"prompt_tokens": -1, "completion_tokens": 7}, True),
        ({"prompt_tokens": 0, "completion_tokens": 0}, False),
        ({"prompt_tokens": "90", "completion_tokens": 7.5}, True),
        ({"input_tokens": 9, "input_tokens_details": {"cached_tokens": 90}, "output_tokens": 7}, False),
    ],
)
def test_usage_that_cannot_be_true_counts_with_the_worst_case(
    tmp_path: Path, transcript: Transcript, usage: dict[str, Any], streamed: bool
) -> None:
    text = json.dumps({"choices": [], "usage": usage})
    # Sent as an event stream in either case.
    server = ModelServer(lambda request: Raw(f"data: {text}\n\n".encode() if streamed else text.encode()))
    with server.serving(), through(tmp_path, server.url, meter_of(transcript)) as client:
        client.post("/chat/completions", json=CHAT)
    call, reply = counted(transcript)
    assert (reply["event"], reply["estimated"]) == ("reply", True)
    assert reply["usage"]["output"] == 500
    assert reply["usage"]["input"] >= call["worst"]["input"]
    assert reply["cost"] >= call["worst"]["cost"] * 0.99


def test_a_call_that_does_not_fit_is_refused(tmp_path: Path, transcript: Transcript) -> None:
    server = ModelServer(lambda request: Say("hi", input=400, output=100))
    meter = meter_of(transcript, Caps(tokens=1500))
    with server.serving(), through(tmp_path, server.url, meter) as client:
        codes = [client.post("/chat/completions", json=CHAT).status_code for _ in range(3)]
    # 500 are spent by a call, and 500 and the prompt are set aside for each.
    assert (codes, len(server.requests)) == ([200, 200, 403], 2)
    assert meter.capped is not None
    assert meter.capped.cap == "max_tokens"


def test_calls_under_way_are_waited_for_before_one_is_refused(tmp_path: Path, transcript: Transcript) -> None:
    second = threading.Event()

    def script(request: Request) -> Answer:
        if request.number == 0:
            second.wait(10)
        return Say("hi", input=100, output=10)

    server = ModelServer(script)
    meter = meter_of(transcript, Caps(tokens=1000))
    codes = []
    with server.serving(), through(tmp_path, server.url, meter) as client:
        threads = [
            threading.Thread(target=lambda: codes.append(client.post("/chat/completions", json=CHAT).status_code))
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        second.set()
        for thread in threads:
            thread.join(20)
    assert codes == [200, 200]


def test_a_price_that_nobody_knows_is_unknown_and_holds_no_limit_on_money(
    tmp_path: Path, transcript: Transcript
) -> None:
    server = ModelServer(lambda request: Say("hi"))
    with server.serving():
        with through(tmp_path, server.url, meter_of(transcript, Caps(cost=5.0), price=None)) as client:
            refused = client.post("/chat/completions", json=CHAT)
        assert (refused.status_code, server.requests) == (403, [])
        with through(tmp_path, server.url, meter_of(transcript, price=None)) as client:
            client.post("/chat/completions", json=CHAT)
    assert compute_totals(transcript.of_all_rounds())["total"]["cost"] == "unknown"


def test_a_reply_of_any_bytes_is_read_without_an_error() -> None:
    for kind in ("text/event-stream", "application/json", ""):
        for data in (b"", b"\xff\xfe\n", b"[" * 100_000, b'data: [{"usage": 1}]\n', b'{"usage": {"input_tokens": -1}}'):
            watcher = Watcher(kind)
            watcher.see(data)
            found = watcher.usage()
            assert found is None or not found.sound


@pytest.mark.bubblewrap
def test_a_cap_ends_an_agents_session_and_the_search(tmp_path: Path) -> None:
    server = ModelServer(lambda request: Say("hi", input=400, output=100))
    script = Path(__file__).with_name("asking_agent.py")
    grid = write_small(tmp_path / "grid.parquet")
    argument = f"{Path(sys.executable).resolve()} {script}"
    with server.serving():
        context, evaluator = context_of(
            tmp_path, grid, "agent-command", argument, base_url=server.url, max_tokens=2000, price=(3.0, 15.0)
        )
        with evaluator:
            assert run(context) is None
    result = read_json(context.folder.result)
    assert (result["stopped"], result["rounds"]) == ("max_tokens", 0)
    total = read_json(context.folder.accounting)["total"]
    assert total["calls"] == len(server.requests) == 3
    assert total["tokens"]["output"] == 300
    assert total["cost"] == pytest.approx(3 * (400 * 3 + 100 * 15) / 1e6)


def settings(spec: str, **more: Any) -> RunSettings:
    return RunSettings(grids=("g",), heldout=(), explorers=(spec,), **more)


@pytest.mark.parametrize(
    ("given", "cost", "tokens"),
    [
        (settings("claude-code"), DEFAULT_MAX_COST, None),
        (settings("claude-code", max_cost=3.0), 3.0, None),
        (settings("codex"), DEFAULT_MAX_COST, None),
        (settings("codex", base_url="https://models.example.com/v1"), None, DEFAULT_MAX_TOKENS),
        (settings("codex", base_url="http://127.0.0.1:1/v1"), None, None),
        (settings("agent-command:true"), None, None),
        (settings("agent-command:true", base_url="https://models.example.com/v1"), None, DEFAULT_MAX_TOKENS),
    ],
)
def test_an_agent_that_is_paid_for_has_a_cap_that_is_said(
    given: RunSettings, cost: float | None, tokens: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("CLAUDE_CODE_OAUTH_TOKEN", raising=False)
    monkeypatch.setenv("CODEX_HOME", "nowhere")
    said: list[str] = []
    settled = with_default_caps(given, said.append)
    assert (settled.max_cost, settled.max_tokens) == (cost, tokens)
    assert bool(said) == (settled != given)


def test_a_limit_on_money_for_an_agent_with_a_model_of_unknown_price_is_refused() -> None:
    given = settings("agent-command:true", base_url="https://models.example.com/v1", max_cost=3.0)
    with pytest.raises(RunError, match="--price IN,OUT"):
        with_default_caps(given, print)

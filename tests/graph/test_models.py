"""Model explorers through the real SDKs, against a server that speaks the documented wire formats."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graph.accounting.caps import CapReached
from graph.explorers.base import Brief, Evidence, Explorer, ExplorerError, Rejected
from graph.explorers.context import ExplorerContext
from graph.explorers.registry import make_explorer
from graph.run.settings import ModelCallSettings, RunSettings
from graph.run.transcript import Transcript
from tests.graph.model_server import SOUND, Answer, ModelServer, Raw, Request, Say, Script, Status, sensible

BRIEF = Brief(1, 2, 1, 0, (0.0, 1.0), "area", 10.0, 1000.0, {"sc": 0.4})
EVIDENCE = Evidence(1, "r1-01", "It spends much.", {})
KINDS = ("anthropic:claude-sonnet-5-5", "openai:some-model", "langchain:openai:some-model")

Serve = Callable[[Script], ModelServer]
Make = Callable[..., Explorer]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Starts a server, to which both SDKs are pointed by their own variables."""
    running = []

    def start(script: Script) -> ModelServer:
        server = ModelServer(script)
        block = server.serving()
        block.__enter__()
        running.append(block)
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.root)
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_BASE", server.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key-anthropic")
        monkeypatch.setenv("OPENAI_API_KEY", "test-key-openai")
        return server

    yield start
    for block in running:
        block.__exit__(None, None, None)


def made(spec: str, calls: ModelCallSettings | None = None, **changed: Any) -> Explorer:
    settings = RunSettings(grids=("g",), heldout=(), explorers=(spec,), **changed)
    return make_explorer(spec, ExplorerContext(settings, calls or ModelCallSettings(timeout=10.0, retries=3)))


def in_turn(*answers: Answer) -> Script:
    """One after the other; the last for ever."""
    return lambda request: answers[min(request.number, len(answers) - 1)]


@pytest.fixture
def transcript(tmp_path: Path) -> Transcript:
    return Transcript(tmp_path / "round-001" / "transcript.jsonl")


def kinds(transcript: Transcript) -> list[str]:
    return [event["event"] for event in transcript.events()]


CODE = Say(f"An idea.\n\n```python\n{SOUND}```\n", thinking="hm", cached=300)


@pytest.mark.parametrize("spec", KINDS)
def test_a_candidate_and_a_critique_come_through_each_sdk(serve: Serve, transcript: Transcript, spec: str) -> None:
    server = serve(lambda request: CODE if not request.is_critique else sensible(request))
    explorer = made(spec)
    (proposal,) = explorer.propose(BRIEF, transcript)
    assert (proposal.source, proposal.idea) == (SOUND, "An idea.")
    assert explorer.critique(EVIDENCE, transcript).directions == ("Wait longer when split.",)
    prompt, call, reply = transcript.events()[:3]
    assert [each["event"] for each in (prompt, call, reply)] == ["prompt", "call", "reply"]
    assert prompt["stable"] in server.requests[0].text
    assert reply["usage"]["input"] == 1000
    assert reply["usage"]["cached"] == 300
    assert reply["usage"]["output"] == 200
    assert reply["usage"]["thinking"] == 50
    assert reply["estimated"] is False
    # Asked again from the same transcript, nothing is asked of the server.
    asked = len(server.requests)
    assert made(spec).propose(BRIEF, transcript) == [proposal]
    assert len(server.requests) == asked


def test_the_stable_part_is_cached_and_thinking_asked_for_at_anthropic(serve: Serve, transcript: Transcript) -> None:
    server = serve(lambda request: CODE if not request.is_critique else sensible(request))
    explorer = made("anthropic:claude-sonnet-5-5", thinking=2000)
    explorer.propose(BRIEF, transcript)
    explorer.critique(EVIDENCE, transcript)
    body, critique = (request.body for request in server.requests)
    first, second = body["messages"][0]["content"]
    assert first["cache_control"] == {"type": "ephemeral"}
    assert "cache_control" not in second
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 2000}
    assert body["max_tokens"] == 16000
    assert body["stream"] is True
    assert critique["output_config"]["format"]["type"] == "json_schema"
    assert transcript.events()[2]["thinking"] == "hm"


@pytest.mark.parametrize(
    ("thinking", "sent"), [("adaptive", {"type": "adaptive"}), ("off", {"type": "disabled"}), (None, None)]
)
def test_thinking_may_be_left_to_the_model_and_effort_has_a_level(
    serve: Serve, transcript: Transcript, thinking: str | None, sent: object
) -> None:
    server = serve(lambda request: CODE if not request.is_critique else sensible(request))
    explorer = made("anthropic:claude-sonnet-5-5", thinking=thinking, effort="low")
    explorer.propose(BRIEF, transcript)
    explorer.critique(EVIDENCE, transcript)
    body, critique = (request.body for request in server.requests)
    assert body.get("thinking") == sent
    assert body["output_config"] == {"effort": "low"}
    assert (critique["output_config"]["effort"], critique["output_config"]["format"]["type"]) == ("low", "json_schema")
    made("openai:m", effort="minimal").propose(BRIEF, transcript)
    assert server.requests[-1].body["reasoning_effort"] == "minimal"


def test_the_first_call_goes_ahead_so_that_the_others_find_its_prompt_cached(
    serve: Serve, transcript: Transcript
) -> None:
    server: ModelServer

    def script(request: Request) -> Answer:
        if request.number == 0:
            # Time enough for the others, if they were sent.
            time.sleep(0.3)
            assert len(server.requests) == 1
        # The rest is sent once the reply begins, not when it ends.
        return replace(CODE, pause=0.1)

    server = serve(script)
    explorer = made("anthropic:claude-sonnet-5-5", ModelCallSettings(timeout=10, concurrent_requests=3))
    assert len(explorer.propose(replace(BRIEF, wanted=3), transcript)) == 3
    events = [event["event"] for event in transcript.events()]
    assert events.index("reply") > 5
    assert len(server.requests) == 3


def test_a_first_call_that_fails_holds_nobody_up(serve: Serve, transcript: Transcript) -> None:
    serve(in_turn(Status(500, "no", {"retry-after": "0"}), CODE))
    explorer = made("anthropic:claude-sonnet-5-5", ModelCallSettings(timeout=10, concurrent_requests=3))
    assert len(explorer.propose(replace(BRIEF, wanted=3), transcript)) == 3


def test_a_server_of_ones_own_gets_the_old_name_of_the_limit_and_needs_no_key(
    serve: Serve, transcript: Transcript, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(in_turn(replace(CODE, usage=False)))
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.delenv("OPENAI_BASE_URL")
    made("openai:mine", base_url=server.url, temperature=0.7).propose(BRIEF, transcript)
    (request,) = server.requests
    assert request.body["max_tokens"] == 16000
    assert request.body["temperature"] == 0.7
    assert request.headers["authorization"] == "Bearer none"
    reply = transcript.events()[-1]
    assert reply["estimated"] is True
    assert reply["usage"]["output"] > 0
    assert reply["cost"] is None


@pytest.mark.parametrize("spec", KINDS)
@pytest.mark.parametrize(
    ("fault", "billed"),
    [
        pytest.param(Status(429, "slow down", {"retry-after": "0.05"}), "no", id="429"),
        pytest.param(Status(500, "oops", {"retry-after-ms": "30"}), "no", id="500"),
        pytest.param(Status(529, "overloaded", {"retry-after": "0.05"}), "no", id="529"),
        pytest.param(Status(408, "late", {"retry-after": "0.05"}), "no", id="408"),
        pytest.param(Status(409, "lock", {"retry-after": "0.05"}), "no", id="409"),
        pytest.param(replace(CODE, cut=4), "possibly", id="cut"),
        pytest.param(Raw(b"data: {not json\n\n"), "possibly", id="broken json"),
        pytest.param(Raw(b""), "possibly", id="nothing"),
    ],
)
def test_what_passes_is_tried_again_and_every_attempt_is_on_record(
    serve: Serve, transcript: Transcript, spec: str, fault: Answer, billed: str
) -> None:
    server = serve(in_turn(fault, CODE))
    (proposal,) = made(spec).propose(BRIEF, transcript)
    assert proposal.source == SOUND
    assert len(server.requests) == 2
    assert kinds(transcript) == ["prompt", "call", "failed", "call", "reply"]
    failed = transcript.events()[2]
    assert failed["billed"] == billed
    if isinstance(fault, Status):
        assert failed["status"] == fault.code
        assert failed["after"] == pytest.approx(0.05, abs=0.03)


@pytest.mark.parametrize("spec", KINDS[:2])
@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Status(401, "invalid x-api-key"), "_API_KEY is not accepted"),
        (Status(403, "not yours"), "may not use"),
        (Status(404, "no such model"), "is there a model"),
        (Status(400, "prompt is too long: 210000 tokens > 200000 maximum"), "lower --brief-tokens"),
        (Status(400, "This model's maximum context length is 2048 tokens"), "lower --brief-tokens"),
        (Status(429, "You exceeded your quota", kind="insufficient_quota"), "no credit left"),
        (Status(503, "down", {"x-should-retry": "false"}), "go on with the run later"),
        (Status(429, "wait", {"retry-after": "86400"}), "asks to wait for 24.0 hours"),
    ],
)
def test_what_does_not_pass_says_what_to_do(
    serve: Serve, transcript: Transcript, spec: str, fault: Status, says: str
) -> None:
    server = serve(in_turn(fault))
    with pytest.raises(ExplorerError, match=says):
        made(spec).propose(BRIEF, transcript)
    assert len(server.requests) == 1


def test_when_tries_run_out_it_says_so(serve: Serve, transcript: Transcript) -> None:
    server = serve(in_turn(Status(500, "oops", {"retry-after": "0"})))
    with pytest.raises(ExplorerError, match=r"tried 3 times"):
        made("openai:m", ModelCallSettings(timeout=10, retries=2)).propose(BRIEF, transcript)
    assert len(server.requests) == 3


@pytest.mark.slow
@pytest.mark.parametrize("spec", KINDS[:2])
def test_silence_and_a_slow_drip_come_to_an_end(serve: Serve, transcript: Transcript, spec: str) -> None:
    drip = replace(CODE, text="x" * 400 * 50, pause=0.1)
    serve(in_turn(drip, replace(CODE, pause=2.5), CODE))
    (proposal,) = made(spec, ModelCallSettings(timeout=1.0, retries=2)).propose(BRIEF, transcript)
    assert proposal.source == SOUND
    failed = [event for event in transcript.events() if event["event"] == "failed"]
    assert "had not finished" in failed[0]["why"]
    assert "said nothing" in failed[1]["why"]
    assert {each["billed"] for each in failed} == {"possibly"}


def test_nobody_at_the_address(transcript: Transcript, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    with pytest.raises(ExplorerError, match="cannot be reached"):
        made("openai:m", ModelCallSettings(timeout=5, retries=0), base_url="http://127.0.0.1:9/v1").propose(
            BRIEF, transcript
        )
    assert transcript.events()[-1]["billed"] == "no"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"```python\n{SOUND}```", id="one fence"),
        pytest.param(f"First.\n```python\nprint(1)\n```\nThen.\n~~~\n{SOUND}~~~", id="several fences"),
        pytest.param(SOUND, id="no fence"),
    ],
)
def test_code_in_any_fences(serve: Serve, transcript: Transcript, text: str) -> None:
    serve(in_turn(Say(text)))
    (proposal,) = made("openai:m").propose(BRIEF, transcript)
    assert "class " in proposal.source


@pytest.mark.parametrize(
    "first", [Say("I would rather talk."), Say(""), replace(CODE, text=CODE.text[:300], stop="length")]
)
def test_an_unusable_reply_is_asked_for_again_once_with_what_is_wrong(
    serve: Serve, transcript: Transcript, first: Say
) -> None:
    server = serve(in_turn(first, CODE))
    (proposal,) = made("openai:m").propose(BRIEF, transcript)
    assert proposal.source == SOUND
    assert "could not be used" in server.requests[1].text
    assert first.text[:20] in server.requests[1].text
    assert ("cut at its limit" in server.requests[1].text) == (first.stop == "length")


def test_a_second_unusable_reply_costs_the_candidate_alone(serve: Serve, transcript: Transcript) -> None:
    server = serve(lambda request: Say("no") if "conversation 2 of 3" in request.text else CODE)
    assert len(made("openai:m").propose(replace(BRIEF, wanted=3), transcript)) == 2
    assert len(server.requests) == 4


def test_a_critique_that_cannot_be_read_twice_is_empty(serve: Serve, transcript: Transcript) -> None:
    server = serve(in_turn(Say("{"), Say('{"diagnosis": 3}')))
    assert made("openai:m").critique(EVIDENCE, transcript).diagnosis == ""
    assert len(server.requests) == 2
    assert kinds(transcript).count("unreadable") == 2


@pytest.mark.parametrize("spec", KINDS[:2])
def test_a_refusal_is_not_argued_with(serve: Serve, transcript: Transcript, spec: str) -> None:
    server = serve(in_turn(Say("I can't help with that.", stop="refusal")))
    assert made(spec).propose(BRIEF, transcript) == []
    assert len(server.requests) == 1
    assert kinds(transcript)[-1] == "refused"


def test_a_server_without_structured_outputs_is_asked_without(serve: Serve, transcript: Transcript) -> None:
    def script(request: Request) -> Answer:
        if "response_format" in request.body:
            return Status(400, "response_format is not supported")
        return sensible(request)

    server = serve(script)
    assert made("openai:m").critique(EVIDENCE, transcript).diagnosis
    assert len(server.requests) == 2


def test_a_prompt_that_the_context_does_not_hold_is_made_shorter(serve: Serve, transcript: Transcript) -> None:
    def script(request: Request) -> Answer:
        if "Why episodes failed" in request.text:
            return Status(400, "This model's maximum context length is 2048 tokens")
        return sensible(request)

    server = serve(script)
    evidence = replace(EVIDENCE, failures="\n".join(f"Cause {number}." for number in range(500)))
    assert made("openai:m").critique(evidence, transcript).diagnosis
    assert len(server.requests) == 2
    assert "shortened" in kinds(transcript)
    # A resume finds the reply to the shorter prompt again.
    assert made("openai:m").critique(evidence, transcript).diagnosis
    assert len([event for event in transcript.events() if event["event"] == "reply"]) == 1


def test_a_critique_for_which_there_is_no_room_is_left_out(serve: Serve, transcript: Transcript) -> None:
    server = serve(sensible)
    assert made("openai:m", brief_tokens=50).critique(EVIDENCE, transcript).diagnosis == ""
    assert server.requests == []


def test_calls_are_made_side_by_side_and_no_more_than_allowed(serve: Serve, transcript: Transcript) -> None:
    import threading

    under_way, most, lock = 0, 0, threading.Lock()
    together = threading.Barrier(2)

    def script(request: Request) -> Answer:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        together.wait(10)
        with lock:
            under_way -= 1
        return CODE

    serve(script)
    explorer = made("openai:m", ModelCallSettings(timeout=10, concurrent_requests=2))
    assert len(explorer.propose(replace(BRIEF, wanted=4), transcript)) == 4
    assert most == 2


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("anthropic:claude-sonnet-5-5", "export ANTHROPIC_API_KEY="),
        ("openai:gpt-5", "export OPENAI_API_KEY="),
        ("openai:", "give a model"),
        ("langchain:gpt-5", "give provider and model"),
        ("langchain:nobody:m", "langchain:nobody:m"),
        ("vllm:m", r"autotts\[vllm\]"),
    ],
)
def test_what_is_missing_is_said_before_anything_runs(monkeypatch: pytest.MonkeyPatch, spec: str, says: str) -> None:
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ExplorerError, match=says):
        made(spec)


def test_a_key_that_a_server_quotes_back_is_kept_nowhere(
    serve: Serve, transcript: Transcript, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = "sk-canary-0123456789"

    def script(request: Request) -> Answer:
        if request.number == 0:
            return Status(500, f"bad key {canary}", {"retry-after": "0"})
        return Say(f"Key {request.headers['authorization']}.\n```python\n# {canary}\n{SOUND}```")

    serve(script)
    monkeypatch.setenv("OPENAI_API_KEY", canary)
    (proposal,) = made("openai:m").propose(BRIEF, transcript)
    assert "[key redacted]" in proposal.source
    assert canary not in json.dumps([proposal.source, proposal.idea]) + transcript.path.read_text()


def test_caps_stop_between_calls(serve: Serve, transcript: Transcript) -> None:
    server = serve(in_turn(CODE))
    explorer = made("openai:m", max_tokens=30_000)
    with pytest.raises(CapReached, match=r"max_tokens: .*of 30,000 tokens are spent") as capped:  # noqa: PT012
        while explorer.propose(replace(BRIEF, round=len(server.requests) + 1), transcript):
            pass
    assert capped.value.cap == "max_tokens"
    # A call may take its prompt and 16,000 tokens, and takes 1,200.
    spent = sum(e["usage"]["input"] + e["usage"]["output"] for e in transcript.events() if e["event"] == "reply")
    worst = [event for event in transcript.events() if event["event"] == "call"][-1]["worst"]
    assert spent == 1200 * len(server.requests)
    assert spent + worst["input"] + worst["output"] > 30_000 - 1200


def test_a_cap_in_the_middle_of_a_round_keeps_what_there_is(serve: Serve, transcript: Transcript) -> None:
    serve(in_turn(replace(CODE, output=15_000)))
    proposals = made("openai:m", max_tokens=60_000).propose(replace(BRIEF, wanted=8), transcript)
    assert 0 < len(proposals) < 8
    assert kinds(transcript)[-1] == "capped"


@pytest.mark.parametrize("spec", KINDS[:2])
def test_a_reply_that_is_reasoning_alone_is_used_as_it_is(serve: Serve, transcript: Transcript, spec: str) -> None:
    server = serve(lambda request: replace(CODE, text="", thinking=CODE.text))
    assert made(spec).propose(BRIEF, transcript)[0].source == SOUND
    assert len(server.requests) == 1


def test_reasoning_in_the_text_is_journalled_and_left_out_of_the_candidate(
    serve: Serve, transcript: Transcript
) -> None:
    draft = f"Draft:\n\n```python\n{SOUND.replace('0.97', '0.5')}```\nNo."
    server = serve(lambda request: Say(f"<think>\n{draft}\n</think>\n{CODE.text}", thinking="hm"))
    (proposal,) = made("openai:m").propose(BRIEF, transcript)
    assert (proposal.source, proposal.idea) == (SOUND, "An idea.")
    reply = transcript.events()[-1]
    assert (reply["text"], reply["thinking"]) == (f"<think>\n{draft}\n</think>\n{CODE.text}", "hm")
    assert made("openai:m").propose(BRIEF, Transcript(transcript.path)) == [proposal]
    assert len(server.requests) == 1


@pytest.mark.parametrize("part", ["reasoning._tags", "replies.find_code"])
def test_a_fault_in_the_reading_of_a_reply_loses_nothing_and_refuses_it(
    serve: Serve, transcript: Transcript, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    def fault(*given: object) -> object:
        raise RecursionError("too deep")

    server = serve(lambda request: CODE)
    with monkeypatch.context() as patched:
        patched.setattr(f"graph.explorers.prompts.{part}", fault)
        found = made("openai:m").propose(BRIEF, transcript)
    assert [event["text"] for event in transcript.events() if event["event"] == "reply"] == [CODE.text] * (
        2 - len(found)
    )
    assert len(found) == (part == "reasoning._tags")
    # Once the fault is mended, the run goes on with the replies that it has.
    assert made("openai:m").propose(BRIEF, Transcript(transcript.path))[0].source == SOUND
    assert len(server.requests) == 2 - len(found)


def test_a_draft_in_the_reasoning_is_taken_when_the_second_reply_has_no_code(
    serve: Serve, transcript: Transcript
) -> None:
    server = serve(lambda request: Say(f"<think>\n{CODE.text}\n</think>\nI keep the idea short."))
    assert made("openai:m").propose(BRIEF, transcript)[0].source == SOUND
    assert len(server.requests) == 2
    assert "I keep the idea short" in server.requests[1].text
    assert kinds(transcript).count("unreadable") == 2


def test_a_change_is_made_to_a_controller_of_the_brief(serve: Serve, transcript: Transcript) -> None:
    serve(lambda request: Say("<<<<<<< SEARCH\n    return 0.97\n=======\n    return 0.5\n>>>>>>> REPLACE\n"))
    source = SOUND + "\n\ndef share():\n    return 0.97\n"
    rejected = Rejected(source, "load_error", "no")
    (proposal,) = made("openai:m").propose(replace(BRIEF, rejected=(rejected,), attempt=1), transcript)
    assert proposal.source == SOUND + "\n\ndef share():\n    return 0.5\n"


def test_a_file_that_lacks_its_closing_fence_alone_is_used(serve: Serve, transcript: Transcript) -> None:
    server = serve(lambda request: Say(f"An idea.\n\n```python\n{SOUND}"))
    assert made("openai:m").propose(BRIEF, transcript)[0].source == SOUND
    assert len(server.requests) == 1

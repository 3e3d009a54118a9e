"""Replies in other forms than the documented ones: each is used, or refused with a reason; none is paid for twice.

The forms are those that public issue trackers report of compatible servers, gateways and proxies.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graph.accounting.caps import CapReached
from graph.explorers.base import Brief, Evidence, Explorer, ExplorerError
from graph.explorers.context import ExplorerContext
from graph.explorers.registry import make_explorer
from graph.run.settings import ModelCallSettings, RunSettings
from graph.run.transcript import Transcript
from tests.graph.model_server import SOUND, Answer, ModelServer, Raw, Request, Say, Status

BRIEF = Brief(1, 2, 1, 0, (0.0, 1.0), "area", 10.0, 1000.0, {"sc": 0.4})
EVIDENCE = Evidence(1, "r1-01", "It spends much.", {})
REPLY = f"An idea.\n\n```python\n{SOUND}```\n"
FIRST, LAST = REPLY[:100], REPLY[100:]
CRITIQUE = '{"diagnosis": "It stops too early.", "directions": ["Wait longer."]}'
USAGE = {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200}
DONE = b"data: [DONE]\n\n"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    """A server to which both SDKs are pointed; its script is set by the test."""
    with ModelServer(lambda request: Say("")).serving() as running:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", running.root)
        monkeypatch.setenv("OPENAI_BASE_URL", running.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key-anthropic")
        monkeypatch.setenv("OPENAI_API_KEY", "test-key-openai")
        yield running


@pytest.fixture
def transcript(tmp_path: Path) -> Transcript:
    return Transcript(tmp_path / "round-001" / "transcript.jsonl")


def made(spec: str = "openai:m", **changed: Any) -> Explorer:
    settings = RunSettings(grids=("g",), heldout=(), explorers=(spec,), **changed)
    return make_explorer(spec, ExplorerContext(settings, ModelCallSettings(timeout=60.0, retries=0)))


def events_of(transcript: Transcript, kind: str) -> list[dict[str, Any]]:
    return [event for event in transcript.events() if event["event"] == kind]


def event(said: Mapping[str, Any], *, ascii_only: bool = True) -> bytes:
    return b"data: " + json.dumps(said, ensure_ascii=ascii_only).encode() + b"\n\n"


def chunk(choices: Any, **more: Any) -> bytes:
    return event({"id": "c1", "object": "chat.completion.chunk", "model": "m", "choices": choices, **more})


def delta(finish: str | None = None, **said: Any) -> list[dict[str, Any]]:
    return [{"index": 0, "delta": said, "finish_reason": finish}]


def stream(*pieces: Any, finish: str | None = "stop", usage: object = USAGE, done: bytes = DONE) -> bytes:
    """A stream of contents, each a text or whatever else the service puts there."""
    written = b"".join(chunk(delta(content=piece)) for piece in pieces)
    return chunk(delta(role="assistant", content="")) + written + chunk(delta(finish)) + chunk([], usage=usage) + done


def completion(message: object, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": message, "finish_reason": "stop", **more}
    return {"id": "c1", "object": "chat.completion", "model": "m", "choices": [choice], "usage": USAGE}


PLAIN = stream(FIRST, LAST)
WHOLE = completion({"role": "assistant", "content": REPLY})
THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
IN_CALL = json.dumps({"idea": "An idea.", "content": SOUND})
FILTERED = [{"index": 0, "finish_reason": None, "content_filter_results": {"hate": {"filtered": False}}}]
CHATS = {
    "parts": stream([THOUGHT], [{"type": "text", "text": FIRST}], [{"type": "text", "text": LAST}]),
    "parts, then texts": stream([THOUGHT], FIRST, LAST),
    "a part alone, with its text inside": stream({"type": "output_text", "text": {"value": REPLY}}),
    "delta null": chunk([{"index": 0, "delta": None}]) + stream(REPLY, finish=None) + chunk(
        [{"index": 0, "delta": None, "finish_reason": "stop"}]),
    "choices null, empty and odd": chunk(None) + chunk([]) + chunk([None, 7]) + chunk({}) + PLAIN,
    "choices without delta or index": chunk(FILTERED) + PLAIN.replace(b'"index": 0, ', b"") + chunk(FILTERED),
    "a choice alone": chunk({"index": 0, "delta": {"content": REPLY}, "finish_reason": "stop"}, usage=USAGE) + DONE,
    "no finish reason": stream(REPLY, finish=None),
    "no finish reason, no usage": stream(REPLY, finish=None, usage=None),
    "no finish reason, no last event": stream(REPLY, finish=None, done=b""),
    "no last event": stream(REPLY, done=b""),
    "whole JSON": json.dumps(WHOLE).encode(),
    "whole JSON in lines": json.dumps(WHOLE, indent=1).encode("utf-8-sig"),
    "whole JSON in a list": json.dumps([WHOLE]).encode(),
    "whole JSON with parts": json.dumps(completion({"content": [THOUGHT, {"type": "text", "text": REPLY}]})).encode(),
    "whole JSON as an event": event(WHOLE),
    "an event in several lines of data": b"data: " + json.dumps(WHOLE, indent=1).replace("\n", "\ndata: ").encode(),
    "a line for each object": PLAIN.replace(b"data: [DONE]", b"").replace(b"data: ", b""),
    "a text completion": event({"model": "m", "choices": [{"text": REPLY, "finish_reason": "stop"}], "usage": USAGE}),
    "the message again at the end": stream(REPLY, finish=None) + event(WHOLE),
    "two choices": chunk([{"index": 0, "delta": {"content": REPLY}, "finish_reason": "stop"},
                          {"index": 1, "delta": {"content": REPLY}, "finish_reason": "stop"}], usage=USAGE) + DONE,
    "the second choice alone": chunk(delta("stop")) + chunk(
        [{"index": 1, "delta": {"content": REPLY}, "finish_reason": "stop"}], usage=USAGE) + DONE,
    "comments, names and other lines": b": PROCESSING\n\nevent: message\nid: 1\nretry: 5\n" + PLAIN,
    "a byte-order mark": "\ufeff".encode() + PLAIN,
    "line ends of Windows": PLAIN.replace(b"\n", b"\r\n"),
    "line ends of old": PLAIN.replace(b"\n", b"\r"),
    "no space after the colon": PLAIN.replace(b"data: ", b"data:"),
    "an event that is no JSON": b"data: {nonsense\n\n" + PLAIN,
    "an error after the end": stream(REPLY, done=b"") + event({"error": {"message": "late", "code": 500}}),
    "a message that is a text": json.dumps(completion(REPLY)).encode(),
    "a tool call that nobody offered": chunk([{"index": 0, "delta": {"content": None, "tool_calls": [
        {"index": 0, "function": {"name": "write", "arguments": IN_CALL[:90]}}]}}]) + chunk([{"index": 0, "delta": {
            "tool_calls": [{"index": 0, "function": {"arguments": IN_CALL[90:]}}]}}]) + stream(),
    "a tool call in whole JSON": json.dumps(completion({"content": "", "tool_calls": [
        {"function": {"name": "write", "arguments": json.loads(IN_CALL)}}]})).encode(),
    "fields of other types": event({"model": 5, "choices": delta(content=7, refusal={}, reasoning=[1]), "usage": 3}
                                   ) + PLAIN,
}  # fmt: skip
"""Responses that hold the whole reply, for a request to stream a chat completion."""


@pytest.mark.parametrize("body", CHATS.values(), ids=CHATS.keys())
def test_a_chat_completion_in_another_form_is_used(server: ModelServer, transcript: Transcript, body: bytes) -> None:
    server.script = lambda request: Raw(body)
    (proposal,) = made().propose(BRIEF, transcript)
    assert (proposal.source, proposal.idea) == (SOUND, "An idea.")
    (reply,) = events_of(transcript, "reply")
    assert reply["stop_reason"] == "end"
    assert reply["thinking"] == ("hm" if b'"thinking"' in body else "")
    # A new process finds the reply, and asks for nothing.
    assert made().propose(BRIEF, transcript) == [proposal]
    assert len(server.requests) == 1


def message(**said: Any) -> bytes:
    return json.dumps({"id": "1", "type": "message", "role": "assistant", "model": "m", **said}).encode()


def block(piece: str, **start: Any) -> bytes:
    """The events of a text block."""
    added = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
    return event({"type": "content_block_start", "index": 0, "content_block": {"type": "text", **start}}) + event(added)


COUNTED = {"input_tokens": 1000, "output_tokens": 200}
START = event({"type": "message_start", "message": {"type": "message", "content": [], "usage": COUNTED}})
END = event({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 200}})
STOP = event({"type": "message_stop"})
MESSAGES = {
    "whole JSON": message(content=[{"type": "text", "text": REPLY}], stop_reason="end_turn", usage=COUNTED),
    "whole JSON, content a text": message(content=REPLY, stop_reason=None, usage=COUNTED),
    "whole JSON with thinking": message(content=[{"type": "thinking", "thinking": "hm"},
                                                 {"type": "text", "text": REPLY}],
                                        stop_reason="end_turn", usage=COUNTED),
    "blocks that are not opened": START + event(
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": REPLY}}) + END + STOP,
    "a block that begins with its text": START + block(LAST, text=FIRST) + END + STOP,
    "no message": block(REPLY) + event({"type": "message_delta", "delta": {"stop_reason": "end_turn"},
                                        "usage": COUNTED}) + STOP,
    "no stop reason": START + block(REPLY) + STOP,
    "no last event": START + block(REPLY) + END,
    "odd events": event({"type": "ping"}) + event({"type": "content_block_delta", "delta": None}) + event(
        {"type": "message_start", "message": None}) + START + block(REPLY) + END + STOP,
}  # fmt: skip
"""Responses that hold the whole reply, for a request to stream a message."""


@pytest.mark.parametrize("body", MESSAGES.values(), ids=MESSAGES.keys())
def test_a_message_in_another_form_is_used(server: ModelServer, transcript: Transcript, body: bytes) -> None:
    server.script = lambda request: Raw(body)
    (proposal,) = made("anthropic:m").propose(BRIEF, transcript)
    assert (proposal.source, proposal.idea) == (SOUND, "An idea.")
    (reply,) = events_of(transcript, "reply")
    assert (reply["usage"]["input"], reply["usage"]["output"], reply["estimated"]) == (1000, 200, False)
    assert reply["thinking"] == ("hm" if b'"thinking"' in body else "")


TEXTS = {
    "half of a pair": ("Idea \ud83d.", "Idea \ufffd."),
    "a low half": ("Idea \udcaf.", "Idea \ufffd."),
    "NUL": ("Id\x00ea.", "Idea."),
    "byte-order mark": ("\ufeffIdea.", "Idea."),
    "no-break spaces": ("An\u00a0idea\u202f.", "An idea ."),
    "zero-width space": ("Id\u200bea.", "Idea."),
    "line separators": ("Idea\u2028next\u0085.", "Idea next ."),
}


@pytest.mark.parametrize(("sent", "kept"), TEXTS.values(), ids=TEXTS.keys())
def test_text_that_no_file_can_hold_is_replaced(
    server: ModelServer, transcript: Transcript, sent: str, kept: str
) -> None:
    source = SOUND.replace("    ", "\u00a0" * 4).replace('"""', '"""\ud83d\x00 ', 1).replace("\n", "\r\n")
    body = f"{sent}\r\n\r\n```python\r\n\ufeff{source}```\r\n"
    server.script = lambda request: Say(body, thinking=f"hm \udcaf {sent}")
    (proposal,) = made().propose(BRIEF, transcript)
    assert proposal.source == SOUND.replace('"""', '"""\ufffd ', 1)
    assert proposal.idea == kept
    assert made().propose(BRIEF, transcript) == [proposal]
    assert len(server.requests) == 1


def test_a_pair_that_is_cut_between_chunks_is_joined_and_bytes_may_be_no_utf_8(
    server: ModelServer, transcript: Transcript
) -> None:
    cut = stream("An id\u00e9\u2028a \ud83d", "\ude42 caf\u00e9.", REPLY[8:])
    raw = cut.replace(b"\\u00e9", "\u00e9".encode("latin-1"), 1).replace(b"\\u2028", "\u2028".encode(), 1)
    server.script = lambda request: Raw(raw)
    (proposal,) = made().propose(BRIEF, transcript)
    assert (proposal.source, proposal.idea) == (SOUND, "An id\ufffd a \U0001f642 caf\u00e9.")


FAULTS = {
    "error": ({"error": {"message": "worker limit reached", "code": 502}}, "answered 502: worker limit reached", "no"),
    "error by type": ({"type": "error", "message": "busy"}, "busy", "no"),
    "error as text": ({"error": "model is loading"}, "model is loading", "no"),
    "error in a list": ([{"error": {"message": "quota", "code": 429, "status": "X"}}], "answered 429: quota", "no"),
    "error of the key": ({"error": {"message": "bad key", "code": "401"}}, "OPENAI_API_KEY is not accepted", "no"),
    "error of old": ({"object": "error", "message": "no such model", "code": 404}, "is there a model", "no"),
    "detail": ({"detail": "Not found"}, "something else than a model's reply.*Not found", "no"),
    "other JSON": ("hello", "something else than a model's reply.*hello", "no"),
}


@pytest.mark.parametrize(("body", "says", "billed"), FAULTS.values(), ids=FAULTS.keys())
def test_an_error_in_a_body_of_status_200_is_told(
    server: ModelServer, transcript: Transcript, body: object, says: str, billed: str
) -> None:
    server.script = lambda request: Raw(json.dumps(body).encode())
    with pytest.raises(ExplorerError, match=says):
        made().propose(BRIEF, transcript)
    (failed,) = events_of(transcript, "failed")
    assert failed["billed"] == billed
    assert failed["raw"] == json.dumps(body)


def test_a_page_in_place_of_a_reply_is_not_asked_for_again(server: ModelServer, transcript: Transcript) -> None:
    server.script = lambda request: Raw(b"<html><body>Please sign in</body></html>")
    with pytest.raises(ExplorerError, match=r"Please sign in.*--base-url"):
        made().propose(BRIEF, transcript)
    assert len(server.requests) == 1


@pytest.mark.parametrize("spec", ["openai:m", "anthropic:m"])
@pytest.mark.parametrize(
    "end",
    [
        event({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
        event({"type": "error", "error": {"message": "Overloaded", "code": 502}}) + DONE,
        chunk(delta("error", content=""), error={"code": 502, "message": "Overloaded"}) + DONE,
    ],
)
def test_a_reply_that_ends_with_an_error_is_kept_and_may_be_billed(
    server: ModelServer, transcript: Transcript, spec: str, end: bytes
) -> None:
    begun = START + block("A begin") if spec.startswith("a") else chunk(delta(content="A begin"))
    server.script = lambda request: Raw(begun + end)
    with pytest.raises(ExplorerError, match="Overloaded"):
        made(spec).propose(BRIEF, transcript)
    (failed,) = events_of(transcript, "failed")
    assert failed["billed"] == "possibly"
    assert "A begin" in failed["raw"]


DEEP = b'{"choices": [], "usage": {"prompt_tokens": ' + b"[" * 900 + b"]" * 900 + b"}}"


@pytest.mark.parametrize(
    "empty",
    [
        *(json.dumps({"choices": choices, "usage": USAGE}).encode() for choices in (None, [], [{"message": None}])),
        pytest.param(DEEP, id="nested deeply"),
    ],
)
def test_a_reply_without_a_text_is_asked_for_again_once(
    server: ModelServer, transcript: Transcript, empty: bytes
) -> None:
    server.script = lambda request: Raw(empty if request.number == 0 else PLAIN)
    assert len(made().propose(BRIEF, transcript)) == 1
    assert "the reply is empty" in server.requests[1].text
    assert events_of(transcript, "reply")[0]["raw"] == empty.decode()


def usage(into: Any, out: Any, **more: Any) -> dict[str, Any]:
    return {"prompt_tokens": into, "completion_tokens": out, **more}


UNSOUND = {
    "absent": None,
    "empty": {},
    "null": usage(None, None),
    "zero": usage(0, 0),
    "no output for a text": usage(1000, 0),
    "negative": usage(-1, -5),
    "texts": usage("1000", "200"),
    "fractions": usage(1000.0, 200.5),
    "not a number": usage(float("nan"), float("inf")),
    "huge": usage(10**30, 10**400),
    "true": usage(True, True),
    "lists": usage([1000], {"n": 200}),
    "a list": [1000, 200],
    "more cached than sent": usage(100, 200, prompt_tokens_details={"cached_tokens": 900}),
    "more thought than written": usage(1000, 200, completion_tokens_details={"reasoning_tokens": 9000}),
    "a total that says more": usage(1000, 200, total_tokens=10_200),
    "details of other types": usage(1000, -1, prompt_tokens_details=[1], completion_tokens_details="x"),
}


@pytest.mark.parametrize("reported", UNSOUND.values(), ids=UNSOUND.keys())
def test_usage_that_cannot_be_true_is_estimated_and_marked(
    server: ModelServer, transcript: Transcript, reported: object
) -> None:
    server.script = lambda request: Raw(stream(REPLY, usage=reported))
    # A model whose price is listed with one for cached input, which genai-prices wants to be less than the input.
    explorer = made("openai:gpt-4o", price=None if "cached" in str(reported) else (3.0, 15.0), max_tokens=25_000)
    with pytest.raises(CapReached):  # noqa: PT012
        for number in range(1, 100):
            explorer.propose(replace(BRIEF, round=number), transcript)
    replies = events_of(transcript, "reply")
    for reply in replies:
        assert reply["estimated"] is True
        assert (reply["usage"]["input"] > 900, reply["usage"]["output"] > 150) == (True, True)
        assert all(type(count) is int and count >= 0 for count in reply["usage"].values())
        assert reply["cost"] is None or reply["cost"] > 0
    if "9000" in str(reported) or "10200" in str(reported):
        assert replies[0]["usage"]["output"] >= 9000
    assert sum(reply["usage"]["input"] + reply["usage"]["output"] for reply in replies) <= 25_000


@pytest.mark.parametrize(
    ("reported", "read"),
    [
        (usage(1000, 200, prompt_tokens_details={"cached_tokens": 900}), (1000, 900, 200)),
        (usage(1000.0, 200.0), (1000, 0, 200)),
        ({"input_tokens": 1000, "output_tokens": 200}, (1000, 0, 200)),
        (usage(1000, 200, prompt_cache_hit_tokens=640, completion_tokens_details=None), (1000, 640, 200)),
    ],
)
def test_sound_usage_is_taken_wherever_it_stands(
    server: ModelServer, transcript: Transcript, reported: Any, read: tuple[int, int, int]
) -> None:
    bodies = [
        stream(REPLY, usage=reported),
        chunk(delta(content=FIRST), usage={**reported, "completion_tokens": 1}) + stream(LAST, usage=reported),
        chunk([], x_groq={"usage": reported}) + stream(REPLY, usage=None),
        stream(REPLY, finish=None, usage=None, done=b"") + chunk([{"finish_reason": "stop", "usage": reported}]),
    ]
    server.script = lambda request: Raw(bodies[request.number])
    for number in range(1, 5):
        made().propose(replace(BRIEF, round=number), transcript)
    for reply in events_of(transcript, "reply"):
        found = reply["usage"]
        assert (found["input"], found["cached"], found["output"], reply["estimated"]) == (*read, False)


def has_system(body: Mapping[str, Any]) -> bool:
    return "system" in body or body["messages"][0]["role"] == "system"


def marks(body: Mapping[str, Any]) -> bool:
    return "cache_control" in str(body["messages"])


Refused = Callable[[Mapping[str, Any]], bool]
FORMS: dict[str, tuple[str, Refused, str]] = {
    "limit": ("openai:m", lambda body: "max_tokens" in body,
              "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'."),
    "stream_options": ("openai:m", lambda body: "stream_options" in body,
                       "Unrecognized request argument supplied: stream_options"),
    "stream": ("openai:m", lambda body: body["stream"],
               "Your organization must be verified to stream this model. See stream"),
    "schema": ("openai:m", lambda body: "response_format" in body,
               "'response_format.type' must be 'text' or 'json_object'"),
    "system role": ("openai:m", has_system, "System role not supported"),
    "system value": ("openai:m", has_system, "Unsupported value: 'messages[0].role' does not support 'system'"),
    "roles": ("openai:m", has_system, "Conversation roles must alternate user/assistant/user/assistant/..."),
    "output_config": ("anthropic:m", lambda body: "output_config" in body,
                      "output_config: Extra inputs are not permitted"),
    "cache marks": ("anthropic:m", marks, "messages.0.content.0.cache_control: Extra inputs are not permitted"),
    "streaming": ("anthropic:m", lambda body: body["stream"], "Streaming is not supported"),
}  # fmt: skip


@pytest.mark.parametrize(("spec", "refused", "why"), FORMS.values(), ids=FORMS.keys())
def test_a_part_that_is_refused_is_sent_in_its_other_form_for_the_rest_of_the_run(
    server: ModelServer, transcript: Transcript, spec: str, refused: Refused, why: str
) -> None:
    def script(request: Request) -> Answer:
        if refused(request.body):
            return Status(400, why, kind="invalid_request_error")
        if not request.body["stream"]:
            text = CRITIQUE if request.is_critique else REPLY
            return Raw(json.dumps(completion({"content": text}) if spec[0] == "o" else {
                "content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "usage": COUNTED,
            }).encode())  # fmt: skip
        return Say(CRITIQUE if request.is_critique else REPLY)

    server.script = script
    assert len(made(spec).propose(BRIEF, transcript)) == 1
    assert made(spec).critique(EVIDENCE, transcript).directions == ("Wait longer.",)
    # Another process, in the next round.
    later = Transcript(transcript.path.parent.parent / "round-002" / transcript.path.name)
    assert len(made(spec).propose(replace(BRIEF, round=2), later)) == 1
    assert made(spec).critique(replace(EVIDENCE, round=2), later).diagnosis
    assert sum(refused(request.body) for request in server.requests) == 1
    assert len(events_of(transcript, "other form")) == 1
    assert all(failed["billed"] == "no" for failed in events_of(transcript, "failed"))
    # Nothing of the prompt is lost.
    assert all("Controller" in request.text or request.is_critique for request in server.requests)


def test_calls_at_once_find_the_other_form_together(server: ModelServer, transcript: Transcript) -> None:
    server.script = lambda request: Status(400, "System role not supported") if has_system(request.body) else Say(REPLY)
    assert len(made().propose(replace(BRIEF, wanted=3), transcript)) == 3
    assert len(events_of(transcript, "other form")) == 1


SETTINGS = {
    "temperature": ("openai:m", {"temperature": 0.3}, "'temperature' does not support 0.3 with this model. Only the "
                    "default (1) value is supported.", "without --temperature"),
    "effort": ("openai:m", {"effort": "low"}, "Unrecognized request argument supplied: reasoning_effort",
               "without --effort"),
    "thinking": ("anthropic:m", {"thinking": 2000}, "thinking: adaptive thinking only", "without --thinking"),
    "limit": ("anthropic:m", {}, "max_tokens: 16000 > 8192, which is the maximum allowed number of output tokens",
              "--max-output"),
    "limit of a chat": ("openai:m", {}, "max_tokens is too large: 16000. This model supports at most 4096 completion "
                        "tokens", "--max-output"),
}  # fmt: skip


@pytest.mark.parametrize(("spec", "changed", "why", "flag"), SETTINGS.values(), ids=SETTINGS.keys())
def test_a_setting_of_the_user_that_is_refused_is_named(
    server: ModelServer, transcript: Transcript, spec: str, changed: dict[str, Any], why: str, flag: str
) -> None:
    server.script = lambda request: Status(400, why, kind="invalid_request_error")
    with pytest.raises(ExplorerError, match=flag):
        made(spec, **changed).propose(BRIEF, transcript)
    assert len(server.requests) == 1

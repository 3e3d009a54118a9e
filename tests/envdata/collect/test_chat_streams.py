"""Events of streams as services send them, and how their tokens are counted."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from envdata.collect import openai_streams
from envdata.collect.anthropic_streams import read_event as read_anthropic
from envdata.collect.chat_streams import Counting, StreamEvent, StreamUsage, counting_of, usage_of
from envdata.collect.openai_chat_streams import read_event
from envdata.collect.openai_streams import NoStreamError, ServerSentError, StreamedReply, lines_of

CHUNK = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}


@pytest.mark.parametrize(
    ("sent", "event"),
    [
        # OpenAI: a first event without text, one with text, the end, and usage in an event without choices.
        (
            '{"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,'
            '"finish_reason":null}],"usage":null,"obfuscation":"x"}',
            StreamEvent(),
        ),
        ('{"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}', StreamEvent(content="Hi")),
        ('{"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}', StreamEvent(end="stop")),
        (
            '{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":70,"total_tokens":79,"prompt_tokens_details":'
            '{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":64}}}',
            StreamEvent(usage=StreamUsage(9, 4, 70, 64)),
        ),
        # vLLM with continuous usage, thinking set apart.
        (
            '{"choices":[{"index":0,"delta":{"reasoning_content":"So"},"logprobs":null,"finish_reason":null}],'
            '"usage":{"prompt_tokens":9,"total_tokens":12,"completion_tokens":3}}',
            StreamEvent(reasoning="So", usage=StreamUsage(9, None, 3)),
        ),
        # Ollama: thinking under another name, and an empty content beside it.
        (
            '{"system_fingerprint":"fp_ollama","choices":[{"index":0,"delta":{"role":"assistant","content":"",'
            '"reasoning":"So"},"finish_reason":null}]}',
            StreamEvent(reasoning="So"),
        ),
        # Gemini's compatible endpoint: several tokens an event, the last one with its end.
        (
            '{"choices":[{"index":0,"delta":{"content":"one, two","role":"assistant"},"finish_reason":"length"}]}',
            StreamEvent(content="one, two", end="length"),
        ),
        ('{"choices":[{"index":0,"delta":{},"finish_reason":"content_filter"}]}', StreamEvent(end="stop")),
        ('{"choices":[{"index":0,"delta":{"refusal":"I cannot."},"finish_reason":null}]}', StreamEvent("I cannot.")),
        # Mistral: parts, thinking among them, in place of a text.
        (
            '{"choices":[{"index":0,"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"So"}]}]},'
            '"finish_reason":null}]}',
            StreamEvent(reasoning="So"),
        ),
        (
            '{"choices":[{"index":0,"delta":{"content":[{"type":"text","text":"Hi"}, 7, {"type":"image"}]}}]}',
            StreamEvent("Hi"),
        ),
    ],
)
def test_events_of_chat_completions(sent: str, event: StreamEvent) -> None:
    assert read_event({**CHUNK, **json.loads(sent)}) == event


def test_tokens_that_an_event_lists() -> None:
    tops = [{"token": "H", "logprob": -0.5, "bytes": [72]}, {"token": "h", "logprob": -1.5, "bytes": [104]}]
    entry = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": tops}
    choice = {"index": 0, "delta": {"content": "Hi"}, "logprobs": {"content": [entry]}, "finish_reason": None}
    (token,) = read_event({**CHUNK, "choices": [choice]}, 2).tokens
    assert token == ("Hi", -0.5, 1.0)


@pytest.mark.parametrize(
    ("sent", "event"),
    [
        (
            '{"type":"message_start","message":{"id":"msg_1","role":"assistant","content":[],"stop_reason":null,"usage":'
            '{"input_tokens":25,"cache_creation_input_tokens":2,"cache_read_input_tokens":3,"output_tokens":1}}}',
            StreamEvent(usage=StreamUsage(30, 3, None)),
        ),
        ('{"type":"ping"}', StreamEvent()),
        (
            '{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"So"}}',
            StreamEvent(reasoning="So"),
        ),
        (
            '{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2ln"}}',
            StreamEvent(),
        ),
        (
            '{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Hi"}}',
            StreamEvent(content="Hi"),
        ),
        (
            '{"type":"message_delta","delta":{"stop_reason":"max_tokens","stop_sequence":null},"usage":'
            '{"output_tokens":15}}',
            StreamEvent(usage=StreamUsage(0, None, 15), end="length"),
        ),
        ('{"type":"message_stop"}', StreamEvent()),
    ],
)
def test_events_of_anthropics_messages(sent: str, event: StreamEvent) -> None:
    assert read_anthropic(json.loads(sent)) == event


def test_an_error_that_is_sent_as_an_event_is_raised() -> None:
    with pytest.raises(ServerSentError, match="Overloaded"):
        read_anthropic({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    with pytest.raises(ServerSentError, match="too many"):
        read_event({"error": {"message": "too many", "code": 429}})


def read(*parts: bytes) -> list[str]:
    async def sent() -> AsyncIterator[bytes]:
        for part in parts:
            yield part

    async def lines() -> list[str]:
        return [line async for line in lines_of(sent())]

    return asyncio.run(lines())


def test_lines_end_where_events_do_and_at_no_other_character() -> None:
    event = 'data: {"text": "a\u2028b\x85c\u2029\x0bd"}'
    whole = f": hello\r\n\r\n{event}\n\n{event}\r{event}".encode()
    assert read(whole) == [": hello", event, event, event]
    assert read(*(bytes([each]) for each in whole)) == [": hello", event, event, event]


def test_a_line_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_streams, "MAX_EVENT", 100)
    with pytest.raises(NoStreamError, match="a line of more than 100 bytes"):
        read(*[b"x" * 30] * 4)


def test_parts_and_texts_of_one_reply_are_joined() -> None:
    reply = StreamedReply()
    thought = [{"type": "thinking", "thinking": [{"type": "text", "text": "So "}]}]
    for content in ("", thought, thought, [{"type": "text", "text": "it is"}], " 42."):
        reply.add({**CHUNK, "choices": [{"index": 0, "delta": {"content": content}, "finish_reason": None}]})
    reply.add({**CHUNK, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": {}})
    reply.add({**CHUNK, "choices": [], "usage": {"completion_tokens": 5}})
    assert reply.reply()["choices"][0]["message"] == {"content": "it is 42.", "reasoning_content": "So So "}


@pytest.mark.parametrize("count", [-1, 10**30, 1.5, True, "7", None])
def test_a_count_that_is_none_is_not_told(count: object) -> None:
    assert read_event({**CHUNK, "choices": [], "usage": {"completion_tokens": count}}).usage is None
    told = read_event({**CHUNK, "usage": {"completion_tokens": 5, "prompt_tokens": count}}).usage
    assert told == StreamUsage(0, None, 5)
    assert read_anthropic({"type": "message_delta", "delta": {}, "usage": {"output_tokens": count}}).usage is None


def test_usage_is_put_together_from_several_events() -> None:
    events = [StreamEvent(usage=StreamUsage(30, 3, None)), StreamEvent(), StreamEvent(usage=StreamUsage(0, None, 15))]
    assert usage_of(events) == StreamUsage(30, 3, 15)
    assert usage_of([StreamEvent("text")]) == StreamUsage(0, None, None)


def trial(pieces: list[str], *usage: int, reasoning: str = "") -> Counting:
    told = [StreamEvent(usage=StreamUsage(9, None, *usage))] if usage else []
    return counting_of([StreamEvent(reasoning=reasoning), *map(StreamEvent, pieces), *told])


def test_what_is_learnt_of_tokens_from_a_trial_answer() -> None:
    words = ["one", ",", " two", ",", " three"]
    assert trial(words, 6) == Counting(by_event=True, rate=6 / 15)
    assert trial(["one, two", ", three"], 5) == Counting(rate=5 / 15)
    assert trial(words) == Counting()
    # Thinking that is not shown is no measure of the text; where it is shown, it is a part of it.
    assert trial(words, 6 + 40, 40) == Counting(by_event=True, rate=6 / 15)
    assert trial(["one, two"], 64) == Counting()
    assert trial(["one, two"], 6, 4, reasoning="So be it") == Counting(rate=6 / 16)


def test_estimated_tokens() -> None:
    assert Counting(by_event=True).tokens(StreamEvent("several words")) == 1
    assert Counting(by_event=True).tokens(StreamEvent()) == 0
    assert Counting(rate=0.5).tokens(StreamEvent("four", reasoning="four")) == 4

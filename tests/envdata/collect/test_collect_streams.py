"""Traces that are streamed: counted while they are written, the same afterwards, and lost whole where they are cut."""

import asyncio
import time

import pyarrow.parquet as pq
import pytest

from envdata.collect import openai_client
from envdata.collect.collection import Provenance, collect
from envdata.collect.engine import EngineGoneError, Sampling
from envdata.collect.extraction import AnswerRule
from envdata.collect.final_answers import FinalAnswerSampler
from envdata.collect.openai_client import Client
from envdata.collect.openai_server import OpenAIServer
from envdata.collect.openai_streams import CutError, NoStreamError, read_stream
from envdata.collect.questions import Question
from envdata.collect.settings import ChatSettings, CollectionSettings
from tests.envdata.collect.completions_server import Behaviour, serving

QUESTIONS = [
    Question(f"What is {a} * {b}?", str(a * b), f"Problem: What is {a} * {b}?\nReasoning:") for a, b in [(2, 3), (4, 5)]
]
PROBED = CollectionSettings(interval=4, branches=7, sampling=Sampling(0.8, max_tokens=40, stop=("\n\n",)), seed=3)
FINAL = CollectionSettings(interval=40, branches=3, sampling=PROBED.sampling, seed=3, probes=False, chat=ChatSettings())
SOURCE = Provenance("toy", "a toy", "two products", {})


@pytest.fixture
def behaviour():
    return Behaviour()


@pytest.fixture
def url(behaviour, monkeypatch):
    monkeypatch.setattr(openai_client, "SECONDS_TO_TRY_AGAIN", 0.01)
    with serving(behaviour) as address:
        yield address


def engine_of(url, settings, retries=0):
    client = Client(url, "toy", concurrency=4, timeout=60, retries=retries)
    return OpenAIServer(client) if settings.probes else FinalAnswerSampler(client, chat=settings.chat is not None)


def run(url, out, settings=PROBED, **options):
    engine = engine_of(url, settings, **options)
    return asyncio.run(collect(engine, QUESTIONS, settings, SOURCE, out, at_once=1))


def rows(out):
    return pq.read_table(out).to_pylist()


def asked_as_streams(behaviour):
    return [body for body in behaviour.requests if body.get("stream")]


@pytest.mark.parametrize("llama", [False, True])
@pytest.mark.parametrize("settings", [PROBED, FINAL, CollectionSettings(**{**vars(FINAL), "chat": None})])
def test_a_streamed_trace_is_the_same_trace(url, behaviour, tmp_path, settings, llama):
    behaviour.llama = llama
    streamed = run(url, tmp_path / "streamed.parquet", settings)
    assert len(asked_as_streams(behaviour)) > len(QUESTIONS)
    behaviour.streams = False
    whole = run(url, tmp_path / "whole.parquet", settings)
    assert rows(tmp_path / "streamed.parquet") == rows(tmp_path / "whole.parquet")
    # The two trials differ; of what was collected every token is counted, and none twice.
    assert abs(streamed.usage.decoded - whole.usage.decoded) <= 16


@pytest.mark.parametrize("settings", [PROBED, FINAL])
def test_what_is_still_being_written_is_counted(url, behaviour, tmp_path, settings):
    behaviour.events_held_after = 5
    engine = engine_of(url, settings)

    async def look():
        collecting = asyncio.create_task(
            collect(engine, QUESTIONS, settings, SOURCE, tmp_path / "grid.parquet", at_once=1)
        )
        deadline = time.monotonic() + 60
        # Traces in one request for a server that draws several, else one a request: no more than five events each.
        expected = 5 if settings.probes else 5 * settings.branches
        while engine.usage.under_way < expected:
            assert time.monotonic() < deadline, engine.usage
            await asyncio.sleep(0.01)
        before = engine.usage.decoded
        assert engine.usage.under_way == expected
        behaviour.events_held_after = None
        await collecting
        return before

    before = asyncio.run(look())
    written = sum(row["tokens"] for row in rows(tmp_path / "grid.parquet"))
    assert engine.usage.decoded - before >= written
    assert engine.usage.under_way == 0


def test_a_server_whose_streams_do_not_count_is_asked_for_whole_replies(url, behaviour, tmp_path):
    behaviour.stream_usage = False
    run(url, tmp_path / "grid.parquet")
    assert len(asked_as_streams(behaviour)) == 1, "the trial"
    assert {row["tokens"] > 0 for row in rows(tmp_path / "grid.parquet")} == {True}


def test_a_stream_that_is_cut_is_asked_for_again(url, behaviour, tmp_path):
    whole = run(url, tmp_path / "whole.parquet")
    behaviour.cuts = 3
    again = run(url, tmp_path / "again.parquet", retries=3)
    assert behaviour.cuts == 0
    assert rows(tmp_path / "again.parquet") == rows(tmp_path / "whole.parquet")
    assert again.usage.decoded == whole.usage.decoded, "what was cut off is not counted"
    assert again.usage.under_way == 0


def test_a_stream_that_is_always_cut_ends_the_collection(url, behaviour, tmp_path):
    behaviour.cuts = 1000
    with pytest.raises(EngineGoneError, match=r"did not send a reply to its end .*start the same command again"):
        run(url, tmp_path / "grid.parquet", retries=2)
    assert 1000 - behaviour.cuts == 3


@pytest.mark.parametrize(("code", "requests"), [(400, 1), (500, 3), (None, 3)])
def test_an_error_inside_a_stream_leaves_its_question_out(url, behaviour, tmp_path, code, requests):
    behaviour.breaks_off = {"message": "this trace hurts", "code": code}
    engine = engine_of(url, PROBED, retries=2)
    with pytest.raises(Exception, match=r"no question could be collected.*broke a reply off: this trace hurts"):
        asyncio.run(collect(engine, QUESTIONS[:1], PROBED, SOURCE, tmp_path / "grid.parquet", at_once=1))
    assert len(behaviour.sampled()) == requests


def test_a_stream_that_takes_too_long_is_cut(url, behaviour, tmp_path):
    client = Client(url, "toy", concurrency=4, timeout=1, retries=0)

    async def asked():
        await client.complete(prompt="What is 2 * 3?", temperature=1, seed=1, max_tokens=40, streamed=True)

    behaviour.events_held_after = 4
    try:
        with pytest.raises(EngineGoneError, match="not within the 1 s of --timeout"):
            asyncio.run(asked())
    finally:
        behaviour.events_held_after = None


def test_answers_are_still_read_after_the_marker(url, tmp_path):
    """A stop text that ends a streamed trace is counted, and no part of its text."""
    run(url, tmp_path / "grid.parquet")
    finished = [row for row in rows(tmp_path / "grid.parquet") if row["finish_reason"] == "stop"]
    assert finished
    assert all(row["tokens"] == len(row["text"]) + 2 for row in finished)
    assert all(AnswerRule("Answer:").answer(row["text"]) == row["final_answer"] for row in finished)


def joined(*lines):
    async def sent():
        for line in lines:
            yield line

    return asyncio.run(read_stream(sent(), lambda tokens: None))


EVENT = '{"choices": [{"index": 0, "text": "a", "finish_reason": "stop"}], "usage": {"completion_tokens": 1}}'


def test_a_stream_may_begin_with_a_byte_order_mark():
    assert joined(f"\ufeffdata: {EVENT}", "", "data: [DONE]")["choices"][0]["text"] == "a"


@pytest.mark.parametrize(
    "event",
    [
        '{"choices": ' + "[" * 100_000,
        '{"choices": [{"index": []}]}',
        '{"choices": [{"index": null}]}',
        '{"choices": [3]}',
        "[]",
    ],
)
def test_an_event_that_is_none_is_an_error_of_the_stream(event):
    with pytest.raises((NoStreamError, CutError)):
        joined(f"data: {event}")


@pytest.mark.parametrize("odd", ['"logprobs": []', '"logprobs": 3', '"delta": "x"', '"token_ids": 5'])
def test_fields_that_are_none_are_passed_over(odd):
    event = EVENT.replace('"index": 0', f'"index": 0, {odd}')
    assert joined(f"data: {event}")["choices"][0]["finish_reason"] == "stop"

"""/v1/responses through the openai SDK, whose own types check every reply and event."""

import json
from typing import Any

import httpx
import openai
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from envdata.collect.answer_reader import Thinking
from envdata.live.model import LiveSettings, chat_settings
from graph.serve.errors import Problem
from graph.serve.requests import ServedControllers
from graph.serve.responses_api import read_response, unsupported_in_responses
from sandbox.candidate import Candidate
from tests import live_model
from tests.graph.serve.chat_model import Handed
from tests.graph.serve.conftest import Serve
from tests.live_model import Toy

QUESTION = "What is 6 * 7?"
OFFER = ServedControllers({"cmc": Candidate.parse("cmc")}, 0.5, "toy")


def client(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=url, api_key="none", max_retries=0)


def test_a_response(serve: Serve, toy: Toy) -> None:
    toy.ways = "abd"
    url = serve()
    toy.decoded = 0
    told = client(url).responses.create(
        model="cmc", input=QUESTION, instructions="Be brief.", metadata={"a": "b"}, max_output_tokens=300
    )
    assert "6 * 7 = 42." in told.output_text
    assert (told.status, told.error, told.incomplete_details) == ("completed", None, None)
    assert (told.instructions, told.metadata, told.max_output_tokens) == ("Be brief.", {"a": "b"}, 300)
    assert told.usage is not None
    assert told.usage.output_tokens == toy.decoded
    assert told.usage.input_tokens_details.cached_tokens > 0
    assert told.model_extra is not None
    assert told.model_extra["autotts"]["answer"] == "42"
    assert told.model_extra["autotts"]["dollars"] is None
    raw = httpx.post(f"{url}/responses", json={"model": "cmc", "input": QUESTION}, timeout=60).json()
    assert Response.model_validate(raw, strict=True).id != told.id


def test_its_events_are_the_apis_own(serve: Serve, toy: Toy) -> None:
    toy.ways = "a"
    url = serve()
    body = {"model": "cmc", "input": [{"role": "user", "content": QUESTION}], "stream": True}
    sent = httpx.post(f"{url}/responses", json=body, timeout=60).text
    events = [dict(line.split(": ", 1) for line in part.split("\n")) for part in sent.strip().split("\n\n")]
    bodies = [json.loads(event["data"]) for event in events]
    assert [event["event"] for event in events] == [each["type"] for each in bodies] == [
        "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
        "response.output_text.delta", "response.output_text.done", "response.content_part.done",
        "response.output_item.done", "response.completed",
    ]  # fmt: skip
    assert [each["sequence_number"] for each in bodies] == list(range(9))
    for each in bodies:
        TypeAdapter(ResponseStreamEvent).validate_python(each, strict=True)
    with client(url).responses.stream(model="asc", input=QUESTION) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        assert text == stream.get_final_response().output_text
    assert "6 * 7 = 42" in text


def test_thinking_is_an_item_of_its_own(serve: Serve, toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    plainly = live_model.continued

    def thinks(text: str, seed: int, ways: str) -> str:
        prefix = text.rpartition("<assistant>")[2]
        whole = f"<think>{plainly(text.removesuffix(prefix), seed, ways)}</think>It is \\boxed{{42}}."
        return whole[len(prefix) :]

    monkeypatch.setattr(live_model, "continued", thinks)
    ask = LiveSettings.of(chat_settings(thinking=Thinking()))
    events = list(client(serve(ask=ask)).responses.create(model="mute", input=QUESTION, stream=True))
    kinds = [event.type for event in events]
    assert kinds.index("response.reasoning_text.delta") < kinds.index("response.output_text.delta")
    for event in events:
        TypeAdapter(ResponseStreamEvent).validate_python(event.model_dump(), strict=True)
    assert events[-1].type == "response.completed"
    thought, message = events[-1].response.output
    assert thought.type == "reasoning"
    assert thought.content is not None
    assert "so it is" in thought.content[0].text
    assert message.type == "message"
    assert events[-1].response.output_text == "It is \\boxed{42}."


def test_a_text_that_is_cut_and_a_question_that_fails(serve: Serve, toy: Toy) -> None:
    toy.ways = "a"
    sdk = client(serve())
    cut = sdk.responses.create(model="mute", input=QUESTION, max_output_tokens=9)
    assert cut.status == "incomplete"
    assert cut.incomplete_details is not None
    assert cut.incomplete_details.reason == "max_output_tokens"
    assert cut.output_text == "a: so it"
    (*_, last) = sdk.responses.create(model="mute", input=QUESTION, max_output_tokens=9, stream=True)
    assert last.type == "response.incomplete"
    (*_, failed) = sdk.responses.create(model="dies", input=QUESTION, stream=True)
    TypeAdapter(ResponseStreamEvent).validate_python(failed.model_dump(), strict=True)
    assert failed.type == "response.failed"
    assert failed.response.error is not None
    assert failed.response.error.code == "server_error"
    assert "boom" in failed.response.error.message
    with pytest.raises(openai.InternalServerError, match="boom"):
        sdk.responses.create(model="dies", input=QUESTION)


def test_a_conversation_that_is_sent_back(serve: Serve, toy: Toy) -> None:
    sdk = client(serve())
    first = sdk.responses.create(model="asc", input=QUESTION)
    items: Any = [
        {"role": "user", "content": QUESTION},
        *[item.model_dump() for item in first.output],
        {"role": "user", "content": [{"type": "input_text", "text": "What is 3 * 3?"}]},
    ]
    assert "3 * 3 = " in sdk.responses.create(model="asc", input=items).output_text
    with pytest.raises(openai.BadRequestError, match="keeps no responses; send the whole conversation"):
        sdk.responses.create(model="asc", input="What is 3 * 3?", previous_response_id=first.id)


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"tools": [], "store": True, "include": ["reasoning.encrypted_content"], "reasoning": {"effort": "low"}}, []),
        ({"text": {"format": {"type": "text"}, "verbosity": "low"}, "background": False, "top_logprobs": 0}, []),
        ({"tools": [{"type": "web_search"}], "tool_choice": "none"}, []),
        ({"tools": [{"type": "web_search"}]}, ["tools"]),
        ({"text": {"format": {"type": "json_object"}}}, ["text"]),
        ({"previous_response_id": "resp_1", "background": True}, ["previous_response_id", "background"]),
        ({"include": ["message.output_text.logprobs"], "top_logprobs": 2}, ["top_logprobs", "include"]),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]}, ["input"]),
        ({"input": [{"type": "function_call_output", "call_id": "1", "output": "2"}]}, ["input"]),
        ({"input": [{"type": "reasoning", "id": "rs_1", "summary": []}, {"role": "user", "content": "x"}]}, []),
    ],
)
def test_what_is_no_question(more: dict[str, Any], named: list[str]) -> None:
    given = {"model": "cmc", "input": QUESTION, **more}
    assert unsupported_in_responses(given) == named
    if named:
        with pytest.raises(Problem):
            read_response(given, OFFER)
    else:
        assert read_response(given, OFFER).turns


@pytest.mark.parametrize(
    "wrong",
    [
        {"input": None}, {"input": []}, {"input": [7]}, {"input": [{"role": "user"}]}, {"input": {}},
        {"input": [{"role": ["user"], "content": "x"}]}, {"input": [{"role": "assistant", "content": "x"}]},
        {"input": [{"type": "reasoning"}]}, {"input": [{"type": [], "role": "user", "content": "x"}]},
        {"input": [{"role": "user", "content": [{"type": "input_text", "text": 7}]}]},
        {"instructions": 7}, {"stream": "yes"}, {"max_output_tokens": 0}, {"temperature": 9}, {"model": None},
    ],
    ids=str,
)  # fmt: skip
def test_wrong_types_are_400_and_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(Problem) as refused:
        read_response({"model": "cmc", "input": QUESTION, **wrong}, OFFER)
    assert refused.value.status == 400
    assert refused.value.param is not None


def test_it_is_handed_on_like_chats(serve: Serve, handed: Handed) -> None:
    told = client(serve(passthrough=True)).responses.with_raw_response.create(
        model="cmc", input=QUESTION, tools=[{"type": "web_search"}]
    )
    assert told.headers["x-autotts-passthrough"] == "tools"
    assert told.content == handed.sent[-1]
    assert json.loads(handed.bodies[-1]) == {"model": "toy", "input": QUESTION, "tools": [{"type": "web_search"}]}

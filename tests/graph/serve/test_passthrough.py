"""Requests that are no questions for a controller: the upstream gets and answers them, byte for byte."""

import asyncio
import json
import time
from typing import Any

import httpx
import openai
import pytest

from envdata.collect.server_keys import ServerKey
from graph.serve.app import MAX_BODY
from graph.serve.requests import unsupported_in_chat
from tests.graph.serve.chat_model import Handed
from tests.graph.serve.conftest import Serve
from tests.live_model import Toy

QUESTION: Any = [{"role": "user", "content": "What is 6 * 7?"}]
TOOL: Any = {"type": "function", "function": {
    "name": "tell", "parameters": {"type": "object", "properties": {"result": {"type": "integer"}}},
}}  # fmt: skip
NOBODY = "http://127.0.0.1:9/v1"
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def client(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=url, api_key="none", max_retries=0)


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({}, []),
        ({"n": 1, "tools": [], "response_format": {"type": "text"}, "logprobs": False}, []),
        ({"tools": [TOOL]}, ["tools"]),
        ({"tools": [TOOL], "tool_choice": "auto"}, ["tools"]),
        ({"tools": [TOOL], "tool_choice": "none"}, []),
        ({"tool_choice": "none"}, []),
        ({"functions": [{}], "function_call": "none"}, []),
        ({"functions": [{}]}, ["functions"]),
        ({"n": 2, "logprobs": True}, ["n", "logprobs"]),
        ({"response_format": {"type": "json_object"}}, ["response_format"]),
        ({"frequency_penalty": 0.5}, ["frequency_penalty"]),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}, IMAGE]}]}, ["messages"]),
        ({"messages": [*QUESTION, {"role": "tool", "tool_call_id": "1", "content": "x"}]}, ["messages"]),
        ({"messages": [{"role": "assistant", "content": None, "tool_calls": [{}]}]}, ["messages"]),
        ({"messages": [{"role": "user", "content": [{"type": ["text"]}]}, 7, {"content": 7}]}, []),
    ],
)
def test_what_is_no_question(more: dict[str, Any], named: list[str]) -> None:
    assert unsupported_in_chat({"model": "cmc", "messages": QUESTION, **more}) == named


def test_it_is_handed_on_and_relayed_byte_for_byte(serve: Serve, handed: Handed, toy: Toy) -> None:
    url = serve(passthrough=True, key="client's")
    bodies: list[dict[str, Any]] = [
        {"model": "toy", "messages": QUESTION, "n": 2},
        {"model": "cmc@0.7", "messages": QUESTION, "tools": [TOOL], "stream": True, "autotts": {"beta": 0.1}},
    ]
    for body in bodies:
        # Spaces that no serialiser would write.
        reply = httpx.post(
            f"{url}/chat/completions", content=json.dumps(body, indent=3), headers={"authorization": "Bearer client's"}
        )
        assert reply.status_code == 200
        assert reply.content == handed.sent[-1]
    assert handed.bodies[0] == json.dumps(bodies[0], indent=3).encode()
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.headers["x-autotts-passthrough"] == "tools"
    # The upstream knows neither the controllers' names nor the extension, and the key is not for it.
    assert json.loads(handed.bodies[1]) == {"model": "toy", "messages": QUESTION, "tools": [TOOL], "stream": True}
    assert all("client" not in str(headers) for headers in handed.headers)
    assert toy.sampled == 0


def test_the_sdk_calls_tools_through_it(serve: Serve, handed: Handed, toy: Toy) -> None:
    create = client(serve(passthrough=True)).chat.completions.create
    message = create(model="cmc", messages=QUESTION, tools=[TOOL]).choices[0].message
    assert message.tool_calls
    (call,) = message.tool_calls
    assert call.type == "function"
    assert (call.function.name, json.loads(call.function.arguments)) == ("tell", {"result": 42})
    assert [choice.message.content for choice in create(model="cmc", messages=QUESTION, n=3).choices] == ["hello ✓"] * 3
    chunks = list(create(model="cmc", messages=QUESTION, stream=True, logprobs=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "hello ✓"
    # No tool may be called: a question after all.
    solved = create(model="asc", messages=QUESTION, tools=[TOOL], tool_choice="none")
    assert "6 * 7 = 4" in str(solved.choices[0].message.content)
    assert len(handed.bodies) == 3


def test_it_is_counted_apart_and_within_the_budget(serve: Serve, handed: Handed) -> None:
    url = serve(passthrough=True, budget=12)
    create = client(url).chat.completions.create
    create(model="cmc", messages=QUESTION, n=2)
    list(create(model="cmc", messages=QUESTION, n=2, stream=True, stream_options={"include_usage": True}))
    # A stream that does not say what it took counts a token an event.
    list(create(model="cmc", messages=QUESTION, n=2, stream=True))
    page = httpx.get(url.removesuffix("/v1") + "/metrics").text
    assert 'autotts_passed_requests_total{status="200"} 3.0' in page
    assert 'autotts_passed_tokens_total{kind="generated"} 12.0' in page
    assert 'autotts_passed_tokens_total{kind="estimated"} 2.0' in page
    assert 'autotts_passed_tokens_total{kind="prompt"} 42.0' in page
    assert "autotts_requests_total{" not in page
    with pytest.raises(openai.RateLimitError, match="budget is 12"):
        create(model="cmc", messages=QUESTION, n=2)


def test_it_waits_for_no_place(serve: Serve, handed: Handed, toy: Toy) -> None:
    toy.holds = True
    url = serve(passthrough=True, at_once=1, queue=0)

    async def both() -> None:
        async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as sdk:
            solving = asyncio.ensure_future(sdk.chat.completions.create(model="cmc", messages=QUESTION))
            while not toy.active:
                await asyncio.sleep(0.01)
            with pytest.raises(openai.RateLimitError, match="1 questions are being solved"):
                await sdk.chat.completions.create(model="cmc", messages=QUESTION)
            assert len((await sdk.chat.completions.create(model="cmc", messages=QUESTION, n=2)).choices) == 2
            solving.cancel()

    asyncio.run(asyncio.wait_for(both(), 60))


def test_errors_of_the_upstream_are_its_own(serve: Serve, handed: Handed) -> None:
    url = serve(passthrough=True)
    handed.refuses = 429
    with pytest.raises(openai.RateLimitError, match="not so") as refused:
        client(url).chat.completions.create(model="cmc", messages=QUESTION, n=2)
    assert refused.value.response.headers["retry-after"] == "7"
    assert "openai-organization" not in refused.value.response.headers
    with pytest.raises(openai.NotFoundError, match="there are the controllers"):
        client(url).chat.completions.create(model="gpt-5", messages=QUESTION, n=2)
    page = httpx.get(url.removesuffix("/v1") + "/metrics").text
    assert 'autotts_passed_requests_total{status="429"} 1.0' in page


def test_an_upstream_that_is_gone(serve: Serve) -> None:
    url = serve(passthrough=NOBODY)
    with pytest.raises(openai.InternalServerError, match="the upstream cannot be reached") as error:
        client(url).chat.completions.create(model="cmc", messages=QUESTION, n=2)
    assert (error.value.status_code, error.value.code) == (502, "upstream_failed")


def test_a_fallback_gets_what_the_upstream_cannot_answer(serve: Serve, upstream: str, handed: Handed) -> None:
    keys = {upstream: ServerKey("key-of-the-fallback")}
    url = serve(passthrough=NOBODY, fallbacks=keys)
    for _ in range(2):
        assert len(client(url).chat.completions.create(model="cmc", messages=QUESTION, n=2).choices) == 2
    assert {headers["authorization"] for headers in handed.headers} == {"Bearer key-of-the-fallback"}
    page = httpx.get(url.removesuffix("/v1") + "/metrics").text
    assert "autotts_fallback_requests 2.0" in page
    busy = serve(passthrough=upstream, fallbacks={f"{upstream}/": ServerKey()})
    handed.refuses = 503
    assert len(client(busy).chat.completions.create(model="cmc", messages=QUESTION, n=2).choices) == 2
    assert len(handed.bodies) == 4
    handed.refuses = 400
    with pytest.raises(openai.BadRequestError, match="not so"):
        client(busy).chat.completions.create(model="cmc", messages=QUESTION, n=2)


def test_a_client_that_goes_away_ends_the_request(serve: Serve, handed: Handed, toy: Toy) -> None:
    toy.holds = True
    url = serve(passthrough=True)
    with client(url).chat.completions.create(model="cmc", messages=QUESTION, n=2, stream=True) as stream:
        assert next(iter(stream)).choices
    gone, page = 'autotts_passed_requests_total{status="gone"} 1.0', ""
    deadline = time.monotonic() + 30
    while (gone not in page or not toy.left) and time.monotonic() < deadline:
        page = httpx.get(url.removesuffix("/v1") + "/metrics").text
    assert gone in page
    assert toy.left == 1


def test_images_may_be_larger_than_questions(serve: Serve, handed: Handed) -> None:
    url = serve(passthrough=True)
    large = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * MAX_BODY}}
    body: dict[str, Any] = {"model": "toy", "messages": [{"role": "user", "content": [large]}]}
    assert httpx.post(f"{url}/chat/completions", json=body).status_code == 200
    body["messages"][0]["content"] = "A" * MAX_BODY
    assert httpx.post(f"{url}/chat/completions", json=body).status_code == 413
    assert len(handed.bodies) == 1


def test_it_is_refused_where_nothing_is_handed_on(serve: Serve, handed: Handed) -> None:
    create = client(serve()).chat.completions.create
    with pytest.raises(openai.BadRequestError, match="tools is not supported"):
        create(model="cmc", messages=QUESTION, tools=[TOOL])
    with pytest.raises(openai.BadRequestError, match="a list of parts of type text"):
        create(model="cmc", messages=[{"role": "user", "content": [IMAGE]}])  # type: ignore[list-item, misc]
    assert handed.bodies == []

"""The endpoint through real clients: the openai SDK, LangChain's ChatOpenAI, and the Runnable; sandboxes are real."""

import asyncio
import http.client
import json
import re
import time
from typing import Any

import httpx
import openai
import pytest
from langchain_core.messages import AIMessageChunk
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI

from graph.analysis.token_prices import LivePrices, TokenPrices
from graph.serve.langchain import TestTimeScaling
from graph.serve.requests import ServedControllers
from sandbox.candidate import Candidate
from sandbox.live import SolveError
from tests.graph.serve.conftest import Serve
from tests.live_model import Toy
from tests.sandbox.live.conftest import live_settings

QUESTION: Any = [{"role": "user", "content": "What is 6 * 7?"}]


def client(url: str, key: str = "none") -> openai.OpenAI:
    return openai.OpenAI(base_url=url, api_key=key, max_retries=0)


def test_a_chat_completion_with_real_totals(serve: Serve, toy: Toy) -> None:
    sdk = client(serve(sandbox="auto"))
    assert [model.id for model in sdk.models.list().data][:2] == ["cmc", "cmc-toy"]
    assert sdk.models.retrieve("asc@0.3").id == "asc@0.3"
    toy.decoded = 0
    reply = sdk.chat.completions.create(model="cmc", messages=QUESTION, seed=3)
    message = reply.choices[0].message
    assert message.role == "assistant"
    assert message.content is not None
    assert "6 * 7 = 42." in message.content
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage is not None
    assert reply.usage.completion_tokens == toy.decoded
    told = reply.model_extra["autotts"] if reply.model_extra else {}
    assert (told["answer"], told["controller"], told["beta"]) == ("42", "cmc", 0.5)
    assert reply.usage.prompt_tokens_details is not None
    assert reply.usage.prompt_tokens_details.cached_tokens == told["cost"]["cached_tokens"] > 0


@pytest.mark.parametrize(
    ("model", "extra", "expected"),
    [
        ("asc", {}, ("asc", 0.5)),
        ("asc@0.25", {}, ("asc", 0.25)),
        ("asc@0.25-toy", {}, ("asc", 0.25)),
        ("toy", {}, ("cmc", 0.5)),
        ("toy", {"autotts": {"controller": "asc", "beta": 0.1}}, ("asc", 0.1)),
        ("cmc@0.9", {"autotts": {"beta": 0}}, ("cmc", 0.0)),
    ],
)
def test_the_model_or_the_extra_body_chooses(
    model: str, extra: dict[str, Any], expected: tuple[str, float], toy: Toy
) -> None:
    offer = ServedControllers({"cmc": Candidate.parse("cmc"), "asc": Candidate.parse("asc")}, 0.5, "toy")
    assert offer.find(model, extra.get("autotts", {})) == expected


@pytest.mark.parametrize(("controller", "reason"), [("mute", "stop"), ("leaves", "length")])
def test_without_an_answer_it_is_the_text_of_a_branch(controller: str, reason: str, serve: Serve, toy: Toy) -> None:
    toy.ways = "a"
    sdk = client(serve())
    choice = sdk.chat.completions.create(model=controller, messages=QUESTION).choices[0]
    assert choice.message.content is not None
    assert choice.message.content.startswith("a: so it is")
    assert ("Answer: 42" in choice.message.content) == (reason == "stop")
    assert choice.finish_reason == reason
    (*_, last) = sdk.chat.completions.create(model=controller, messages=QUESTION, stream=True)
    assert last.choices[0].finish_reason == reason


def test_a_text_that_reached_its_largest_length_is_cut(serve: Serve, toy: Toy) -> None:
    toy.ways = "a"
    choice = client(serve()).chat.completions.create(model="mute", messages=QUESTION, max_tokens=9).choices[0]
    assert (choice.message.content, choice.finish_reason) == ("a: so it", "length")


def test_streaming(serve: Serve, toy: Toy) -> None:
    sdk = client(serve())
    chunks = list(
        sdk.chat.completions.create(
            model="asc", messages=QUESTION, seed=3, stream=True, stream_options={"include_usage": True},
            extra_body={"autotts": {"beta": 0.4}},
        )
    )  # fmt: skip
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert "6 * 7 = 4" in text
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 0


def test_errors_have_the_apis_own_form(serve: Serve, toy: Toy) -> None:
    sdk = client(serve())
    create = sdk.chat.completions.create
    with pytest.raises(openai.NotFoundError, match="there are the controllers cmc, asc, dies"):
        create(model="gpt-5", messages=QUESTION)
    with pytest.raises(openai.BadRequestError, match="n is not supported") as refused:
        create(model="cmc", messages=QUESTION, n=3)
    assert refused.value.param == "n"
    assert refused.value.code == "unsupported_parameter"
    with pytest.raises(openai.BadRequestError, match="from 0 to 2"):
        create(model="cmc", messages=QUESTION, temperature=7)
    with pytest.raises(openai.BadRequestError, match="from 0 to 1"):
        create(model="cmc@2", messages=QUESTION)
    with pytest.raises(openai.BadRequestError, match="last message is not the user's"):
        create(model="cmc", messages=[*QUESTION, {"role": "assistant", "content": "42"}])
    with pytest.raises(openai.InternalServerError, match="boom") as died:
        create(model="dies", messages=QUESTION)
    assert died.value.code == "controller_failed"
    toy.gone_after = 0
    with pytest.raises(openai.InternalServerError, match="cannot be reached") as gone:
        create(model="cmc", messages=QUESTION)
    assert (gone.value.status_code, gone.value.code) == (502, "upstream_failed")
    with pytest.raises(openai.APIError, match="cannot be reached"):
        list(create(model="cmc", messages=QUESTION, stream=True))
    with pytest.raises(openai.NotFoundError, match="/v1/embeddings"):
        sdk.embeddings.create(model="cmc", input="x")


def test_the_majority_where_it_is_wanted(serve: Serve, toy: Toy) -> None:
    toy.ways = "abd"
    url = serve(on_failure="majority")
    reply = client(url).chat.completions.create(model="dies", messages=QUESTION)
    told = reply.model_extra["autotts"] if reply.model_extra else {}
    assert told["failed_by"] == "controller"
    assert "boom" in told["why"]


def test_a_key_when_told(serve: Serve) -> None:
    url = serve(key="secret")
    with pytest.raises(openai.AuthenticationError):
        client(url, "wrong").models.list()
    with pytest.raises(openai.AuthenticationError):
        client(url, "wrong").chat.completions.create(model="cmc", messages=QUESTION)
    assert client(url, "secret").models.list().data
    assert httpx.get(url.removesuffix("/v1") + "/health").status_code == 200
    assert httpx.get(url.removesuffix("/v1") + "/metrics").status_code == 401


def test_limits_on_how_much_at_once_and_altogether(serve: Serve, toy: Toy) -> None:
    toy.seconds = 0.5
    url = serve(at_once=1, queue=1)

    async def three() -> list[Any]:
        async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as sdk:
            calls = [sdk.chat.completions.create(model="asc@0", messages=QUESTION) for _ in range(3)]
            return await asyncio.gather(*calls, return_exceptions=True)

    ended = asyncio.run(three())
    (refused,) = [each for each in ended if isinstance(each, openai.RateLimitError)]
    assert refused.code == "rate_limit_exceeded"
    assert refused.response.headers["retry-after"] == "5"
    assert sum(not isinstance(each, Exception) for each in ended) == 2
    toy.seconds = 0
    sdk = client(serve(budget=10))
    sdk.chat.completions.create(model="asc@0", messages=QUESTION)
    with pytest.raises(openai.RateLimitError, match="budget is 10"):
        sdk.chat.completions.create(model="asc@0", messages=QUESTION)


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_away_stops_its_branches(stream: bool, serve: Serve, toy: Toy) -> None:
    toy.holds = True
    url = serve()
    connection = http.client.HTTPConnection(url.removeprefix("http://").removesuffix("/v1"), timeout=60)
    asked = json.dumps({"model": "cmc", "messages": QUESTION, "stream": stream})
    connection.request("POST", "/v1/chat/completions", asked, {"content-type": "application/json"})
    deadline = time.monotonic() + 60
    while toy.active < 5 and time.monotonic() < deadline:
        time.sleep(0.02)
    connection.close()
    while toy.active and time.monotonic() < deadline:
        time.sleep(0.02)
    assert toy.active == 0
    assert toy.left >= 5
    toy.holds = False
    gone, page = 'autotts_requests_total{controller="cmc",status="gone"} 1.0', ""
    while gone not in page and time.monotonic() < deadline:
        page = httpx.get(url.removesuffix("/v1") + "/metrics").text
    assert gone in page
    assert "autotts_episodes_running 0.0" in page


def test_what_a_client_that_goes_away_has_spent_is_counted(serve: Serve, toy: Toy) -> None:
    url = serve()
    toy.seconds, toy.decoded = 0.5, 0
    address = httpx.URL(url)
    leaving = http.client.HTTPConnection(address.host, address.port)
    asked = json.dumps({"model": "cmc", "messages": QUESTION})
    leaving.request("POST", "/v1/chat/completions", asked, {"content-type": "application/json"})
    deadline = time.monotonic() + 30
    while not toy.decoded and time.monotonic() < deadline:
        time.sleep(0.05)
    # The first replies are on their way; the episode takes several rounds of 0.5 seconds more.
    time.sleep(0.5)
    leaving.close()
    spent = 0.0
    while not spent and time.monotonic() < deadline:
        page = httpx.get(url.removesuffix("/v1") + "/metrics").text
        found = re.search(r'autotts_tokens_total\{controller="cmc",kind="generated"\} (\S+)', page)
        spent = float(found[1]) if found else 0.0
    assert 0 < spent <= toy.decoded


def test_a_model_that_does_not_take_the_question_in_time(serve: Serve, toy: Toy) -> None:
    url = serve(seconds=0.5)
    toy.mute = True
    with pytest.raises(openai.InternalServerError) as late:
        client(url).chat.completions.create(model="cmc", messages=[{"role": "user", "content": "What is 12 * 12?"}])
    toy.mute = False
    assert (late.value.status_code, late.value.code) == (504, "timeout")


def test_metrics_and_health(serve: Serve, toy: Toy, upstream: str) -> None:
    url = serve()
    toy.decoded = 0
    client(url).chat.completions.create(model="cmc", messages=QUESTION)
    page = httpx.get(url.removesuffix("/v1") + "/metrics").text
    assert 'autotts_requests_total{controller="cmc",status="ok"} 1.0' in page
    assert f'autotts_tokens_total{{controller="cmc",kind="generated"}} {float(toy.decoded)}' in page
    assert httpx.get(url.removesuffix("/v1") + "/health").json() == {"status": "ok", "running": 0}
    assert "autotts_dollars" not in page
    assert 'autotts_tokens_total{controller="cmc",kind="estimated"} 0.0' in page


def test_metrics_and_replies_in_dollars(serve: Serve, toy: Toy) -> None:
    url = serve(prices=LivePrices(TokenPrices(2, 1, 0.5)))
    reply = client(url).chat.completions.create(model="cmc", messages=QUESTION)
    page = httpx.get(url.removesuffix("/v1") + "/metrics").text
    told = (reply.model_extra or {})["autotts"]
    cost = told["cost"]
    assert f'autotts_tokens_total{{controller="cmc",kind="sequential"}} {float(cost["sequential_tokens"])}' in page
    assert f'autotts_upstream_requests_total{{controller="cmc"}} {float(cost["requests"])}' in page
    spent = re.search(r'autotts_dollars_total{controller="cmc"} (\S+)', page)
    assert spent is not None
    prompts = cost["prompt_tokens"] - 0.5 * cost["cached_tokens"]
    assert float(spent[1]) == pytest.approx((2 * (cost["decoded"] + cost["probe_tokens"]) + prompts) / 1e6)
    dollars, width = told["dollars"], told["self_consistency"]
    assert (dollars["spent"], dollars["judge"]) == (pytest.approx(float(spent[1])), 0)
    assert dollars["self_consistency"] == pytest.approx((2 * width["tokens"] + width["prompt_tokens"]) / 1e6)
    assert "autotts_judge_dollars" not in page


def test_langchains_own_client(serve: Serve, toy: Toy) -> None:
    model = ChatOpenAI(base_url=serve(), api_key="none", model="cmc@0.5", temperature=1.0, seed=1, max_retries=0)
    reply = model.invoke("What is 6 * 7?")
    assert "6 * 7 = 4" in reply.content
    assert reply.usage_metadata is not None
    assert reply.usage_metadata["output_tokens"] > 0
    assert "6 * 7" in "".join(str(chunk.content) for chunk in model.stream("What is 6 * 7?"))


@pytest.fixture
def arguments(upstream: str) -> dict[str, Any]:
    settings = live_settings()
    return {"server": upstream, "model": "toy", "live_settings": settings, "sandbox": "process", "retries": 0}


def test_the_runnable(arguments: dict[str, Any], toy: Toy) -> None:
    toy.ways = "abd"
    with TestTimeScaling(controller="cmc", **arguments) as model:
        reply = model.invoke("What is 6 * 7?", seed=3)
        assert reply.response_metadata["answer"] == "42"
        assert reply.usage_metadata is not None
        assert reply.usage_metadata["output_tokens"] > 0
        chain = model | (lambda message: message.response_metadata["answer"])
        assert chain.batch(["What is 3 * 3?", [("human", "What is 4 * 5?")]]) == ["9", "20"]
        assert asyncio.run(chain.ainvoke("What is 8 * 8?")) == "64"
        toy.gone_after = 0
        toy.sampled = 0
        with pytest.raises(SolveError):
            TestTimeScaling(controller="cmc", **arguments).invoke("What is 6 * 7?")


def test_the_runnable_streams(arguments: dict[str, Any], toy: Toy) -> None:
    toy.ways = "abd"
    with TestTimeScaling(controller="cmc", **arguments) as model:
        whole = model.invoke("What is 6 * 7?", seed=3)
        chunks = [chunk for chunk in model.stream("What is 6 * 7?", seed=3) if isinstance(chunk, AIMessageChunk)]
        assert [bool(chunk.content) for chunk in chunks] == [False, True, False]
        added = chunks[0] + chunks[1] + chunks[2]
        assert (added.content, added.usage_metadata) == (whole.content, whole.usage_metadata)
        assert added.response_metadata["answer"] == "42"
        chain = ChatPromptTemplate.from_messages([("human", "What is {a} * {b}?")]) | model | StrOutputParser()
        assert "6 * 7 = 42" in "".join(chain.stream({"a": 6, "b": 7}))

        async def streamed() -> str:
            return "".join([part async for part in chain.astream({"a": 8, "b": 8})])

        assert "8 * 8 = 64" in asyncio.run(streamed())


def test_a_stream_that_is_left_stops_its_branches(arguments: dict[str, Any], toy: Toy) -> None:
    toy.holds = True
    with TestTimeScaling(controller="cmc", **arguments) as model:
        stream = model.stream("What is 6 * 7?")
        assert next(stream).content == ""
        deadline = time.monotonic() + 30
        while not toy.active and time.monotonic() < deadline:
            time.sleep(0.01)
        stream.close()  # type: ignore[attr-defined]
        while toy.active and time.monotonic() < deadline:
            time.sleep(0.01)
        assert (toy.active, toy.left > 0) == (0, True)

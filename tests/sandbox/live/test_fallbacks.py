"""Further servers of the same model, which are asked when one does not answer."""

import asyncio
from dataclasses import replace

import pytest

from envdata.collect.engine import EngineGoneError
from envdata.collect.openai_client import Client
from envdata.collect.server_keys import ServerKey
from sandbox.live import Solution, SolveError, Solver
from sandbox.live.api import served
from tests import chat_server, live_model
from tests.chat_server import Service
from tests.live_model import Toy
from tests.sandbox.live.conftest import QUESTION, live_settings

NOBODY = "http://127.0.0.1:9/v1"


def solve(*urls: str, controller: str = "cmc") -> tuple[Solution, int]:
    """Return the solution, and the number of requests that a fallback answered."""

    async def run() -> tuple[Solution, int]:
        engine = served(urls[0], "toy", retries=0, timeout=20.0, fallbacks=urls[1:])
        async with Solver(engine, live_settings(), sandbox="process") as solver:
            return await solver.solve(QUESTION, controller, seed=3), solver.fallback_requests

    return asyncio.run(run())


def test_a_fallback_answers_where_the_first_server_is_gone(url: str, toy: Toy) -> None:
    plain, none = solve(url)
    assert none == 0
    solution, answered = solve(NOBODY, url)
    assert replace(solution.cost, seconds=0.0) == replace(plain.cost, seconds=0.0)
    assert answered >= solution.cost.requests > 0
    with pytest.raises(EngineGoneError, match="cannot be reached"):
        solve(NOBODY, NOBODY)


def test_a_streamed_reply_comes_from_a_fallback_too() -> None:
    async def ask(url: str) -> int:
        client = Client(NOBODY, "toy", retries=0, timeout=20.0, fallbacks={url: ServerKey()})
        await client.chat(messages=[{"role": "user", "content": QUESTION}], max_tokens=20, streamed=True)
        await client.close()
        return client.usage.fallbacks

    with live_model.serving(chat_server.application(Service())) as url:
        assert asyncio.run(ask(url)) == 1


def test_a_server_that_breaks_midway_is_left_for_the_other(url: str, toy: Toy) -> None:
    other = Toy()
    plain, _ = solve(url)
    toy.sampled, toy.gone_after = 0, 4
    with live_model.serving(live_model.application(other)) as second:
        solution, answered = solve(url, second)
        assert (solution.answer, solution.cost.tokens) == (plain.answer, plain.cost.tokens)
        assert 0 < answered < plain.cost.requests
        toy.sampled, other.sampled, other.gone_after = 0, 0, 4
        with pytest.raises(SolveError):
            solve(url, second)

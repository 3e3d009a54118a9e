"""A toy model behind a real server, and how it is asked."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from envdata.collect.engine import Sampling
from envdata.collect.extraction import AnswerRule
from envdata.collect.settings import CollectionSettings
from envdata.live.model import LiveSettings
from sandbox.live import Solution, Solver
from sandbox.live.api import served
from tests import live_model
from tests.live_model import Toy

QUESTION = "What is 6 * 7?"


def live_settings(*, interval: int = 16, max_tokens: int = 400, stop: tuple[str, ...] = ()) -> LiveSettings:
    """How the toy is asked; without a stop text it writes on to an end of its own."""
    sampling = Sampling(max_tokens=max_tokens, stop=stop)
    return LiveSettings.of(CollectionSettings(interval=interval, sampling=sampling, answers=AnswerRule("Answer:")))


@pytest.fixture(scope="module")
def _server() -> Iterator[tuple[str, Toy]]:
    toy = Toy()
    with live_model.serving(live_model.application(toy)) as url:
        yield url, toy


@pytest.fixture
def toy(_server: tuple[str, Toy]) -> Toy:
    """The toy, well behaved again."""
    toy = _server[1]
    toy.__dict__.update(Toy().__dict__)
    return toy


@pytest.fixture
def url(_server: tuple[str, Toy]) -> str:
    return _server[0]


Solve = Callable[..., Solution]


@pytest.fixture
def solve(toy: Toy, url: str) -> Solve:
    """Solve the question with a controller; more arguments go to the solver."""

    def solving(
        controller: Any, beta: float = 0.5, *, seed: int = 3, ask: LiveSettings | None = None, **more: Any
    ) -> Solution:
        retries = more.pop("retries", 4)
        timeout = more.pop("timeout", 20.0)

        async def run() -> Solution:
            engine = served(url, "toy", retries=retries, timeout=timeout)
            async with Solver(engine, ask or live_settings(), **{"sandbox": "process", **more}) as solver:
                return await solver.solve(QUESTION, controller, beta, seed=seed)

        return asyncio.run(run())

    return solving

"""The toy model that a live command or endpoint stands before."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from envdata.episodes import Terms
from graph.serve.app import Endpoint, EndpointSettings
from graph.serve.passthrough import Passthrough
from graph.serve.requests import ServedControllers
from sandbox.candidate import Candidate
from sandbox.live import Solver
from sandbox.live.api import served
from tests import live_model
from tests.graph.serve import chat_model
from tests.graph.serve.chat_model import Handed
from tests.live_model import Toy
from tests.sandbox.live.conftest import live_settings

Serve = Callable[..., str]


@pytest.fixture(scope="module")
def _served() -> Iterator[tuple[str, Toy, Handed]]:
    toy, handed = Toy(), Handed()
    with live_model.serving(chat_model.application(toy, handed)) as url:
        yield url, toy, handed


@pytest.fixture(scope="module")
def _upstream(_served: tuple[str, Toy, Handed]) -> tuple[str, Toy]:
    return _served[:2]


@pytest.fixture(scope="module")
def upstream(_upstream: tuple[str, Toy]) -> str:
    return _upstream[0]


@pytest.fixture
def toy(_upstream: tuple[str, Toy]) -> Toy:
    _upstream[1].__dict__.update(Toy().__dict__)
    return _upstream[1]


@pytest.fixture
def handed(_served: tuple[str, Toy, Handed]) -> Handed:
    """What the upstream was handed, from now on."""
    _served[2].__dict__.update(Handed().__dict__)
    return _served[2]


@pytest.fixture
def serve(upstream: str, toy: Toy) -> Iterator[Serve]:
    """Start an endpoint over the toy; returns its URL. `passthrough` may be another server's."""
    with ExitStack() as stack:

        def start(*, passthrough: bool | str = False, **more: Any) -> str:
            settings = EndpointSettings(
                **{name: more.pop(name) for name in list(more) if name in EndpointSettings.__annotations__}
            )
            ask, fallbacks = more.pop("ask", live_settings()), more.pop("fallbacks", {})
            controllers = {name: Candidate.parse(name) for name in ("cmc", "asc")}
            controllers |= {name: _controller(name, body) for name, body in BODIES.items()}
            solver = Solver(served(upstream, "toy", retries=0), ask, **{"sandbox": "process", **more})
            address = passthrough if isinstance(passthrough, str) else upstream
            beyond = Passthrough(address, "toy", fallbacks=fallbacks) if passthrough else None
            offer = ServedControllers(controllers, 0.5, "toy")
            endpoint = Endpoint(solver, offer, ask, Terms(), settings, beyond)
            return stack.enter_context(live_model.serving(endpoint.application))

        yield start


BODIES = {
    "dies": "episode.branch(3)\n        raise OSError('boom')",
    "mute": "episode.read(3)\n        return None",
    "leaves": "episode.branch(2)\n        return None",
}
"""Controllers that fail, and that answer nothing after branches that were read whole, or left open."""


def _controller(name: str, body: str) -> Candidate:
    return Candidate(
        name,
        "from sandbox.tts import *\nclass Mine(Controller):\n"
        "    @staticmethod\n    def schedule(beta): return {}\n"
        f"    def solve(self, episode):\n        {body}\n",
    )

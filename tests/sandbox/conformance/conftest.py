"""The backends under test."""

from collections.abc import Iterator

import pytest

from sandbox.backends.base import Backend
from sandbox.backends.bubblewrap import BubblewrapBackend
from sandbox.backends.docker import DockerBackend
from sandbox.backends.process import ProcessBackend
from sandbox.conformance.run import Suite
from sandbox.conformance.targets import Targets, make_targets

MAKERS = {"bubblewrap": BubblewrapBackend, "docker": DockerBackend, "process": ProcessBackend}


@pytest.fixture(scope="session")
def targets() -> Iterator[Targets]:
    with make_targets() as made:
        yield made


@pytest.fixture(scope="session")
def _suites() -> Iterator[dict[str, Suite]]:
    suites: dict[str, Suite] = {}
    yield suites
    for suite in suites.values():
        suite.backend.close()


@pytest.fixture
def backend(request: pytest.FixtureRequest) -> Backend:
    """The backend that the test's parameter `name` asks for, without a pool."""
    name = request.getfixturevalue("name")
    if name == "docker":
        request.getfixturevalue("docker_image")
    made: Backend = MAKERS[name]()
    return made


@pytest.fixture
def suite(request: pytest.FixtureRequest, _suites: dict[str, Suite], targets: Targets) -> Suite:
    name = request.getfixturevalue("name")
    if name not in _suites:
        _suites[name] = Suite(request.getfixturevalue("backend"), targets)
    return _suites[name]

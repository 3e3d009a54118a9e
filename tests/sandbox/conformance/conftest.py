"""The backends under test; the docker one builds its image where the engine does not have it yet."""

import os
from collections.abc import Iterator

import pytest

from sandbox.backends.base import Backend
from sandbox.backends.bubblewrap import BubblewrapBackend
from sandbox.backends.docker import DockerBackend, connect
from sandbox.backends.process import ProcessBackend
from sandbox.conformance.run import Suite
from sandbox.conformance.targets import World, world

MAKERS = {"bubblewrap": BubblewrapBackend, "docker": DockerBackend, "process": ProcessBackend}


@pytest.fixture(scope="session")
def image() -> str:
    """The digest of the image, built from AUTOTTS_DOCKER_BASE or the base that tools/docker-engine.sh makes."""
    from sandbox.backends import image

    client = connect()
    record = image.find(client) or image.build(client, os.environ.get("AUTOTTS_DOCKER_BASE", "autotts-base:bookworm"))
    return record.image


@pytest.fixture(scope="session")
def targets() -> Iterator[World]:
    with world() as made:
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
        request.getfixturevalue("image")
    made: Backend = MAKERS[name]()
    return made


@pytest.fixture
def suite(request: pytest.FixtureRequest, _suites: dict[str, Suite], targets: World) -> Suite:
    name = request.getfixturevalue("name")
    if name not in _suites:
        _suites[name] = Suite(request.getfixturevalue("backend"), targets)
    return _suites[name]

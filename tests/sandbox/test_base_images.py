"""Bases that cannot be had are told of with those that would do: an engine that is played, with words of real ones."""

from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest
import requests

from sandbox.backends.base_images import BaseError, examine

NO_NETWORK = 'Get "https://registry.example/v2/": dial tcp: lookup registry.example on 10.0.0.53:53: no such host'
REFUSED = "pull access denied for nobody/nothing, repository does not exist or may require 'docker login'"
GOOD, OLD, MUSL, ODD = b"3 12 x86_64 glibc\n", b"3 9 x86_64 glibc\n", b"3 12 x86_64 \n", b"hello\n"


class Engine:
    """As much of a client of Docker's as a base is looked at with."""

    def __init__(self, said: dict[str, bytes | None], pull: Exception | None = None) -> None:
        """`said` has, by image, what its python3 prints; None where there is none."""
        self._said, self._pull = said, pull
        self.left = 0
        self.started: list[str] = []
        self.images = SimpleNamespace(get=self._get, pull=self._fetch, list=self._list)
        self.containers = SimpleNamespace(create=self._create)

    def _get(self, name: str) -> str:
        if name not in self._said:
            raise docker.errors.ImageNotFound("no such image")
        return name

    def _fetch(self, name: str) -> None:
        if self._pull is not None:
            raise self._pull
        self._said[name] = GOOD

    def _list(self) -> list[Any]:
        return [
            SimpleNamespace(tags=[name], attrs={"Created": f"2026-01-{n:02d}"}) for n, name in enumerate(self._said, 1)
        ]

    def _create(self, name: str, *_: object, **__: object) -> Any:
        self.left += 1
        said = self._said[name]

        def start() -> None:
            self.started.append(name)
            if said is None:
                raise docker.errors.APIError('exec: "python3": executable file not found in $PATH')

        def remove(*, force: bool) -> None:
            assert force
            self.left -= 1

        return SimpleNamespace(
            start=start, wait=lambda timeout: {"StatusCode": 0}, logs=lambda stderr: said, remove=remove
        )


LOCAL = {"old:1": OLD, "shell:1": None, "here.example/good:1": GOOD, "autotts-sandbox:abc": GOOD, "musl:1": MUSL}


def refusal(engine: Engine, name: str) -> str:
    with pytest.raises(BaseError) as refused:
        examine(engine, name)
    assert engine.left == 0
    return str(refused.value)


@pytest.mark.parametrize(
    "error",
    [
        docker.errors.APIError("500 Server Error", explanation=NO_NETWORK),
        docker.errors.APIError("500 Server Error", explanation="net/http: TLS handshake timeout"),
        requests.exceptions.ReadTimeout("Read timed out. (read timeout=300)"),
    ],
    ids=["no such host", "handshake", "the client's own patience"],
)
def test_without_a_registry_the_images_that_would_do_are_named(error: Exception) -> None:
    said = refusal(Engine(dict(LOCAL), error), "python:3.13-slim")
    assert "the engine has no image 'python:3.13-slim', and the engine reaches no registry" in said
    assert said.endswith("of the images here these would do: --base here.example/good:1 (Python 3.12)")


def test_an_image_that_no_registry_has_is_told_apart() -> None:
    error = docker.errors.ImageNotFound("404", explanation=REFUSED)
    assert f"the registry did not give it ({REFUSED})" in refusal(Engine({}, error), "nobody/nothing")


def test_where_no_image_would_do_it_says_what_is_needed() -> None:
    error = docker.errors.APIError("500", explanation=NO_NETWORK)
    said = refusal(Engine({"shell:1": None, "odd:1": ODD}, error), "python:3.13-slim")
    assert "no image here would do; load one with Python 3.11 to 3.14 and glibc" in said


@pytest.mark.parametrize(
    ("name", "why"),
    [("old:1", "it has Python 3.9 and glibc"), ("shell:1", "it has no python3 that runs"), ("musl:1", "glibc")],
)
def test_a_base_that_is_there_and_does_not_do(name: str, why: str) -> None:
    said = refusal(Engine(dict(LOCAL)), name)
    assert f"{name!r} cannot be used as a base: " in said
    assert why in said
    assert "--base here.example/good:1 (Python 3.12)" in said


def test_a_base_that_does() -> None:
    assert examine(Engine(dict(LOCAL)), "here.example/good:1") == ("3.12", "x86_64")
    assert examine(Engine({}), "python:3.13-slim") == ("3.12", "x86_64")


def test_an_engine_with_very_many_images_is_not_searched_through() -> None:
    engine = Engine({f"shell:{n}": None for n in range(200)}, docker.errors.APIError("500", explanation=NO_NETWORK))
    refusal(engine, "python:3.13-slim")
    assert 0 < len(engine.started) <= 30

"""Which backend isolates candidates: the one that was named, or the strongest that works here."""

import functools
from collections.abc import Callable

from sandbox.backends import bubblewrap, docker, process
from sandbox.backends.base import Backend, SandboxUnavailable
from sandbox.backends.bubblewrap import BubblewrapBackend
from sandbox.backends.docker import DockerBackend
from sandbox.backends.pool import WarmBackend
from sandbox.backends.process import ProcessBackend

BACKENDS: dict[str, Callable[[], Backend]] = {
    "docker": DockerBackend,
    "bubblewrap": BubblewrapBackend,
    "process": ProcessBackend,
}
"""By name, the strongest first. `process` isolates little and is never chosen by `auto`."""


def make_backend(name: str) -> Backend:
    """The backend called `name`, ready to launch; `auto` is the first of docker and bubblewrap that works here.

    Raises SandboxUnavailable with the reason and the way out. A trial that succeeded is not repeated in this process.
    """
    if name == "auto":
        return _strongest()
    if name not in BACKENDS:
        known = ", ".join(["auto", *BACKENDS])
        raise SandboxUnavailable(f"there is no sandbox called {name!r}; there are {known}")
    reason = why_not(name)
    if reason is not None:
        raise SandboxUnavailable(reason)
    return _backend(name)


def why_not(name: str) -> str | None:
    """Why a backend does not work here, and what to do; None if it works."""
    if name == "docker":
        try:
            _docker_image()
        except SandboxUnavailable as reason:
            return str(reason)
    if name == "bubblewrap":
        found = bubblewrap.trial()
        return None if found is None else str(found)
    return None


def limits_are(name: str) -> str:
    """What limits a sandbox of a backend that works here, in a line."""
    told = {"docker": docker.limits_are, "bubblewrap": bubblewrap.limits_are, "process": process.limits_are}
    return told[name]()


def _strongest() -> Backend:
    without_image = None
    if docker.engine_is_likely():
        without_image = why_not("docker")
        if without_image is None:
            return _backend("docker")
    reason = why_not("bubblewrap")
    if reason is None:
        return _backend("bubblewrap")
    raise SandboxUnavailable("\n".join(filter(None, [without_image, reason])))


@functools.cache
def _backend(name: str) -> Backend:
    return WarmBackend(BACKENDS[name]())


@functools.cache
def _docker_image() -> str:
    return docker.usable_image(docker.connect())

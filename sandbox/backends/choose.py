"""Isolation backends by name, and the choice among them: the one named, or the strongest that works on this machine.

Another package registers a backend through an entry point of the group `autotts.backends`: a callable without
arguments that returns a `Backend`. Such a backend is used only if it is named, and never chosen by `auto`, so that
installing a package does not change how code is isolated. `autotts sandbox check --sandbox NAME` attacks it.
"""

import functools

from envdata.plugins import PluginGroup
from sandbox.backends import docker
from sandbox.backends.base import Backend, SandboxUnavailable
from sandbox.backends.pool import WarmBackend

BACKENDS = PluginGroup(
    "autotts.backends",
    "sandbox",
    {
        "docker": "sandbox.backends.docker:DockerBackend",
        "bubblewrap": "sandbox.backends.bubblewrap:BubblewrapBackend",
        "process": "sandbox.backends.process:ProcessBackend",
    },
    SandboxUnavailable,
)

AUTOMATIC = ("docker", "bubblewrap")
"""The backends that `auto` chooses from, the strongest first. `process` isolates little and is not among them."""


def make_backend(name: str) -> Backend:
    """Return the backend called `name`, ready to launch; `auto` is the first of `AUTOMATIC` that works here.

    Raises SandboxUnavailable with the reason and the way out. A trial that succeeded is not repeated in this process.
    """
    if name == "auto":
        return _strongest()
    backend = _warm(name)
    reason = backend.why_not()
    if reason is not None:
        raise SandboxUnavailable(reason)
    return backend


def cold_backend(name: str) -> Backend:
    """Return the backend called `name`, which may not work here (`Backend.why_not`) and starts nothing in advance.

    Raises SandboxUnavailable if there is no such backend, or its entry point gives no backend.
    """
    backend: Backend = BACKENDS.make(
        name, Backend,
        "members of a backend; derive it from sandbox.backends.base.Backend and give it a name",
        passed=(SandboxUnavailable,),
    )  # fmt: skip
    if backend.name != name:
        raise BACKENDS.failure(name, f"calls itself {backend.name!r}; results name it so, so that both must be equal")
    return backend


def _strongest() -> Backend:
    reasons = []
    for name in AUTOMATIC:
        if name == "docker" and not docker.engine_is_likely():
            continue
        backend = _warm(name)
        reason = backend.why_not()
        if reason is None:
            return backend
        reasons.append(reason)
    raise SandboxUnavailable("\n".join(reasons))


@functools.cache
def _warm(name: str) -> Backend:
    return WarmBackend(cold_backend(name))

"""Which backend isolates candidates: the one that was named, or the strongest that works here."""

import shutil
from collections.abc import Callable

from sandbox.backends.base import Backend, SandboxUnavailable
from sandbox.backends.bubblewrap import BubblewrapBackend
from sandbox.backends.process import ProcessBackend

BACKENDS: dict[str, Callable[[], Backend]] = {"bubblewrap": BubblewrapBackend, "process": ProcessBackend}
"""By name. `process` isolates little and is never chosen by `auto`."""


def make_backend(name: str) -> Backend:
    """The backend called `name`; `auto` tries the isolating ones. Raises SandboxUnavailable with the way out."""
    if name == "auto":
        if shutil.which("bwrap"):
            return BubblewrapBackend()
        raise SandboxUnavailable("no sandbox works here")
    try:
        return BACKENDS[name]()
    except KeyError:
        known = ", ".join(["auto", *BACKENDS])
        raise SandboxUnavailable(f"there is no sandbox called {name!r}; there are {known}") from None

"""Checks whether an image can be the base of the docker backend's image, and lists images that can."""

import contextlib
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from sandbox.sanitize import quoted
from sandbox.versions import PYTHONS, python_range

MOST_TRIED = 24
"""Largest number of the engine's images that are started to test whether they can be a base, the newest first."""
OURS = "autotts-sandbox"
"""Repository name of the images built by `sandbox.backends.image`."""

_ASK = "import sys, platform; print(*sys.version_info[:2], platform.machine(), platform.libc_ver()[0])"
_START_SECONDS = 60
"""Seconds that Python may take to start in an image."""
_UNREACHABLE = re.compile(
    "no such host|dial tcp|lookup |connection refused|unreachable|time(d )?-?out|deadline exceeded|tls|proxyconnect",
    re.IGNORECASE,
)


class BaseError(RuntimeError):
    """An image cannot be used as a base; the message gives the reason, and images that can be used."""


class BaseImage(NamedTuple):
    """Properties of an image that can be used as a base."""

    python: str
    """Python version, such as `3.13`."""
    machine: str
    """Processor architecture, such as `x86_64`."""


def examine(client: Any, name: str) -> BaseImage:
    """Return the properties of the image `name`, which is pulled if the engine does not have it.

    Raises BaseError if it cannot be pulled or used as a base.
    """
    import docker

    try:
        client.images.get(name)
    except docker.errors.ImageNotFound:
        _pull(client, name)
    try:
        return _ask(client, name)
    except BaseError as error:
        raise BaseError(f"{error}; {_those_that_would_do(client)}") from None


def usable(client: Any) -> Iterator[tuple[str, BaseImage]]:
    """Yield the engine's images that can be used as a base, by name; each is started for the test."""
    newest_first = sorted(_images(client), key=lambda image: str(image.attrs.get("Created", "")), reverse=True)
    names = [names[0] for image in newest_first if (names := _names(image))]
    for name in names[:MOST_TRIED]:
        try:
            yield name, _ask(client, name)
        except BaseError:
            continue


def _pull(client: Any, name: str) -> None:
    import docker

    try:
        client.images.pull(name)
    except (docker.errors.DockerException, OSError) as error:
        reason = quoted(str(getattr(error, "explanation", None) or error), 200)
        if _UNREACHABLE.search(reason):
            why = f"the engine reaches no registry to get it from ({reason})"
        else:
            why = f"the registry did not give it ({reason})"
        raise BaseError(f"the engine has no image {name!r}, and {why}; {_those_that_would_do(client)}") from None


def _ask(client: Any, name: str) -> BaseImage:
    """Return the properties of an image that the engine has. Raises BaseError if it cannot be a base."""
    import docker

    container = None
    try:
        container = client.containers.create(
            name, ["-c", _ASK], entrypoint="python3", network_mode="none", user="65534:65534"
        )
        container.start()
        container.wait(timeout=_START_SECONDS)
        major, minor, machine, libc = container.logs(stderr=False).decode().split()
    except (docker.errors.DockerException, OSError, ValueError):
        raise BaseError(f"{name!r} cannot be used as a base: it has no python3 that runs with glibc") from None
    finally:
        if container is not None:
            with contextlib.suppress(docker.errors.DockerException, OSError):
                container.remove(force=True)
    if not PYTHONS[0] <= (int(major), int(minor)) < PYTHONS[1] or libc != "glibc":
        need = f"Python {python_range()} and glibc are needed"
        raise BaseError(f"{name!r} cannot be used as a base: it has Python {major}.{minor} and {libc}, and {need}")
    return BaseImage(f"{major}.{minor}", machine)


def _those_that_would_do(client: Any) -> str:
    found = [f"--base {name} (Python {base.python})" for name, base in usable(client)]
    if found:
        return f"of the images here these would do: {', '.join(found)}"
    need = f"Python {python_range()} and glibc"
    return f"no image here would do; load one with {need} into the engine (docker load), and name it as --base"


def _images(client: Any) -> list[Any]:
    import docker

    try:
        return list(client.images.list())
    except (docker.errors.DockerException, OSError):
        return []


def _names(image: Any) -> list[str]:
    return [name for name in image.tags if name.rpartition(":")[0].rpartition("/")[2] != OURS]

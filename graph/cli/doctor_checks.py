"""The checks of `autotts doctor`: each looks at one thing on this machine and says what to do about it."""

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from platform import python_version
from typing import Any, Literal

from graph.cli.extras import extras, version

Status = Literal["ok", "optional", "problem", "missing"]
"""`missing`: needed by `autotts discover`; `optional`: absent and not needed; `problem`: set, and of no use so."""

KEYS = {
    "ANTHROPIC_API_KEY": "--explorer anthropic:MODEL, claude-code",
    "OPENAI_API_KEY": "--explorer openai:MODEL, codex; servers that models are collected from",
    "AUTOTTS_SERVER_KEY": "the server of --server, where it has a key of its own",
    "CLAUDE_CODE_OAUTH_TOKEN": "--explorer claude-code with a subscription",
    "HF_TOKEN": "models and questions of the Hugging Face hub that need a login",
}
"""What each variable with a key is for."""
PROGRAMS = {
    "claude": ("--explorer claude-code", "`npm install -g @anthropic-ai/claude-code`"),
    "codex": ("--explorer codex", "`npm install -g @openai/codex`"),
    "vllm": ("--server: a model behind `vllm serve`", "install vLLM in an environment of its own"),
    "llama-server": ("--server: a model on processors, by llama.cpp", "install llama.cpp"),
    "ollama": ("--base-url: a model as explorer", "install Ollama"),
}
"""What each program on the PATH is for, and how to get it."""
SPACE = 500_000_000
"""Bytes that the folders of runs and of the cache should have free: many runs on small grids."""
VISIBLE_GPU = Path("/proc/driver/nvidia/gpus")


@dataclass(frozen=True)
class Check:
    """What one check found."""

    name: str
    status: Status
    found: str
    remedy: str = ""
    """What to do, with commands in backquotes; empty if there is nothing to do."""

    def as_object(self) -> dict[str, Any]:
        """Return the check as a JSON object: name, status, found, remedy."""
        return asdict(self)


def checks() -> Iterator[Check]:
    """Yield all checks, in the order in which they are printed; those that take longest come as they end."""
    yield Check("autotts", "ok", f"{version()}, {Path(__file__).parents[2]}")
    yield Check("Python", "ok", f"{python_version()}, {sys.executable}")
    yield Check("processors", "ok", f"{os.cpu_count() or 1}: as many --jobs by default")
    yield from _sandboxes()
    yield _grids()
    yield _runs_folder()
    yield _cache_folder()
    yield from _keys()
    yield from _connections()
    yield from _programs()
    yield _gpu()
    yield from _extras()


def _sandboxes() -> Iterator[Check]:
    """Yield a check for each backend; those that `auto` chooses from are missing only if none of them works."""
    from sandbox.backends import docker
    from sandbox.backends.base import SandboxUnavailable
    from sandbox.backends.choose import AUTOMATIC, cold_backend

    found: dict[str, str] = {}
    reasons: dict[str, str] = {}
    for name in AUTOMATIC:
        try:
            if name == "docker" and not docker.engine_is_likely():
                reasons[name] = (
                    "no Docker engine: DOCKER_HOST is not set and /var/run/docker.sock does not exist\n"
                    "start Docker, or Podman's socket, then type `autotts sandbox build`"
                )
                continue
            backend = cold_backend(name)
            reason = backend.why_not()
            if reason is None:
                found[name] = f"works; {backend.limits_are()}"
            else:
                reasons[name] = str(reason)
        except SandboxUnavailable as error:
            reasons[name] = str(error)
    for name in AUTOMATIC:
        if name in found:
            yield Check(f"sandbox {name}", "ok", found[name])
        else:
            first, _, rest = reasons[name].partition("\n")
            yield Check(f"sandbox {name}", "optional" if found else "missing", f"does not work: {first}", rest)
    yield Check("sandbox process", "ok", "works; limits only, for development: --sandbox process")


def _grids() -> Check:
    from envdata.errors import sentence
    from envdata.grid import Grid
    from envdata.grid_names import BUNDLED_NAMES

    try:
        grids = {name: Grid.load(path) for name, path in BUNDLED_NAMES.items()}
    except Exception as error:
        return Check("bundled grids", "missing", sentence(error) or repr(error), "install the package again")
    return Check(
        "bundled grids", "ok", ", ".join(f"{name}: {len(grid.questions)} questions" for name, grid in grids.items())
    )


def _runs_folder() -> Check:
    return _folder("this folder", Path.cwd(), "missing", "go to a folder where runs/ can be written, or give --out")


def _cache_folder() -> Check:
    from envdata.cache import VARIABLE, NoCache, cache_folder

    remedy = f"`export {VARIABLE}=/a/folder/that/can/be/written`; without one grids are read anew each time"
    try:
        return _folder("cache", cache_folder("x").parent, "problem", remedy)
    except NoCache as error:
        return Check("cache", "problem", str(error), remedy)


def _folder(name: str, folder: Path, otherwise: Status, remedy: str) -> Check:
    """Return whether files can be written in a folder, or in the nearest one above it that exists, and its space."""
    above = next(each for each in (folder, *folder.parents) if each.exists())
    if not os.access(above, os.W_OK | os.X_OK):
        return Check(name, otherwise, f"{folder} cannot be written", remedy)
    free = shutil.disk_usage(above).free
    found = f"{folder}, {free / 1e9:,.1f} GB free"
    if free < SPACE:
        return Check(name, "problem", found, f"free {SPACE / 1e9:g} GB, or use another folder")
    return Check(name, "ok", found)


def _keys() -> Iterator[Check]:
    from graph.explorers.base import ExplorerError
    from graph.explorers.models.connection_settings import service_key

    for variable, purpose in KEYS.items():
        try:
            key = service_key(variable)
        except ExplorerError as error:
            yield Check("key", "problem", str(error))
            continue
        if key is None:
            yield Check("key", "optional", f"{variable} is not set", f"for {purpose}")
        else:
            yield Check("key", "ok", f"{variable} is set: {purpose}")


def _connections() -> Iterator[Check]:
    """Yield a check for proxies and certificates, and for the addresses that variables give to services."""
    from graph.explorers.base import ExplorerError
    from graph.explorers.models.connection_settings import check_connection

    for service in ("anthropic", "openai"):
        try:
            check_connection(service)
        except ExplorerError as error:
            yield Check(f"{service} settings", "problem", str(error))
        else:
            yield Check(f"{service} settings", "ok", "address, proxies and certificates can be used; nothing was asked")


def _programs() -> Iterator[Check]:
    for name, (purpose, remedy) in PROGRAMS.items():
        path = shutil.which(name)
        if path is None:
            yield Check("program", "optional", f"{name} is not on the PATH", f"{remedy}, for {purpose}")
        else:
            yield Check("program", "ok", f"{path}: {purpose}")


def _gpu() -> Check:
    try:
        names = [
            line.partition(":")[2].strip()
            for each in sorted(VISIBLE_GPU.iterdir())
            for line in (each / "information").read_text(encoding="utf-8", errors="replace").splitlines()
            if line.startswith("Model:")
        ]
    except OSError:
        names = []
    if not names:
        return Check("GPU", "optional", "no NVIDIA driver", "needed only for models here: --vllm, vllm serve")
    return Check("GPU", "ok", ", ".join(names))


def _extras() -> Iterator[Check]:
    for extra in extras():
        if extra.installed:
            yield Check(f"extra {extra.name}", "ok", str(extra))
        else:
            found = f"not installed ({extra})" if any(extra.versions.values()) else "not installed"
            purpose = f" for {extra.purpose}" if extra.purpose else ""
            remedy = f"`pip install 'autotts[{extra.name}]'`{purpose}"
            yield Check(f"extra {extra.name}", "optional", found, remedy)

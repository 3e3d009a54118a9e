"""Joining a Ray cluster, and being sure that its nodes run the code that this process runs.

Which cluster is Ray's own affair: RAY_ADDRESS, else one that was started on this machine, else a new one of this
machine alone. Nodes need the package installed as it is here; nothing is shipped to them but the work itself, so that
what they run is what was installed by whoever looks after them.
"""

import hashlib
import importlib
import importlib.util
import logging
import os
import platform
import socket
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = ("envdata", "sandbox")
"""The code that decides results."""
SECONDS_TO_ANSWER = 120.0
"""For a node's first process, which has to start."""
SECONDS_TO_CONNECT = 5.0
"""To an address that was given. Ray itself would try for minutes."""


class ClusterError(Exception):
    """The cluster cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Cluster:
    """A cluster that was joined."""

    ray: Any
    """The module."""
    cpus: int
    """All nodes' CPUs."""
    gpus: int
    nodes: int
    ours: bool
    """Whether joining it was our doing, so that leaving it is too."""

    def leave(self) -> None:
        """Leave the cluster; what this process still had running there ends."""
        if self.ours:
            self.ray.shutdown()


def join() -> Cluster:
    """Join the cluster and check its nodes. Raises ClusterError."""
    try:
        ray: Any = importlib.import_module("ray")
    except ImportError as error:
        raise ClusterError(f"Ray is not installed ({error}); pip install 'autotts[ray]'") from None
    ours = not ray.is_initialized()
    if ours:
        _make_sure_that_it_listens(os.environ.get("RAY_ADDRESS", ""))
        try:
            ray.init(log_to_driver=False, logging_level=logging.ERROR)
        # Ray raises what its many parts raise; the text is what helps.
        except Exception as error:
            raise ClusterError(f"no Ray cluster can be joined ({_first_line(error)}); look at RAY_ADDRESS") from None
    try:
        nodes = [node for node in ray.nodes() if node["Alive"]]
        _check(ray, nodes)
        total = ray.cluster_resources()
        return Cluster(ray, int(total.get("CPU", 0)), int(total.get("GPU", 0)), len(nodes), ours)
    except BaseException:
        if ours:
            ray.shutdown()
        raise


def _make_sure_that_it_listens(address: str) -> None:
    """Raise ClusterError unless a connection to HOST:PORT is taken; words such as auto and local are Ray's affair."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), SECONDS_TO_CONNECT).close()
    except (OSError, OverflowError) as error:
        why = "no answer" if isinstance(error, TimeoutError) else getattr(error, "strerror", None) or str(error)
        raise ClusterError(
            f"no Ray cluster can be joined at {address} ({why}); look at RAY_ADDRESS, or start one there with "
            "ray start --head"
        ) from None


def identity() -> dict[str, str]:
    """What must be the same on every node: the interpreter, the packages that figures depend on, and our own code."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        found = importlib.util.find_spec(package)
        for folder in (found.submodule_search_locations if found else None) or ():
            for file in sorted(Path(folder).rglob("*.py")):
                digest.update(f"{package}/{file.relative_to(folder)}\0".encode() + file.read_bytes())
    return {
        "Python": ".".join(platform.python_version_tuple()[:2]),
        "numpy": version("numpy"),
        "pyarrow": version("pyarrow"),
        "autotts": version("autotts"),
        "the code of autotts": digest.hexdigest()[:12],
    }


def _check(ray: Any, nodes: list[dict[str, Any]]) -> None:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = identity()
    ask = ray.remote(num_cpus=0, max_retries=0)(identity)
    asked = [
        (node, ask.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote())
        for node in nodes
    ]
    for node, reference in asked:
        name = node["NodeManagerAddress"]
        try:
            there = ray.get(reference, timeout=SECONDS_TO_ANSWER)
        except ray.exceptions.RayError as error:
            raise ClusterError(
                f"node {name} cannot run autotts ({_first_line(error)}); install the same version there as here"
            ) from None
        for what, value in here.items():
            if there[what] != value:
                raise ClusterError(
                    f"node {name} has {what} {there[what]} and this process has {value}; install the same everywhere, "
                    "or results would depend on where they were computed"
                )


def _first_line(error: BaseException) -> str:
    cause = getattr(error, "cause", None) or error
    return f"{type(cause).__name__}: {next(iter(str(cause).splitlines()), 'no reason given')}"

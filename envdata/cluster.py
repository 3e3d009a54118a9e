"""Connection to a Ray cluster, with a check that its nodes run the same code as this process.

Ray chooses the cluster: RAY_ADDRESS, else one that was started on this machine, else a new one of this machine alone.
The package must be installed on every node as it is here; only the work itself is sent, so that a node runs the code
that its administrator installed.
"""

import hashlib
import importlib
import importlib.util
import logging
import os
import platform
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from envdata.errors import UserError
from envdata.printable import first_line

PACKAGES = ("envdata", "sandbox")
"""Packages whose code decides results."""
SECONDS_TO_ANSWER = 120.0
"""Time limit for a node's first process, which has to start."""
SECONDS_TO_CONNECT = 5.0
"""Time limit for connecting to a given address. Ray itself would try for minutes."""


class ClusterError(UserError):
    """The cluster cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Cluster:
    """A connection to a cluster."""

    ray: Any
    """The module `ray`."""
    cpus: int
    """CPUs of all nodes."""
    gpus: int
    """GPUs of all nodes."""
    nodes: int
    """Number of nodes that are alive."""
    ours: bool
    """Whether this process made the connection, and so closes it."""

    def leave(self) -> None:
        """Close the connection if it was made here; work of this process that still runs there ends."""
        if self.ours:
            self.ray.shutdown()


def join() -> Cluster:
    """Connect to the cluster and check its nodes. Raises ClusterError."""
    try:
        ray: Any = importlib.import_module("ray")
    except ImportError as error:
        raise ClusterError(f"Ray is not installed ({error}); pip install 'autotts[ray]'") from None
    ours = not ray.is_initialized()
    if ours:
        _check_address(os.environ.get("RAY_ADDRESS", ""))
        try:
            ray.init(log_to_driver=False, logging_level=logging.ERROR)
        # Ray has no common class of errors.
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


def _check_address(address: str) -> None:
    """Raise ClusterError unless HOST:PORT accepts a connection. Words such as auto and local are left to Ray."""
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


def code_hash() -> str:
    """Return the SHA-256, in hexadecimal, of every module of `PACKAGES`."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        found = importlib.util.find_spec(package)
        for folder in (found.submodule_search_locations if found else None) or ():
            for file in sorted(Path(folder).rglob("*.py")):
                digest.update(f"{package}/{file.relative_to(folder)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def identity() -> dict[str, str]:
    """Return the versions that must be equal on every node: Python, packages that figures depend on, and autotts."""
    return {
        "Python": ".".join(platform.python_version_tuple()[:2]),
        "numpy": version("numpy"),
        "pyarrow": version("pyarrow"),
        "autotts": version("autotts"),
        "the code of autotts": code_hash()[:12],
    }


def _check(ray: Any, nodes: list[dict[str, Any]]) -> None:
    """Raise ClusterError for a node that cannot run autotts or has other versions."""
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
        _check_equal(name, there, here)


def check_identity(wanted: Mapping[str, str]) -> None:
    """Raise ClusterError unless this process, on a node, has the versions of the process that sent it work.

    `join` asks the nodes that are there; others may join later, as autoscaled ones do.

    Args:
        wanted: `identity` of the process that sent the work.
    """
    own = _identity_here()
    if own != wanted:
        import ray

        _check_equal(ray.util.get_node_ip_address(), own, wanted)


_identity_here = cache(identity)


def _check_equal(node: str, there: Mapping[str, str], here: Mapping[str, str]) -> None:
    for what, value in here.items():
        if there[what] != value:
            raise ClusterError(
                f"node {node} has {what} {there[what]} and this process has {value}; install the same everywhere, "
                "or results would depend on where they were computed"
            )


def _first_line(error: Exception) -> str:
    """Return the type and the first line of an error, of its cause where Ray wraps one."""
    cause = getattr(error, "cause", None) or error
    return f"{type(cause).__name__}: {first_line(cause)}"

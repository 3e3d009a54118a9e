"""The `docker` backend: one container per sandbox, on any engine with Docker's API (Podman's socket too).

The engine is named by `DOCKER_HOST` and the other variables of Docker's own client; a container's limits come from
`ContainerLimits.from_environment`. Only standard streams reach into the container, so that the engine may be remote
and gVisor may be its runtime: a relay in the container carries the workers' bytes.
"""

import contextlib
import functools
import os
import select
import socket
import ssl
import struct
import threading
import time
from pathlib import Path
from typing import Any

from sandbox.backends import image
from sandbox.backends.base import (
    PYTHON_FLAGS,
    Backend,
    Limits,
    Received,
    RunningSandbox,
    SandboxUnavailable,
    clean_environment,
)
from sandbox.backends.container_limits import ContainerLimits
from sandbox.backends.ownership import has_ended, owner
from sandbox.streams import Outbox

LABEL = "autotts.sandbox"
OWNER = "autotts.owner"

KEPT_OUTPUT = 4096
"""Bytes of the end of a container's output that are kept for messages."""

ULIMITS = {"nofile": 256, "core": 0, "nproc": 4096}
"""Resource limits of every process. `nproc` counts the processes of user 65534 in all containers; a container's own
limit is `pids_limit`. It is given because Podman otherwise asks for a million, which fails inside a container."""

TMPFS = {"rw": "rw", "noexec": "exec", "nosuid": "suid", "nodev": "dev", "noatime": "strictatime", "size=64m": ""}
"""Mount options of /tmp, the only writable folder, and the option in place of each where a defence is left out."""

DEVICES = "ro,dev,nosuid,noexec,noatime,mode=755,size=64k"
"""Mount options of /dev. On a writable mount, following a link there changes an access time that others can see."""

MASKED = (
    *("/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats"),
    *("/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats"),
)
"""Paths that engines mask by default, outside /sys, which is masked as a whole."""

_CLOSE_PROC = "import os; os.chmod('/proc', 0)"
"""Run as root, who owns /proc, without capabilities. No engine leaves /proc out or masks it. Its files are created, and
get their times, when they are first looked up: otherwise a worker could see what others looked up."""

_START = "import sys; sys.path.insert(0, '/autotts'); from sandbox.inside.relay import main; main()"
_STREAM = struct.Struct(">BxxxL")
"""Header of each piece of an attached container's output: stream (1 or 2), and size in bytes."""
_STDERR = 2
_MAX_PIECE = 1 << 24
_PING_SECONDS, _ANSWER_SECONDS = 30, 300
"""Timeouts of a ping and of other requests to an engine, in seconds; with a hundred containers it is slow."""
_GONE_SECONDS, _REMOVED_SECONDS = 20.0, 60.0
"""Seconds that an engine may take to end a container, and to remove ended containers."""


class DockerBackend(Backend):
    """Runs the zygote in a container without network, privileges or anything writable but a small /tmp."""

    name = "docker"

    def __init__(self, without: frozenset[str] = frozenset(), options: ContainerLimits | None = None) -> None:
        """Prepare a backend.

        Args:
            without: Names of defences to leave out, for tests that show the effect of each.
            options: Limits of a container; those of the environment if None.
        """
        self._without = without
        self._options = options or ContainerLimits.from_environment()
        self._image: str | None = None
        self._local = threading.local()
        self._clients: list[Any] = []
        self._launched: set[str] = set()
        """Ids of its containers, until the engine has removed them."""

    def why_not(self) -> str | None:
        """Return why no engine answers or it has no image of this version; None if it works. A success is cached."""
        try:
            _image_here()
        except SandboxUnavailable as reason:
            return str(reason)
        return None

    def limits_are(self) -> str:
        """Return one line on the limits of a whole container, and on those that the engine cannot enforce."""
        options, engine_info = self._options, connect().api.info()
        kinds = {"memory": "MemoryLimit", "processes": "PidsLimit", "processor time": "CpuCfsQuota"}
        lacking = [what for what, key in kinds.items() if engine_info.get(key) is False]
        version = f"cgroup v{engine_info.get('CgroupVersion', '?')}"
        line = f"{options.memory_mb} MB, {options.cpus:g} CPU, {options.processes} processes a container ({version})"
        if options.runtime:
            line += f"; runtime {options.runtime}"
        return line + (f"; the engine CANNOT limit {', '.join(lacking)}" if lacking else "")

    def launch(self, limits: Limits) -> RunningSandbox:
        """Start a container. Raises SandboxUnavailable if there is no engine, or no image of this version."""
        del limits
        import docker

        client = self._client()
        try:
            if self._image is None:
                sweep(client)
                self._image = usable_image(client)
            container = _Container(client, self._image, self._options, self._without)
        except docker.errors.NotFound:
            gone, self._image = self._image, None
            raise SandboxUnavailable(f"the engine no longer has the image {gone}. {_BUILD}") from None
        except (docker.errors.DockerException, OSError) as error:
            raise SandboxUnavailable(f"the Docker engine could not start a container: {error}") from None
        self._launched.add(container.id)
        return container

    def close(self) -> None:
        """Wait until the engine has removed the containers of this backend, and close the connections to it.

        Those of other backends in this process do not count: one that is kept ready for the next candidate stays.
        """
        import docker

        if self._image is None:
            return
        with contextlib.suppress(docker.errors.DockerException, OSError, SandboxUnavailable):
            client, deadline = self._client(), time.monotonic() + _REMOVED_SECONDS
            while self._launched and time.monotonic() < deadline:
                self._launched.intersection_update(own_containers(client))
                if self._launched:
                    time.sleep(0.05)
        # Also the clients of ended threads. A client that is used again opens new connections.
        for each in list(self._clients):
            each.close()

    def _client(self) -> Any:
        """Return this thread's client: its connections are not thread-safe."""
        if not hasattr(self._local, "client"):
            self._local.client = connect()
            self._clients.append(self._local.client)
        return self._local.client


_BUILD = "Type `autotts sandbox build`."


def connect() -> Any:
    """Return a client of the engine that the environment names. Raises SandboxUnavailable if none answers."""
    import docker

    try:
        client = docker.from_env(timeout=_PING_SECONDS)
        client.ping()
        client.api.timeout = _ANSWER_SECONDS
    except (docker.errors.DockerException, OSError) as error:
        where = os.environ.get("DOCKER_HOST", "the default socket")
        raise SandboxUnavailable(f"no Docker engine answers at {where}: {error}") from None
    return client


def usable_image(client: Any) -> str:
    """Return the digest of the image to run. Raises SandboxUnavailable if the engine has no image of this version."""
    record = image.find(client)
    if record is None:
        raise SandboxUnavailable(f"the Docker engine answers, but has no image for this version of autotts. {_BUILD}")
    return record.image


@functools.cache
def _image_here() -> str:
    """Return the digest of the image to run on the engine that the environment names; only a success is cached."""
    return usable_image(connect())


def engine_is_likely() -> bool:
    """Whether an engine is configured or its default socket exists; quick, without importing the client."""
    return bool(os.environ.get("DOCKER_HOST")) or Path("/var/run/docker.sock").exists()


def own_containers(client: Any) -> list[str]:
    """Return the ids of the containers of this process that the engine still has."""
    return [one["Id"] for one in client.api.containers(all=True, filters={"label": f"{OWNER}={owner()}"})]


def sweep(client: Any) -> list[str]:
    """Remove the containers whose owning process, in this PID namespace, has ended; return their ids."""
    import docker

    removed = []
    for one in client.api.containers(all=True, filters={"label": LABEL}):
        if has_ended(one["Labels"].get(OWNER, "")):
            with contextlib.suppress(docker.errors.NotFound, docker.errors.APIError):
                client.api.remove_container(one["Id"], force=True, v=True)
                removed.append(one["Id"])
    return removed


class _Container:
    """A started container whose streams are one connection to the engine (`sandbox.backends.base.Running`)."""

    relay = True

    def __init__(self, client: Any, image_id: str, options: ContainerLimits, without: frozenset[str]) -> None:
        self._api = client.api
        made = self._api.create_container(
            image_id,
            [*PYTHON_FLAGS, "-c", _START, *([f"--without={','.join(sorted(without))}"] if without else [])],
            entrypoint=["/python"],
            user="0:0" if "user" in without else "65534:65534",
            hostname=None if "uts" in without else "sandbox",
            environment=dict(os.environ) | clean_environment() if "environment" in without else clean_environment(),
            working_dir="/",
            stdin_open=True,
            labels={LABEL: "1", OWNER: owner()},
            use_config_proxy=False,
            host_config=self._host_config(options, without),
        )
        self.id: str = made["Id"]
        self._ended = False
        self._pending = b""
        self._last_words = b""
        try:
            attached = self._api.attach_socket(self.id, {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
            self._keep = attached
            stream = getattr(attached, "_sock", attached)
            stream.settimeout(0)
            self._stream: Any = stream
            self._outbox = Outbox(stream)
            self._api.start(self.id)
            if "proc" not in without:
                self._close_proc()
        except BaseException:
            with contextlib.suppress(Exception):
                self._api.remove_container(self.id, force=True)
            raise

    def _host_config(self, options: ContainerLimits, without: frozenset[str]) -> dict[str, Any]:
        """Return the container's isolation settings; the engine's own seccomp profile stays on."""
        memory = None if "memory" in without else f"{options.memory_mb}m"
        tmpfs = {"/tmp": ",".join(TMPFS[word] if word in without else word for word in TMPFS).strip(",")}  # noqa: S108
        if "devices" not in without:
            tmpfs["/dev"] = DEVICES
        security = [] if "no-new-privileges" in without else ["no-new-privileges"]
        config: dict[str, Any] = self._api.create_host_config(
            network_mode="host" if "net" in without else "none",
            read_only="read-only" not in without,
            tmpfs=tmpfs,
            cap_drop=None if "capabilities" in without else ["ALL"],
            security_opt=security + (["seccomp=unconfined"] if "engine-seccomp" in without else []) or None,
            pids_limit=None if "pids" in without else options.processes,
            mem_limit=memory,
            memswap_limit=memory,
            nano_cpus=None if "cpu" in without else int(options.cpus * 1e9),
            ulimits=[
                {"Name": name, "Soft": most, "Hard": most} for name, most in ULIMITS.items() if name not in without
            ],
            ipc_mode="host" if "ipc" in without else "private" if "shm" in without else "none",
            uts_mode="host" if "uts" in without else None,
            pid_mode="host" if "pid" in without else None,
            init=True,
            auto_remove=True,
            log_config=None if "no-log" in without else {"type": "none", "config": {}},
            runtime=options.runtime,
        )
        if "sys" not in without:
            config["MaskedPaths"] = [*MASKED, "/sys"]
        return config

    def _close_proc(self) -> None:
        """Close /proc to all but root. In a rootless engine it stays open, because its root does not own /proc."""
        command = ["/python", *PYTHON_FLAGS, "-c", _CLOSE_PROC]
        # Detached, for Docker's client waits for the end of a command's output without a limit, and engines have been
        # seen to lose it.
        run = self._api.exec_create(self.id, command, user="0:0", stdout=False, stderr=False)["Id"]
        self._api.exec_start(run, detach=True)
        deadline = time.monotonic() + _ANSWER_SECONDS
        while self._api.exec_inspect(run)["ExitCode"] is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"a command in it did not end within {_ANSWER_SECONDS} s")
            time.sleep(0.01)

    @property
    def alive(self) -> bool:
        """Whether the connection is open and has no unread bytes: before a candidate is loaded, bytes mean an end."""
        if self._ended:
            return False
        readable, _, _ = select.select([self._stream], [], [], 0)
        return not readable

    @property
    def unsent(self) -> bool:
        """Whether bytes wait to be sent."""
        return bool(self._outbox)

    @property
    def sources(self) -> list[int]:
        """The connection."""
        return [] if self._ended else [self._stream.fileno()]

    def receive(self, source: int) -> Received:
        """Return the received bytes, separated by stream."""
        del source
        closed = False
        parts = []
        try:
            self._outbox.flush()
            while data := self._stream.recv(1 << 18):
                parts.append(data)
                # A TLS connection may buffer bytes that polling its descriptor does not show.
                if not getattr(self._stream, "pending", int)():
                    break
            else:
                closed = True
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError:
            closed = True
        try:
            control, output, self._pending = tell_apart(b"".join([self._pending, *parts]))
        except ConnectionError as error:
            return Received(b"", str(error).encode(), True)
        self._last_words = (self._last_words + output)[-KEPT_OUTPUT:]
        return Received(control, output, closed)

    def send(self, data: bytes, descriptor: int | None = None) -> None:
        """Send bytes over the connection."""
        if descriptor is not None:
            raise ValueError("a descriptor cannot be sent into a container")
        self._outbox.put(data)

    def kill(self) -> None:
        """Kill the container and wait until its processes have ended; the engine then removes it."""
        import docker

        if self._ended:
            return
        self._ended = True
        # Close the connection first: an engine that blocks on unread output does not handle the kill.
        with contextlib.suppress(OSError):
            self._stream.shutdown(socket.SHUT_RDWR)
        self._stream.close()
        with contextlib.suppress(OSError, AttributeError):
            self._keep.close()
        # Errors mean that the container is removed already, or that the engine is gone; a later sweep removes the rest.
        with contextlib.suppress(docker.errors.DockerException, OSError):
            self._api.kill(self.id, "SIGKILL")
        with contextlib.suppress(docker.errors.DockerException, OSError):
            self._api.wait(self.id, timeout=_GONE_SECONDS, condition="not-running")

    def explain(self) -> str:
        """Return one line with the container's id and the end of its output."""
        words = " ".join(self._last_words.decode("utf-8", "replace").split())[-400:]
        return f"the container {self.id[:12]} has ended" + (f": {words}" if words else "")


def tell_apart(data: bytes) -> tuple[bytes, bytes, bytes]:
    """Split an attached container's bytes into standard output (the control stream), standard error, and the rest.

    The rest is an incomplete piece. Raises ConnectionError for a header that no engine sends.
    """
    control: list[bytes] = []
    output: list[bytes] = []
    at = 0
    while len(data) - at >= _STREAM.size:
        stream, size = _STREAM.unpack_from(data, at)
        if stream > _STDERR or size > _MAX_PIECE:
            raise ConnectionError(f"the engine sent a piece of {size} bytes for stream {stream}")
        end = at + _STREAM.size + size
        if end > len(data):
            break
        (output if stream == _STDERR else control).append(data[at + _STREAM.size : end])
        at = end
    return b"".join(control), b"".join(output), data[at:]

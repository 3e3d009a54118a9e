"""The `docker` backend: a container per sandbox, on any engine that speaks Docker's API (Podman's socket too).

`DOCKER_HOST` and the other variables of Docker's own client say which engine; what a container may use can be changed
by `Options.from_environment`. Only standard streams reach into the container, so that an engine may be remote and
gVisor may be its runtime: the zygote relays the workers' bytes.
"""

import contextlib
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
from sandbox.backends.base import PYTHON_FLAGS, Limits, Received, Running, SandboxUnavailable, clean_environment
from sandbox.backends.options import Options
from sandbox.backends.ownership import boot, owner, started
from sandbox.streams import Outbox

LABEL = "autotts.sandbox"
OWNER = "autotts.owner"

KEPT_OUTPUT = 4096

ULIMITS = {"nofile": 256, "core": 0, "nproc": 4096}
"""Of every process. The last counts the processes of nobody's user in all containers: a container's own limit is
`pids_limit`; but Podman asks for a million where none is given, which within a container of its own it may not have."""

TMPFS = {"rw": "rw", "noexec": "exec", "nosuid": "suid", "nodev": "dev", "size=64m": ""}
"""How the one thing that could be written to is mounted, and what stands there where a defence is left out."""

_START = "import sys; sys.path.insert(0, '/autotts'); from sandbox.inside.zygote import main; main()"
_STREAM = struct.Struct(">BxxxL")
"""What stands before each piece of an attached container's output: 1 or 2 for the stream, and the size."""
_STDERR = 2
_MAX_PIECE = 1 << 24
_PING_SECONDS, _ANSWER_SECONDS = 30, 300
"""How long an engine may take to say that it is there, and to do what it is asked; with a hundred containers, long."""
_GONE_SECONDS, _REMOVED_SECONDS = 20.0, 60.0
"""How long an engine may take to end a container, and to remove those that have ended."""


class DockerBackend:
    """Runs the zygote in a container without network, privileges or anything writable but a small /tmp."""

    name = "docker"

    def __init__(self, without: frozenset[str] = frozenset(), options: Options | None = None) -> None:
        """`without` names defences to leave out, for the tests that show what each is good for."""
        self._without = without
        self._options = options or Options.from_environment()
        self._image: str | None = None
        self._local = threading.local()
        self._clients: list[Any] = []

    def launch(self, limits: Limits) -> Running:
        """Start a container; raises SandboxUnavailable if there is no engine or no image of this version."""
        del limits
        import docker

        client = self._client()
        try:
            if self._image is None:
                sweep(client)
                self._image = usable_image(client)
            return _Container(client, self._image, self._options, self._without)
        except docker.errors.NotFound:
            gone, self._image = self._image, None
            raise SandboxUnavailable(f"the engine no longer has the image {gone}. {_BUILD}") from None
        except (docker.errors.DockerException, OSError) as error:
            raise SandboxUnavailable(f"the Docker engine could not start a container: {error}") from None

    def close(self) -> None:
        """Wait until the engine has removed every container of this process, and close the connections to it."""
        import docker

        if self._image is None:
            return
        with contextlib.suppress(docker.errors.DockerException, OSError, SandboxUnavailable):
            client, deadline = self._client(), time.monotonic() + _REMOVED_SECONDS
            while own_containers(client) and time.monotonic() < deadline:
                time.sleep(0.05)
        # Those of threads that are no more too. A client that is used again opens new ones.
        for each in list(self._clients):
            each.close()

    def _client(self) -> Any:
        """A client of this thread's own: its connections are not made for several."""
        if not hasattr(self._local, "client"):
            self._local.client = connect()
            self._clients.append(self._local.client)
        return self._local.client


_BUILD = "Type `autotts sandbox build`."


def connect() -> Any:
    """A client of the engine that the environment names; raises SandboxUnavailable if none answers."""
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
    """The digest of the image to run; raises SandboxUnavailable if it was not built, or the engine lost it."""
    record = image.find(client)
    if record is None:
        raise SandboxUnavailable(f"the Docker engine answers, but has no image for this version of autotts. {_BUILD}")
    return record.image


def limits_are() -> str:
    """What limits a container as a whole, in a line, and what the engine says that it cannot limit."""
    options, client = Options.from_environment(), connect()
    said = client.api.info()
    kinds = {"memory": "MemoryLimit", "processes": "PidsLimit", "processor time": "CpuCfsQuota"}
    lacking = [what for what, key in kinds.items() if said.get(key) is False]
    version = f"cgroup v{said.get('CgroupVersion', '?')}"
    line = f"{options.memory_mb} MB, {options.cpus:g} CPU, {options.processes} processes a container ({version})"
    if options.runtime:
        line += f"; runtime {options.runtime}"
    return line + (f"; the engine CANNOT limit {', '.join(lacking)}" if lacking else "")


def engine_is_likely() -> bool:
    """Whether it is worth asking for an engine; quick, without importing the client."""
    return bool(os.environ.get("DOCKER_HOST")) or Path("/var/run/docker.sock").exists()


def own_containers(client: Any) -> list[str]:
    """Ids of the containers that this process started and the engine still has."""
    return [one["Id"] for one in client.api.containers(all=True, filters={"label": f"{OWNER}={owner()}"})]


def sweep(client: Any) -> list[str]:
    """Remove what processes of this machine that are no more left behind; returns the containers' ids."""
    import docker

    removed = []
    for one in client.api.containers(all=True, filters={"label": LABEL}):
        origin, _, rest = one["Labels"].get(OWNER, "::").partition(":")
        pid, _, start = rest.partition(":")
        if origin == boot() and (not pid.isdigit() or started(int(pid)) != start):
            with contextlib.suppress(docker.errors.NotFound, docker.errors.APIError):
                client.api.remove_container(one["Id"], force=True, v=True)
                removed.append(one["Id"])
    return removed


class _Container:
    """A started container whose streams are one connection to the engine (`sandbox.backends.base.Running`)."""

    relay = True

    def __init__(self, client: Any, image_id: str, options: Options, without: frozenset[str]) -> None:
        self._api = client.api
        made = self._api.create_container(
            image_id,
            [*PYTHON_FLAGS, "-c", _START, "--relay", *([f"--without={','.join(sorted(without))}"] if without else [])],
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
        except BaseException:
            with contextlib.suppress(Exception):
                self._api.remove_container(self.id, force=True)
            raise

    def _host_config(self, options: Options, without: frozenset[str]) -> dict[str, Any]:
        """The profile. The engine's own seccomp profile stays on."""
        memory = None if "memory" in without else f"{options.memory_mb}m"
        security = [] if "no-new-privileges" in without else ["no-new-privileges"]
        config: dict[str, Any] = self._api.create_host_config(
            network_mode="host" if "net" in without else "none",
            read_only="read-only" not in without,
            tmpfs={"/tmp": ",".join(TMPFS[word] if word in without else word for word in TMPFS).strip(",")},  # noqa: S108
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
        return config

    @property
    def alive(self) -> bool:
        """Whether the connection is open, and nothing came over it but what was read."""
        if self._ended:
            return False
        readable, _, _ = select.select([self._stream], [], [], 0)
        return not readable

    @property
    def unsent(self) -> bool:
        """Whether the sandbox did not take all that is to be sent yet."""
        return bool(self._outbox)

    @property
    def sources(self) -> list[int]:
        """The connection."""
        return [] if self._ended else [self._stream.fileno()]

    def receive(self, source: int) -> Received:
        """Take what has come in, told apart by stream."""
        del source
        closed = False
        parts = []
        try:
            self._outbox.flush()
            while data := self._stream.recv(1 << 18):
                parts.append(data)
                # A TLS connection may hold back more than the descriptor shows.
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
        """Kill the container and wait until its processes are gone; the engine then removes it."""
        import docker

        if self._ended:
            return
        self._ended = True
        # First the connection: an engine that waits for somebody to read a flood does not get round to the kill.
        with contextlib.suppress(OSError):
            self._stream.shutdown(socket.SHUT_RDWR)
        self._stream.close()
        with contextlib.suppress(OSError, AttributeError):
            self._keep.close()
        # Suppressed: it has ended and is removed, or the engine is gone; the sweep of the next run finds what it left.
        with contextlib.suppress(docker.errors.DockerException, OSError):
            self._api.kill(self.id, "SIGKILL")
        with contextlib.suppress(docker.errors.DockerException, OSError):
            self._api.wait(self.id, timeout=_GONE_SECONDS, condition="not-running")

    def explain(self) -> str:
        """How the container ended, as far as the engine still knows, and the last of what was printed."""
        words = " ".join(self._last_words.decode("utf-8", "replace").split())[:400]
        return f"the container {self.id[:12]} has ended" + (f": {words}" if words else "")


def tell_apart(data: bytes) -> tuple[bytes, bytes, bytes]:
    """Split an attached container's bytes into standard output (the control stream), standard error, and a rest.

    Raises ConnectionError for what no engine sends.
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

"""Group 9: beginnings and ends. Trials rather than cases: what is tried is the host's side, and the engine's.

Each says what is wrong, nothing if all is well. They work with the backend alone, as a user's run does.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.backends import cgroups, docker
from sandbox.backends.base import Backend, Limits, Running, SandboxUnavailable
from sandbox.backends.local import LocalRunning
from sandbox.backends.ownership import owner
from sandbox.candidate import Candidate
from sandbox.conformance.case import Group, attack
from sandbox.conformance.targets import World
from sandbox.conformance.try_out import HONEST, fingerprint, play
from sandbox.host import InfrastructureError

PATIENT = Limits(reply_seconds=300.0, repeat_seconds=900.0, start_seconds=300.0)
"""A hundred sandboxes share this machine's processors."""

MANY = 100

_SECONDS = 60.0
"""How long what has to end may take to be gone."""


@dataclass(frozen=True)
class Trial:
    """Something that is tried with a backend."""

    name: str
    run: Callable[[Backend, World], str]
    """Says what is wrong; empty if nothing is."""
    only: str = ""
    """The one backend that it is about, if it is about one."""
    group: Group = Group.LIFECYCLE
    slow: bool = True


RANDOM = Candidate(
    "random",
    attack(
        """
        draw = episode.rng.random()
        episode.note(f"{draw} {random.random()} {hash('x')} {sorted({'a', 'b', 'c'})} {os.urandom(0)}")
        branches = episode.branch(1 + int(draw * 3))
        episode.finish([branch for branch in branches if episode.rng.random() < 0.7])
        return majority(branch.answer for branch in branches)
        """,
        "import os, random",
    ),
)

SLOW = Candidate(
    "slow",
    attack("time.sleep(0.4)\nreturn majority(branch.answer for branch in episode.branch(2))", "import time"),
)

LOOP = Candidate("loop", attack("while True:\n    pass"))

HOSTILE = (
    attack("while True:\n    print('x' * 65536)"),
    attack("bytearray(1 << 32)"),
    attack("import os\nos._exit(0)"),
    attack("import os\nos.write(3, os.urandom(4096))\nepisode.branch(1)"),
)


def _same_bytes(backend: Backend, targets: World) -> str:
    first, second = (fingerprint(play(backend, RANDOM, targets.grid, PATIENT)) for _ in range(2))
    return "" if first == second else "the same seed gave other results"


def _many_at_once(backend: Backend, targets: World) -> str:
    alone = fingerprint(play(backend, HONEST, targets.grid, PATIENT))

    def one(number: int) -> bool:
        if number % 4 == 3:
            play(backend, Candidate("hostile", HOSTILE[number // 4 % len(HOSTILE)]), targets.grid, PATIENT)
            return True
        return fingerprint(play(backend, HONEST, targets.grid, PATIENT)) == alone

    with ThreadPoolExecutor(MANY) as pool:
        wrong = [number for number, same in enumerate(pool.map(one, range(MANY))) if not same]
    if wrong:
        return f"{len(wrong)} of {MANY} at a time did not score as alone"
    return _left_behind(backend)


def _left_behind(backend: Backend) -> str:
    backend.close()
    if backend.name == "docker":
        client = docker.connect()
        gone = _within(_SECONDS, lambda: not docker.own_containers(client))
        return "" if gone else f"{len(docker.own_containers(client))} containers are left"
    place = cgroups.here()
    if not isinstance(place, cgroups.NoGroups):
        groups = list(place.parents["pids"].glob(f"autotts-{os.getpid()}-*"))
        if groups:
            return f"{len(groups)} control groups are left"
    return ""


class _Shot:
    """A backend whose first sandboxes are killed while they work, by somebody else."""

    def __init__(self, backend: Backend, shots: int) -> None:
        self.name, self._backend, self._shots = backend.name, backend, shots

    def launch(self, limits: Limits) -> Running:
        running = self._backend.launch(limits)
        if self._shots:
            self._shots -= 1
            threading.Timer(0.7, _kill_from_outside, (running,)).start()
        return running

    def close(self) -> None:
        self._backend.close()


def _kill_from_outside(running: Running) -> None:
    if isinstance(running, LocalRunning):
        # The whole family: what a busy machine has only just started does not end with its parent yet.
        for pid in (running.pid, *_descendants(running.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    else:
        container: Any = running
        with contextlib.suppress(Exception):  # it has ended by itself
            docker.connect().api.kill(container.id, "SIGKILL")


def _killed_once(backend: Backend, targets: World) -> str:
    alone = fingerprint(play(backend, SLOW, targets.grid, PATIENT))
    shot = fingerprint(play(_Shot(backend, 1), SLOW, targets.grid, PATIENT))
    return "" if shot == alone else "a sandbox that was killed from outside changed the score"


def _killed_always(backend: Backend, targets: World) -> str:
    try:
        play(_Shot(backend, 1000), Candidate("slow", SLOW.source.replace("0.4", "3")), targets.grid, PATIENT)
    except (InfrastructureError, SandboxUnavailable):
        return ""
    return "a candidate was scored although its sandbox was killed every time"


def _host_ends(how: signal.Signals) -> Callable[[Backend, World], str]:
    def run(backend: Backend, targets: World) -> str:
        script = (
            "from envdata.grid import Grid\n"
            "from sandbox.backends.base import Limits\n"
            "from sandbox.backends.choose import make_backend\n"
            "from sandbox.candidate import Candidate\n"
            "from sandbox.conformance.try_out import play\n"
            f"backend = make_backend({backend.name!r})\n"
            f"grid = Grid.load({targets.grid.name!r})\n"
            f"play(backend, Candidate('loop', {LOOP.source!r}), grid, Limits(reply_seconds=900, repeat_seconds=900))\n"
        )
        command = [sys.executable, "-c", script]
        host = subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=Path(__file__).parents[2])
        try:
            if not _within(_SECONDS, lambda: len(_running(backend.name, host.pid)) >= (1 if _engine(backend) else 5)):
                return "the candidate did not start"
            time.sleep(0.5)
            left = _running(backend.name, host.pid)
            host.send_signal(how)
            host.wait(_SECONDS)
        finally:
            host.kill()
            host.wait()
        if _within(_SECONDS, lambda: not any(_runs(backend.name, one) for one in left)):
            return ""
        return f"something outlives a host that gets {how.name}"

    return run


def _engine(backend: Backend) -> bool:
    return backend.name == "docker"


def _running(name: str, pid: int) -> list[str]:
    """What runs on behalf of a process: its descendants, or its containers."""
    if name != "docker":
        return [str(one) for one in _descendants(pid)]
    found = docker.connect().api.containers(filters={"label": docker.LABEL})
    return [one["Id"] for one in found if f":{pid}:" in one["Labels"].get(docker.OWNER, "")]


def _runs(name: str, one: str) -> bool:
    if name == "docker":
        return any(each["Id"] == one for each in docker.connect().api.containers(all=True))
    try:
        return "State:\tZ" not in Path(f"/proc/{one}/status").read_text()
    except OSError:
        return False


def _descendants(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text().split()):
                yield child
                yield from _descendants(child)


def _within(seconds: float, done: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not (is_done := done()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return is_done


def _sweep(backend: Backend, targets: World) -> str:
    """What a process that is no more left behind is removed; what a living one has is not."""
    del targets
    if _engine(backend):
        return _sweep_containers()
    place = cgroups.here()
    if isinstance(place, cgroups.NoGroups):
        return ""  # then nothing can be left: processes end with their namespace
    dead = [parent / "autotts-4194305-1-0" for parent in set(place.parents.values())]
    for folder in dead:
        folder.mkdir(exist_ok=True)
    running = backend.launch(PATIENT)
    try:
        place.sweep()
        kept = list(place.parents["pids"].glob(f"autotts-{os.getpid()}-*"))
    finally:
        running.kill()
    if any(folder.exists() for folder in dead):
        return "a control group of a process that is no more is left"
    return "" if kept else "the control group of a living process was removed"


def _sweep_containers() -> str:
    client = docker.connect()
    boot = owner().partition(":")[0]
    owners = {f"{boot}:4194305:1": True, f"{boot}:{os.getpid()}:1": True, owner(): False, "elsewhere:1:1": False}
    made = {}
    try:
        for who in owners:
            labels = {docker.LABEL: "1", docker.OWNER: who}
            image = docker.usable_image(client)
            made[who] = client.api.create_container(image, ["-V"], entrypoint=["/python"], labels=labels)["Id"]
        swept = set(docker.sweep(client))
        wrong = [who for who, gone in owners.items() if (made[who] in swept) is not gone]
        return f"the sweep was wrong about the container of {wrong[0]}" if wrong else ""
    finally:
        for container in made.values():
            with contextlib.suppress(Exception):
                client.api.remove_container(container, force=True)


class _Wire:
    """A socket in front of the engine's: when it is cut, the engine is gone as far as its client can tell."""

    def __init__(self, path: Path, engine: str) -> None:
        self._engine = engine
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        self._open: list[socket.socket] = [self._listener]
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self) -> None:
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._engine)
                self._open += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=_copy, args=pair, daemon=True).start()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def _engine_dies(backend: Backend, targets: World) -> str:
    engine = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not engine.startswith("unix://"):
        return ""  # a remote engine is cut off in the same way, by other means
    slow = Candidate("slow", SLOW.source.replace("0.4", "3.0"))
    client = docker.connect()
    with tempfile.TemporaryDirectory(prefix="autotts-wire-") as folder:
        wire = _Wire(Path(folder, "s"), engine.removeprefix("unix://"))
        before = os.environ.get("DOCKER_HOST")
        os.environ["DOCKER_HOST"] = f"unix://{folder}/s"
        timer = threading.Timer(3.0, wire.cut)
        timer.start()
        try:
            play(type(backend)(), slow, targets.grid, PATIENT)
        except (InfrastructureError, SandboxUnavailable):
            pass
        else:
            return "a candidate was scored although the engine was gone"
        finally:
            timer.join()
            wire.cut()
            if before is None:
                del os.environ["DOCKER_HOST"]
            else:
                os.environ["DOCKER_HOST"] = before
    if _within(_SECONDS, lambda: not docker.own_containers(client)):
        return ""
    return "a container outlives its connection"


TRIALS = (
    Trial("the same seed twice", _same_bytes, slow=False),
    Trial(f"{MANY} candidates at a time", _many_at_once),
    Trial("killed from outside", _killed_once),
    Trial("killed from outside every time", _killed_always),
    Trial("Ctrl-C", _host_ends(signal.SIGINT)),
    Trial("the host is killed", _host_ends(signal.SIGKILL)),
    Trial("the sweep of what was left", _sweep, slow=False),
    Trial("the engine is gone", _engine_dies, only="docker"),
)

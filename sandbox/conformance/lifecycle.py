"""Group 9: start and end of sandboxes: kills from outside, dead hosts and engines, clean-up, determinism.

These cases test the host's side and the engine's, with the backend alone, as a user's run does. Each returns what is
wrong, empty if nothing is.
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
from sandbox.backends.base import Backend, Limits, RunningSandbox, SandboxUnavailable
from sandbox.backends.local import LocalRunning
from sandbox.backends.ownership import boot, namespace, owner
from sandbox.candidate import Candidate
from sandbox.conformance.case import CaseGroup, attack
from sandbox.conformance.playing import HONEST, fingerprint, play
from sandbox.conformance.targets import Targets
from sandbox.host import InfrastructureError
from sandbox.run_secret import new_secret

CROWDED = Limits(reply_seconds=300.0, repeat_seconds=900.0, start_seconds=300.0)
"""Limits where `MANY` sandboxes share this machine's processors."""

MANY = 100

_SECONDS = 60.0
"""Seconds that processes and containers may take to end."""


@dataclass(frozen=True)
class LifecycleCase:
    """A case about the start or end of sandboxes."""

    name: str
    run: Callable[[Backend, Targets], str]
    """Returns what is wrong; empty if nothing is."""
    only: str = ""
    """Name of the only backend that it applies to; empty for all."""
    group: CaseGroup = CaseGroup.LIFECYCLE
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


def _same_bytes(backend: Backend, targets: Targets) -> str:
    secret = new_secret()
    first, second = (fingerprint(play(backend, RANDOM, targets.grid, CROWDED, secret=secret)) for _ in range(2))
    return "" if first == second else "the same seed and secret gave other results"


def _many_at_once(backend: Backend, targets: Targets) -> str:
    backend.close()
    # Sandboxes that others in this process keep ready, such as an evaluator's.
    before = _own_sandboxes(backend)
    alone = fingerprint(play(backend, HONEST, targets.grid, CROWDED))

    def one(number: int) -> bool:
        if number % 4 == 3:
            play(backend, Candidate("hostile", HOSTILE[number // 4 % len(HOSTILE)]), targets.grid, CROWDED)
            return True
        return fingerprint(play(backend, HONEST, targets.grid, CROWDED)) == alone

    with ThreadPoolExecutor(MANY) as pool:
        wrong = [number for number, same in enumerate(pool.map(one, range(MANY))) if not same]
    if wrong:
        return f"{len(wrong)} of {MANY} at a time did not score as alone"
    backend.close()
    if _within(_SECONDS, lambda: _own_sandboxes(backend) <= before):
        return ""
    return f"{len(_own_sandboxes(backend) - before)} containers or control groups are left"


def _own_sandboxes(backend: Backend) -> set[str]:
    """Return the containers, or the control groups, of this process's sandboxes."""
    if backend.name == "docker":
        return set(docker.own_containers(docker.connect()))
    place = cgroups.here()
    if isinstance(place, cgroups.NoGroups):
        return set()
    return {str(path) for path in place.parents["pids"].glob(f"{cgroups.own_prefix()}*")}


class _KillingBackend(Backend):
    """A backend whose first `kills` sandboxes are killed from outside while they work."""

    def __init__(self, backend: Backend, kills: int) -> None:
        self.name, self._backend, self._kills = backend.name, backend, kills

    def launch(self, limits: Limits) -> RunningSandbox:
        running = self._backend.launch(limits)
        if self._kills:
            self._kills -= 1
            threading.Timer(0.7, _kill_from_outside, (running,)).start()
        return running

    def close(self) -> None:
        self._backend.close()


def _kill_from_outside(running: RunningSandbox) -> None:
    if isinstance(running, LocalRunning):
        # All descendants: on a busy machine a process that has just started does not yet end with its parent.
        for pid in (running.pid, *_descendants(running.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    else:
        container: Any = running
        with contextlib.suppress(Exception):  # it has ended by itself
            docker.connect().api.kill(container.id, "SIGKILL")


def _killed_once(backend: Backend, targets: Targets) -> str:
    alone = fingerprint(play(backend, SLOW, targets.grid, CROWDED))
    killed = fingerprint(play(_KillingBackend(backend, 1), SLOW, targets.grid, CROWDED))
    return "" if killed == alone else "a sandbox that was killed from outside changed the score"


def _killed_always(backend: Backend, targets: Targets) -> str:
    try:
        play(_KillingBackend(backend, 1000), Candidate("slow", SLOW.source.replace("0.4", "3")), targets.grid, CROWDED)
    except (InfrastructureError, SandboxUnavailable):
        return ""
    return "a candidate was scored although its sandbox was killed every time"


def _host_ends(how: signal.Signals) -> Callable[[Backend, Targets], str]:
    def run(backend: Backend, targets: Targets) -> str:
        script = (
            "from envdata.grid import Grid\n"
            "from sandbox.backends.base import Limits\n"
            "from sandbox.backends.choose import make_backend\n"
            "from sandbox.candidate import Candidate\n"
            "from sandbox.conformance.playing import play\n"
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
    """Return the process ids of a process's descendants, or the ids of its containers."""
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


def _sweep(backend: Backend, targets: Targets) -> str:
    """Test that a sweep removes what an ended process left, and nothing of a living or unseen process."""
    del targets
    if not namespace():
        return ""  # no process's end can be seen, and nothing is swept
    if _engine(backend):
        return _sweep_containers()
    place = cgroups.here()
    if isinstance(place, cgroups.NoGroups):
        return ""  # nothing can be left: processes end with their namespace
    names = [f"autotts.{namespace()}.4194305.1.0", f"autotts.1.4194305.1.{os.getpid()}"]
    ended, unseen = ([parent / name for parent in set(place.parents.values())] for name in names)
    for folder in ended + unseen:
        folder.mkdir(exist_ok=True)
    running = backend.launch(CROWDED)
    try:
        place.sweep()
        kept = list(place.parents["pids"].glob(f"{cgroups.own_prefix()}*"))
        foreign = [folder for folder in unseen if folder.exists()]
    finally:
        running.kill()
        for folder in unseen:
            with contextlib.suppress(FileNotFoundError):
                folder.rmdir()
    if any(folder.exists() for folder in ended):
        return "a control group of a process that has ended is left"
    if len(foreign) < len(unseen):
        return "a control group of another PID namespace was removed"
    return "" if kept else "the control group of a living process was removed"


def _sweep_containers() -> str:
    client = docker.connect()
    here = f"{boot()}:{namespace()}"
    owners = {
        f"{here}:4194305:1": True,
        f"{here}:{os.getpid()}:1": True,
        owner(): False,
        f"{boot()}:1:4194305:1": False,
        f"elsewhere:{namespace()}:4194305:1": False,
    }
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


class _EngineProxy:
    """A socket that forwards to the engine's; after `cut`, the engine is unreachable for its client."""

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


def _engine_dies(backend: Backend, targets: Targets) -> str:
    engine = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not engine.startswith("unix://"):
        return ""  # a remote engine is cut off in the same way, by other means
    slow = Candidate("slow", SLOW.source.replace("0.4", "3.0"))
    client = docker.connect()
    others = set(docker.own_containers(client))
    with tempfile.TemporaryDirectory(prefix="autotts-wire-") as folder:
        proxy = _EngineProxy(Path(folder, "s"), engine.removeprefix("unix://"))
        before = os.environ.get("DOCKER_HOST")
        os.environ["DOCKER_HOST"] = f"unix://{folder}/s"
        timer = threading.Timer(3.0, proxy.cut)
        timer.start()
        try:
            play(type(backend)(), slow, targets.grid, CROWDED)
        except (InfrastructureError, SandboxUnavailable):
            pass
        else:
            return "a candidate was scored although the engine was gone"
        finally:
            timer.join()
            proxy.cut()
            if before is None:
                del os.environ["DOCKER_HOST"]
            else:
                os.environ["DOCKER_HOST"] = before
    if _within(_SECONDS, lambda: others.issuperset(docker.own_containers(client))):
        return ""
    return "a container outlives its connection"


LIFECYCLE_CASES = (
    LifecycleCase("the same seed twice", _same_bytes, slow=False),
    LifecycleCase(f"{MANY} candidates at a time", _many_at_once),
    LifecycleCase("killed from outside", _killed_once),
    LifecycleCase("killed from outside every time", _killed_always),
    LifecycleCase("Ctrl-C", _host_ends(signal.SIGINT)),
    LifecycleCase("the host is killed", _host_ends(signal.SIGKILL)),
    LifecycleCase("the sweep of what was left", _sweep, slow=False),
    LifecycleCase("the engine is gone", _engine_dies, only="docker"),
)

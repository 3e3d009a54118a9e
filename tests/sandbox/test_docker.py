"""The docker backend beyond the conformance suite: what is left behind, what dies, what the profile really is."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.backends import docker, image
from sandbox.backends.base import Limits, SandboxUnavailable, clean_environment
from sandbox.backends.bubblewrap import BubblewrapBackend
from sandbox.backends.docker import DockerBackend, Options
from sandbox.backends.pool import WarmBackend
from sandbox.candidate import Candidate
from sandbox.conformance.case import attack
from sandbox.conformance.run import HONEST, fingerprint, play
from sandbox.conformance.targets import World, world
from sandbox.host import InfrastructureError
from sandbox.playing import Player, Repeat, Settings
from sandbox.status import Status

pytestmark = pytest.mark.docker

PATIENT = Limits(reply_seconds=60.0, start_seconds=120.0)

LOOP = attack("while True: pass")

SLOW = Candidate(
    "slow",
    attack("time.sleep(0.4)\nreturn majority(branch.answer for branch in episode.branch(2))", "import time"),
)


@pytest.fixture(scope="module")
def client() -> Any:
    connected = docker.connect()
    if image.find(connected) is None:
        image.build(connected, os.environ.get("AUTOTTS_DOCKER_BASE", "autotts-base:bookworm"))
    return connected


@pytest.fixture(scope="module")
def targets() -> Iterator[World]:
    with world() as made:
        yield made


def _left(client: Any) -> list[str]:
    return [one["Id"] for one in client.api.containers(all=True, filters={"label": docker.LABEL})]


def _wait_until(done: Any, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not done() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert done()


def test_the_same_bytes_as_in_bubblewrap(client: Any, targets: World) -> None:
    numeric = Candidate(
        "numeric",
        attack(
            """
            import numpy as np
            from scipy import stats
            draws = np.random.default_rng(episode.rng.getrandbits(32)).integers(0, 9, 8)
            episode.note(f"{draws.tolist()} {stats.beta.cdf(0.5, 3, 2):.9f} {episode.rng.random()} {hash('x')}")
            return majority(branch.answer for branch in episode.branch(1 + int(draws[0]) % 3))
            """
        ),
    )
    for candidate in (HONEST, numeric):
        ours = fingerprint(play(DockerBackend(), candidate, targets.grid, PATIENT))
        assert ours == fingerprint(play(DockerBackend(), candidate, targets.grid, PATIENT))
        assert ours == fingerprint(play(BubblewrapBackend(), candidate, targets.grid, PATIENT))


def test_the_profile_as_the_engine_has_it(client: Any) -> None:
    running: Any = DockerBackend(options=Options(runtime=None)).launch(PATIENT)
    try:
        said = client.api.inspect_container(running._id)
        config, host = said["Config"], said["HostConfig"]
        assert said["Image"] == image.find(client).image  # type: ignore[union-attr]
        assert config["User"] == "65534:65534"
        # The engine's own default PATH, and ours: nothing of the host's.
        assert {one.partition("=")[0] for one in config["Env"]} <= {"PATH", *clean_environment()}
        assert host["NetworkMode"] == "none"
        assert host["ReadonlyRootfs"] is True
        assert host["CapDrop"] == ["ALL"]
        assert not host["CapAdd"]
        assert host["SecurityOpt"] == ["no-new-privileges"]
        assert host["PidsLimit"] == 64
        assert host["Memory"] == host["MemorySwap"] == 512 << 20
        assert host["NanoCpus"] == 10**9
        assert host["IpcMode"] == "none"
        assert host["Init"] is True
        assert host["LogConfig"]["Type"] == "none"
        assert host["Tmpfs"] == {"/tmp": "rw,noexec,nosuid,nodev,size=64m"}
        assert {(one["Name"].lower().removeprefix("rlimit_"), one["Hard"]) for one in host["Ulimits"]} == set(
            docker.ULIMITS.items()
        )
        assert not host["Binds"]
        assert not said["Mounts"]
        assert host["Privileged"] is False
    finally:
        running.kill()


def test_nothing_is_left_behind(client: Any, targets: World) -> None:
    backend = WarmBackend(DockerBackend())
    for _ in range(3):
        play(backend, HONEST, targets.grid, PATIENT)
    backend.close()
    assert docker.own_containers(client) == []


def test_a_container_that_is_killed_from_outside_is_not_scored(client: Any, targets: World) -> None:
    alone = fingerprint(play(DockerBackend(), SLOW, targets.grid, PATIENT))

    def kill_all() -> None:
        for container in docker.own_containers(client):
            with contextlib.suppress(Exception):
                client.api.kill(container)

    timer = threading.Timer(1.5, kill_all)
    timer.start()
    assert fingerprint(play(DockerBackend(), SLOW, targets.grid, PATIENT)) == alone
    timer.join()
    ended = threading.Event()

    def kill_on() -> None:
        while not ended.wait(0.2):
            kill_all()

    killer = threading.Thread(target=kill_on)
    killer.start()
    try:
        with pytest.raises((InfrastructureError, SandboxUnavailable)):
            play(DockerBackend(), SLOW, targets.grid, PATIENT)
    finally:
        ended.set()
        killer.join()


class Wire:
    """A socket in front of the engine's: when it is cut, the engine is gone as far as its client can tell."""

    def __init__(self, path: Path) -> None:
        self.address = f"unix://{path}"
        self._engine = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._open: list[socket.socket] = [self._listener]
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self) -> None:
        for one in self._open:
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


@pytest.mark.skipif(
    not os.environ.get("DOCKER_HOST", "unix://").startswith("unix://"), reason="needs the engine's Unix socket"
)
def test_an_engine_that_dies_is_no_score(
    client: Any, targets: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = Wire(tmp_path / "engine.sock")
    monkeypatch.setenv("DOCKER_HOST", wire.address)
    timer = threading.Timer(2.0, wire.cut)
    timer.start()
    slow = Candidate("slow", SLOW.source.replace("0.4", "2.0"))
    with pytest.raises((InfrastructureError, SandboxUnavailable), match=r"engine|sandbox"):
        play(DockerBackend(), slow, targets.grid, PATIENT)
    timer.join()
    # A container whose connection is gone ends by itself.
    _wait_until(lambda: docker.own_containers(client) == [])


def test_memory_that_siblings_share_is_no_failure_of_one(client: Any, targets: World) -> None:
    """Eight workers of 100 MB do not fit the container's 512 MB together, but each of them does."""
    large = Candidate(
        "large",
        attack(
            """
            if episode._number == 0:
                kept.append(bytearray(os.urandom(1 << 20) * 100))
            opened = episode.branch(2)
            time.sleep(0.5)
            return majority(branch.answer for branch in opened)
            """,
            "import os, time\nkept = []",
        ),
    )
    repeats = [Repeat(1.0, number) for number in range(10)]
    played = list(Player(DockerBackend(), large, targets.grid, Settings(limits=PATIENT)).play(repeats))
    assert len(played) == 10
    assert {why for one in played for why in one.result.why.values()} == set()
    assert {status for one in played for status in one.result.status.tolist()} == {Status.OK}


def test_a_worker_that_takes_all_memory_ends_as_such(client: Any, targets: World) -> None:
    hog = Candidate("hog", attack("kept = []\nwhile True:\n    kept.append(b'x' * (1 << 20) + b'y')"))
    repeats = [Repeat(1.0, number) for number in range(10)]
    limits = replace(PATIENT, memory_mb=1024)
    played = list(Player(DockerBackend(), hog, targets.grid, Settings(limits=limits)).play(repeats))
    assert {status for one in played for status in one.result.status.tolist()} == {Status.OUT_OF_MEMORY}


def test_an_engine_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(SandboxUnavailable, match="no Docker engine answers"):
        DockerBackend().launch(PATIENT)


def test_another_version_of_the_worker_needs_another_image(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = image.our_files()
    monkeypatch.setattr(image, "our_files", lambda: ours | {"sandbox/tts.py": b"changed"})
    with pytest.raises(SandboxUnavailable, match="autotts sandbox build"):
        docker.usable_image(client)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_host_that_dies_leaves_no_container(client: Any, targets: World, how: signal.Signals) -> None:
    before = set(_left(client))
    script = f"""
from envdata.grid import Grid
from sandbox.backends.choose import make_backend
from sandbox.candidate import Candidate
from sandbox.conformance.run import play
from sandbox.backends.base import Limits
play(make_backend("docker"), Candidate("x", {LOOP!r}), Grid.load({targets.grid.name!r}), Limits(reply_seconds=600))
"""
    host = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL, cwd=Path(__file__).parents[2])
    _wait_until(lambda: set(_left(client)) - before)
    time.sleep(2)
    host.send_signal(how)
    assert host.wait(60) != 0
    _wait_until(lambda: not set(_left(client)) - before)


def test_the_sweep_removes_what_dead_processes_left_and_nothing_else(client: Any) -> None:
    digest = docker.usable_image(client)
    boot = docker.owner().partition(":")[0]
    made = {}
    owners = {
        "dead": f"{boot}:4194305:1",
        "reused number": f"{boot}:{os.getpid()}:1",
        "alive": docker.owner(),
        "elsewhere": "x:1:1",
    }
    for name, owner in owners.items():
        container = client.api.create_container(
            digest, ["-c", "pass"], entrypoint=["/python"], labels={docker.LABEL: "1", docker.OWNER: owner}
        )
        made[name] = container["Id"]
    try:
        swept = set(docker.sweep(client))
        assert {made["dead"], made["reused number"]} <= swept
        assert not {made["alive"], made["elsewhere"]} & swept
    finally:
        for container in made.values():
            with contextlib.suppress(Exception):
                client.api.remove_container(container, force=True)


@pytest.mark.slow
def test_the_image_is_reproducible(client: Any) -> None:
    found = image.find(client)
    assert found is not None
    again = image.build(client, found.base)
    assert again.image == found.image


@pytest.mark.skipif(shutil.which("autotts", path=str(Path(sys.executable).parent)) is None, reason="not installed")
def test_autotts_sandbox_check(client: Any) -> None:
    command = [Path(sys.executable).parent / "autotts", "sandbox", "check", "--sandbox", "docker", "--case", "feedback"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "proven (4/4)" in done.stdout

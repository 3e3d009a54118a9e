"""The docker backend beyond the conformance suite: what is left behind, what dies, what the profile really is."""

import contextlib
import os
import re
import shutil
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

from sandbox.backends import docker, image, payload
from sandbox.backends.base import Limits, SandboxUnavailable, clean_environment
from sandbox.backends.bubblewrap import BubblewrapBackend
from sandbox.backends.docker import ContainerLimits, DockerBackend
from sandbox.backends.pool import WarmBackend
from sandbox.candidate import Candidate
from sandbox.conformance.case import attack
from sandbox.conformance.playing import HONEST, fingerprint, play
from sandbox.conformance.targets import Targets, make_targets
from sandbox.replay_player import EvaluationSettings, Player, Repeat
from sandbox.run_secret import new_secret
from sandbox.status import Status

pytestmark = pytest.mark.docker

PATIENT = Limits(reply_seconds=60.0, start_seconds=120.0)


@pytest.fixture(scope="module")
def client(docker_image: str) -> Any:
    return docker.connect()


@pytest.fixture(scope="module")
def targets() -> Iterator[Targets]:
    with make_targets() as made:
        yield made


def test_the_same_bytes_as_in_bubblewrap(client: Any, targets: Targets) -> None:
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
        secret = new_secret()
        ours = fingerprint(play(DockerBackend(), candidate, targets.grid, PATIENT, secret=secret))
        assert ours == fingerprint(play(DockerBackend(), candidate, targets.grid, PATIENT, secret=secret))
        assert ours == fingerprint(play(BubblewrapBackend(), candidate, targets.grid, PATIENT, secret=secret))


def test_the_profile_as_the_engine_has_it(client: Any) -> None:
    running: Any = DockerBackend(options=ContainerLimits(runtime=None)).launch(PATIENT)
    try:
        said = client.api.inspect_container(running.id)
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
        assert host["Tmpfs"] == {"/tmp": "rw,noexec,nosuid,nodev,noatime,size=64m", "/dev": docker.DEVICES}
        assert "/sys" in host["MaskedPaths"]
        assert {(one["Name"].lower().removeprefix("rlimit_"), one["Hard"]) for one in host["Ulimits"]} == set(
            docker.ULIMITS.items()
        )
        assert not host["Binds"]
        assert not said["Mounts"]
        assert host["Privileged"] is False
    finally:
        running.kill()


def test_nothing_is_left_behind(client: Any, targets: Targets) -> None:
    backend = WarmBackend(DockerBackend())
    for _ in range(3):
        play(backend, HONEST, targets.grid, PATIENT)
    backend.close()
    assert docker.own_containers(client) == []


def test_a_backend_waits_for_its_own_containers_alone(client: Any, targets: Targets) -> None:
    """Another one's sandbox that is kept ready stays, and made each close wait for a minute."""
    kept = DockerBackend().launch(PATIENT)
    try:
        backend = DockerBackend()
        play(backend, HONEST, targets.grid, PATIENT)
        backend.close()
        assert docker.own_containers(client) == [kept.id]  # type: ignore[attr-defined]
        assert backend._launched == set()
    finally:
        kept.kill()


def test_memory_that_siblings_share_is_no_failure_of_one(client: Any, targets: Targets) -> None:
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
    played = list(Player(DockerBackend(), large, targets.grid, EvaluationSettings(limits=PATIENT)).play(repeats))
    assert len(played) == 10
    assert {why for one in played for why in one.result.why.values()} == set()
    assert {status for one in played for status in one.result.status.tolist()} == {Status.OK}


def test_a_worker_that_takes_all_memory_ends_as_such(client: Any, targets: Targets) -> None:
    hog = Candidate("hog", attack("kept = []\nwhile True:\n    kept.append(b'x' * (1 << 20) + b'y')"))
    repeats = [Repeat(1.0, number) for number in range(10)]
    limits = replace(PATIENT, memory_mb=1024)
    played = list(Player(DockerBackend(), hog, targets.grid, EvaluationSettings(limits=limits)).play(repeats))
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
    assert re.search(r"proven \((\d+)/\1\)", done.stdout), done.stdout


# ---- engines and images ------------------------------------------------------------------------------------------


def test_what_is_run_is_the_recorded_digest_whatever_the_names_say(client: Any, targets: Targets) -> None:
    found = image.find(client)
    assert found is not None
    name = f"autotts-sandbox:{payload.content_hash(image.our_files())[:12]}"
    base = client.api.inspect_image(found.base)["Id"]
    client.api.tag(base, *name.split(":"))
    try:
        running: Any = DockerBackend().launch(PATIENT)
        assert client.api.inspect_container(running.id)["Image"] == found.image
        running.kill()
    finally:
        client.api.tag(found.image, *name.split(":"))


def test_an_engine_at_an_address_of_the_network(client: Any, targets: Targets, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only standard streams reach into the sandbox, so that the engine may be elsewhere."""
    listener = socket.create_server(("127.0.0.1", 0))
    engine = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
    alone = fingerprint(play(DockerBackend(), HONEST, targets.grid, PATIENT))

    def carry(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(engine)
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=carry, args=pair, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{listener.getsockname()[1]}")
    backend = DockerBackend()
    try:
        assert fingerprint(play(backend, HONEST, targets.grid, PATIENT)) == alone
        backend.close()
        assert docker.own_containers(client) == []
    finally:
        listener.close()


def test_a_runtime_that_the_engine_does_not_have_is_named(client: Any) -> None:
    with pytest.raises(SandboxUnavailable, match="runsc-that-is-not-there"):
        DockerBackend(options=ContainerLimits(runtime="runsc-that-is-not-there")).launch(PATIENT)


def test_the_runtime_that_was_asked_for_is_the_containers(client: Any, targets: Targets) -> None:
    """By name: this engine has runc, another one runsc or kata."""
    name = next(iter(sorted(set(client.api.info()["Runtimes"]) & {"runc", "crun"})))
    backend = DockerBackend(options=ContainerLimits(runtime=name))
    running: Any = backend.launch(PATIENT)
    try:
        assert client.api.inspect_container(running.id)["HostConfig"]["Runtime"] == name
    finally:
        running.kill()
    assert len(play(backend, HONEST, targets.grid, PATIENT)) == 3


@pytest.mark.slow
def test_processor_time_is_shared_out(client: Any, targets: Targets) -> None:
    def throttled(without: frozenset[str]) -> int:
        running: Any = DockerBackend(without, ContainerLimits(cpus=0.05)).launch(PATIENT)
        try:
            # Python's own start takes longer than a twentieth of a processor allows in one period.
            time.sleep(3)
            said = client.api.stats(running.id, stream=False)
            return int(said["cpu_stats"]["throttling_data"]["throttled_periods"])
        finally:
            running.kill()

    assert throttled(frozenset()) > 0
    assert throttled(frozenset({"cpu"})) == 0


def test_nothing_that_is_printed_is_kept_by_the_engine(client: Any) -> None:
    running: Any = DockerBackend().launch(PATIENT)
    try:
        with pytest.raises(Exception, match="log"):
            client.api.logs(running.id)
    finally:
        running.kill()
    without: Any = DockerBackend(frozenset({"no-log"})).launch(PATIENT)
    try:
        assert isinstance(client.api.logs(without.id), bytes)
    finally:
        without.kill()

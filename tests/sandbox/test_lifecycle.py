"""Beginnings and ends of sandboxes: same seed, same bytes; what is killed from outside; what is left behind."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.backends.base import Backend, Limits, RunningSandbox, SandboxUnavailable
from sandbox.backends.bubblewrap import BubblewrapBackend
from sandbox.backends.choose import make_backend
from sandbox.backends.pool import WarmBackend
from sandbox.backends.process import ProcessBackend
from sandbox.candidate import Candidate
from sandbox.conformance.case import attack
from sandbox.conformance.playing import HONEST, fingerprint, play
from sandbox.conformance.targets import Targets, make_targets
from sandbox.description import describe
from sandbox.host import Host
from sandbox.replay_player import EvaluationSettings

pytestmark = pytest.mark.bubblewrap

PATIENT = Limits(reply_seconds=60.0, start_seconds=120.0)

RANDOM = Candidate(
    "random",
    attack(
        """
        import numpy as np
        draws = np.random.default_rng(episode.rng.getrandbits(32)).normal(size=8)
        system = np.linalg.solve(np.eye(4) * 3 + np.arange(16).reshape(4, 4) / 7, draws[:4])
        episode.note(f"{system.round(9).tolist()} {random.random()} {hash('x')} {sorted({'a', 'b', 'c'})}")
        branches = episode.branch(1 + int(abs(draws[0]) * 2) % 3)
        episode.finish([branch for branch in branches if episode.rng.random() < 0.7])
        return majority(branch.answer for branch in branches)
        """,
        "import random",
    ),
)


@pytest.fixture(scope="module")
def targets() -> Iterator[Targets]:
    with make_targets() as made:
        yield made


def test_the_same_seed_gives_the_same_bytes_on_every_backend(targets: Targets) -> None:
    secret = bytes(range(32))
    played = play(BubblewrapBackend(), RANDOM, targets.grid, PATIENT, secret=secret)
    assert {status for one in played for status in one.result.status.tolist()} == {0}
    first = fingerprint(played)
    assert fingerprint(play(BubblewrapBackend(), RANDOM, targets.grid, PATIENT, secret=secret)) == first
    assert fingerprint(play(ProcessBackend(), RANDOM, targets.grid, PATIENT, secret=secret)) == first
    assert fingerprint(play(BubblewrapBackend(), HONEST, targets.grid, PATIENT)) != first


@pytest.mark.parametrize("make", [BubblewrapBackend, ProcessBackend])
def test_what_no_stream_takes_at_once_arrives_all_the_same(targets: Targets, make: type[Backend]) -> None:
    long = Candidate("long", HONEST.source + "# " + "x" * 900_000)
    roomy = replace(PATIENT, source_bytes=1 << 20)
    assert fingerprint(play(make(), long, targets.grid, roomy)) == fingerprint(
        play(make(), HONEST, targets.grid, PATIENT)
    )
    said = describe(make(), HONEST, [0.25] * 60_000, EvaluationSettings(limits=PATIENT))
    assert isinstance(said, dict)
    assert said["schedules"] == [{"width": 2.5}] * 60_000


def test_workers_have_no_rights_as_seen_from_outside(targets: Targets) -> None:
    assert _rights(BubblewrapBackend(), targets) == {"CapEff": "0" * 16, "NoNewPrivs": "1", "Seccomp": "2"}
    # Each would be seen if it were missing.
    assert _rights(BubblewrapBackend(frozenset({"seccomp"})), targets)["Seccomp"] == "0"


@pytest.mark.skipif(os.getuid() != 0, reason="only root has capabilities to lose")
def test_without_dropping_them_capabilities_would_be_there(targets: Targets) -> None:
    assert _rights(BubblewrapBackend(frozenset({"capabilities", "user"})), targets)["CapEff"] != "0" * 16


def _rights(backend: Backend, targets: Targets) -> dict[str, str]:
    """Lines of a worker's /proc/<pid>/status, read by the host while the candidate hangs."""
    del targets
    hanging = Candidate("hanging", attack("", "import time\ntime.sleep(600)"))
    with Host(backend, PATIENT, hanging) as host:
        host.start()
        host.spawn(0, {"kind": "play", "seed": 0, "api": "native", "beta": 0.0, "settings": {}, "episodes": []})
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            list(host.wait(0.05))
            for pid in _descendants(os.getpid()):
                with contextlib.suppress(OSError):
                    status = Path(f"/proc/{pid}/status").read_text()
                    # The worker is the one whose parent runs the same program as it does.
                    parent = re.search(r"^PPid:\t(\d+)$", status, re.MULTILINE)
                    same = parent and os.readlink(f"/proc/{pid}/exe") == os.readlink(f"/proc/{parent[1]}/exe")
                    if same and "python" in os.readlink(f"/proc/{pid}/exe") and int(parent[1]) != os.getpid():
                        time.sleep(0.5)
                        status = Path(f"/proc/{pid}/status").read_text()
                        return dict(re.findall(r"^(CapEff|NoNewPrivs|Seccomp):\t(\S+)$", status, re.MULTILINE))
    raise AssertionError("no worker was found")


def _descendants(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *_descendants(child)]
    return found


def test_a_zygote_that_cannot_react_ends_with_its_host_all_the_same() -> None:
    """It ends when its control stream does; if it hangs, because bubblewrap and the kernel tie it to its parent."""
    assert _stopped_zygote_outlives_its_host(frozenset()) is False
    assert _stopped_zygote_outlives_its_host(frozenset({"death"})) is True


def _stopped_zygote_outlives_its_host(without: frozenset[str]) -> bool:
    script = (
        "import sys, time\n"
        "from sandbox.backends.base import Limits\n"
        "from sandbox.backends.bubblewrap import BubblewrapBackend\n"
        f"running = BubblewrapBackend(frozenset({sorted(without)!r})).launch(Limits())\n"
        "print(running.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    environment = os.environ | {"AUTOTTS_CGROUP": "off"}
    host = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2], env=environment
    )
    assert host.stdout is not None
    pid = int(host.stdout.readline())
    deadline = time.monotonic() + 60
    # bwrap, the first process of the namespace, the zygote.
    while len(family := [pid, *_descendants(pid)]) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(family) >= 3
    try:
        os.kill(family[-1], signal.SIGSTOP)
        host.kill()
        host.wait(30)
        host.stdout.close()
        patience = time.monotonic() + (2.0 if without else 60.0)
        while any(map(_runs, family)) and time.monotonic() < patience:
            time.sleep(0.02)
        return any(map(_runs, family))
    finally:
        for each in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)


def _runs(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


# ---- the pool ----------------------------------------------------------------------------------------------------


def _wait_for_spare(backend: WarmBackend) -> RunningSandbox:
    deadline = time.monotonic() + 60
    while not backend._ready and time.monotonic() < deadline:
        time.sleep(0.01)
    return backend._ready[0].running


def test_the_next_sandbox_is_ready_and_a_dead_one_is_replaced() -> None:
    backend = WarmBackend(BubblewrapBackend())
    try:
        backend.launch(PATIENT).kill()
        spare = _wait_for_spare(backend)
        taken = backend.launch(PATIENT)
        assert taken is spare
        taken.kill()
        dead = _wait_for_spare(backend)
        dead.kill()
        fresh = backend.launch(PATIENT)
        assert fresh is not dead
        assert fresh.alive
        fresh.kill()
        last = _wait_for_spare(backend)
    finally:
        backend.close()
    assert not last.alive
    # It can be used again.
    backend.launch(PATIENT).kill()
    backend.close()


def test_a_spare_with_other_limits_is_not_used() -> None:
    backend = WarmBackend(BubblewrapBackend())
    try:
        backend.launch(PATIENT).kill()
        spare = _wait_for_spare(backend)
        other = backend.launch(Limits(memory_mb=256))
        assert other is not spare
        assert not spare.alive
        other.kill()
    finally:
        backend.close()


def test_an_unknown_sandbox_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(SandboxUnavailable, match="docker, bubblewrap, process"):
        make_backend("chroot")

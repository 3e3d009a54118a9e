"""Control groups of bubblewrap sandboxes: where they are made, what they hold back, and that none is left.

What cannot run here (version 2 where the machine has version 1) is tried on folders that look like its files.
"""

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from sandbox.backends import cgroups
from sandbox.backends.base import Limits, SandboxUnavailable
from sandbox.backends.bubblewrap import BubblewrapBackend
from sandbox.backends.cgroups import NoGroups, Place
from sandbox.backends.container_limits import ContainerLimits
from sandbox.backends.ownership import namespace
from sandbox.candidate import Candidate
from sandbox.conformance.case import attack
from sandbox.conformance.playing import HONEST, fingerprint, play
from sandbox.conformance.targets import Targets, make_targets
from sandbox.replay_player import EvaluationSettings, Player, Repeat
from sandbox.status import Status

PATIENT = Limits(reply_seconds=60.0, start_seconds=120.0)


@pytest.fixture(scope="module")
def targets() -> Iterator[Targets]:
    with make_targets() as made:
        yield made


@pytest.fixture
def looked_for_anew() -> Iterator[None]:
    cgroups.here.cache_clear()
    yield
    cgroups.here.cache_clear()


@pytest.fixture
def earlier() -> list[Path]:
    """Groups of sandboxes that tests of other modules still hold."""
    return _groups()


def _groups(but: Sequence[Path] = ()) -> list[Path]:
    place = cgroups.here()
    if isinstance(place, NoGroups):
        return []
    found = [one for parent in place.parents.values() for one in parent.glob(f"{cgroups.own_prefix()}*")]
    return [one for one in found if one not in but]


@pytest.mark.bubblewrap
def test_a_sandbox_is_in_a_group_with_these_limits_which_ends_with_it(earlier: list[Path]) -> None:
    running = BubblewrapBackend(options=ContainerLimits(memory_mb=300, processes=33, cpus=0.5)).launch(PATIENT)
    try:
        found = _groups(earlier)
        place = cgroups.here()
        assert str(place) in BubblewrapBackend().limits_are()
        if isinstance(place, Place):
            assert len(found) == len(place.parents)
            memory, pids = (_only(found, place, name) for name in ("memory", "pids"))
            file = "memory.limit_in_bytes" if place.version == 1 else "memory.max"
            assert int((memory / file).read_text()) == 300 << 20
            assert int((pids / "pids.max").read_text()) == 33
            deadline = time.monotonic() + 30
            while not (inside := (pids / "cgroup.procs").read_text().split()) and time.monotonic() < deadline:
                time.sleep(0.01)
            assert inside
            assert str(os.getpid()) not in inside
    finally:
        running.kill()
    assert _groups(earlier) == []


def _only(found: list[Path], place: Place, controller: str) -> Path:
    (folder,) = [one for one in found if one.parent == place.parents[controller]]
    return folder


HOG = attack(
    """
    if episode._number == 0:
        kept.append(bytearray(os.urandom(1 << 20) * 100))
    opened = episode.branch(2)
    time.sleep(0.5)
    return majority(branch.answer for branch in opened)
    """,
    "import os, time\nkept = []",
)


@pytest.mark.slow
@pytest.mark.bubblewrap
def test_memory_that_siblings_share_is_no_failure_of_one(targets: Targets) -> None:
    """Eight workers of 100 MB do not fit the sandbox's 512 MB together, but each of them does."""
    repeats = [Repeat(1.0, number) for number in range(10)]
    player = Player(BubblewrapBackend(), Candidate("large", HOG), targets.grid, EvaluationSettings(limits=PATIENT))
    played = list(player.play(repeats))
    assert len(played) == 10
    assert {status for one in played for status in one.result.status.tolist()} == {Status.OK}


@pytest.mark.bubblewrap
def test_groups_of_processes_that_have_ended_are_swept_and_no_others() -> None:
    place = cgroups.here()
    if isinstance(place, NoGroups):
        assert "memory and pids" in str(place) or cgroups.VARIABLE in str(place)
        return
    parent = place.parents["pids"]
    ended = [f"autotts.{namespace()}.4194305.1.0", f"autotts.{namespace()}.{os.getpid()}.1.0"]
    elsewhere = f"autotts.1.4194305.1.{os.getpid()}"
    mine = place.make(ContainerLimits())
    try:
        for name in (*ended, elsewhere):
            (parent / name).mkdir()
        swept = {folder.name for folder in place.sweep()}
        assert set(ended) <= swept
        assert (parent / elsewhere).is_dir()
        assert all(folder.is_dir() for folder in mine.folders)
    finally:
        for name in (*ended, elsewhere):
            with contextlib.suppress(OSError):
                (parent / name).rmdir()
        assert mine.remove()


@pytest.mark.bubblewrap
def test_many_at_a_time_have_groups_of_their_own(targets: Targets, earlier: list[Path]) -> None:
    alone = fingerprint(play(BubblewrapBackend(), HONEST, targets.grid, PATIENT))
    results: list[bytes] = []
    threads = [
        threading.Thread(
            target=lambda: results.append(fingerprint(play(BubblewrapBackend(), HONEST, targets.grid, PATIENT)))
        )
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [alone] * 3
    assert _groups(earlier) == []


@pytest.mark.bubblewrap
def test_without_a_place_each_worker_still_has_its_limits(
    targets: Targets, monkeypatch: pytest.MonkeyPatch, looked_for_anew: None
) -> None:
    monkeypatch.setenv(cgroups.VARIABLE, "off")
    assert BubblewrapBackend().limits_are() == "limits of each worker alone (rlimits): AUTOTTS_CGROUP is off"
    hog = Candidate("hog", attack("kept = b'x' * (1 << 30)"))
    played = play(BubblewrapBackend(), hog, targets.grid, PATIENT)
    assert {status for one in played for status in one.result.status.tolist()} == {Status.OUT_OF_MEMORY}
    assert _groups() == []


@pytest.mark.bubblewrap
def test_a_named_place_that_is_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looked_for_anew: None
) -> None:
    monkeypatch.setenv(cgroups.VARIABLE, str(tmp_path))
    with pytest.raises(SandboxUnavailable, match=rf"{cgroups.VARIABLE} is '{tmp_path}', which is no folder of cgroup"):
        BubblewrapBackend().launch(PATIENT)


def _tree(tmp_path: Path, own: str, handed_on: dict[str, str]) -> Path:
    """Folders with the files by which cgroup v2 and /proc speak; returns the one that stands for /proc/self."""
    proc, tree = tmp_path / "proc", tmp_path / "tree"
    proc.mkdir()
    (tree / own.lstrip("/")).mkdir(parents=True)
    for folder in [tree, *(path for path in tree.rglob("*") if path.is_dir())]:
        (folder / "cgroup.procs").touch()
        name = "/" + str(folder.relative_to(tree)) if folder != tree else "/"
        (folder / "cgroup.subtree_control").write_text(handed_on.get(name, "") + "\n")
    (proc / "cgroup").write_text(f"0::{own}\n")
    (proc / "mountinfo").write_text(
        f"29 23 0:26 / {tree} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
        "30 23 0:27 / /proc rw - proc proc rw\n"
    )
    return proc


def test_version_2_groups_are_made_in_the_nearest_part_that_hands_memory_and_processes_on(tmp_path: Path) -> None:
    own = "/user.slice/app.slice/run.scope"
    proc = _tree(tmp_path, own, {"/": "cpu memory pids", "/user.slice": "memory pids", "/user.slice/app.slice": "pids"})
    (place,) = (one for one in cgroups._places(proc) if one.parents["memory"].name == "user.slice")
    assert next(iter(cgroups._places(proc))) == place
    assert (place.version, set(place.parents)) == (2, {"memory", "pids"})
    assert set(next(one for one in cgroups._places(proc) if one != place).parents) == {"memory", "pids", "cpu"}


def test_version_2_settings_are_the_kernels_own_words(tmp_path: Path) -> None:
    place = Place(2, dict.fromkeys(("memory", "pids", "cpu"), tmp_path))
    group = place.make(ContainerLimits(memory_mb=256, cpus=1.5, processes=40))
    (folder,) = group.folders
    said = {path.name: path.read_text() for path in folder.iterdir()}
    assert said == {
        "memory.max": str(256 << 20), "memory.swap.max": "0", "pids.max": "40", "cpu.max": "150000 100000"
    }  # fmt: skip
    assert group.doors == [str(folder / "cgroup.procs")]
    for path in folder.iterdir():  # the kernel's files do not keep a group from being removed, these would
        path.unlink()
    assert group.remove()
    assert not folder.exists()


def test_where_nothing_may_be_made_the_reason_is_told(tmp_path: Path) -> None:
    proc = _tree(tmp_path, "/a", {})
    with pytest.raises(NoGroups, match="AUTOTTS_CGROUP can name a place"):
        cgroups.find(None, proc)


def test_a_group_that_still_holds_a_process_is_emptied_first() -> None:
    place = cgroups.here()
    if isinstance(place, NoGroups):
        return
    group = place.make(ContainerLimits())
    pid = os.fork()
    if pid == 0:
        for door in group.doors:
            Path(door).write_text(str(os.getpid()))
        time.sleep(600)
        os._exit(0)
    reaper = threading.Thread(target=os.waitpid, args=(pid, 0))
    reaper.start()
    deadline = time.monotonic() + 30
    while not all(Path(door).read_text() for door in group.doors) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert group.remove()
    reaper.join(10)
    assert not reaper.is_alive()


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("AUTOTTS_LIMIT_CPUS", "many", "AUTOTTS_LIMIT_CPUS is 'many'; give a number"),
        ("AUTOTTS_LIMIT_MEMORY_MB", "1.5", "AUTOTTS_LIMIT_MEMORY_MB is '1.5'; give a whole number"),
        ("AUTOTTS_LIMIT_MEMORY_MB", "64", "AUTOTTS_LIMIT_MEMORY_MB is 64; a sandbox needs 128 or more"),
        ("AUTOTTS_LIMIT_CPUS", "nan", "AUTOTTS_LIMIT_CPUS is nan; a sandbox needs 0.01 or more"),
        ("AUTOTTS_LIMIT_PROCESSES", "-1", "AUTOTTS_LIMIT_PROCESSES is -1; a sandbox needs 16 or more"),
        ("AUTOTTS_LIMIT_MEMORY", "512", "AUTOTTS_LIMIT_MEMORY is no setting; there are AUTOTTS_LIMIT_MEMORY_MB"),
    ],
)
def test_an_option_that_makes_no_sense_is_named(
    variable: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SandboxUnavailable, match=said.replace(".", r"\.")):
        ContainerLimits.from_environment()


def test_options_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOTTS_LIMIT_MEMORY_MB", "1024")
    monkeypatch.setenv("AUTOTTS_LIMIT_CPUS", "2.5")
    monkeypatch.setenv("AUTOTTS_DOCKER_RUNTIME", "runsc")
    assert ContainerLimits.from_environment() == ContainerLimits(
        memory_mb=1024, cpus=2.5, processes=64, runtime="runsc"
    )

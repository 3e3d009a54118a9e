"""Each defence is good for something: with it switched off, the case that it is there for fails.

Defences overlap on purpose. Where a second one would save the case, it is named as a backup and switched off in both
runs: with the defence the case passes all the same, without it the case fails.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from sandbox import serving
from sandbox.backends.base import Backend
from sandbox.backends.bubblewrap import BubblewrapBackend
from sandbox.backends.docker import DockerBackend
from sandbox.conformance.case import Case
from sandbox.conformance.run import CASES, judge, play, see
from sandbox.conformance.targets import World
from sandbox.host import InfrastructureError

BY_NAME = {case.name: case for case in CASES}

PROOFS = {
    # defence: (the case that needs it, backups that are off in both runs)
    "bubblewrap": {
        "seccomp": ("state in shared memory", ()),
        "rlimits": ("memory mapped", ()),
        "landlock": ("files of the host", ("tree",)),
        "tree": ("files of the host", ("landlock",)),
        "dumpable": ("memory of the zygote", ("tree", "landlock")),
        "net": ("TCP to the host", ("seccomp", "landlock")),
        "read-only": ("writing anywhere", ("seccomp", "landlock", "rlimits")),
        "user": ("nobody's user", ()),
        "environment": ("environment", ()),
        "closing": ("inherited descriptors", ()),
        "trial": ("source that takes memory to compile", ()),
    },
    "docker": {
        "landlock": ("a sibling's files in /proc", ()),
        "seccomp": ("state in shared memory", ()),
        "rlimits": ("memory mapped", ()),
        "net": ("TCP to the host", ("seccomp", "landlock")),
        "user": ("nobody's user", ()),
        "trial": ("source that takes memory to compile", ()),
    },
}

MAKERS: dict[str, Callable[[frozenset[str]], Backend]] = {"bubblewrap": BubblewrapBackend, "docker": DockerBackend}

PARAMETERS = [
    pytest.param(name, defence, id=f"{name}-{defence}", marks=getattr(pytest.mark, name))
    for name, defences in PROOFS.items()
    for defence in defences
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "defence"), PARAMETERS)
def test_its_case_fails_without_it(
    name: str, defence: str, targets: World, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    if name == "docker":
        request.getfixturevalue("image")
    monkeypatch.setenv("SECRET_API_KEY", "CANARY-gold-0123456789abcdef")
    case, backups = PROOFS[name][defence]
    with_it = MAKERS[name](frozenset(backups))
    without_it = MAKERS[name](frozenset({defence, *backups}))
    assert _why(BY_NAME[case], with_it, targets) == ""
    assert _why(BY_NAME[case], without_it, targets) != ""


def _why(case: Case, backend: Backend, targets: World) -> str:
    try:
        return judge(case, see(play(backend, targets.candidate(case), targets.grid, case.limits)))
    except InfrastructureError as error:
        return f"the sandbox itself failed: {error}"


# ---- defences of the host ----------------------------------------------------------------------------------------


@pytest.fixture
def bubblewrap() -> Backend:
    return BubblewrapBackend()


@pytest.mark.bubblewrap
def test_without_a_limit_on_output_a_flood_goes_on(bubblewrap: Backend, targets: World) -> None:
    case = BY_NAME["flood of standard output"]
    limits = replace(case.limits, output_bytes=1 << 50, reply_seconds=2.0)
    why = _why(replace(case, limits=limits), bubblewrap, targets)
    assert why.startswith("timeout instead of output_limit")


@pytest.mark.bubblewrap
@pytest.mark.parametrize(
    "name", ["an action that does not exist", "an episode that does not exist", "a negative count"]
)
def test_without_the_checks_of_frames_forged_ones_reach_the_rules(
    bubblewrap: Backend, targets: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    assert _why(BY_NAME[name], bubblewrap, targets) == ""
    monkeypatch.setattr(serving, "_wrong", lambda *_: {})
    case = BY_NAME[name]
    try:
        why = _why(replace(case, limits=replace(case.limits, reply_seconds=3.0)), bubblewrap, targets)
    except (IndexError, ValueError) as error:
        why = repr(error)
    assert why


@pytest.mark.bubblewrap
def test_without_quoting_escapes_arrive(bubblewrap: Backend, targets: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "quoted", lambda text: text)
    assert _why(BY_NAME["instructions in a note"], bubblewrap, targets).startswith("text that is not quoted")

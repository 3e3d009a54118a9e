"""Each defence is good for something: with it switched off, the case that it is there for fails.

What backends and workers can leave out is in `sandbox.conformance.proofs`, and recorded in docs/defences.md; what the
host itself does is taken away here.
"""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox import frame_server, replay_player, request_frames
from sandbox.backends import docker
from sandbox.backends.base import Backend, Limits
from sandbox.backends.bubblewrap import BubblewrapBackend
from sandbox.conformance.case import Case, attack
from sandbox.conformance.playing import play
from sandbox.conformance.proofs import CANARY, PROOFS, Proof, prove
from sandbox.conformance.run import CASES, judge, observe
from sandbox.conformance.targets import Targets
from sandbox.host import Host, InfrastructureError

BY_NAME = {case.name: case for case in CASES}

RECORD = Path(__file__).parents[3] / "docs" / "defences.md"

PARAMETERS = [
    pytest.param(proof, id=f"{proof.sandbox}-{proof.defence}-{proof.case}", marks=getattr(pytest.mark, proof.sandbox))
    for proof in PROOFS
]


@pytest.mark.slow
@pytest.mark.parametrize("proof", PARAMETERS)
def test_its_case_fails_without_it(
    proof: Proof, targets: Targets, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    if proof.sandbox == "docker":
        request.getfixturevalue("docker_image")
        if "Podman" in str(docker.connect().version()):
            pytest.skip("another engine has another seccomp profile and other defaults")
    monkeypatch.setenv(*CANARY)
    proven = prove(proof, targets)
    assert proven.with_it == ""
    assert proven.without_it != ""


def test_the_record_has_every_defence_and_says_that_it_is_proven() -> None:
    lines = re.findall(
        r"^\| (docker|bubblewrap) \|.*?\| `(.*?)` \| (.*?) \| (.*?) \|.*\| (\w+) \|$", RECORD.read_text(), re.M
    )
    assert {(sandbox, defence, case) for sandbox, defence, case, *_ in lines} == {
        (proof.sandbox, proof.defence, proof.case) for proof in PROOFS
    }
    assert {proven for *_, proven in lines} == {"yes"}
    assert all(said not in ("", "it passes too") for *_, said, _ in lines)


def test_proofs_name_cases_that_there_are_and_none_twice() -> None:
    assert {proof.case for proof in PROOFS} <= set(BY_NAME)
    assert len({(proof.sandbox, proof.defence, proof.case) for proof in PROOFS}) == len(PROOFS)


def _why(case: Case, backend: Backend, targets: Targets) -> str:
    try:
        return judge(case, observe(play(backend, targets.candidate(case), targets.grid, case.limits)))
    except InfrastructureError as error:
        return f"the sandbox itself failed: {error}"


# ---- defences of the host ----------------------------------------------------------------------------------------


@pytest.fixture
def bubblewrap() -> Backend:
    return BubblewrapBackend()


@pytest.mark.slow
@pytest.mark.bubblewrap
def test_without_a_limit_on_output_a_flood_goes_on(bubblewrap: Backend, targets: Targets) -> None:
    case = BY_NAME["flood of standard output"]
    limits = replace(case.limits, output_bytes=1 << 50, reply_seconds=2.0)
    why = _why(replace(case, limits=limits), bubblewrap, targets)
    assert why.startswith("timeout instead of output_limit")


@pytest.mark.bubblewrap
@pytest.mark.parametrize(
    "name", ["an action that does not exist", "an episode that does not exist", "a negative count"]
)
def test_without_the_checks_of_frames_forged_ones_reach_the_rules(
    bubblewrap: Backend, targets: Targets, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    assert _why(BY_NAME[name], bubblewrap, targets) == ""
    monkeypatch.setattr(request_frames, "_faults", lambda *_: {})
    case = BY_NAME[name]
    try:
        why = _why(replace(case, limits=replace(case.limits, reply_seconds=3.0)), bubblewrap, targets)
    except (IndexError, ValueError) as error:
        why = repr(error)
    assert why


@pytest.mark.bubblewrap
def test_without_quoting_escapes_arrive(bubblewrap: Backend, targets: Targets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_server, "quoted", lambda text: text)
    assert _why(BY_NAME["instructions in a note"], bubblewrap, targets).startswith("text that is not quoted")


@pytest.mark.bubblewrap
def test_without_a_secret_a_question_is_known_by_its_seed(bubblewrap: Backend, targets: Targets) -> None:
    case = BY_NAME["a question known by its seed"]
    assert _why(case, bubblewrap, targets) == ""
    known = play(bubblewrap, targets.candidate(case), targets.grid, case.limits, secret=bytes(32))
    assert "LEAK" in judge(case, observe(known))


@pytest.mark.bubblewrap
@pytest.mark.slow
def test_without_a_limit_that_follows_from_the_job_a_frame_of_16_mb_is_served(
    bubblewrap: Backend, targets: Targets, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = BY_NAME["a frame of 16 MB of notes"]

    def refused() -> bool:
        played = play(bubblewrap, targets.candidate(case), targets.grid, case.limits, count=1)
        return any("a frame's header asks for" in why for one in played for why in one.result.why.values())

    assert _why(case, bubblewrap, targets) == ""
    assert refused()
    monkeypatch.setattr(replay_player, "frame_limit", lambda *_: 1 << 25)
    assert not refused()


def test_without_unicodes_properties_invisible_text_arrives(
    bubblewrap: Backend, targets: Targets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Python calls printable is not all seen."""
    case = BY_NAME["an invisible message in a note"]
    assert _why(case, bubblewrap, targets) == ""
    monkeypatch.setattr(
        frame_server, "quoted", lambda text: "".join(each if each.isprintable() else " " for each in text)
    )
    assert _why(case, bubblewrap, targets).startswith("text that cannot be seen")


LOOP = Case("loop", BY_NAME["loop"].group, attack("while True:\n    pass"))

FOREVER = 10_000.0


@pytest.mark.bubblewrap
@pytest.mark.slow
def test_without_one_limit_on_time_the_next_one_ends_a_loop_and_is_named(
    bubblewrap: Backend, targets: Targets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is good for something: what it is there for lasts until another limit, which is later, is reached."""
    on_reply = replace(LOOP, limits=Limits(reply_seconds=1.0, repeat_seconds=FOREVER))
    assert "limit reply_seconds" in _why(on_reply, bubblewrap, targets)
    on_repeat = replace(LOOP, limits=Limits(reply_seconds=FOREVER, repeat_seconds=2.0))
    assert "limit repeat_seconds" in _why(on_repeat, bubblewrap, targets)
    # Without either the kernel's limit on processor time is left.
    monkeypatch.setattr(Host, "_check_clocks", lambda self: None)
    assert "used up its processor time" in _why(on_repeat, bubblewrap, targets)

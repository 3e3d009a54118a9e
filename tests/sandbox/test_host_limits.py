"""Hard limits of the host are the host's fault: a sentence, and never a score."""

import resource

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.backends import host_limits
from sandbox.backends.base import Limits, SandboxUnavailable
from sandbox.backends.bubblewrap import BubblewrapBackend
from sandbox.backends.process import ProcessBackend
from sandbox.candidate import Candidate
from sandbox.evaluate import Evaluator
from sandbox.replay_player import EvaluationSettings

KINDS = {"cpu": resource.RLIMIT_CPU, "nofile": resource.RLIMIT_NOFILE, "as": resource.RLIMIT_AS}


def _host(monkeypatch: pytest.MonkeyPatch, name: str, hard: int) -> None:
    """Have this process seem to have a hard limit; a real one could not be taken back."""
    real = resource.getrlimit
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (hard, hard) if kind == KINDS[name] else real(kind))


@pytest.mark.parametrize(("name", "hard", "said"), [
    ("cpu", 2, r"no more than 2 seconds of processor time \(ulimit -Ht\), and a worker needs"),
    ("nofile", 48, r"no more than 48 open files \(ulimit -Hn\), and a worker needs"),
    ("as", 256 << 20, r"no more than 262,144 KiB of memory \(ulimit -Hv\), and a worker needs 524,288"),
])  # fmt: skip
@pytest.mark.parametrize("make", [ProcessBackend, BubblewrapBackend])
def test_a_sandbox_that_cannot_have_its_limits_is_not_started(
    make: type[ProcessBackend] | type[BubblewrapBackend],
    name: str,
    hard: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _host(monkeypatch, name, hard)
    with pytest.raises(SandboxUnavailable, match=said):
        make().launch(Limits())


def test_nothing_is_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    _host(monkeypatch, "nofile", 16)
    # Limits of its own, so that no sandbox is at hand that was started before.
    settings = EvaluationSettings(limits=Limits(memory_mb=300))
    with Evaluator(settings, sandbox="process") as evaluator, pytest.raises(SandboxUnavailable, match="ulimit -Hn"):
        evaluator.describe(Candidate.parse("sc"), [0.5])


@given(st.integers(1, 1 << 40), st.integers(0, 1 << 40), st.sampled_from(["nofile", "as", "fsize", "nproc"]))
def test_exactly_those_that_are_lower_are_refused(hard: int, need: int, name: str) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(resource, "getrlimit", lambda kind: (hard, hard))
        if hard < need:
            with pytest.raises(SandboxUnavailable):
                host_limits.check({name: need})
        else:
            host_limits.check({name: need})


def test_without_limits_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    infinite = resource.RLIM_INFINITY
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (infinite, infinite))
    host_limits.check(Limits().for_worker())

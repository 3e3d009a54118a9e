"""Every hostile controller on every backend: typed status, unaffected host, nothing left behind, the next one runs."""

import gc
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.conformance.case import GUARANTEES, Case, Group
from sandbox.conformance.lifecycle import Trial
from sandbox.conformance.run import Suite, everything

PATIENCE = 15.0
"""Seconds that threads and connections of earlier tests may take to come to rest."""

BACKENDS = {"bubblewrap": pytest.mark.bubblewrap, "docker": pytest.mark.docker}


def _parameters() -> list[object]:
    return [
        pytest.param(
            name,
            case,
            id=f"{name}-{case.group}-{case.name}",
            marks=[mark, *([pytest.mark.slow] if case.slow else [])],
        )
        for name, mark in BACKENDS.items()
        for case in everything(name)
    ]


@pytest.fixture(scope="module", autouse=True)
def _what_was_there_is_looked_at_once() -> Iterator[None]:
    """Each case collects garbage several times: not that of all modules, which other tests have loaded."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def _of_this_process(suite: Suite) -> tuple[object, ...]:
    """What a candidate must not change here."""
    suite.backend.close()  # connections to an engine come and go
    gc.collect()
    children = [task.joinpath("children").read_text() for task in Path("/proc/self/task").iterdir()]
    return (
        len(os.listdir("/proc/self/fd")),
        "".join(children),
        hash(frozenset(os.environ.items())),
        threading.active_count(),
    )


def _at_rest(suite: Suite) -> tuple[object, ...]:
    """The same once two looks agree: what tests before this one started in advance may still be on its way."""
    deadline = time.monotonic() + PATIENCE
    before = _of_this_process(suite)
    while time.monotonic() < deadline:
        time.sleep(0.05)
        now = _of_this_process(suite)
        if now == before:
            break
        before = now
    return before


@pytest.mark.parametrize(("name", "case"), _parameters())
def test_case(name: str, suite: Suite, case: Case | Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_API_KEY", "CANARY-gold-0123456789abcdef")
    before = _at_rest(suite)
    outcome = suite.run(case)
    assert outcome.passed, outcome.why
    deadline = time.monotonic() + PATIENCE
    while (after := _of_this_process(suite)) != before and time.monotonic() < deadline:
        time.sleep(0.2)
    assert after == before


@pytest.mark.parametrize("name", BACKENDS)
def test_there_are_cases_for_every_group_and_no_two_of_one_name(name: str) -> None:
    cases = everything(name)
    assert len(cases) >= 60
    assert len({case.name for case in cases}) == len(cases)
    assert {case.group for case in cases} == set(Group) == set(GUARANTEES)

"""Every hostile controller on every backend: typed status, unaffected host, nothing left behind, the next one runs."""

import contextlib
import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.conformance.case import GUARANTEES, Case, CaseGroup
from sandbox.conformance.lifecycle import LifecycleCase
from sandbox.conformance.run import Suite, cases_for

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
        for case in cases_for(name)
    ]


Look = tuple[object, ...]


@pytest.fixture(scope="module", autouse=True)
def _what_other_tests_left() -> Iterator[None]:
    """What they started comes to its end before the first case, and what they loaded is no garbage of any case's."""
    gc.collect()
    gc.freeze()
    _once_it_stays(_of_this_process, looks=20)
    yield
    gc.unfreeze()


def _of_this_process() -> Look:
    """What a candidate must not change here."""
    gc.collect()
    children = []
    for task in Path("/proc/self/task").iterdir():
        # A thread may end meanwhile.
        with contextlib.suppress(FileNotFoundError):
            children.append(task.joinpath("children").read_text())
    return (
        len(os.listdir("/proc/self/fd")),
        "".join(children),
        hash(frozenset(os.environ.items())),
        threading.active_count(),
    )


def _without_connections(suite: Suite) -> Look:
    """The same without the backend's connections to an engine, which come and go."""
    suite.backend.close()
    return _of_this_process()


def _once_it_stays(look: Callable[[], Look], looks: int = 2) -> Look:
    """What is seen once so many looks in a row agree: what was started in advance may still be on its way."""
    deadline = time.monotonic() + PATIENCE
    seen = [look()]
    while (len(seen) < looks or len(set(seen[-looks:])) > 1) and time.monotonic() < deadline:
        time.sleep(0.05)
        seen.append(look())
    return seen[-1]


@pytest.mark.parametrize(("name", "case"), _parameters())
def test_case(name: str, suite: Suite, case: Case | LifecycleCase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_API_KEY", "CANARY-gold-0123456789abcdef")
    before = _once_it_stays(lambda: _without_connections(suite))
    outcome = suite.run(case)
    assert outcome.passed, outcome.why
    deadline = time.monotonic() + PATIENCE
    while (after := _without_connections(suite)) != before and time.monotonic() < deadline:
        time.sleep(0.2)
    assert after == before


@pytest.mark.parametrize("name", BACKENDS)
def test_there_are_cases_for_every_group_and_no_two_of_one_name(name: str) -> None:
    cases = cases_for(name)
    assert len(cases) >= 60
    assert len({case.name for case in cases}) == len(cases)
    assert {case.group for case in cases} == set(CaseGroup) == set(GUARANTEES)

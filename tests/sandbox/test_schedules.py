"""Schedules as the worker checks them: numbers of any kind become Python's, and an error names the first knob."""

import copy
import enum
from decimal import Decimal
from fractions import Fraction
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from sandbox import tts
from sandbox.inside.controller_runner import NativeCandidate
from sandbox.inside.errors import BrokenCandidate, describe_error
from sandbox.status import Status


class Size(enum.IntEnum):
    WIDE = 4


def candidate(schedule: Any) -> NativeCandidate:
    """A candidate with that schedule."""
    module = ModuleType("controller")
    methods = {"schedule": staticmethod(lambda beta: schedule), "solve": lambda self, episode: None}
    module.__dict__["Own"] = type("Own", (tts.Controller,), {**methods, "__module__": "controller"})
    return NativeCandidate(module)


def test_numbers_of_other_kinds_become_pythons() -> None:
    given = {"a": np.float64(0.5), "b": np.int32(3), "c": np.clip(2.5, 0, 1), "d": Fraction(1, 4), "e": Size.WIDE}
    knobs = candidate({**given, "f": True, "g": 10**300, "h": -0.0}).schedule(0.5, {"b": 7})
    assert knobs == {"a": 0.5, "b": 7, "c": 1.0, "d": 0.25, "e": 4, "f": True, "g": 10**300, "h": 0.0}
    assert {type(value) for value in knobs.values()} <= {int, float, bool}


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ([("width", 2)], "not [('width', 2)] (list)"),
        ({"width": 1, "wait": "2"}, "'wait' is '2' (str)"),
        ({"width": float("nan")}, "'width' is 'nan' (float)"),
        ({"width": np.float32("inf")}, "'width' is 'inf' (float32)"),
        ({"width": 10**400}, "(int)"),
        ({"width": Decimal(1)}, "(Decimal)"),
        ({"width": (1, 2)}, "(tuple)"),
        ({1: 2}, "'1' is '2' (int)"),
    ],
)
def test_an_error_names_the_first_knob_that_is_no_number(schedule: Any, message: str) -> None:
    with pytest.raises(BrokenCandidate) as caught:
        candidate(schedule).schedule(0.0, {})
    assert caught.value.status == Status.CONTRACT_ERROR
    assert message in str(caught.value)


def test_errors_name_no_addresses() -> None:
    assert describe_error(ValueError(f"no {object()}")) == "ValueError: no <object object>"


def test_a_copied_label_is_the_label_itself() -> None:
    label = tts.Answer(3, True)
    assert copy.deepcopy([label])[0] is copy.copy(label) is label

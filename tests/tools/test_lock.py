"""requirements.lock: every dependency pinned, usable as pip constraints, tied to no index."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LINES = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKED = [
    text
    for name, extra in PROJECT["optional-dependencies"].items()
    for text in extra
    if name != "vllm" and not text.startswith("autotts[")
]


@pytest.mark.parametrize("line", LINES)
def test_each_line_is_a_constraint(line: str) -> None:
    """An extra, an address or an option would be refused by pip, or would bind everybody to one index."""
    assert re.fullmatch(r"[a-z0-9.-]+==[\w.+!]+( ; .+)?", line)


@pytest.mark.parametrize("version", ["3.11.0", "3.12.0", "3.13.0"])
@pytest.mark.parametrize("text", [*PROJECT["dependencies"], *LOCKED])
def test_each_dependency_has_one_version_that_satisfies_it(text: str, version: str) -> None:
    wanted = Requirement(text)
    environment = {
        "python_full_version": version,
        "python_version": version.rpartition(".")[0],
        "sys_platform": "linux",
    }
    pins = [
        pin
        for pin in map(Requirement, LINES)
        if canonicalize_name(pin.name) == canonicalize_name(wanted.name)
        and (pin.marker is None or pin.marker.evaluate(environment))
    ]
    assert len(pins) == 1, f"{text}: {pins}; run make lock"
    assert wanted.specifier.contains(str(pins[0].specifier).removeprefix("==")), f"{text}: {pins[0]}; run make lock"

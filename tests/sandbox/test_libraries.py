"""Which shared libraries are needed: as the dynamic linker says, and nothing else is shown."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.backends import libraries, payload

LOADER = next(filter(os.path.exists, ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1")), "")


def _as_the_linker_says(path: Path) -> set[Path]:
    said = subprocess.run([LOADER, "--list", path], capture_output=True, text=True, check=True).stdout
    words = [line.split() for line in said.splitlines() if "=>" in line]
    return {Path(line[2]).parent.resolve() / Path(line[2]).name for line in words if line[2].startswith("/")}


@pytest.mark.skipif(not LOADER, reason="another C library")
def test_what_the_linker_loads_is_needed() -> None:
    modules = [path for path in Path(os.__file__).parent.glob("lib-dynload/*.so") if not path.name.startswith("_tk")]
    for path in [payload.executable(), *sorted(modules)[::7]]:
        assert _as_the_linker_says(path) <= set(libraries.needed([path])), path


def test_python_and_its_packages_need_few_libraries_and_they_are_shown_one_by_one() -> None:
    python = payload.interpreter()
    names = {path.name for path in python.libraries}
    assert any(name.startswith("ld-") for name in names)
    assert 5 < len(names) < 60
    assert set(python.libraries) <= set(python.shown)
    # The whole of a folder is shown of the standard library alone.
    assert all((path / "os.py").is_file() for path in python.shown if path.is_dir())


@pytest.mark.parametrize(
    "content",
    [b"", b"#!/bin/sh\n", b"\x7fELF", b"\x7fELF\x02\x01" + b"\xff" * 58, b"\x7fELF\x01\x01" + bytes(100)],
    ids=["empty", "script", "cut off", "nonsense", "32 bits"],
)
def test_what_is_no_program_asks_for_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    assert libraries.asked_for(tmp_path / "file") == set()
    assert libraries.asked_for(tmp_path / "absent") == set()


def test_a_library_that_is_nowhere_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraries, "asked_for", lambda path: {"libnowhere.so.9"})
    assert {path.name for path in libraries.needed([Path(sys.executable)])} <= {libraries.LOADED_BY_NAME}

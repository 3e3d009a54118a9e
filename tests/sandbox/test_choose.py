"""`auto` takes the strongest sandbox that works, says why none does, and never runs a candidate unprotected."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.backends import bubblewrap, choose, payload
from sandbox.backends.base import SandboxUnavailable

ROOT = Path(__file__).parents[2]

ASK = """
from sandbox.backends.base import SandboxUnavailable
from sandbox.backends.choose import make_backend
import sys
try:
    print(make_backend(sys.argv[1]).name)
except SandboxUnavailable as refused:
    print("refused:", refused)
"""


def _ask(name: str, *before: str, **environment: str) -> str:
    clean = {key: value for key, value in os.environ.items() if key != "DOCKER_HOST"}
    command = [*before, sys.executable, "-c", ASK, name]
    done = subprocess.run(command, cwd=ROOT, env=clean | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.bubblewrap
@pytest.mark.skipif(Path("/var/run/docker.sock").exists(), reason="an engine answers at the default socket")
def test_auto_is_bubblewrap_without_an_engine() -> None:
    assert _ask("auto") == "bubblewrap\n"


@pytest.mark.parametrize("way", ["seccomp", "limit"])
@pytest.mark.parametrize("name", ["auto", "bubblewrap"])
@pytest.mark.bubblewrap
@pytest.mark.skipif(Path("/var/run/docker.sock").exists(), reason="an engine answers at the default socket")
def test_denied_namespaces_are_explained(name: str, way: str) -> None:
    said = _ask(name, sys.executable, str(ROOT / "tests" / "denied.py"), way)
    assert said.startswith("refused: bubblewrap does not work here")
    assert "make run SANDBOX=process" in said


def test_a_missing_bubblewrap_is_explained(tmp_path: Path) -> None:
    said = _ask("auto", PATH=str(tmp_path), DOCKER_HOST=f"unix://{tmp_path}/no.sock")
    assert "no Docker engine answers" in said
    assert "not installed" in said or "Linux only" in said
    assert "make run SANDBOX=process" in said


def test_process_must_be_asked_for_by_name(tmp_path: Path) -> None:
    assert _ask("process", PATH=str(tmp_path)) == "process\n"


@pytest.mark.bubblewrap
def test_a_trial_that_succeeded_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    first = choose.make_backend("bubblewrap")

    def forbidden(*_: object) -> None:
        raise AssertionError("the trial was repeated")

    monkeypatch.setattr(bubblewrap.diagnosis, "observe", forbidden)
    assert choose.make_backend("bubblewrap") is first


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(SandboxUnavailable, match="'chroot'"):
        choose.make_backend("chroot")


# ---- what is shown of this machine -------------------------------------------------------------------------------


def test_a_project_installed_below_what_is_shown_is_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a virtual environment below /usr/lib, or the project in Python's own site-packages."""
    shown = tmp_path / "lib"
    places = [shown / "python3.11" / "site-packages", shown / "venv" / "lib" / "python3.11" / "site-packages"]
    unneeded = [shown / "test", shown / "config-3.11-x86_64-linux-gnu"]
    for place in [*places, *unneeded, shown / "harmless"]:
        place.mkdir(parents=True)
        (place / "file").write_text("x")
    monkeypatch.setattr(sys, "path", [*sys.path, str(places[1]), str(places[1] / "deeper")])
    (places[1] / "deeper").mkdir()
    hidden = payload.hidden_below([shown, tmp_path / "absent"])
    assert set(hidden) == {place.resolve() for place in (*places, *unneeded)}


def test_nothing_that_is_shown_holds_the_project_or_a_home() -> None:
    python = payload.interpreter()
    secret = [payload.INSIDE.parent.resolve(), Path.home().resolve(), Path(sys.prefix).resolve(), Path.cwd()]
    for path in python.shown:
        for one in secret:
            inside = one == path or one.is_relative_to(path)
            assert not inside or any(one == at or one.is_relative_to(at) for at in python.hidden), (path, one)
    for packages in (path for path in python.shown for path in path.glob("python3*/*-packages")):
        assert packages.resolve() in python.hidden

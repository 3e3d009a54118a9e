"""In every sandbox `autotts` is the controller API alone, and `sandbox.tts` is the same under its earlier name."""

import inspect
from pathlib import Path

import pytest

import autotts
from sandbox.backends.choose import make_backend
from sandbox.candidate import SHIPPED, Candidate
from tests import grids

SOURCE = """
import autotts
from autotts import *
from sandbox import tts
from {name} import Controller, Episode, poll

assert autotts.Controller is tts.Controller is Controller
assert sorted(autotts.__all__) == sorted(tts.__all__)
assert not hasattr(autotts, "evaluate") and not hasattr(autotts, "play")
try:
    from autotts import discover
except ImportError:
    pass
else:
    raise AssertionError("the host's package")


class Reads(Controller):
    @staticmethod
    def schedule(beta):
        return {{}}

    def solve(self, episode: Episode):
        return poll(branch.answer for branch in episode.read(2)).winner
"""


@pytest.mark.parametrize("name", ["autotts", "sandbox.tts"])
@pytest.mark.parametrize(
    "backend",
    [
        "process",
        pytest.param("bubblewrap", marks=pytest.mark.bubblewrap),
        pytest.param("docker", marks=pytest.mark.docker),
    ],
)
def test_the_name_is_the_api(request: pytest.FixtureRequest, tmp_path: Path, backend: str, name: str) -> None:
    if backend == "docker":
        request.getfixturevalue("docker_image")
    candidate = Candidate("reads", SOURCE.format(name=name))
    result = autotts.evaluate(candidate, grids.write_worked(tmp_path), betas=(1,), repeats=1, sandbox=backend)
    # Otherwise the process keeps a sandbox ready, which tests of what is left behind would count.
    make_backend(backend).close()
    assert [(row.status, row.why) for row in result.rows] == [("ok", None)]


def test_shipped_controllers_import_it() -> None:
    folder = Path(inspect.getfile(Candidate)).parent / "controllers"
    sources = [path.read_text(encoding="utf-8") for path in folder.glob("[a-z]*.py")]
    assert len(sources) == len(SHIPPED)
    assert all("from autotts import" in source and "sandbox.tts" not in source for source in sources)

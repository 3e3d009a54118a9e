import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from graph.context import Context
from graph.explorers.base import Explorer
from graph.folder import RunFolder
from graph.settings import Pinned, RunSettings
from graph.telling import Silence
from sandbox.evaluate import Evaluator
from tests.graph.running import autotts
from tests.graph.small import write_small

# Tests here start the command dozens of times: it need not compile the same files each time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

SHORT = ("--rounds", 2, "--candidates", 3, "--finalists", 1, "--repeats", 2, "--screening-repeats", 1)
SHORT += ("--betas", "0,1", "--sandbox", "process", "--jobs", 1)
"""Options of a run that takes seconds. Isolation is not what these tests are about."""


@pytest.fixture(scope="session")
def grids(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A search grid and a held-out grid."""
    folder = tmp_path_factory.mktemp("grids")
    return write_small(folder / "search.parquet"), write_small(folder / "heldout.parquet", seed=1)


@pytest.fixture(scope="session")
def options(grids: tuple[Path, Path]) -> tuple[object, ...]:
    """Options of a short run over the two grids."""
    return "--grid", grids[0], "--heldout", grids[1], *SHORT


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, options: tuple[object, ...]) -> Path:
    """The folder of a short run that nobody disturbed. Read it, do not change it."""
    run = tmp_path_factory.mktemp("runs") / "run"
    done = autotts("discover", *options, "--out", run, "--json")
    assert done.returncode == 0, done.stderr
    return run


@pytest.fixture
def make_context(tmp_path: Path, grids: tuple[Path, Path]) -> Iterator[object]:
    """Makes the context of a very short run with an explorer of the test's own."""
    opened = []

    def make(explorer: Explorer, **changed: object) -> Context:
        settings = RunSettings(
            grids=(str(grids[0]),), heldout=(), rounds=1, candidates=2, finalists=2, screening_repeats=1, repeats=1,
            betas=(0.0, 1.0), sandbox="process", **changed,
        )  # fmt: skip
        evaluator = Evaluator(settings.evaluation(), sandbox="process")
        opened.append(evaluator)
        folder = RunFolder(tmp_path / "run")
        Pinned(settings, {}, explorer.identity()).save(folder.settings)
        return Context(settings, folder, evaluator, explorer, Silence())

    yield make
    for evaluator in opened:
        evaluator.close()

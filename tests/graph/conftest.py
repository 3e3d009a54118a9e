import os
from collections.abc import Iterator
from pathlib import Path

import certifi
import pytest
from click.testing import CliRunner

from graph.cli import cli
from graph.explorers.base import Explorer
from graph.loop.context import Context
from graph.run.observers import SilentObserver
from graph.run.paths import RunFolder
from graph.run.pinned import Pinned, grid_hashes
from graph.run.settings import RunSettings
from sandbox.evaluate import Evaluator
from tests.graph.small import write_small

# Tests here start the command dozens of times: it need not compile the same files each time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

SHORT = ("--rounds", 2, "--candidates", 3, "--finalists", 1, "--repeats", 2, "--screening-repeats", 1)
SHORT += ("--betas", "0,1", "--sandbox", "process", "--jobs", 1, "--baselines", "sc,asc,cmc")
"""Options of a run that takes seconds. Neither isolation nor all shipped controllers are what these tests are about."""


@pytest.fixture(scope="session")
def one_certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the first certificate of the usual bundle."""
    path = tmp_path_factory.mktemp("certificates") / "one.pem"
    path.write_text("".join(Path(certifi.where()).read_text(encoding="utf-8").partition("END CERTIFICATE-----")[:2]))
    return path


@pytest.fixture(autouse=True)
def _few_certificates(monkeypatch: pytest.MonkeyPatch, one_certificate: Path) -> None:
    """No test here speaks TLS with the world, and loading all authorities is most of the time of a call to a model."""
    for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(variable, str(one_certificate))


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
    done = CliRunner().invoke(cli, [*map(str, ("discover", *options, "--out", run)), "--json"])
    assert done.exit_code == 0, done.output
    return run


@pytest.fixture
def make_context(tmp_path: Path, grids: tuple[Path, Path]) -> Iterator[object]:
    """Makes the context of a very short run with an explorer of the test's own."""
    opened = []

    def make(explorer: Explorer, **changed: object) -> Context:
        settings = RunSettings(
            grids=(str(grids[0]),), heldout=(), rounds=1, candidates=2, finalists=2, screening_repeats=1, repeats=1,
            betas=(0.0, 1.0), sandbox="process", **{"resend": False, "baselines": "sc,asc", **changed},
        )  # fmt: skip
        evaluator = Evaluator(settings.evaluation(), sandbox="process")
        opened.append(evaluator)
        folder = RunFolder(tmp_path / "run")
        Pinned(settings, grid_hashes(settings), explorer.identity()).save(folder.settings)
        return Context(settings, folder, evaluator, explorer, SilentObserver())

    yield make
    for evaluator in opened:
        evaluator.close()

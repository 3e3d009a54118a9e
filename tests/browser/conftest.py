from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.hostile import poison_grid
from tests.graph.running import autotts
from tests.graph.small import write_small

OPTIONS = ("--rounds", 2, "--candidates", 3, "--finalists", 2, "--repeats", 2, "--screening-repeats", 1)
OPTIONS += ("--betas", "0,0.5,1", "--sandbox", "process", "--jobs", 1)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a real run over two search grids, the second a hostile one, and a held-out one."""
    folder = tmp_path_factory.mktemp("browser")
    one, two, held = (
        write_small(folder / f"{name}.parquet", seed=seed) for seed, name in enumerate(("one", "two", "held"))
    )
    named = ("--grid", one, "--grid", poison_grid(two), "--heldout", held)
    done = autotts("discover", *named, *OPTIONS, "--out", folder / "runs" / "made", "--json")
    assert done.returncode == 0, done.stderr
    return folder / "runs" / "made"


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """One browser for all tests; each has pages of its own."""
    from tests.browser.browsing import chromium

    with chromium() as started:
        yield started

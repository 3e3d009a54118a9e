"""`run.toml`: what it pins, and what it refuses."""

from dataclasses import replace
from pathlib import Path

import pytest

from graph.settings import Pinned, RunError, RunSettings, package_versions

SETTINGS = RunSettings(
    grids=('a "quoted" näme.parquet', "b.parquet"), heldout=("c.parquet",), budget=5000, probe_cost=None
)
PINNED = Pinned(SETTINGS, {'a "quoted" näme.parquet': "00ff", "b.parquet": "11"}, {"explorer": "evolution"})


def test_it_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    PINNED.save(tmp_path / "run.toml")
    assert Pinned.load(tmp_path / "run.toml") == PINNED
    plain = replace(PINNED, settings=RunSettings(grids=("g",), heldout=()))
    plain.save(tmp_path / "run.toml")
    assert Pinned.load(tmp_path / "run.toml") == plain


@pytest.mark.parametrize(
    ("now", "says"),
    [
        (
            replace(PINNED, settings=replace(SETTINGS, rounds=9)),
            "rounds: the run began with 5, and cannot go on with 9",
        ),
        (replace(PINNED, settings=replace(SETTINGS, budget=None)), "budget: the run began with 5000"),
        (replace(PINNED, grid_hashes={**PINNED.grid_hashes, "b.parquet": "12"}), "the content of b.parquet"),
        (replace(PINNED, explorer={"explorer": "evolution", "model": "m"}), "explorer model: the run began with None"),
        (replace(PINNED, versions={**package_versions(), "numpy": "0.1"}), "version of numpy"),
    ],
)
def test_another_value_is_refused_and_named(now: Pinned, says: str) -> None:
    with pytest.raises(RunError, match="start a new run for that") as refused:
        PINNED.check_same(now)
    assert says in str(refused.value)


@pytest.mark.parametrize("content", ["", "[run]\nrounds = 3\n", "not toml", "[run]\nrounds = [\n"])
def test_what_is_no_run_is_said_to_be_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "run.toml"
    with pytest.raises(RunError, match="holds no run"):
        Pinned.load(path)
    path.write_text(content)
    with pytest.raises(RunError, match="is not a run's settings"):
        Pinned.load(path)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"rounds": 0}, "rounds is 0; give 1 or more"),
        ({"grids": ()}, "give --grid FILE"),
        ({"betas": ()}, "give --betas"),
        ({"heldout": ("b.parquet",)}, "b.parquet is both searched on and held out"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changed: dict[str, object], says: str) -> None:
    with pytest.raises(RunError, match=says):
        replace(SETTINGS, **changed)

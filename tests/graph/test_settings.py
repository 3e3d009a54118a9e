"""`run.toml`: what it pins, and what it refuses."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from envdata.grid_names import BUNDLED
from graph.run.files import RunError
from graph.run.pinned import Pinned, package_versions
from graph.run.settings import RunSettings
from sandbox.candidate import PAPER_BASELINES, USUAL_BASELINES

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
            replace(PINNED, settings=SETTINGS.replace(rounds=9)),
            "rounds: the run began with 5, and cannot go on with 9",
        ),
        (replace(PINNED, settings=SETTINGS.replace(budget=None)), "budget: the run began with 5000"),
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
        SETTINGS.replace(**changed)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"rounds": "many"}, "rounds is 'many'; give a whole number"),
        ({"race": "perhaps"}, "race is 'perhaps'; give true or false"),
        ({"max_cost": 0}, "max_cost is 0; give more than 0"),
        ({"temperature": -1}, "temperature is -1; give 0 or more"),
        ({"effort": "great"}, "effort is 'great'; give one of none, minimal"),
        ({"betas": "0:2:1"}, "betas: '0:2:1': β = 2 is outside 0 … 1"),
        ({"probe_cost": "9" * 20}, "tokens for a probe; the limit is 1,000,000,000"),
        ({"betas": "0:1:1e-9"}, "nor a range like 0:1:0.1 of at most 1001 values"),
        ({"betas": "0:inf:0.5"}, "nor a range like 0:1:0.1"),
        ({"probe_cost": "some"}, "probe_cost: 'some' is neither a whole number of tokens nor 'free' nor 'recorded'"),
        ({"thinking": 16_000}, "thinking is 16000 of max_output 16000 tokens"),
        ({"objective": "luck"}, "'luck' is not an objective"),
        ({"objective": "saving@0.6"}, "the accuracy is in percent; give 60 for 0.6"),
        ({"baselines": "sc,luck"}, "baselines: 'luck' is no shipped controller; give some of sc, asc"),
        ({"baselines": ""}, "baselines: there is none"),
        ({"baselines": "asc"}, "objective gain compares with self-consistency, and baselines leave sc out; add it"),
        ({"baselines": "asc", "objective": "saving@sc"}, "objective saving@sc compares with self-consistency"),
        ({"round": 3}, "round is no setting; did you mean rounds?"),
    ],
)
def test_an_error_names_the_value_the_limit_and_the_way_out(changed: dict[str, object], says: str) -> None:
    with pytest.raises(RunError) as refused:
        SETTINGS.replace(**changed)
    assert says in str(refused.value)


def test_an_address_that_may_hold_a_key_is_not_quoted() -> None:
    with pytest.raises(RunError, match="leave user, password and query away") as refused:
        SETTINGS.replace(base_url="https://me:secret@example.org/v1")
    assert "secret" not in str(refused.value)


def test_text_is_read_as_the_command_line_reads_it() -> None:
    settings = RunSettings(grids="g", betas="0:1:0.5", price="3,15", probe_cost="recorded", explorers='["a", "b:c"]')
    assert (settings.grids, settings.betas, settings.price) == (("g",), (0.0, 0.5, 1.0), (3.0, 15.0))
    assert (settings.probe_cost, settings.explorers) == (None, ("a", "b:c"))


def test_a_file_with_a_wrong_value_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(PINNED.text().replace("rounds = 5", 'rounds = "many"'))
    with pytest.raises(RunError, match=r"run\.toml is not a run's settings: rounds is 'many'; give a whole number"):
        Pinned.load(path)


def test_baselines_are_named_in_any_form_and_stand_in_one_order() -> None:
    assert RunSettings(grids="g").baselines == USUAL_BASELINES
    assert RunSettings(grids="g", baselines="cmc,sc").baselines == ("sc", "cmc")
    assert RunSettings(grids="g", baselines=["surge", "paper"]).baselines == (*PAPER_BASELINES, "surge")


def test_the_file_of_an_earlier_version_is_read_as_it_was() -> None:
    path = Path(__file__).with_name("earlier_run") / "run" / "run.toml"
    told = tomllib.loads(path.read_text())
    now = tomllib.loads(Pinned.load(path).text())
    assert told["run"].pop("side_by_side") is False
    assert now["run"]["allocate"] == "turns"
    assert {name: now["run"][name] for name in told["run"]} == told["run"]
    assert {**now, "run": {}} == {**told, "run": {}}
    assert (now["run"]["roles"], now["run"]["resend"]) == ("off", False), "settings that it lacks, as it acted"
    assert now["run"]["baselines"] == list(PAPER_BASELINES)


def test_explorers_that_shared_rounds_in_an_earlier_version_still_do(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    earlier = PINNED.text().replace('allocate = "turns"', "side_by_side = true")
    path.write_text(earlier)
    assert Pinned.load(path).settings.allocate == "side-by-side"


def test_a_grid_is_the_same_by_its_name_and_by_its_file() -> None:
    with pytest.raises(RunError, match=r"word-problems-search\.parquet is both searched on and held out"):
        RunSettings(grids=("bundled",), heldout=(str(BUNDLED / "word-problems-search.parquet"),))

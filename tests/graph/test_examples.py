"""The recorded runs in `examples/`: they open, hold no grid data, and play again."""

from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from envdata.grid_names import BUNDLED_NAMES
from graph.explorers.recorded import RecordedExplorer
from graph.run.record import load
from sandbox.candidate import Candidate
from sandbox.evaluate import Evaluator, Plan
from sandbox.replay_player import EvaluationSettings

EXAMPLES = Path(__file__).parents[2] / "examples"
RUNS = sorted(path.parent for path in EXAMPLES.glob("*/run.toml"))


def test_there_are_four() -> None:
    assert [run.name for run in RUNS] == ["aime24-loop", "aime24-research", "aime24-sampling", "bundled-loop"]


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_a_recording_can_be_played(run: Path) -> None:
    record = load(run)
    assert record.result is not None
    assert len(record.rounds) == record.settings.rounds == 5
    assert all(len(each.candidates) == 4 for each in record.rounds)
    assert record.tables.candidates.num_rows == 20
    explorer = RecordedExplorer(str(run))
    explorer.check_run(record.pinned)
    label = record.result["selected"]
    assert record.rounds[int(label[1]) - 1].sources[label] == record.folder.selected.read_text()


@pytest.mark.parametrize("run", [run for run in RUNS if run.name.startswith("aime24")], ids=lambda run: run.name)
def test_nothing_of_grids_that_others_own_is_in_it(run: Path) -> None:
    assert not list(run.rglob("traces.parquet"))
    for path in run.rglob("evaluation.parquet"):
        answers = pq.read_table(path, columns=["answer"]).column("answer")
        assert answers.null_count == len(answers)


def test_the_bundled_one_is_of_the_bundled_grids() -> None:
    run = load(EXAMPLES / "bundled-loop")
    assert set(run.settings.grids + run.settings.heldout) == set(BUNDLED_NAMES)


def test_the_selected_of_the_bundled_one_plays_as_it_did() -> None:
    run = EXAMPLES / "bundled-loop"
    recorded = pq.read_table(run / "heldout.parquet")
    label = load(run).result["selected"]
    selected = Candidate(label, (run / "selected.py").read_text())
    with Evaluator(EvaluationSettings(order="balanced"), sandbox="process", jobs=1) as evaluator:
        episodes = evaluator.evaluate([Plan(selected, ("bundled/heldout",), (0.5,), 8)]).episodes
    own = pc.and_(pc.equal(recorded["controller"], label), pc.equal(recorded["beta"], 0.5))
    assert episodes.select(recorded.column_names).to_pylist() == recorded.filter(own).to_pylist()


def test_purse_acts_as_the_one_that_the_research_run_selected() -> None:
    grids, betas = ("bundled/heldout",), (0.0, 0.5, 1.0)
    recorded = Candidate("recorded", (EXAMPLES / "aime24-research" / "selected.py").read_text())
    with Evaluator(EvaluationSettings(), sandbox="process", jobs=1) as evaluator:
        plans = [Plan(each, grids, betas, 1) for each in (Candidate.parse("purse"), recorded)]
        episodes = evaluator.evaluate(plans).episodes
    own, theirs = (episodes.filter(pc.equal(episodes["controller"], each)) for each in ("purse", "recorded"))
    assert own.num_rows == 3 * 48
    assert set(own["status"].to_pylist()) == {"ok"}
    assert own.drop_columns("controller") == theirs.drop_columns("controller")

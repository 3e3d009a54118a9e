"""What a user asks of any controller: a limit on tokens, and a floor on branches."""

import json
from pathlib import Path

import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdata.episodes import Terms
from graph.cli import main
from sandbox.candidate import Candidate
from sandbox.constraints import Constraints
from sandbox.evaluate import Evaluation, Evaluator, Plan
from sandbox.replay_player import EvaluationSettings
from tests.graph.small import INTERVAL, write_small

READS = """
from sandbox.tts import Controller


class Own(Controller):
    @staticmethod
    def schedule(beta):
        return {"width": 1 + round(5 * beta)}

    def solve(self, episode):
        for _ in range(self.knobs["width"]):
            (branch,) = episode.branch(1)
            while not branch.finished:
                episode.advance(branch)
        return LAST
"""
CONTROLLER = READS.replace("LAST", "branch.answer")


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small(tmp_path_factory.mktemp("grid") / "grid.parquet")


def play(grid: Path, source: str, constraints: Constraints, betas: tuple[float, ...] = (0.0, 1.0)) -> Evaluation:
    settings = EvaluationSettings(constraints.around(Terms()), order="balanced", constraints=constraints)
    with Evaluator(settings, sandbox="process") as evaluator:
        return evaluator.evaluate([Plan(Candidate("c", source), (str(grid),), betas, 2, frozenset(betas))])


@pytest.fixture(scope="module")
def free(grid: Path) -> Evaluation:
    return play(grid, CONTROLLER, Constraints())


def test_a_limit_ends_a_controller_that_does_not_know_it_with_the_vote_so_far(grid: Path, free: Evaluation) -> None:
    limit = 10 * INTERVAL
    episodes = play(grid, CONTROLLER, Constraints(token_limit=limit)).episodes
    assert set(episodes.column("status").to_pylist()) == {"ok"}
    assert pc.max(episodes.column("tokens")).as_py() <= limit < pc.max(free.episodes.column("tokens")).as_py()
    assert pc.sum(episodes.column("correct")).as_py() > 0
    # A budget alone leaves the error to the controller.
    with Evaluator(EvaluationSettings(Terms(budget=limit), order="balanced"), sandbox="process") as evaluator:
        plain = evaluator.evaluate([Plan(Candidate("c", CONTROLLER), (str(grid),), (1.0,), 1)]).episodes
    assert "exception" in plain.column("status").to_pylist()


def test_a_floor_reads_the_missing_branches_and_lets_all_vote(grid: Path, free: Evaluation) -> None:
    played = play(grid, CONTROLLER, Constraints(min_branches=4))
    few, many = (played.episodes.filter(pc.equal(played.episodes.column("beta"), beta)) for beta in (0.0, 1.0))
    assert set(few.column("branches").to_pylist()) == {4}
    assert set(few.column("finished").to_pylist()) == {4}
    # Where the controller opened enough by itself nothing is different.
    own = free.episodes.filter(pc.equal(free.episodes.column("beta"), 1.0))
    for name in ("answer", "tokens", "branches", "calls"):
        assert many.column(name).to_pylist() == own.column(name).to_pylist()
    notes = played.traces.filter(pc.equal(played.traces.column("beta"), 0.0)).column("note").drop_null().to_pylist()
    assert set(notes) == {"constraint: 3 more branches read"}


def test_the_controllers_own_answer_wins_a_tie(grid: Path, free: Evaluation) -> None:
    played = play(grid, CONTROLLER, Constraints(min_branches=2), (0.0,)).episodes
    own = free.episodes.filter(pc.equal(free.episodes.column("beta"), 0.0))
    # Two branches agree, or they tie.
    assert played.column("answer").to_pylist() == own.column("answer").to_pylist()


def test_an_answer_that_is_none_stays_a_mistake(grid: Path) -> None:
    episodes = play(grid, READS.replace("LAST", "42"), Constraints(min_branches=4), (0.0,)).episodes
    assert set(episodes.column("status").to_pylist()) == {"contract_error"}
    assert set(episodes.column("branches").to_pylist()) == {1}


@given(st.integers(1, 40), st.integers(0, 12))
def test_both_together_never_spend_more_than_the_limit(limit: int, floor: int) -> None:
    constraints = Constraints(token_limit=limit * INTERVAL, min_branches=floor)
    assert constraints.around(Terms(budget=100)).budget == min(100, limit * INTERVAL)
    assert constraints.around(Terms()).budget == limit * INTERVAL


def test_a_floor_goes_as_far_as_the_limit_lets_it(grid: Path) -> None:
    limit = 12 * INTERVAL
    episodes = play(grid, CONTROLLER, Constraints(token_limit=limit, min_branches=12), (0.0,)).episodes
    assert pc.max(episodes.column("tokens")).as_py() <= limit
    assert set(episodes.column("status").to_pylist()) == {"ok"}
    assert 1 < pc.min(episodes.column("branches")).as_py() < 12


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (["--min-branches", "65"], "min_branches is 65, and an episode may open 64"),
        (["--min-branches", "2", "--api", "autotts"], "are for controllers of the native API"),
    ],
)
def test_what_cannot_be_is_named(grid: Path, capsys: pytest.CaptureFixture[str], asked: list[str], says: str) -> None:
    with pytest.raises(SystemExit):
        main(["evaluate", "sc", "--grid", str(grid), "--sandbox", "process", *asked])
    assert says in " ".join(capsys.readouterr().err.split())


def test_evaluate_and_compare_take_them(grid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["--grid", str(grid), "--sandbox", "process", "--jobs", "1", "--repeats", "2", "--quiet", "--json"]
    with pytest.raises(SystemExit):
        main(["evaluate", "sc", *common, "--betas", "0,1", "--max-tokens", "60", "--min-branches", "3"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(row["tokens"] <= 60 and row["branches"] > 1 and row["status"] == "ok" for row in rows)
    with pytest.raises(SystemExit):
        main(["compare", "sc", "asc", *common, "--betas", "1", "--max-tokens", "60"])
    (point,) = json.loads(capsys.readouterr().out)["points"]
    assert max(point["tokens"]["a"], point["tokens"]["b"]) <= 60

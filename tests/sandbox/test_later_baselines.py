"""Baselines after the paper's seven, on grids where each decision can be counted by hand."""

from pathlib import Path

import pytest

from envdata.branch_orders import ORDERS
from envdata.grid import BranchRow, Grid
from sandbox.backends.choose import make_backend
from sandbox.candidate import Candidate
from sandbox.replay_player import EvaluationSettings, PlayedRepeat, Player, Repeat
from tests import grids


def _play(
    tmp_path: Path,
    spec: str,
    branches: list[tuple[int, str]],
    confidences: list[float] | None = None,
    scores: list[float | None] | None = None,
) -> PlayedRepeat:
    """Play a shipped controller at β = 1 on one question.

    The branches are given as (tokens, final answer), and maybe each one's token confidence, the same all along, or
    a judge's score at its end.
    """
    rows = []
    for number, (tokens, answer) in enumerate(branches):
        intervals = (tokens - 1) // grids.INTERVAL
        signals = {"token_confidence": [confidences[number]] * (intervals + 1)} if confidences else None
        if scores:
            signals = {"judge": [*[None] * intervals, scores[number]]}
        rows.append(BranchRow(0, "sum", "7", number, tokens, answer, ["?"] * intervals, signals=signals))
    grid = Grid.load(grids.write(tmp_path / "made.parquet", rows))
    (played,) = Player(make_backend("process"), Candidate.parse(spec), grid, EvaluationSettings()).play(
        [Repeat(1.0, 0)]
    )
    return played


@pytest.mark.parametrize(
    ("answers", "read", "right"),
    [
        (["7"] * 20, 8, True),  # ln 19 / ln 1.5 = 7.3 votes for the leader decide the test
        (["5"] * 20, 8, False),
        ([str(n) for n in range(20)], 20, False),  # no answer ever leads by more than one vote
        (["?"] * 20, 20, False),  # what is no answer does not vote
    ],
)
def test_consol_reads_until_its_test_is_decided(tmp_path: Path, answers: list[str], read: int, right: bool) -> None:
    result = _play(tmp_path, "consol", [(10, answer) for answer in answers]).result
    assert (result.branches[0], bool(result.correct[0])) == (read, right)


def test_first_finished_waits_for_half_of_its_branches(tmp_path: Path) -> None:
    """Two short branches are right, and four long ones, which are paid for as long as the others are awaited, wrong."""
    result = _play(tmp_path, "first_finished:branches=6,first=2", [*[(15, "7")] * 2, *[(95, "5")] * 4]).result
    assert bool(result.correct[0])
    assert (result.finished[0], result.tokens[0]) == (2, 2 * 15 + 4 * 20)
    everyone = _play(tmp_path, "first_finished:branches=6,first=6", [*[(15, "7")] * 2, *[(95, "5")] * 4]).result
    assert not everyone.correct[0]
    assert everyone.tokens[0] == 2 * 15 + 4 * 95


def test_first_finished_answers_once_all_have_ended(tmp_path: Path) -> None:
    assert _play(tmp_path, "first_finished:branches=2,first=5", [(15, "7"), (25, "7")]).result.tokens[0] == 40


def test_deepconf_stops_branches_below_the_warm_up_and_weights_the_others(tmp_path: Path) -> None:
    """Of the later branches the unsure ones are pruned at once, and one sure branch outvotes two of the warm-up."""
    spec = "deepconf:branches=8,warm_up=4,wave=4,keep=0.5"
    branches = [(25, "5"), (25, "5"), (25, "6"), (25, "6"), (35, "7"), (95, "5"), (95, "5"), (95, "5")]
    order = _order(len(branches))
    given = [branches[order.index(place)] for place in range(len(branches))]
    sure = [2.0, 2.0, 3.0, 1.0, 9.0, 0.5, 0.5, 0.5]
    result = _play(tmp_path, spec, given, [sure[order.index(place)] for place in range(len(branches))]).result
    assert bool(result.correct[0])
    assert (result.finished[0], result.pruned[0]) == (5, 3)
    assert result.tokens[0] == 4 * 25 + 35 + 3 * grids.INTERVAL


def test_deepconf_stops_at_consensus(tmp_path: Path) -> None:
    result = _play(tmp_path, "deepconf", [(25, "7")] * 64, [1.0] * 64).result
    assert (result.branches[0], bool(result.correct[0])) == (16, True)


def test_deepconf_names_the_signal_that_a_grid_lacks(tmp_path: Path) -> None:
    why = _play(tmp_path, "deepconf", [(25, "7")] * 4).result.why
    assert "no signal is called 'token_confidence'" in why[0]


JUDGED: list[tuple[int, str]] = [(25, "5"), (25, "5"), (25, "7"), (25, "7"), (25, "6")]


@pytest.mark.parametrize(
    ("weighted", "scores", "right"),
    [
        (1, [0.3, 0.3, 0.4, 0.4, 0.7], True),  # 0.8 for two of 7 against one of 0.7
        (0, [0.3, 0.3, 0.4, 0.4, 0.7], False),
        (0, [0.3, 0.3, 0.9, None, 0.7], True),
        (1, [0.9, -0.4, 0.5, 0.5, -3.0], True),  # a reward below 0 is no vote
        (1, [None, None, None, 0.1, None], True),
    ],
)
def test_best_of_lets_the_scores_decide(tmp_path: Path, weighted: int, scores: list[float | None], right: bool) -> None:
    order = _order(len(JUDGED))
    given = [JUDGED[order.index(place)] for place in range(len(JUDGED))]
    own = [scores[order.index(place)] for place in range(len(JUDGED))]
    result = _play(tmp_path, f"best_of:branches=5,weighted={weighted}", given, scores=own).result
    assert bool(result.correct[0]) == right


def test_best_of_names_the_signal_that_a_grid_lacks(tmp_path: Path) -> None:
    assert "no signal is called 'judge'" in _play(tmp_path, "best_of", JUDGED).result.why[0]


def _order(branches: int) -> list[int]:
    """Return the branches of the first repeat in the order in which they are opened."""
    order: list[int] = ORDERS["published"](branches, 0, 0).tolist()
    return order

"""The rules of an episode on the grids worked out by hand; they stand beside the tables in `tests/grids.py`."""

from dataclasses import replace
from pathlib import Path

import pytest

from envdata.actions import Op, Refusal
from envdata.episodes import UNRECORDED, Terms
from envdata.grid import Grid
from sandbox.status import Status
from tests import grids
from tests.envdata.table import Call, Shown, Table

SUM, PRODUCT, ROOT = 0, 1, 2


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Grid:
    return Grid.load(grids.write_worked(tmp_path_factory.mktemp("grid")))


@pytest.fixture(scope="module")
def priced(tmp_path_factory: pytest.TempPathFactory) -> Grid:
    return Grid.load(grids.write_priced(tmp_path_factory.mktemp("grid")))


# ---- what steps cost and show ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "branch", "costs", "texts"),
    [
        (SUM, 0, [10, 10, 5], ["5", "7", "7"]),
        (SUM, 1, [10, 10, 10, 10], ["ERR", "5", "5", "5"]),
        (SUM, 2, [8], ["7"]),
        (SUM, 4, [10, 10, 37], ["7", "7", "5"]),
        (SUM, 5, [10, 10, 10, 0], ["5", "5", "?", "No"]),
        (PRODUCT, 3, [10], ["12"]),
        (PRODUCT, 4, [10, 10, 10, 10, 8], ["6", "6", "6", "12", "12"]),
        (PRODUCT, 5, [10, 10, 10, 3], ["", "No", "12", "12"]),
        (ROOT, 2, [10, 10, 2], ["2", "4", "4"]),
    ],
)
def test_stepping_through_a_branch(
    worked: Grid, question: int, branch: int, costs: list[int], texts: list[str]
) -> None:
    table = Table(worked)
    table.branch(branch, episode=question)
    spent = table.tokens(question)
    shown = table.branch(episode=question)
    while not shown[-1].finished:
        shown += table.advance(branch, episode=question)
    assert [step.cost for step in shown] == costs
    assert [step.depth for step in shown] == list(range(1, len(costs) + 1))
    assert [step.finished for step in shown] == [False] * (len(costs) - 1) + [True]
    assert [step.parsed for step in shown] == [text not in ("", "ERR", "?", "No") for text in texts]
    assert table.tokens(question) == spent + sum(costs)
    trace = table.episodes.traces.take(slice(0, 3)).to_pylist()
    own = [row for row in trace if row["question"] == question and row["branch"] == branch]
    assert [row["answer"] for row in own] == texts


@pytest.mark.parametrize(("steps", "cost"), [(0, 2), (1, 0), (2, 0)])
def test_finish_charges_what_is_left_of_the_branch_and_never_gives_back(worked: Grid, steps: int, cost: int) -> None:
    """Branch 5 of `sum` has 12 tokens, of which opening it charges 10 and every step 10 more."""
    table = Table(worked)
    table.branch(6)
    for _ in range(steps):
        table.advance(5)
    (shown,) = table.finish(5)
    assert (shown.depth, shown.finished, shown.parsed, shown.cost) == (4, True, False, cost)


def test_a_branch_read_whole_costs_its_tokens(worked: Grid) -> None:
    table = Table(worked)
    for branch, tokens in enumerate([25, 40, 8, 30, 57, 12]):
        before = table.tokens()
        (opened,) = table.branch(probe=False)
        if not opened.finished:
            assert opened.label == -1
            table.finish(branch)
        assert table.tokens() - before == tokens


def test_a_call_takes_as_long_as_its_longest_branch_and_calls_add_up(worked: Grid) -> None:
    table = Table(worked)
    table.branch(6)
    assert (table.tokens(), table.sequential()) == (58, 10)
    table.advance(0, 1, 3, 4, 5)
    assert (table.tokens(), table.sequential()) == (108, 20)
    table.advance(0, 3, 4)  # their last intervals: 5, 10, 37
    assert (table.tokens(), table.sequential()) == (160, 57)
    table.finish(1, 5)  # 20 of 40 are left, and nothing of 12
    assert (table.tokens(), table.sequential()) == (180, 77)
    result = table.result()
    assert result.longest_branch[SUM] == 57
    assert result.calls[SUM] == 4
    assert result.finished[SUM] == 6


def test_labels_are_numbered_by_first_reveal_in_the_order_of_the_call(worked: Grid) -> None:
    table = Table(worked)
    assert [step.label for step in table.branch(6)] == [0, 1, 2, 2, 2, 0]  # 5 ERR 7 7 7 5
    assert [step.label for step in table.advance(5, 0)] == [0, 2]  # 5 7
    assert [step.label for step in table.advance(5)] == [3]  # ?
    assert [step.label for step in table.finish(5)] == [4]  # No
    assert [step.label for step in table.branch(3, episode=PRODUCT)] == [0, 1, 1]  # another episode, labels of its own


def test_what_is_not_looked_at_gets_no_label(worked: Grid) -> None:
    table = Table(worked)
    assert [step.label for step in table.branch(4, probe=False)] == [-1, -1, 0, -1]  # but for the finished one: 7
    assert [step.label for step in table.advance(0, 1, probe=False)] == [-1, -1]
    assert [step.label for step in table.probe(1, 0)] == [1, 0]  # 5 7


# ---- probes ----------------------------------------------------------------------------------------------------


def test_a_probe_costs_a_number(worked: Grid) -> None:
    table = Table(worked, Terms(probe_cost=3))
    assert [step.cost for step in table.branch(3)] == [13, 13, 8]  # the last is finished: looking is free
    assert [step.cost for step in table.advance(0, probe=False)] == [10]
    assert [step.cost for step in table.probe(0)] == [3]
    assert [step.cost for step in table.finish(0)] == [5]  # 25 − 20: what looking cost is not given back
    assert (table.tokens(), table.sequential()) == (52, 13 + 10 + 3 + 5)
    assert table.result().longest_branch[SUM] == 31


def test_a_probe_costs_what_was_recorded(priced: Grid) -> None:
    table = Table(priced, Terms())
    assert [step.cost for step in table.branch(4)] == [13, 12, 9, 11]
    assert [step.cost for step in table.advance(0, 1)] == [14, 12]
    assert [step.cost for step in table.advance(0, 1, 3)] == [5, 16, 35]
    assert [step.cost for step in table.finish(1)] == [1]
    assert table.tokens() == 45 + 26 + 56 + 1
    assert table.sequential() == 13 + 14 + 35 + 1


def test_prefill_of_a_probe_is_charged_by_its_weight(tmp_path: Path) -> None:
    """Where a grid records it: rounded up, and beside whatever a probe costs."""
    rows = [replace(row, probe_prefill=[5 * (n + 1) for n in range(len(row.probe_answers))]) for row in grids.rows()]
    grid = Grid.load(grids.write(tmp_path / "prefill.parquet", rows))
    free, third, whole = (Table(grid, Terms(prefill_weight=weight)) for weight in (0, 0.3, 1))
    assert [step.cost for step in free.branch(3)] == [10, 10, 8]
    assert [step.cost for step in third.branch(3)] == [12, 12, 8]
    assert [step.cost for step in third.advance(0)] == [13]
    assert [step.cost for step in whole.branch(2)] == [15, 15]
    assert [step.cost for step in Table(grid, Terms(probe_cost=3, prefill_weight=1)).branch(2)] == [18, 18]


def test_what_probes_took_is_known_whatever_they_are_charged(priced: Grid, worked: Grid) -> None:
    charged, free, none = (
        Table(grid, terms) for grid, terms in ((priced, Terms()), (priced, Terms(probe_cost=0)), (worked, Terms()))
    )
    for table in (charged, free, none):
        table.branch(3)
        table.advance(0)
        table.call(Op.FINISH, [1])
    paid, unpaid, unknown = (table.result() for table in (charged, free, none))
    assert paid.probe_tokens.tolist() == unpaid.probe_tokens.tolist()
    assert paid.probe_tokens[0] > 0
    assert paid.tokens.tolist() == (paid.decoded + paid.probe_tokens).tolist()
    assert unpaid.tokens.tolist() == unpaid.decoded.tolist() == paid.decoded.tolist()
    assert set(unknown.probe_tokens.tolist()) == set(paid.probe_prefill.tolist()) == {UNRECORDED}


def test_prefill_of_probes_is_summed(tmp_path: Path) -> None:
    rows = [replace(row, probe_prefill=[5 * (n + 1) for n in range(len(row.probe_answers))]) for row in grids.rows()]
    table = Table(Grid.load(grids.write(tmp_path / "prefill.parquet", rows)), Terms())
    table.branch(2)
    assert table.result().probe_prefill[0] == 2 * 5
    table.advance(0)
    assert table.result().probe_prefill[0] == 2 * 5 + 10


def test_prefill_counts_in_what_a_call_may_cost(tmp_path: Path) -> None:
    rows = [replace(row, probe_prefill=[20] * len(row.probe_answers)) for row in grids.rows()]
    grid = Grid.load(grids.write(tmp_path / "prefill.parquet", rows))
    table = Table(grid, Terms(budget=50, prefill_weight=1))
    assert table.refused(Op.BRANCH, 2) is Refusal.BUDGET_EXCEEDED
    assert [step.cost for step in table.branch(1)] == [30]


def test_probes_are_free_where_a_grid_records_no_costs(worked: Grid) -> None:
    for terms in (Terms(), Terms(probe_cost=0)):
        assert [step.cost for step in Table(worked, terms).branch(3)] == [10, 10, 8]
    assert Terms().on([worked]) == Terms(probe_cost=0)


def test_terms_on_a_grid_that_records_costs_are_as_given(worked: Grid, priced: Grid) -> None:
    assert Terms().on([worked, priced]) == Terms()
    assert Terms(probe_cost=3).on([worked]) == Terms(probe_cost=3)


def test_confidences_come_with_probes_alone(priced: Grid) -> None:
    table = Table(priced)
    settled = table.play(Call(0, Op.BRANCH, 3)).settled
    assert settled.confidence[:2].tolist() == [-0.5, -1.0]
    assert settled.confidence[2] != settled.confidence[2]


# ---- the budget ------------------------------------------------------------------------------------------------


def test_a_call_whose_worst_case_does_not_fit_is_refused_whole(worked: Grid) -> None:
    table = Table(worked, Terms(budget=39))
    table.branch(3)  # 28, although the worst case is 30
    assert table.refused(Op.BRANCH, 2) is Refusal.BUDGET_EXCEEDED
    assert table.refused(Op.CONTINUE, [0, 1]) is Refusal.BUDGET_EXCEEDED
    table.advance(0)
    assert table.tokens() == 38
    assert table.refused(Op.CONTINUE, [0]) is Refusal.BUDGET_EXCEEDED  # its last step would cost 5, but who knows
    assert [step.cost for step in table.finish(0)] == [1]  # FINISH needs something left; it stops at the budget
    assert table.refused(Op.FINISH, [1]) is Refusal.BUDGET_EXCEEDED
    assert table.tokens() == 39


@pytest.mark.parametrize(("probe", "refused"), [(True, True), (False, False)])
def test_the_worst_case_counts_the_probe(worked: Grid, probe: bool, refused: bool) -> None:
    table = Table(worked, Terms(budget=12, probe_cost=3))
    if refused:
        assert table.refused(Op.BRANCH, 1, probe=probe) is Refusal.BUDGET_EXCEEDED
    else:
        table.branch(probe=probe)
        assert table.refused(Op.PROBE, [0]) is Refusal.BUDGET_EXCEEDED


def test_the_worst_case_of_recorded_costs_is_the_grids_dearest_probe(priced: Grid) -> None:
    table = Table(priced, Terms(budget=15))
    assert table.refused(Op.BRANCH, 1) is Refusal.BUDGET_EXCEEDED  # 10 + 6 somewhere in the grid, though 3 here
    table.branch(probe=False)


def test_a_long_last_interval_stops_at_the_budget(worked: Grid) -> None:
    table = Table(worked, Terms(budget=90))
    table.branch(5)
    table.advance(4)
    assert table.tokens() == 58
    assert table.advance(4) == [Shown(2, False, -1, False, 32)]  # of 37
    assert table.tokens() == 90
    assert table.result().finished[SUM] == 1
    assert table.refused(Op.CONTINUE, [4]) is Refusal.BUDGET_EXCEEDED


def test_a_short_last_interval_beside_a_long_one_has_what_it_was_promised(worked: Grid) -> None:
    table = Table(worked, Terms(budget=78 + 30))
    table.branch(5)
    table.advance(0, 3, 4)
    assert table.tokens() == 78
    assert [(step.cost, step.finished) for step in table.advance(4, 0, 3)] == [(15, False), (5, True), (10, True)]
    assert table.tokens() == 108


def test_finish_reads_its_branches_in_order_until_the_budget_is_spent(worked: Grid) -> None:
    table = Table(worked, Terms(budget=80), groups=1)
    table.branch(5, probe=False)
    assert table.tokens() == 48
    shown = table.finish(0, 1, 3)  # 15 + 30 + 20 are wanted, 32 are left
    assert [(step.cost, step.depth, step.finished) for step in shown] == [(15, 3, True), (17, 2, False), (0, 1, False)]
    assert [step.label >= 0 for step in shown] == [True, False, False]
    assert table.tokens() == 80
    assert [step.label for step in table.probe(1)] == [1]  # it is free, and 27 tokens hold 2 intervals: 5


def test_a_branch_that_stopped_within_its_first_interval_shows_nothing(tmp_path: Path) -> None:
    rows = grids.rows("one: 1\n 0 50 - 1\n 1 30 - 2\n")
    table = Table(Grid.load(grids.write(tmp_path / "g.parquet", rows)), Terms(budget=45))
    assert [(step.cost, step.depth, step.finished) for step in table.branch(2)] == [(35, 0, False), (10, 0, False)]
    assert table.refused(Op.PROBE, [0]) is Refusal.BUDGET_EXCEEDED


# ---- what is not admissible ------------------------------------------------------------------------------------


def test_the_branch_ceiling(worked: Grid) -> None:
    table = Table(worked, Terms(max_branches=5))
    assert table.refused(Op.BRANCH, 6) is Refusal.NO_OPEN_SLOT
    table.branch(5)
    assert table.refused(Op.BRANCH, 1) is Refusal.NO_OPEN_SLOT
    assert table.refused(Op.BRANCH, 5, episode=ROOT) is Refusal.NO_OPEN_SLOT  # it has 4
    table.branch(4, episode=ROOT)


@pytest.mark.parametrize("op", [Op.CONTINUE, Op.FINISH, Op.PROBE])
@pytest.mark.parametrize(
    ("listed", "refusal"),
    [
        ([0, 6], Refusal.UNKNOWN_BRANCH),
        ([-1], Refusal.UNKNOWN_BRANCH),
        ([0, 1, 0], Refusal.DUPLICATE_BRANCH),
        ([0, 3], Refusal.BRANCH_PRUNED),
        ([2, 0], Refusal.BRANCH_FINISHED),
    ],
)
def test_a_wrong_branch_refuses_the_whole_call(worked: Grid, op: Op, listed: list[int], refusal: Refusal) -> None:
    table = Table(worked)
    table.branch(6, probe=False)
    table.prune(3)
    assert table.refused(op, listed) is refusal
    assert (table.tokens(), table.result().calls[SUM]) == (58, 1)
    assert [step.depth for step in table.probe(0)] == [1]


def test_a_probe_once_a_depth(worked: Grid) -> None:
    table = Table(worked)
    table.branch()
    assert table.refused(Op.PROBE, [0]) is Refusal.ALREADY_PROBED
    table.advance(0, probe=False)
    table.probe(0)
    assert table.refused(Op.PROBE, [0]) is Refusal.ALREADY_PROBED


def test_a_finished_branch_is_never_charged_again(worked: Grid) -> None:
    table = Table(worked)
    table.branch(3)
    for op in (Op.CONTINUE, Op.FINISH, Op.PROBE):
        assert table.refused(op, [2]) is Refusal.BRANCH_FINISHED
    assert table.prune(2) == [Refusal.BRANCH_FINISHED]
    assert table.tokens() == 28


def test_pruning(worked: Grid) -> None:
    table = Table(worked)
    table.branch(3)
    admitted, twice, unknown = Refusal.ADMITTED, Refusal.BRANCH_PRUNED, Refusal.UNKNOWN_BRANCH
    finished = Refusal.BRANCH_FINISHED
    assert table.prune(0, 0, 3, -1, 2, 1) == [admitted, twice, unknown, unknown, finished, admitted]
    assert table.prune(0) == [twice]
    assert table.result().pruned[SUM] == 2
    assert table.result().calls[SUM] == 1


def test_nothing_more_after_the_answer(worked: Grid) -> None:
    table = Table(worked)
    table.branch()
    assert table.episodes.answer(SUM, 0, Status.OK) is Refusal.ADMITTED
    assert table.refused(Op.BRANCH, 1) is Refusal.EPISODE_OVER
    assert table.refused(Op.CONTINUE, [0]) is Refusal.EPISODE_OVER
    assert table.prune(0) == [Refusal.EPISODE_OVER]
    assert table.episodes.answer(SUM, None, Status.OK) is Refusal.EPISODE_OVER
    assert table.episodes.fail(SUM, Status.EXCEPTION, "too late") is Refusal.EPISODE_OVER


# ---- answers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", [-1, 1, 99])
def test_an_answer_that_was_not_revealed_is_refused(worked: Grid, label: int) -> None:
    table = Table(worked)
    table.branch()  # label 0: 5
    assert table.episodes.answer(SUM, label, Status.OK) is Refusal.UNREVEALED_ANSWER
    assert table.episodes.running(0).tolist() == [0, 1, 2]


def test_answers_are_scored_as_strings(worked: Grid) -> None:
    table = Table(worked)
    table.branch(3)  # 5 ERR 7
    table.branch(2, episode=PRODUCT)  # 12 6
    table.branch(1, episode=ROOT)  # 2; no branch gives the gold answer
    for episode, label in ((SUM, 2), (PRODUCT, 1), (ROOT, 0)):
        table.episodes.answer(episode, label, Status.OK)
    result = table.result()
    assert result.answer == ["7", "6", "2"]
    assert result.correct.tolist() == [True, False, False]
    assert result.status.tolist() == [Status.OK] * 3


def test_no_answer_is_a_wrong_one_even_where_no_branch_is_right(worked: Grid) -> None:
    table = Table(worked)
    table.episodes.answer(ROOT, None, Status.OK)
    table.branch(1)
    table.episodes.fail(SUM, Status.EXCEPTION, "ValueError: no")
    result = table.result()
    assert not result.correct.any()
    assert result.answer == [None, None, None]
    assert result.tokens.tolist() == [10, 0, 0]
    assert result.why == {SUM: "ValueError: no"}
    assert table.episodes.running(0).tolist() == [PRODUCT]


def test_a_group_begins_anew(worked: Grid) -> None:
    table = Table(worked, groups=2)
    table.branch(6, episode=3)
    table.episodes.fail(3, Status.TIMEOUT, "slow")
    table.episodes.begin(1, [worked.arrays.intervals[:0]] * 3, traced=False)
    result = table.result(1)
    assert result.tokens.tolist() == [0, 0, 0]
    assert result.why == {}
    assert table.episodes.running(1).tolist() == [3, 4, 5]


@pytest.mark.parametrize("wrong", [{"max_branches": 0}, {"budget": 0}, {"probe_cost": -1}])
def test_terms_say_what_is_wrong(wrong: dict[str, int]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"{name.replace('_', '.')} is {value}"):
        Terms(**wrong)


# ---- READ ------------------------------------------------------------------------------------------------------


def test_read_opens_branches_and_costs_their_lengths_in_one_call(worked: Grid) -> None:
    table = Table(worked)
    shown = table.call(Op.READ, 6, probe=False)
    assert [step.cost for step in shown] == [25, 40, 8, 30, 57, 12]
    assert [step.depth for step in shown] == [3, 4, 1, 3, 3, 4]
    assert [step.label for step in shown] == [0, 1, 0, 0, 1, 2]  # 7 5 7 7 5 No
    assert all(step.finished for step in shown)
    assert (table.tokens(), table.sequential()) == (172, 57)
    assert table.refused(Op.READ, 1) is Refusal.NO_OPEN_SLOT


def test_read_promises_each_branch_one_interval_and_stops_at_the_budget(worked: Grid) -> None:
    table = Table(worked, Terms(budget=48))
    assert table.refused(Op.READ, 5) is Refusal.BUDGET_EXCEEDED
    shown = table.call(Op.READ, 4, probe=False)
    # 10, 10, 8 and 10 for sure; of the 10 that are left the first takes them all.
    assert [(step.cost, step.depth, step.finished) for step in shown] == [
        (20, 2, False), (10, 1, False), (8, 1, True), (10, 1, False),
    ]  # fmt: skip
    assert table.tokens() == 48


def test_a_finished_branch_asked_again_where_the_terms_say_so(worked: Grid) -> None:
    table = Table(worked, Terms(repeats_last=True))
    table.call(Op.READ, 5, probe=False)
    before = table.tokens()
    shown = table.advance(4, 0)
    assert [(step.cost, step.depth, step.finished, step.label) for step in shown] == [(37, 3, True, 1), (5, 3, True, 0)]
    assert table.tokens() == before + 42
    assert table.refused(Op.FINISH, [0]) is Refusal.BRANCH_FINISHED

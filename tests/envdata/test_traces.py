"""Traces on the grids worked out by hand."""

from pathlib import Path

import numpy as np
import pytest

from envdata.actions import Op
from envdata.episodes import Terms
from envdata.grid import Grid
from envdata.traces import SCHEMA
from sandbox.status import Status
from tests import grids
from tests.envdata.table import Call, Table


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(Grid.load(grids.write_priced(tmp_path)), Terms(probe_cost=0), groups=2)


def rows(table: Table, group: int, *columns: str) -> list[tuple[object, ...]]:
    questions = table.episodes.questions
    taken = table.episodes.traces.take(slice(group * questions, (group + 1) * questions))
    assert taken.schema == SCHEMA
    return [tuple(row[column] for column in columns) for row in taken.to_pylist()]


def test_a_trace_tells_every_action_in_order(table: Table) -> None:
    table.branch(3)
    table.episodes.note(0, "so far so good")
    table.advance(0, 1, probe=False)
    table.prune(1)
    table.finish(0)
    table.episodes.answer(0, 0, Status.OK)
    table.episodes.fail(1, Status.EXCEPTION, "ZeroDivisionError: 1/0")
    columns = ("question", "call", "action", "branch", "depth", "finished", "answer", "cost", "tokens", "note")
    assert rows(table, 0, *columns) == [
        (0, 1, "BRANCH", 0, 1, False, "5", 10, 29, None),
        (0, 1, "BRANCH", 1, 1, False, "7", 10, 29, None),
        (0, 1, "BRANCH", 2, 1, True, "5", 9, 29, None),
        (0, 1, "NOTE", -1, 0, False, None, 0, 29, "so far so good"),
        (0, 2, "CONTINUE", 0, 2, False, None, 10, 49, None),
        (0, 2, "CONTINUE", 1, 2, False, None, 10, 49, None),
        (0, 2, "PRUNE", 1, 2, False, None, 0, 49, None),
        (0, 3, "FINISH", 0, 3, True, "7", 5, 54, None),
        (0, 3, "ANSWER", -1, 0, False, "5", 0, 54, None),
        (1, 0, "FAIL", -1, 0, False, None, 0, 0, "ZeroDivisionError: 1/0"),
    ]


def test_rows_add_up_to_the_tokens(table: Table) -> None:
    table.branch(3)
    table.branch(2, episode=1)
    table.play(Call(0, Op.CONTINUE, [0, 1]), Call(1, Op.CONTINUE, [0]))
    table.play(Call(0, Op.FINISH, [0]), Call(1, Op.FINISH, [0, 1]))
    found = rows(table, 0, "question", "cost", "tokens")
    for question in range(2):
        own = [(cost, tokens) for asked, cost, tokens in found if asked == question]
        assert sum(cost for cost, _ in own) == own[-1][1] == table.tokens(question)


def test_confidences_are_there_where_the_grid_has_them(table: Table) -> None:
    table.branch(3)
    table.finish(0)
    assert rows(table, 0, "confidence") == [(-0.5,), (-1.0,), (None,), (None,)]


def test_groups_are_apart_and_only_those_asked_for_are_traced(tmp_path: Path) -> None:
    table = Table(Grid.load(grids.write_worked(tmp_path)), groups=3, traced=False)
    orders = [table.episodes.grid.arrays.intervals[:0]] * 3
    table.episodes.begin(1, orders, traced=True)
    for group in range(3):
        table.branch(1, episode=3 * group + 2)
        table.episodes.note(3 * group + 2, f"group {group}")
    assert rows(table, 0, "question") == []
    assert rows(table, 1, "question", "action", "note") == [(2, "BRANCH", None), (2, "NOTE", "group 1")]
    assert rows(table, 1, "question") == []  # taken


def test_a_group_that_is_begun_again_has_no_rows_of_those_before(table: Table) -> None:
    questions = table.episodes.questions
    table.branch(1, episode=questions)
    table.branch(2)
    assert len(rows(table, 0, "action")) == 2
    # The other group is still recorded all the while.
    table.episodes.begin(0, [np.arange(n, dtype=np.int32) for n in table.episodes.grid.branches], traced=True)
    table.episodes.note(0, "the second")
    table.branch(1)
    assert rows(table, 0, "action", "note") == [("NOTE", "the second"), ("BRANCH", None)]
    assert rows(table, 1, "question", "action") == [(0, "BRANCH")]


def test_refused_actions_leave_no_trace(table: Table) -> None:
    table.branch(1)
    table.refused(Op.CONTINUE, [0, 0])
    table.prune(5)
    table.episodes.answer(0, 7, Status.OK)
    assert rows(table, 0, "action") == [("BRANCH",)]

"""Surveys worked out by hand, and faults that a grid can have although its format holds."""

import dataclasses
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from envdata.grid import Grid, GridError, write_grid
from envdata.grid_statistics import GridStatistics
from envdata.grid_suitability import set_differences
from envdata.verification import verify
from tests import grids

OURS = {"collector": "autotts", "sampling": {"max_tokens": 40}, "probe_tokens": 4}


def named(verified):
    return {check.name: check for check in verified.checks}


def faults(verified):
    return {check.name for check in verified.checks if check.must and not check.holds}


@pytest.fixture
def statistics(tmp_path):
    return GridStatistics(Grid.load(grids.write_worked(tmp_path)))


def test_accuracies_of_the_worked_grid(statistics):
    # Right at the end: branches 0, 2, 3 of six; all but 2 of six; none of four.
    assert statistics.single.value == pytest.approx((3 / 6 + 5 / 6 + 0) / 3)
    assert statistics.oracle.value == pytest.approx(2 / 3)
    # Votes: 7 three, 5 two; 12 five, 6 one; 2 three, 4 one, and the gold answer 3 none.
    assert statistics.majority.value == pytest.approx(2 / 3)
    assert statistics.single.low <= statistics.single.value <= statistics.single.high


def test_by_depth_a_branch_that_has_ended_keeps_its_answer(statistics):
    assert statistics.depths == 5
    # After one interval: sum 5 ERR 7* 7 7 5, product 12 6 6 12* 6 '', root 2* 2 2 4.
    assert statistics.single_by_depth.value[0] == pytest.approx((3 / 6 + 2 / 6 + 0) / 3)
    assert statistics.majority_by_depth.value[0] == pytest.approx(1 / 3)
    assert statistics.agreement_by_depth.value[0] == pytest.approx((3 / 6 + 3 / 6 + 3 / 4) / 3)
    assert statistics.finished_by_depth.tolist() == pytest.approx([3 / 16, 6 / 16, 11 / 16, 15 / 16, 1.0])
    assert statistics.single_by_depth.value[-1] == pytest.approx(statistics.single.value)
    assert statistics.majority_by_depth.value[-1] == pytest.approx(statistics.majority.value)


def test_what_is_no_answer_neither_votes_nor_settles(tmp_path):
    rows = grids.rows("only: 1\n 0 5 - ''\n 1 6 - ERR\n 2 7 - No\n 3 8 - 1")
    statistics = GridStatistics(Grid.load(grids.write(tmp_path / "grid.parquet", rows)))
    assert statistics.majority.value == 1.0
    assert statistics.settled_by_depth.value.tolist() == [0.25]
    assert statistics.last_probe_agrees == (0, 0)


def test_the_last_probe_and_the_final_answer(statistics):
    # Both there and equal: sum 0 1 3, product 0 1 2 4 5, root 1 2; and 4 of sum and 3 of root differ.
    assert statistics.last_probe_agrees == (10, 12)


def test_a_grid_of_ours_that_holds(tmp_path):
    rows = [row for row in grids.rows(grids.PRICED) if (row.tokens - 1) // 10 == len(row.probe_answers)]
    rows = [dataclasses.replace(row, branch=n) for n, row in enumerate(r for r in rows if r.question_id == 0)]
    write_grid(tmp_path / "grid.parquet", rows, 10, {**OURS, "probe_tokens": 6})
    verified = verify(tmp_path / "grid.parquet")
    assert verified.holds, faults(verified)
    assert {"longest branch", "confidences", "probe costs", "token counts"} <= named(verified).keys()


@pytest.mark.parametrize(
    ("column", "value", "fault"),
    [
        ("tokens", 12, "token counts"),
        ("tokens", 31, "token counts"),
        ("tokens", 41, "longest branch"),
        ("probe_confidences", [-1.0, 0.5], "confidences"),
        ("probe_tokens", [1, 5], "probe costs"),
    ],
)
def test_counts_that_cannot_come_from_decoding(tmp_path, column, value, fault):
    row = dataclasses.replace(grids.rows("q: 7\n 0 25 7 7 7")[0], probe_confidences=[-1.0, -0.5], probe_tokens=[1, 4])
    write_grid(tmp_path / "sound.parquet", [row], 10, OURS)
    assert verify(tmp_path / "sound.parquet").holds
    write_grid(tmp_path / "faulty.parquet", [dataclasses.replace(row, **{column: value})], 10, OURS)
    assert fault in faults(verify(tmp_path / "faulty.parquet"))


def test_lengths_of_imported_grids_are_a_remark(tmp_path):
    verified = verify(grids.write_worked(tmp_path))
    check = named(verified)["token counts"]
    assert (check.holds, check.must) == (False, False)
    assert verified.holds


def test_probes_that_read_something_else(tmp_path):
    rows = grids.rows("q: 7\n 0 15 1 7\n 1 15 1 7\n 2 16 7 7\n 3 17 2 7")
    assert faults(verify(grids.write(tmp_path / "grid.parquet", rows))) == {"last probe and final answer"}


def test_answers_that_were_given_up_are_a_remark(tmp_path):
    row = grids.rows()[0]
    write_grid(tmp_path / "grid.parquet", [row], 10, {**OURS, "given_up": {"0": ["7^{7^{7^{7}}}", "8^{8^{8}}"]}})
    found = named(verify(tmp_path / "grid.parquet"))["answers read"]
    assert (found.holds, found.must) == (False, False)
    assert found.found.startswith("2 took too long")


def test_traces_without_answers(tmp_path):
    rows = grids.rows("q: 7\n 0 5 - ''\n 1 6 - ''\n 2 7 - 7")
    assert faults(verify(grids.write(tmp_path / "grid.parquet", rows))) == {"final answers"}


@pytest.mark.parametrize("texts", [None, "same", "different"])
def test_branches_that_are_one_trace(tmp_path, texts):
    rows = grids.rows("q: 7\n 0 15 7 7\n 1 15 7 7\n 2 15 7 7\nr: 7\n 0 15 7 7\n 1 16 7 7")
    text = {None: lambda n: None, "same": lambda n: "7", "different": str}[texts]
    rows = [dataclasses.replace(row, text=text(n)) for n, row in enumerate(rows)]
    verified = verify(grids.write(tmp_path / "grid.parquet", rows))
    copied = {None: "1 of 2 questions", "same": "2 of 2 questions", "different": "no question"}[texts]
    assert copied in named(verified)["independent branches"].found
    assert faults(verified) == ({"independent branches"} if texts == "same" else set())
    repeated = {None: "40.0 %", "same": "60.0 %", "different": "0.0 %"}[texts]
    assert named(verified)["repeated branches"].found.startswith(repeated)


def test_a_broken_format_is_met_although_the_grid_was_loaded_before(tmp_path):
    path = grids.write_worked(tmp_path)
    Grid.load(path)
    table = pq.read_table(path)
    at = table.column_names.index("branch")
    broken = table.set_column(at, table.schema.field(at), pa.array([5] * table.num_rows, pa.int32()))
    pq.write_table(broken, path)
    with pytest.raises(GridError, match="column 'branch'"):
        verify(path)


@pytest.mark.parametrize("name", ["search", "heldout"])
def test_the_bundled_grids_hold(name):
    verified = verify(f"envdata/bundled/word-problems-{name}.parquet")
    assert verified.holds
    json.dumps([dataclasses.asdict(check) for check in verified.checks])


# ---- fit to be searched on -----------------------------------------------------------------------------------------

SOUND = "q: 7\n 0 15 7 7\n 1 16 7 7\n 2 17 7 7\n 3 18 5 5\nr: 8\n 0 15 8 8\n 1 16 8 8\n 2 17 1 1"


@pytest.mark.parametrize(
    ("rows", "unfit"),
    [
        pytest.param(SOUND, {}, id="answers differ and the majority gains"),
        pytest.param(SOUND.partition("\nr")[0], {"questions": "one question"}, id="one question"),
        pytest.param(SOUND.replace("q: 7", "q: 3").replace("r: 8", "r: 3"), {"right answers": "none of the 7"},
                     id="nobody is ever right"),
        pytest.param("q: 7\n 0 15 7 7\n 1 16 5 7\nr: 8\n 0 15 1 1\n 1 16 1 1", {"answers": "the same answer"},
                     id="all answers alike"),
        pytest.param("q: 7\n 0 15 7 7\nr: 8\n 0 15 1 1", {"branches": "no question"}, id="one branch each"),
        pytest.param("q: 7\n 0 15 7 7\n 1 16 5 5\n 2 17 5 5\nr: 8\n 0 15 8 8\n 1 16 8 8",
                     {"gain of a majority": "50.0 %, one branch in 66.7 %"}, id="the majority gains nothing"),
    ],
)  # fmt: skip
def test_whether_a_search_can_learn_from_a_grid(tmp_path, rows, unfit):
    verified = verify(grids.write(tmp_path / "grid.parquet", grids.rows(rows)))
    assert verified.holds, faults(verified)
    assert verified.fit is not bool(unfit)
    assert verified.unfit.keys() == unfit.keys()
    for name, words in unfit.items():
        assert words in verified.unfit[name]


def test_a_held_out_set_of_another_scale(tmp_path):
    one = Grid.load(grids.write(tmp_path / "one.parquet", grids.rows(SOUND)))
    long = [dataclasses.replace(row, tokens=10 * row.tokens) for row in grids.rows(SOUND)]
    other = Grid.load(grids.write(tmp_path / "other.parquet", long))
    write_grid(tmp_path / "wide.parquet", grids.rows(SOUND), 12, {})
    wide = Grid.load(tmp_path / "wide.parquet")
    assert list(set_differences([one], [one])) == []
    assert list(set_differences([one], [])) == []
    (scale,) = set_differences([one], [other])
    assert "16 tokens on average in the search set, 163 in the held-out set" in scale
    (interval,) = set_differences([one], [one, wide])
    assert "10 tokens in the search set and 10, 12 in the held-out set" in interval

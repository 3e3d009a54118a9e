"""Episodes as a table, and their summary in rows."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from envdata.episodes import GroupResult
from sandbox.results import EPISODES, RepeatEpisodes, episode_table, write_table
from sandbox.status import Status
from sandbox.summary import summarise


def group(correct: list[bool], tokens: list[int], failed: dict[int, Status] | None = None) -> GroupResult:
    n = len(correct)
    status = [int((failed or {}).get(question, Status.OK)) for question in range(n)]
    count = np.ones(n, np.int64)
    spent = np.array(tokens, np.int64)
    answers = ["7" if right else None for right in correct]
    why = {question: f"broke on {question}" for question in failed or {}}
    return GroupResult(
        np.array(status),
        np.array(correct),
        answers,
        spent,
        spent // 2,
        spent // 4,
        3 * count,
        count,
        count,
        count,
        spent,
        count,
        count,
        why,
    )


def table(*groups: tuple[str, str, float | None, int, GroupResult]) -> pa.Table:
    return episode_table([RepeatEpisodes(*each) for each in groups])


def test_a_row_a_controller_grid_and_beta() -> None:
    rows = list(
        summarise(
            table(
                ("a", "g", 0.0, 0, group([True, False], [10, 30])),
                ("a", "g", 0.0, 1, group([True, True], [20, 40])),
                ("a", "g", 1.0, 0, group([True, True], [90, 90])),
                ("a", "h", 1.0, 0, group([False, False, True], [1, 2, 3])),
                ("b", "h", None, 0, group([False, False, False], [4, 5, 6])),
            )
        )
    )
    assert [(row.controller, row.grid, row.beta, row.episodes) for row in rows] == [
        ("a", "g", 0.0, 4), ("a", "g", 1.0, 2), ("a", "h", 1.0, 3), ("b", "h", None, 3),
    ]  # fmt: skip
    first = rows[0]
    assert first.accuracy.value == pytest.approx(0.75)
    assert first.accuracy.low is not None
    assert first.accuracy.high is not None
    assert 0 < first.accuracy.low < 0.5
    assert first.accuracy.high == pytest.approx(1, abs=0.02)
    assert (first.tokens, first.sequential_tokens, first.longest_branch, first.branches) == (25, 12.5, 6, 3)
    assert (first.status, first.failures, first.why) == ("ok", {}, None)


def test_failures_are_counted_by_status_and_count_as_wrong() -> None:
    failed = {1: Status.TIMEOUT, 2: Status.EXCEPTION, 3: Status.EXCEPTION}
    (row,) = summarise(table(("a", "g", None, 0, group([True, False, False, False], [8, 4, 0, 0], failed))))
    assert row.failures == {"exception": 2, "timeout": 1}
    assert row.why == "broke on 1"
    assert row.status != "ok"
    assert row.accuracy.value == 0.25
    assert row.tokens == 3


def test_nothing_to_summarise() -> None:
    assert list(summarise(EPISODES.empty_table())) == []


def test_tables_are_written_as_a_whole_and_alike(tmp_path: Path) -> None:
    episodes = table(("a", "g", 0.5, 0, group([True], [10], {0: Status.TIMEOUT})))
    for name in ("one", "two"):
        write_table(episodes, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    read = pq.read_table(tmp_path / "one")
    assert read.schema.names == EPISODES.names
    assert read.to_pylist() == episodes.to_pylist()

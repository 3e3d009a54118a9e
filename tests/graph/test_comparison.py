"""Two controllers on the same episodes: the figures by hand, and the command on a grid worked out by hand."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner

from graph.cli import cli
from graph.comparison import compare
from graph.curves import Questions
from tests import grids

GRID = "g.parquet"


def episodes(played: dict[tuple[str, float | None], list[list[tuple[bool, int]]]]) -> pa.Table:
    """For each controller and β a list a repeat, of (right, tokens) for each question."""
    rows = [
        {
            "controller": name, "grid": GRID, "beta": beta, "repeat": repeat, "question": question,
            "status": "ok", "correct": correct, "tokens": tokens, "why": None,
        }
        for (name, beta), repeats in played.items()
        for repeat, questions in enumerate(repeats)
        for question, (correct, tokens) in enumerate(questions)
    ]  # fmt: skip
    schema = pa.schema(
        [("controller", pa.string()), ("grid", pa.string()), ("beta", pa.float64()), ("repeat", pa.int32()),
         ("question", pa.int32()), ("status", pa.string()), ("correct", pa.bool_()), ("tokens", pa.int64()),
         ("why", pa.string())]
    )  # fmt: skip
    return pa.Table.from_pylist(rows, schema)


def asked(n: int) -> Questions:
    return Questions((GRID,), (tuple(f"question {i}" for i in range(n)),))


R, W = True, False


def test_one_point_each() -> None:
    """A answers 4 of 6 rightly and B 2 of 6; on one episode B alone is right, on three A alone."""
    table = episodes(
        {
            ("a", None): [[(R, 10), (R, 20), (W, 30)], [(R, 10), (R, 20), (W, 30)]],
            ("b", None): [[(R, 20), (W, 20), (W, 40)], [(W, 20), (W, 20), (R, 40)]],
        }
    )
    found = compare(table, "a", "b", asked(3))
    (point,) = found.points
    assert (point.accuracy.a, point.accuracy.b) == pytest.approx((4 / 6, 2 / 6))
    assert point.accuracy.difference.value == pytest.approx(2 / 6)
    assert (point.only_a, point.only_b) == pytest.approx((3 / 6, 1 / 6))
    assert (point.tokens.a, point.tokens.b) == pytest.approx((20, 80 / 3))
    assert point.tokens.difference.value == pytest.approx(-20 / 3)
    # B is the cheaper one in no resample, as dear as A where question 1 alone is drawn (1 of 27 draws).
    assert point.tokens.superiority == pytest.approx(1 - 0.5 / 27, abs=0.01)
    assert found.area is None


def test_pairing_takes_away_what_is_hard_about_a_question() -> None:
    """A is right a little more often on each of many questions, which differ a lot: sure when paired, unsure apart."""
    rng = np.random.default_rng(0)
    hard = rng.integers(0, 10, 40)
    played = {
        ("a", None): [[(bool(repeat <= h), 1) for h in hard] for repeat in range(12)],
        ("b", None): [[(bool(repeat < h), 1) for h in hard] for repeat in range(12)],
    }
    (point,) = compare(episodes(played), "a", "b", asked(40)).points
    assert point.accuracy.difference.value == pytest.approx(1 / 12)
    assert point.accuracy.difference.low == pytest.approx(1 / 12)
    assert point.accuracy.superiority == 1.0
    assert point.tokens.superiority == 0.5


def test_points_are_paired_by_beta_and_sweeps_by_area() -> None:
    table = episodes(
        {
            ("a", 0.0): [[(W, 10), (R, 10)]],
            ("a", 1.0): [[(R, 1000), (R, 1000)]],
            ("b", 0.0): [[(R, 100), (R, 100)]],
            ("b", 1.0): [[(R, 1000), (R, 1000)]],
        }
    )
    found = compare(table, "a", "b", asked(2))
    assert [(point.beta_a, point.beta_b) for point in found.points] == [(0.0, 0.0), (1.0, 1.0)]
    assert (found.low, found.high) == (10, 1000)
    assert found.area is not None
    assert (found.area.a, found.area.b) == pytest.approx((0.5, 0.5))
    narrow = compare(table, "a", "b", asked(2), (10, 100)).area
    assert narrow is not None
    assert (narrow.a, narrow.b, narrow.difference.value) == pytest.approx((0.5, 0.0, 0.5))
    assert narrow.superiority == pytest.approx(1 - 0.5 / 4, abs=0.02)  # question 0 drawn twice: both at 0


def test_one_that_ignores_beta_is_paired_with_every_point_of_the_other() -> None:
    table = episodes({("a", None): [[(R, 50)]], ("b", 0.0): [[(W, 10)]], ("b", 1.0): [[(R, 90)]]})
    found = compare(table, "a", "b", asked(1))
    assert [(point.beta_a, point.beta_b) for point in found.points] == [(None, 0.0), (None, 1.0)]
    assert [point.accuracy.difference.value for point in found.points] == [1.0, 0.0]
    assert found.area is not None


def test_a_label_without_episodes() -> None:
    with pytest.raises(KeyError, match="'c' has no episodes"):
        compare(episodes({("a", None): [[(R, 1)]]}), "a", "c", asked(1))


# ---- the command -----------------------------------------------------------------------------------------------


def run(*arguments: str) -> str:
    done = CliRunner().invoke(cli, ["compare", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.bubblewrap
def test_the_command_says_the_same_in_json_and_in_one_screen(tmp_path: Path) -> None:
    grid = str(grids.write_worked(tmp_path))
    common = ["sc:branches=4", "asc", "--grid", grid, "--betas", "0,1", "--repeats", "4", "--jobs", "1", "--quiet"]
    common += ["--sandbox", "bubblewrap"]
    said = json.loads(run(*common, "--json"))
    assert (said["a"], said["b"], said["repeats"]) == ("sc:branches=4", "asc", 4)
    assert [(point["beta_a"], point["beta_b"]) for point in said["points"]] == [(None, 0.0), (None, 1.0)]
    for point in said["points"]:
        accuracy = point["accuracy"]
        assert accuracy["difference"] == pytest.approx(accuracy["a"] - accuracy["b"])
        assert accuracy["difference"] == pytest.approx(point["only_a"] - point["only_b"])
        assert accuracy["difference_low"] <= accuracy["difference"] <= accuracy["difference_high"]
    shown = run(*common)
    assert len(shown.splitlines()) <= 24
    assert max(map(len, shown.splitlines())) <= 140
    assert f"{said['points'][1]['accuracy']['a']:.2f}" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sc", "sc"], "A and B are both 'sc'"),
        (["sc", "asc", "--range", "10:5"], "'10:5' is not a rising range"),
        (["sc", "asc", "--range", "lots"], "'lots' is not a rising range"),
    ],
)
def test_what_cannot_be_compared(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(cli, ["compare", *arguments, "--grid", str(grids.write_worked(tmp_path))])
    assert done.exit_code == 2
    assert message in done.stderr

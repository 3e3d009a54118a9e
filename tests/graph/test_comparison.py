"""Two controllers on the same episodes: the figures by hand, and the command on a grid worked out by hand."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner

from graph.analysis.comparison import compare
from graph.analysis.curves import Questions
from graph.cli import cli
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
    # A is the cheaper one on both questions where they differ.
    assert point.tokens.superiority == 1 - 0.25 / 2
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
    assert point.accuracy.difference.low == pytest.approx(1 / 12, abs=0.02)
    assert point.accuracy.superiority > 0.9999
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
    # From where both have a point; there A is half way, in log tokens, from 50 % to 100 %.
    assert (found.low, found.high) == (100, 1000)
    assert found.area is not None
    assert (found.area.a, found.area.b) == pytest.approx((0.875, 1.0))
    # B's best point costs 100 tokens; A is as accurate from 1000 on.
    assert found.saving is not None
    assert found.saving.value == 0
    other = compare(table, "b", "a", asked(2)).saving
    assert other is not None
    assert other.value == pytest.approx(0.9)
    wide = compare(table, "a", "b", asked(2), (10, 10_000))
    assert (wide.low, wide.high) == (100, 10_000)
    assert wide.area is not None
    assert (wide.area.a, wide.area.b) == pytest.approx(((0.875 + 1) / 2, 1.0))


@pytest.mark.parametrize("token_range", [(1, 10), (10, 100), (20.0, 99.9)])
def test_a_range_below_the_points_of_one_says_nothing_of_it(token_range: tuple[float, float]) -> None:
    table = episodes({("a", 0.0): [[(W, 10), (R, 10)]], ("b", 0.0): [[(R, 100), (R, 100)]]})
    with pytest.raises(ValueError, match=r"b spends 100 at the least.*as 100:100"):
        compare(table, "a", "b", asked(2), token_range)


def test_one_that_is_better_at_every_beta_and_somewhat_dearer_is_not_behind() -> None:
    """A begins where B has half of its points behind it, and is the better one at each of the rest."""
    rng = np.random.default_rng(0)
    hard = rng.random(30)
    played: dict[tuple[str, float | None], list[list[tuple[bool, int]]]] = {}
    for step in range(5):
        beta, level = step / 4, 0.3 + 0.1 * step
        played["a", beta] = [[(bool(h < level + 0.25), 2000 * 2**step) for h in hard]]
        played["b", beta] = [[(bool(h < level), 500 * 2**step) for h in hard]]
    found = compare(episodes(played), "a", "b", asked(30))
    assert found.area is not None
    assert all(point.accuracy.difference.value > 0 for point in found.points)
    assert found.low == 2000
    assert found.area.superiority > 0.5


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

"""The shipped controllers, sandboxed, against the plain in-process replay of `benchmarks/naive.py`, on random grids."""

import random
from pathlib import Path

import pyarrow as pa
import pytest

from benchmarks import naive, naive_episode
from envdata.branch_orders import ORDERS
from sandbox.backends.base import Limits
from sandbox.candidate import PAPER_BASELINES, Candidate
from sandbox.evaluate import Evaluator, Plan
from sandbox.replay_player import EvaluationSettings
from sandbox.results import write_table
from tests import grids

REPEATS = 3
SEED = 11
PATIENT = Limits(reply_seconds=120, repeat_seconds=600, start_seconds=120)
"""A busy machine is no failure of a controller's."""

SPECS = [
    ("sc", {"branches": 1}),
    ("sc", {"branches": 64}),
    ("asc", {"max_branches": 64, "threshold": 0.95}),
    ("asc", {"max_branches": 5, "threshold": 0.7}),
    ("asc", {"max_branches": 12, "threshold": 0.4}),
    ("esc", {"max_branches": 64, "window": 8}),
    ("esc", {"max_branches": 9, "window": 2}),
    ("answer_consistency", {"k": 3}),
    ("answer_consistency", {"k": 14}),
    ("st_bon", {"branches": 16, "prefix": 4}),
    ("st_bon", {"branches": 5, "prefix": 2}),
    ("parallel_probe", {"branches": 64, "stable_steps": 40, "prune_patience": 7, "warm_up": 15}),
    ("parallel_probe", {"branches": 9, "stable_steps": 4, "prune_patience": 2, "warm_up": 1}),
    ("surge", {"beta": 0.0}),
    ("surge", {"beta": 0.6}),
    ("surge", {"beta": 1.0}),
    ("cmc", {"beta": 0.0}),
    ("cmc", {"beta": 0.3}),
    ("cmc", {"beta": 1.0}),
]
"""What of each controller is played; β is not a setting of CMC's but what its schedule is asked for."""


@pytest.fixture(scope="module")
def grid_paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Shallow and narrow, deep and wide, with many answers, with hardly any."""
    folder = tmp_path_factory.mktemp("random")
    shapes = [
        {"questions": 30, "branches": (1, 9), "intervals": 6, "answers": ("1", "2", "3", "ERR", "No", "")},
        {"questions": 10, "branches": (30, 80), "intervals": 24, "answers": ("1", "2", "1", "3")},
    ]
    return [
        grids.write(folder / f"{n}.parquet", grids.random_rows(random.Random(n), **shape))
        for n, shape in enumerate(shapes)
    ]


@pytest.fixture(scope="module")
def episodes(grid_paths: list[Path]) -> pa.Table:
    """Every spec on every grid, in one evaluation."""
    plans = [_plan(name, settings, grid_paths) for name, settings in SPECS]
    with Evaluator(EvaluationSettings(seed=SEED, limits=PATIENT), sandbox="bubblewrap", jobs=2) as evaluator:
        return evaluator.evaluate(plans).episodes


def _plan(name: str, settings: dict[str, float], paths: list[Path]) -> Plan:
    betas = (settings["beta"],) if "beta" in settings else None
    knobs = ",".join(f"{knob}={value}" for knob, value in settings.items() if knob != "beta")
    candidate = Candidate.parse(f"{name}:{knobs}" if knobs else name)
    return Plan(candidate, tuple(map(str, paths)), betas, REPEATS)


@pytest.mark.bubblewrap
@pytest.mark.parametrize("at", range(len(SPECS)), ids=[f"{name} {settings}" for name, settings in SPECS])
def test_a_shipped_controller_does_what_its_description_says(
    episodes: pa.Table, grid_paths: list[Path], at: int
) -> None:
    name, settings = SPECS[at]
    plan = _plan(name, settings, grid_paths)
    for path in grid_paths:
        expected = naive.play(name, naive_episode.read(path), REPEATS, seed=SEED, **settings)
        found = [
            naive.Outcome(*(row[column] for column in naive.Outcome._fields))
            for row in episodes.to_pylist()
            if (row["controller"], row["grid"], row["status"]) == (plan.candidate.label, str(path), "ok")
            and row["beta"] == (None if plan.betas is None else plan.betas[0])
        ]
        assert found == expected


def test_every_shipped_controller_is_looked_at() -> None:
    assert {name for name, _ in SPECS} == set(naive.METHODS) == {*PAPER_BASELINES, "surge"}


@pytest.mark.bubblewrap
@pytest.mark.parametrize("order", ORDERS)
def test_results_are_byte_identical_whatever_the_jobs(grid_paths: list[Path], tmp_path: Path, order: str) -> None:
    plan = Plan(Candidate.parse("cmc"), (str(grid_paths[0]),), (0.0, 1.0), 9, frozenset({1.0}))
    written = []
    for jobs in (1, 2):
        with Evaluator(EvaluationSettings(order=order, limits=PATIENT), sandbox="bubblewrap", jobs=jobs) as evaluator:
            evaluation = evaluator.evaluate([plan])
        for name, table in (("episodes", evaluation.episodes), ("traces", evaluation.traces)):
            path = tmp_path / f"{name}-{jobs}.parquet"
            write_table(table, path)
            written.append(path.read_bytes())
    assert written[:2] == written[2:]


def test_an_order_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="order is 'best'; give one of published, balanced"):
        EvaluationSettings(order="best")

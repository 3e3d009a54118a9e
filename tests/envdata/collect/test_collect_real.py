"""A small grid from the real model; what is asserted is structure, never text or speed."""

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from envdata.grid import Grid
from graph.cli.collect import collect_command
from tests import real_model

pytestmark = pytest.mark.vllm

INTERVAL, BRANCHES = 5, 8


def test_a_grid_from_a_real_server(tmp_path):
    out = tmp_path / "grid.parquet"
    with real_model.serving(tmp_path / "server.log") as url:
        words = f"--server {url} --model {real_model.MODEL} --questions word-problems?count=4&seed=5 --out {out}"
        sizes = f"--interval {INTERVAL} --branches {BRANCHES} --max-tokens 85 --probe-tokens 6 --temperature 0.9"
        result = CliRunner().invoke(collect_command, [*f"{words} {sizes}".split(), "--stop", r"\n\n"])
    assert result.exit_code == 0, result.output
    grid = Grid.load(out)
    assert grid.branches.tolist() == [BRANCHES] * 4
    assert grid.provenance["engine"]["name"] == "vllm"
    rows = pq.read_table(out).to_pylist()
    for row in rows:
        assert 1 <= row["tokens"] <= 85
        assert row["finish_reason"] in ("stop", "length")
        assert len(row["probe_answers"]) == (row["tokens"] - 1) // INTERVAL
        assert all(0 <= tokens <= 6 for tokens in row["probe_tokens"])
        assert all(confidence <= 0 for confidence in row["probe_confidences"])
    assert len({row["text"] for row in rows}) > 4, "traces of one question are independent"

"""The poorer of two real servers: llama.cpp's, which knows texts only, one completion a request and no counted streams.

Asserted is structure, never text or speed.
"""

import json

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from envdata.grid import Grid
from graph.cli import cli
from tests import real_model

pytestmark = pytest.mark.llamacpp

INTERVAL, BRANCHES, QUESTIONS = 5, 3, 2


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    log = tmp_path_factory.mktemp("llamacpp") / "log"
    with real_model.serving(log, real_model.SERVE_LLAMACPP) as url:
        yield url


@pytest.fixture(scope="module")
def grid(url, tmp_path_factory):
    out = tmp_path_factory.mktemp("grid") / "grid.parquet"
    words = ["grid", "collect", "--server", url, "--model", real_model.MODEL, "--out", str(out)]
    words += ["--questions", f"word-problems?count={QUESTIONS}&seed=5", "--interval", str(INTERVAL), "--seed", "1"]
    words += ["--branches", str(BRANCHES), "--max-tokens", "40", "--probe-tokens", "6", "--temperature", "1.2"]
    run(*words, "--stop", r"\n\n")
    return out


def run(*words):
    done = CliRunner().invoke(cli, [str(word) for word in words])
    assert done.exit_code == 0, done.output + done.stderr
    return done


def test_a_grid_by_texts(grid):
    loaded = Grid.load(grid)
    assert loaded.provenance["engine"]["continues"] == "text"
    rows = pq.read_table(grid).to_pylist()
    assert len(rows) == QUESTIONS * BRANCHES
    assert any(row["probe_answers"] for row in rows)
    for row in rows:
        assert 1 <= row["tokens"] <= 40
        assert len(row["probe_answers"]) == (row["tokens"] - 1) // INTERVAL
        assert all(confidence <= 0 for confidence in row["probe_confidences"])
        assert all(0 <= tokens <= 6 for tokens in row["probe_tokens"])
    assert len({row["text"] for row in rows}) > QUESTIONS, "seeds of one question differ"


def test_the_grid_is_verified_and_played(grid, tmp_path):
    verified = json.loads(CliRunner().invoke(cli, ["grid", "verify", str(grid), "--json"]).output)
    # What depends on the model's luck, such as how many answers there are, may be at fault.
    holds = {check["name"]: check["holds"] for check in verified["checks"]}
    assert all(holds[name] for name in ("format", "token counts", "longest branch", "confidences", "probe costs"))
    assert verified["branches"] == QUESTIONS * BRANCHES
    out = tmp_path / "episodes.parquet"
    terms = ["--betas", "1", "--repeats", "4", "--sandbox", "process"]
    run("evaluate", "asc:max_branches=3", "--grid", grid, *terms, "--out", out)
    assert {row["status"] for row in pq.read_table(out).to_pylist()} == {"ok"}


def test_final_answers_alone(url, tmp_path):
    out = tmp_path / "final.parquet"
    words = ["grid", "collect", "--server", url, "--model", real_model.MODEL, "--out", str(out), "--no-probe"]
    words += ["--questions", "word-problems?count=1&seed=5", "--branches", "2", "--max-tokens", "20"]
    run(*words, "--stop", r"\n\n")
    assert all(1 <= row["tokens"] <= 20 for row in pq.read_table(out).to_pylist())


def test_a_controller_over_the_live_server(url, grid):
    words = ["solve", "A bag holds 6 balls. How many balls are in 7 bags?", "--controller", "asc:max_branches=3"]
    words += ["--server", url, "--model", real_model.MODEL, "--like", str(grid), "--family", "containers"]
    done = run(*words, "--sandbox", "process", "--json", "--seed", "1")
    solution = json.loads(done.output.splitlines()[-1])
    assert solution["failed_by"] is None
    assert 1 <= len(solution["branches"]) <= 3

"""A collection on a cluster: the grid that one engine here gives, from actors on two nodes."""

import json
import os
import re
import signal
import threading
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from envdata.grid import Grid
from graph.cli.collect import collect_command
from tests.envdata.collect.completions_server import Behaviour, serving

pytestmark = pytest.mark.ray

SUMS = [(2, 3), (4, 5), (6, 7), (8, 9), (3, 9), (5, 5)]


@pytest.fixture
def questions(tmp_path):
    file = tmp_path / "questions.jsonl"
    rows = [{"question": f"What is {a} * {b}?", "answer": str(a * b)} for a, b in SUMS]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def collect(url, questions, out, *more):
    words = f"--server {url} --model toy --questions {questions} --out {out} --interval 4 --branches 7 --max-tokens 40"
    return CliRunner().invoke(collect_command, [*words.split(), "--stop", r"\n\n", "--seed", "3", *more])


def test_the_same_grid_as_from_this_machine_alone(cluster, questions, tmp_path):
    with serving(Behaviour(seconds=0.3)) as url:
        here = collect(url, questions, tmp_path / "here.parquet")
        there = collect(url, questions, tmp_path / "there.parquet", "--executor", "ray", "--at-once", "2")
    assert (here.exit_code, there.exit_code) == (0, 0), here.output + there.output
    first, second = Grid.load(tmp_path / "here.parquet"), Grid.load(tmp_path / "there.parquet")
    assert pq.read_table(first.name).equals(pq.read_table(second.name))
    assert {**first.provenance, "started": None} == {**second.provenance, "started": None}
    # A little more than here: each engine is tried at the start.
    assert _decoded(there.output) > _decoded(here.output) > sum(pq.read_table(first.name)["tokens"].to_pylist())


def _decoded(output):
    return int(re.search(r"([\d,]+) tokens decoded", output).group(1).replace(",", ""))


def test_what_was_begun_on_a_cluster_goes_on_here(cluster, questions, tmp_path):
    out = tmp_path / "grid.parquet"
    behaviour = Behaviour(broken_for=f"What is {SUMS[1][0]} * {SUMS[1][1]}?")
    with serving(behaviour) as url:
        there = collect(url, questions, out, "--executor", "ray")
        assert there.exit_code == 0
        assert "this prompt hurts" in there.output
        behaviour.broken_for = ""
        behaviour.requests.clear()
        assert collect(url, questions, out).exit_code == 0
    assert len(behaviour.sampled()) == 1
    assert len(Grid.load(out).questions) == len(SUMS)


def test_a_server_that_is_not_there_ends_in_one_sentence(cluster, questions, tmp_path):
    result = collect("http://127.0.0.1:9/v1", questions, tmp_path / "grid.parquet", "--executor", "ray")
    assert result.exit_code == 1
    assert "Error: " in result.output
    assert "cannot be reached" in result.output
    assert "ray::" not in result.output


def test_an_actor_that_is_killed_has_its_question_asked_again(cluster, questions, tmp_path):
    behaviour = Behaviour(seconds=1.0)
    with serving(behaviour) as url:
        killed = _kill_one_collector_when(lambda: len(behaviour.sampled()) >= 3)
        result = collect(url, questions, tmp_path / "grid.parquet", "--executor", "ray", "--at-once", "1")
        killed.join()
        undisturbed = collect(url, questions, tmp_path / "undisturbed.parquet")
    assert (result.exit_code, undisturbed.exit_code) == (0, 0), result.output
    assert killed.done
    assert pq.read_table(tmp_path / "grid.parquet").equals(pq.read_table(tmp_path / "undisturbed.parquet"))


def _kill_one_collector_when(ready):
    """Kill the process of one collector, by its id, as soon as `ready` says so."""

    class Killer(threading.Thread):
        done = False

        def run(self):
            deadline = time.monotonic() + 120
            while time.monotonic() < deadline and not ready():
                time.sleep(0.05)
            for entry in Path("/proc").iterdir():
                # An actor's process carries its class as its title, and this cluster's nodes are our children.
                if entry.name.isdigit() and b"ray::_EngineActor" in _title(entry) and _is_ours(int(entry.name)):
                    os.kill(int(entry.name), signal.SIGKILL)
                    self.done = True
                    return

    thread = Killer()
    thread.start()
    return thread


def _title(entry):
    try:
        return (entry / "cmdline").read_bytes()
    except OSError:
        return b""


def _is_ours(pid):
    """Whether this process is among the ancestors of `pid`."""
    while pid > 1:
        if pid == os.getpid():
            return True
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return False

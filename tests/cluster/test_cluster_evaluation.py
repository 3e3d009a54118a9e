"""An evaluation on a cluster: the same files, wherever the episodes were played."""

import json
from importlib.metadata import version

import pytest
from click.testing import CliRunner

from envdata import cluster as clusters
from envdata.cluster import ClusterError
from graph.cli.evaluate import evaluate_command
from tests import grids

pytestmark = [pytest.mark.ray, pytest.mark.bubblewrap]

STRANGE = """
from sandbox.tts import Controller

class Strange(Controller):
    '''Fails on every third question.'''

    @staticmethod
    def schedule(beta):
        return {"width": 1 + round(beta * 3)}

    def solve(self, episode):
        branches = episode.branch(self.knobs["width"])
        if episode.rng.random() < 0.3:
            raise ValueError("a strange thing")
        episode.finish(branches)
        return branches[0].answer
"""


def evaluate(out, *words):
    result = CliRunner().invoke(evaluate_command, [*map(str, words), "--out", f"{out}.parquet", "--traces",
                                                   f"{out}-traces.parquet", "--json", "--quiet"])  # fmt: skip
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.output.splitlines() if line.startswith("{")]


def test_the_same_bytes_as_from_this_machine_alone(cluster, tmp_path):
    grids.write_worked(tmp_path)
    grids.write_priced(tmp_path)
    (tmp_path / "strange.py").write_text(STRANGE)
    words = ["sc:branches=4", "esc", tmp_path / "strange.py", "--grid", tmp_path / "worked.parquet", "--grid",
             tmp_path / "priced.parquet", "--betas", "0,0.5,1", "--repeats", "5"]  # fmt: skip
    here = evaluate(tmp_path / "local", *words, "--jobs", "1")
    there = evaluate(tmp_path / "ray", *words, "--executor", "ray")
    assert here == there
    assert any(row["failures"] for row in here), "failures travel too"
    for name in ("", "-traces"):
        assert (tmp_path / f"local{name}.parquet").read_bytes() == (tmp_path / f"ray{name}.parquet").read_bytes()


def test_both_nodes_play(cluster, tmp_path):
    import ray

    from sandbox.cluster import RayFarm

    farm = RayFarm()
    try:
        assert farm.width == 2
        nodes = ray.remote(num_cpus=1)(_node)
        assert len(set(ray.get([nodes.remote() for _ in range(4)]))) == 2
    finally:
        farm.close()
    assert not ray.is_initialized()


def _node():
    import time

    import ray

    # Long enough for the other node to be asked too.
    time.sleep(2)
    return ray.get_runtime_context().get_node_id()


def test_a_grid_that_is_not_there_is_this_machines_error(cluster, tmp_path):
    words = ["sc:branches=2", "--grid", str(tmp_path / "absent.parquet"), "--executor", "ray", "--quiet"]
    result = CliRunner().invoke(evaluate_command, words)
    assert "absent.parquet: cannot be read" in str(result.exception)


def test_a_node_with_other_code_is_refused(cluster, monkeypatch):
    # Said here alone: the nodes import the module themselves.
    monkeypatch.setattr(clusters, "version", lambda name: "0.0" if name == "numpy" else version(name))
    with pytest.raises(ClusterError, match=r"has numpy .* and this process has 0\.0; install the same everywhere"):
        clusters.join()


def test_no_cluster_at_the_address(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    with pytest.raises(ClusterError, match=r"no Ray cluster can be joined .*look at RAY_ADDRESS"):
        clusters.join()

"""An evaluation on a cluster: the same files, wherever the episodes were played."""

import json
import socket
import threading
import time
from importlib.metadata import version
from pathlib import Path

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


SLOW = """
from sandbox.tts import Controller

class Slow(Controller):
    '''Thinks for a while before each question.'''

    @staticmethod
    def schedule(beta):
        return {"width": 1 + round(beta * 3)}

    def solve(self, episode):
        for _ in range(400000):
            episode.rng.random()
        branches = episode.branch(self.knobs["width"])
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
             tmp_path / "priced.parquet", "--betas", "0,0.5,1", "--repeats", "5", "--secret",
             tmp_path / "secret"]  # fmt: skip
    here = evaluate(tmp_path / "local", *words, "--jobs", "1")
    there = evaluate(tmp_path / "ray", *words, "--executor", "ray")
    assert here == there
    assert any(row["failures"] for row in here), "failures travel too"
    for name in ("", "-traces"):
        assert (tmp_path / f"local{name}.parquet").read_bytes() == (tmp_path / f"ray{name}.parquet").read_bytes()


def test_what_a_lost_node_played_is_played_again(cluster, tmp_path):
    import ray

    grids.write_worked(tmp_path)
    (tmp_path / "slow.py").write_text(SLOW)
    words = [tmp_path / "slow.py", "--grid", tmp_path / "worked.parquet", "--betas", "0,1", "--repeats", "12"]
    here = evaluate(tmp_path / "local", *words, "--jobs", "1")
    node = None
    ray.init(log_to_driver=False)
    try:
        occupied = _occupy_all_nodes(ray)
        node = cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        raylet = node.all_processes["raylet"][0].process.pid

        def lose():
            cluster.remove_node(node, allow_graceful=False)
            for each in occupied:
                ray.kill(each)

        # Only the new node has a free CPU until it is lost, so that it plays whatever the machine's load is.
        lost = _when(lambda: _playing(raylet), lose)
        there = evaluate(tmp_path / "ray", *words, "--executor", "ray")
        lost.join()
        assert lost.done, "the node was not seen to play before the evaluation ended"
    finally:
        ray.shutdown()
        if node in cluster.worker_nodes:
            cluster.remove_node(node)
        # Only then does the cluster count it no more.
        cluster.wait_for_nodes(timeout=120)
    assert here == there
    for name in ("", "-traces"):
        assert (tmp_path / f"local{name}.parquet").read_bytes() == (tmp_path / f"ray{name}.parquet").read_bytes()


def _occupy_all_nodes(ray):
    """Return actors that take the CPU of every node, once they have it."""

    class Placeholder:
        def node(self):
            return ray.get_runtime_context().get_node_id()

    kind = ray.remote(num_cpus=1)(Placeholder)
    actors = [kind.remote() for _ in range(2)]
    assert len(set(ray.get([each.node.remote() for each in actors]))) == 2
    return actors


def _when(ready, act):
    """Do something from a thread as soon as `ready` says so; `done` tells whether it came to that."""

    class Actor(threading.Thread):
        done = False

        def run(self):
            deadline = time.monotonic() + 120
            # Asked once a turn: what is ready now may not be a moment later.
            while time.monotonic() < deadline:
                if ready():
                    act()
                    self.done = True
                    return
                time.sleep(0.02)

    thread = Actor(daemon=True)
    thread.start()
    return thread


def _playing(raylet):
    """Whether a worker of this node plays in a sandbox: it has a child then, the sandbox, which has its own."""
    return any(b"ray::_play" in _command(worker) and any(map(_children, _children(worker)))
               for worker in _children(raylet))  # fmt: skip


def _command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        # It ended meanwhile, as the raylet's helpers do.
        return b""


def _children(pid):
    try:
        return [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except OSError:
        return []


def test_both_nodes_play(cluster, tmp_path):
    import ray

    from sandbox.cluster import RayExecutor

    executor = RayExecutor()
    try:
        assert executor.width == 2
        nodes = ray.remote(num_cpus=1)(_node)
        assert len(set(ray.get([nodes.remote() for _ in range(4)]))) == 2
    finally:
        executor.close()
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
    with pytest.raises(ClusterError, match=r"no Ray cluster can be joined at 127\.0\.0\.1:9 \(Connection refused\)"):
        clusters.join()


def test_an_address_that_never_answers(monkeypatch):
    monkeypatch.setattr(clusters, "SECONDS_TO_CONNECT", 0.2)
    with socket.socket() as full:
        # Nobody takes the connections that wait here, and no further ones fit.
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        monkeypatch.setenv("RAY_ADDRESS", f"ray://127.0.0.1:{full.getsockname()[1]}")
        with pytest.raises(ClusterError, match=r"no Ray cluster can be joined at ray://.* \(no answer\)"):
            clusters.join()
        for each in waiting:
            each.close()

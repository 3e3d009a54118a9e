"""Discovery, comparison, explanation and studies on a cluster: the files and figures of a local run."""

import shutil

import pytest

import autotts
from graph.loop import context
from tests.graph.running import files, here
from tests.graph.small import write_small

pytestmark = [pytest.mark.ray, pytest.mark.bubblewrap]

SETTINGS = {
    "rounds": 2, "candidates": 3, "finalists": 2, "repeats": 4, "screening_repeats": 1, "betas": (0.0, 1.0),
    "sandbox": "bubblewrap",
}  # fmt: skip
CLUSTER = ("--executor", "ray")


@pytest.fixture(scope="module")
def grids(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grids")
    return write_small(folder / "search.parquet"), write_small(folder / "heldout.parquet", seed=1)


@pytest.fixture(scope="module")
def local(tmp_path_factory, grids):
    """A run of this machine alone."""
    run = tmp_path_factory.mktemp("local") / "run"
    autotts.discover(*grids, out=run, say=_silent, **SETTINGS)
    return run


@pytest.fixture(autouse=True)
def _no_cached_baselines(monkeypatch, tmp_path):
    # The nodes have their own, so that the episodes of the local run are not found there.
    monkeypatch.setenv("AUTOTTS_CACHE", str(tmp_path / "cache"))


def _silent(line):
    pass


def test_a_run_leaves_the_same_bytes_and_its_baselines_are_cached(cluster, local, grids, tmp_path):
    said = []
    autotts.discover(*grids, out=tmp_path / "ray", executor="ray", say=said.append, **SETTINGS)
    assert files(tmp_path / "ray") == files(local)
    assert not any("in the cache" in line for line in said)
    assert list((tmp_path / "cache" / "evaluations").iterdir()), "those played on the nodes are cached here"


@pytest.mark.parametrize(("first", "then"), [("ray", "local"), ("local", "ray")])
def test_a_run_is_resumed_with_the_other_executor(cluster, local, grids, tmp_path, monkeypatch, first, then):
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(context.CountingEvaluator, "evaluate", _interrupted_in_call(3))
        with pytest.raises(KeyboardInterrupt):
            autotts.discover(*grids, out=run, executor=first, say=_silent, **SETTINGS)
    assert (run / "round-000" / "metrics.json").exists()
    assert not (run / "result.json").exists()
    autotts.discover(out=run, resume=True, executor=then, say=_silent)
    assert files(run) == files(local)


def _interrupted_in_call(number):
    """Return an `evaluate` that is interrupted as by Ctrl-C, during its call of this number."""
    evaluate, calls = context.CountingEvaluator.evaluate, []

    def interrupted(evaluator, plans, progress=None, **more):
        calls.append(plans)

        def stop(done, total):
            if len(calls) == number and done:
                raise KeyboardInterrupt

        return evaluate(evaluator, plans, stop, **more)

    return interrupted


def test_commands_print_what_they_print_locally(cluster, grids, tmp_path, capsys):
    terms = ("--grid", grids[0], "--betas", "0,0.5,1", "--repeats", 3, "--secret", tmp_path / "secret", "--quiet")
    for command in (("explain", "asc"), ("compare", "asc", "sc:branches=4")):
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        alone = here(capsys, *command, *terms, "--json").out
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        assert here(capsys, *command, *terms, "--json", *CLUSTER).out == alone, command


def test_a_study_plays_its_runs_on_the_cluster(cluster, local, grids, tmp_path, capsys):
    lines = ["seeds = [0]", "[discover]", f"grid = ['{grids[0]}']", f"heldout = ['{grids[1]}']"]
    lines += [
        f"{name} = {list(value) if isinstance(value, tuple) else repr(value)}" for name, value in SETTINGS.items()
    ]
    (tmp_path / "study.toml").write_text("\n".join(lines))
    here(capsys, "study", tmp_path / "study.toml", "--out", tmp_path / "study", "--quiet", *CLUSTER)
    (run,) = (tmp_path / "study" / "runs").iterdir()
    assert files(run) == files(local)


def test_a_cluster_that_is_not_there_ends_discovery_in_one_sentence(grids, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    words = ("discover", "--grid", grids[0], "--out", tmp_path / "run", "--quiet", *CLUSTER)
    assert "no Ray cluster can be joined at 127.0.0.1:9" in here(capsys, *words, code=1).err

"""A run in MLflow: mirrored into a real store in a folder, by the real client."""

import os
import shutil
from pathlib import Path

import pytest

from graph.run.mlflow import PATIENCE, MirrorSettings, Tracker
from graph.run.paths import RunFolder, read_json
from tests.graph.running import here

mlflow = pytest.importorskip("mlflow")

EXPERIMENT = MirrorSettings().experiment


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store of plain files, which MLflow wants to be asked for by name."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    return (tmp_path / "mlruns").as_uri()


def mirror(run: Path, store: str, nodes: list[tuple[str, int]], *, complete: bool) -> list[str]:
    said: list[str] = []
    tracker = Tracker(RunFolder(run), store, MirrorSettings().experiment, said.append)
    for node, number in nodes:
        tracker.finished(node, number)
    tracker.close(complete=complete)
    return said


def test_a_stopped_and_resumed_run_is_one_run_with_metrics_by_round(tmp_path: Path, finished: Path, store: str) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    assert mirror(run, store, [("baselines", 0), ("proposer", 1), ("historian", 1)], complete=False) == []
    client = mlflow.MlflowClient(tracking_uri=store)
    (experiment,) = client.search_experiments(filter_string="name = 'autotts'")
    (stopped,) = client.search_runs([experiment.experiment_id])
    assert stopped.info.status == "KILLED"
    assert mirror(run, store, [("historian", 2), ("finale", 3)], complete=True) == []
    (done,) = client.search_runs([experiment.experiment_id])
    assert done.info.run_id == stopped.info.run_id
    assert done.info.status == "FINISHED"
    assert (done.data.params["rounds"], done.data.params["explorers"]) == ("2", "('evolution',)")
    result = read_json(run / "result.json")
    selected = result["search"]["scores"][result["selected"]]["value"]
    assert done.data.metrics["selected.search"] == pytest.approx(selected)
    history = client.get_metric_history(done.info.run_id, "frontier_points")
    assert [metric.step for metric in history] == [1, 2]
    scores = {each["label"]: each["score"] for each in read_json(run / "round-000" / "metrics.json")["baselines"]}
    assert done.data.metrics["baseline.sc"] == pytest.approx(scores["sc"])
    kept = {each.path for each in client.list_artifacts(done.info.run_id)}
    assert {"run.toml", "result.json", "selected.py", "frontier.parquet", "report.html", "round-001"} <= kept
    downloaded = Path(mlflow.artifacts.download_artifacts(run_id=done.info.run_id, artifact_path="selected.py",
                                                          tracking_uri=store))  # fmt: skip
    assert downloaded.read_bytes() == (run / "selected.py").read_bytes()


def test_a_server_that_is_not_there_is_said_once_and_stops_nothing(
    tmp_path: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    said = mirror(run, "http://127.0.0.1:9", [("baselines", 0), ("historian", 1)], complete=True)
    assert len(said) == 1
    assert said[0].startswith("MLflow: ")
    assert said[0].endswith("the run goes on without it")


def test_requests_to_a_server_take_seconds_unless_the_user_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in PATIENCE:
        monkeypatch.setenv(name, "7")
        monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "300")
    Tracker(RunFolder(tmp_path), "http://127.0.0.1:9", EXPERIMENT, lambda text: None)
    assert {name: os.environ[name] for name in PATIENCE} == {**PATIENCE, "MLFLOW_HTTP_REQUEST_TIMEOUT": "300"}


def test_a_password_in_the_address_is_neither_kept_nor_said(tmp_path: Path, finished: Path, store: str) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    mirror(run, store, [("baselines", 0)], complete=False)
    assert set(read_json(run / "mlflow.json")) == {"run_id"}


@pytest.mark.slow
def test_discover_mirrors_what_it_does(
    tmp_path: Path, options: tuple[object, ...], store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    here(capsys, "discover", *options, "--rounds", 1, "--out", tmp_path / "run", "--mlflow", store, "--quiet")
    client = mlflow.MlflowClient(tracking_uri=store)
    (experiment,) = client.search_experiments(filter_string="name = 'autotts'")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.metrics["candidates"] == 3

"""A run in MLflow: a run of theirs with parameters, metrics by round and files. Needs the extra `mlflow`.

The tracking server gets what the run's folder has, after each round. It is a mirror: if it cannot be reached, that is
said once, and the search goes on without it; a resumed run writes on into the run that it began there (`mlflow.json`).
"""

import importlib.util
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from graph.folder import RoundFolder, RunFolder, read_json, write_json
from graph.happening import archived
from graph.secrets import redacted
from graph.settings import Pinned, RunError

EXPERIMENT = "autotts"
MAX_PARAMETER = 500
"""Characters of a parameter's value; servers refuse long ones."""
ROUND_FILES = ("controller.py", "proposal.md", "critique.md", "metrics.json", "accounting.json")
RUN_FILES = ("run.toml", "result.json", "selected.py", "frontier.parquet", "accounting.json", "report.html",
             "accuracy-tokens.png", "digest.md")  # fmt: skip


class Tracker:
    """Mirrors the run in a folder to a tracking server."""

    def __init__(self, folder: RunFolder, uri: str, experiment: str, say: Callable[[str], None]) -> None:
        """Nothing is sent yet. Raises RunError if MLflow is not installed."""
        if importlib.util.find_spec("mlflow") is None:
            raise RunError("--mlflow needs MLflow, which is not installed: pip install 'autotts[mlflow]'")
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        self._folder, self._uri, self._experiment, self._say = folder, uri, experiment, say
        self._client: Any = None
        self._run: str | None = None
        self._lost = False

    def finished(self, node: str, number: int) -> None:
        """Send what the node has made."""
        if node == "baselines":
            self._try(self._send_baselines)
        elif node == "historian":
            self._try(lambda: self._send_round(number))

    def close(self, *, complete: bool) -> None:
        """Send what the run ended with, and say how it stands."""
        if complete or self._run is not None:
            self._try(lambda: self._send_end(complete))

    def _try(self, send: Callable[[], None]) -> None:
        if self._lost:
            return
        try:
            if self._run is None:
                self._begin()
            send()
        except Exception as error:
            self._lost = True
            words = redacted(str(error)).strip().partition("\n")[0][:300]
            self._say(f"MLflow: {type(error).__name__}: {words}; the run goes on without it")

    def _begin(self) -> None:
        from mlflow import MlflowClient

        self._client = MlflowClient(tracking_uri=self._uri)
        kept = self._folder.path / "mlflow.json"
        if kept.exists():
            self._run = read_json(kept)["run_id"]
            self._client.update_run(self._run, status="RUNNING")
            return
        experiment = self._client.get_experiment_by_name(self._experiment)
        made = self._client.create_experiment(self._experiment) if experiment is None else experiment.experiment_id
        pinned = Pinned.load(self._folder.settings)
        tags = {f"grid {Path(path).name}": digest for path, digest in pinned.grid_hashes.items()}
        tags |= {f"explorer {name}": value for name, value in pinned.explorer.items()}
        run = self._client.create_run(made, run_name=self._folder.path.name, tags=tags)
        self._run = run.info.run_id
        write_json(kept, {"run_id": self._run})
        for name, value in vars(pinned.settings).items():
            # A database's URL may hold a password.
            shown = "a database" if name == "checkpoints" and value != "sqlite" else str(value)
            self._client.log_param(self._run, name, shown[:MAX_PARAMETER])

    def _send_baselines(self) -> None:
        scores = read_json(self._folder.round(0).metrics)["baselines"]
        self._metrics({f"baseline.{each['label']}": each["score"] for each in scores}, 0)

    def _send_round(self, number: int) -> None:
        said = archived(self._folder, number)
        total = read_json(self._folder.accounting)["total"]
        figures = {name: said[name] for name in ("score", "candidates", "failed", "duplicates")}
        figures |= {name: (said[name] or {}).get("value") for name in ("over_baseline", "gain")}
        figures["frontier_points"] = len(said["frontier"])
        figures["tokens"] = total["tokens"]["input"] + total["tokens"]["output"]
        figures |= {name: total[name] for name in ("cost", "minutes", "episodes", "calls")}
        self._metrics(figures, number)
        own: RoundFolder = self._folder.round(number)
        for name in ROUND_FILES:
            self._file(own.path / name, own.path.name)

    def _send_end(self, complete: bool) -> None:
        for name in RUN_FILES:
            self._file(self._folder.path / name, None)
        if self._folder.result.exists():
            result = read_json(self._folder.result)
            chosen = result["selected"]
            parts = {part: result[part] for part in ("search", "heldout") if part in result}
            figures = {
                f"selected.{part}": (said["scores"].get(chosen) or {}).get("value") for part, said in parts.items()
            }
            figures |= {
                f"selected.{part}.over_best_baseline": (said.get("over_best_baseline") or {}).get("value")
                for part, said in parts.items()
            }
            self._metrics(figures, result["rounds"])
            self._client.set_tag(self._run, "selected", chosen)
        self._client.set_terminated(self._run, "FINISHED" if complete else "KILLED")

    def _metrics(self, figures: Mapping[str, Any], step: int) -> None:
        """What is known and a number; an unknown cost is left out, not written as 0."""
        for name, value in figures.items():
            if isinstance(value, int | float):
                self._client.log_metric(self._run, name, float(value), step=step)

    def _file(self, path: Path, place: str | None) -> None:
        if path.exists():
            self._client.log_artifact(self._run, str(path), place)

"""Mirror of a run in MLflow: parameters, metrics by round, and files. Needs the extra `mlflow`.

The tracking server gets the content of the run's folder after each round. If the server fails, one message says so and
the search continues without it; MLflow waits for seconds, not for minutes, unless its variables say so.
A resumed run continues its MLflow run, whose id is kept in `mlflow.json`.
"""

import importlib.util
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

from graph.run.events import round_summary
from graph.run.files import RunError
from graph.run.paths import RoundFolder, RunFolder, read_json, write_json
from graph.run.pinned import Pinned
from graph.run.redaction import redacted
from graph.run.setting_fields import Option, SettingsModel

PATIENCE = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}
"""MLflow's variables for requests, and their values if the user sets none: seconds, retries, seconds between them."""
MAX_PARAMETER = 500
"""Characters of a parameter's value; servers refuse longer ones."""
ROUND_FILES = ("controller.py", "proposal.md", "critique.md", "metrics.json", "accounting.json")
RUN_FILES = ("run.toml", "result.json", "selected.py", "frontier.parquet", "accounting.json", "report.html",
             "accuracy-tokens.png", "digest.md")  # fmt: skip


class MirrorSettings(SettingsModel):
    """Settings of the MLflow server that runs are mirrored to."""

    tracking: Annotated[str | None, Option(flag="--mlflow", metavar="URI", absent="none")] = None
    """Mirror the run to this MLflow tracking server."""
    experiment: Annotated[str, Option(flag="--mlflow-experiment", metavar="NAME")] = "autotts"
    """The experiment there."""

    def tracker(self, folder: RunFolder, say: Callable[[str], None]) -> "Tracker | None":
        """Return the mirror of the run in a folder, or None without a server. Raises RunError if MLflow is missing."""
        return None if self.tracking is None else Tracker(folder, self.tracking, self.experiment, say)


def _read_run_id(path: Path) -> str:
    """Return the MLflow run id in `mlflow.json`. Raises RunError."""
    content = read_json(path)
    run_id = content.get("run_id") if isinstance(content, dict) else None
    if not (isinstance(run_id, str) and run_id.isascii() and run_id.isalnum() and len(run_id) <= 64):
        raise RunError(f"{path} names no run of MLflow; remove it, and the run begins another one there")
    return run_id


class Tracker:
    """Node observer that mirrors the run in a folder to an MLflow tracking server."""

    def __init__(self, folder: RunFolder, uri: str, experiment: str, say: Callable[[str], None]) -> None:
        """Prepare the mirror; nothing is sent yet.

        Args:
            folder: The run's folder.
            uri: Tracking server.
            experiment: Name of the MLflow experiment; it is created if it does not exist.
            say: Called with a message if the server fails.

        Raises:
            RunError: MLflow is not installed.
        """
        if importlib.util.find_spec("mlflow") is None:
            raise RunError("--mlflow needs MLflow, which is not installed: pip install 'autotts[mlflow]'")
        for name, value in {"MLFLOW_DISABLE_TELEMETRY": "true", **PATIENCE}.items():
            os.environ.setdefault(name, value)
        self._folder, self._uri, self._experiment, self._say = folder, uri, experiment, say
        self._client: Any = None
        self._run: str | None = None
        self._lost = False

    def finished(self, node: str, number: int) -> None:
        """Send the results of a finished node."""
        if node == "baselines":
            self._try(self._send_baselines)
        elif node == "historian":
            self._try(lambda: self._send_round(number))

    def close(self, *, complete: bool) -> None:
        """Send the final files and figures, and mark the MLflow run as finished or, if not `complete`, as killed."""
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
        id_file = self._folder.path / "mlflow.json"
        if id_file.exists():
            self._run = _read_run_id(id_file)
            self._client.update_run(self._run, status="RUNNING")
            return
        experiment = self._client.get_experiment_by_name(self._experiment)
        known = None if experiment is None else experiment.experiment_id
        experiment_id = self._client.create_experiment(self._experiment) if known is None else known
        pinned = Pinned.load(self._folder.settings)
        tags = {f"grid {Path(path).name}": digest for path, digest in pinned.grid_hashes.items()}
        tags |= {f"explorer {name}": value for name, value in pinned.explorer.items()}
        run = self._client.create_run(experiment_id, run_name=self._folder.path.name, tags=tags)
        self._run = run.info.run_id
        write_json(id_file, {"run_id": self._run})
        for name, value in vars(pinned.settings).items():
            # The URL of a database may hold a password.
            shown = "a database" if name == "checkpoints" and value != "sqlite" else str(value)
            self._client.log_param(self._run, name, shown[:MAX_PARAMETER])

    def _send_baselines(self) -> None:
        scores = read_json(self._folder.round(0).metrics)["baselines"]
        self._metrics({f"baseline.{each['label']}": each["score"] for each in scores}, 0)

    def _send_round(self, number: int) -> None:
        summary = round_summary(self._folder, number)
        total = read_json(self._folder.accounting)["total"]
        figures = {name: summary[name] for name in ("score", "candidates", "failed", "duplicates")}
        figures |= {name: (summary[name] or {}).get("value") for name in ("over_baseline", "gain")}
        figures["frontier_points"] = len(summary["frontier"])
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
                f"selected.{part}": (values["scores"].get(chosen) or {}).get("value") for part, values in parts.items()
            }
            figures |= {
                f"selected.{part}.over_best_baseline": (values.get("over_best_baseline") or {}).get("value")
                for part, values in parts.items()
            }
            self._metrics(figures, result["rounds"])
            self._client.set_tag(self._run, "selected", chosen)
            if result.get("headline"):
                self._client.set_tag(self._run, "headline", result["headline"]["text"])
        self._client.set_terminated(self._run, "FINISHED" if complete else "KILLED")

    def _metrics(self, figures: Mapping[str, Any], step: int) -> None:
        """Log the values that are numbers; an unknown cost is omitted, not logged as 0."""
        for name, value in figures.items():
            if isinstance(value, int | float):
                self._client.log_metric(self._run, name, float(value), step=step)

    def _file(self, path: Path, place: str | None) -> None:
        if path.exists():
            self._client.log_artifact(self._run, str(path), place)

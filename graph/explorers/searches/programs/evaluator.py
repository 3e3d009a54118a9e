"""The evaluation of a controller for search frameworks. Standard library only; it never imports or runs a candidate.

    OpenEvolve      calls `evaluate(path)`
    GEPA            calls `evaluate_text(source)`
    ShinkaEvolve    runs `evaluator.py --program_path PATH --results_dir DIR`

`COMMAND`, with a file's name, plays a controller in the sandbox over the search set and prints its figures as JSON.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

COMMAND = ["evaluate"]
FOLDER: str | None = None
"""Where the command is run: paths in a run's settings may be relative to it. None is the current folder."""
FAILED = -1.0
"""Score of a controller that fails; every score of a sound one is larger."""


def evaluate(path: str | Path) -> Any:
    """Return the score of the controller in a file, larger is better, with its metrics and feedback as text.

    Returns:
        `combined_score`, `metrics` and `artifacts` in a dict; an `EvaluationResult` of OpenEvolve where it is loaded.

    Raises:
        RuntimeError: The command cannot be run, or printed no figures.
    """
    line = [*COMMAND, str(Path(path).absolute())]
    done = subprocess.run(line, capture_output=True, text=True, check=False, cwd=FOLDER)
    try:
        figures = json.loads(done.stdout)
    except ValueError:
        raise RuntimeError(f"{COMMAND[0]} printed no figures: {done.stderr.strip()[-1000:]}") from None
    sound = figures["status"] == "ok"
    score = float(figures["objective"]) if sound else FAILED
    metrics, artifacts = _metrics(figures), _artifacts(figures)
    if "openevolve" in sys.modules:
        from openevolve.evaluation_result import EvaluationResult

        return EvaluationResult({"combined_score": score, **metrics}, artifacts)
    return {"combined_score": score, "metrics": metrics, "artifacts": artifacts}


def evaluate_text(source: str) -> tuple[float, dict[str, Any]]:
    """Return the score of a controller's source, and its metrics and feedback, as GEPA takes them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "candidate.py")
        path.write_text(source, encoding="utf-8")
        result = evaluate(path)
    return result["combined_score"], {**result["artifacts"], "scores": {"objective": result["combined_score"]}}


def _metrics(figures: dict[str, Any]) -> dict[str, float]:
    """Return accuracy and mean tokens at each β as numbers by name; empty for a controller that fails."""
    metrics = {}
    for point in figures.get("sweep", ()):
        metrics[f"accuracy_at_{point['beta']:g}"] = point["accuracy"]
        metrics[f"tokens_at_{point['beta']:g}"] = point["tokens"]
    return metrics


def _artifacts(figures: dict[str, Any]) -> dict[str, str]:
    """Return the figures as text for a model to read."""
    said = {"status": str(figures["status"])}
    if figures.get("why"):
        said["error"] = str(figures["why"])
    if figures.get("sweep"):
        rows = [f"| {p['beta']:g} | {100 * p['accuracy']:.1f} | {p['tokens']:,.0f} |" for p in figures["sweep"]]
        said["sweep"] = "\n".join(["| beta | accuracy % | mean tokens |", "|---|---|---|", *rows])
        said["objective"] = f"{figures['objective']}"
        if figures.get("best_baseline") is not None:
            said["objective"] += f"; the best baseline has {figures['best_baseline']:.4f}"
    return said


def main() -> None:
    """Write `metrics.json` and `correct.json` of the program on the command line, as ShinkaEvolve reads them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--program_path", required=True)
    parser.add_argument("--results_dir", required=True)
    given, _ = parser.parse_known_args()
    result, folder = evaluate(given.program_path), Path(given.results_dir)
    artifacts = result["artifacts"]
    metrics = {
        "combined_score": result["combined_score"],
        "public": result["metrics"],
        "private": {},
        "text_feedback": "\n\n".join(f"{name}:\n{text}" for name, text in artifacts.items()),
    }
    correct = {"correct": artifacts["status"] == "ok", "error": artifacts.get("error")}
    folder.mkdir(parents=True, exist_ok=True)
    folder.joinpath("metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    folder.joinpath("correct.json").write_text(json.dumps(correct), encoding="utf-8")


if __name__ == "__main__":
    main()

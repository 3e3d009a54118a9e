"""Runs ShinkaEvolve's `shinka_run` for a number of generations from where it was, in the confinement.

`search.json` has the number of generations, the seed and the addresses; `config.yaml` is shinka_run's own
configuration; `state/` is its results folder. Imports nothing of the project.
"""

import json
import os
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import yaml

SEARCH: dict[str, Any] = json.loads(Path(__file__).with_name("search.json").read_text(encoding="utf-8"))
MODELS = ("llm_models", "meta_llm_models", "novelty_llm_models", "prompt_llm_models")
"""Fields of `evo` that name models."""
DONE = Path("state/generations.json")
"""Number of generations of earlier sessions."""


def configuration() -> dict[str, Any]:
    """Return the user's configuration with the address of the model, the task and one job at a time."""
    given: dict[str, Any] = yaml.safe_load(Path("config.yaml").read_text(encoding="utf-8")) or {}
    evo = given.pop("evo", None) or given.pop("evo_config", None) or {}
    if not evo.get("llm_models"):
        sys.exit("the configuration names no model; give evo.llm_models")
    for name in MODELS:
        if evo.get(name):
            evo[name] = [f"local/{model}@{SEARCH['model_url']}?api_key_env=OPENAI_API_KEY" for model in evo[name]]
    task = Path("task.md").read_text(encoding="utf-8")
    own = evo.get("task_sys_msg")
    evo["task_sys_msg"] = f"{task}\n\n{own}" if own else task
    # There is no service of embeddings behind the model's address.
    evo["embedding_model"] = None
    evo.setdefault("use_text_feedback", True)
    return {**given, "evo": evo, "max_evaluation_jobs": 1, "max_proposal_jobs": 1}


def main() -> None:
    """Run the session's generations; the first of all is the seed program."""
    os.environ.setdefault("LOCAL_OPENAI_API_KEY", os.environ["OPENAI_API_KEY"])
    before = json.loads(DONE.read_text(encoding="utf-8")) if DONE.exists() else 1
    total = before + SEARCH["iterations"]
    Path("shinka.yaml").write_text(yaml.safe_dump(configuration()), encoding="utf-8")
    random.seed(SEARCH["seed"])
    np.random.seed(SEARCH["seed"] % 2**32)
    from shinka.cli.run import main as shinka_run

    line = ["--task-dir", ".", "--results_dir", "state", "--num_generations", str(total)]
    shinka_run([*line, "--config-fname", "shinka.yaml"])
    DONE.write_text(json.dumps(total), encoding="utf-8")


if __name__ == "__main__":
    main()

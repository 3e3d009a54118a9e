"""Runs OpenEvolve for a number of iterations from where it was, in the confinement. Imports nothing of the project.

`search.json` has the number of iterations, the seed and the addresses; `config.yaml` is OpenEvolve's own configuration;
`state/` keeps its checkpoints. Random identifiers are replaced by seeded ones, since the order of sets depends on them.
"""

import asyncio
import hashlib
import itertools
import json
import multiprocessing
import os
import shutil
import sys
import uuid
from pathlib import Path
from typing import Any

import yaml

SEARCH: dict[str, Any] = json.loads(Path(__file__).with_name("search.json").read_text(encoding="utf-8"))
STATE = Path("state")
_numbers = itertools.count()


def _seeded_uuid() -> uuid.UUID:
    name = f"{SEARCH['seed']}/{multiprocessing.current_process().name}/{next(_numbers)}"
    return uuid.UUID(bytes=hashlib.sha256(name.encode()).digest()[:16], version=4)


# Here and not in `main`: processes that OpenEvolve starts import this module.
uuid.uuid4 = _seeded_uuid

from openevolve import OpenEvolve  # noqa: E402 - after the identifiers are seeded
from openevolve.config import Config  # noqa: E402
from openevolve.controller import EvolutionFailedError  # noqa: E402


def configuration() -> Any:
    """Return the user's configuration with the addresses, the task and the seed of this session."""
    given = yaml.safe_load(Path("config.yaml").read_text(encoding="utf-8")) or {}
    llm = given.setdefault("llm", {})
    parts = [llm, *llm.get("models", []), *llm.get("evaluator_models", [])]
    for part in parts:
        # The key is the host's; one that a configuration names is neither needed nor there.
        part.pop("api_key", None)
        address = part.pop("api_base", None)
        if address is not None and address.rstrip("/") != SEARCH["service"].rstrip("/"):
            sys.exit(
                f"the configuration has api_base {address}, and requests go to {SEARCH['service']}: leave it out, or "
                f"start with --base-url {address}"
            )
    for section, name in (("prompt", "template_dir"), ("database", "island_initial_programs")):
        if (given.get(section) or {}).get(name):
            sys.exit(f"the configuration names files with {section}.{name}, which are not there; leave it out")
    config = Config.from_dict(given)
    models = [*config.llm.models, *config.llm.evaluator_models]
    if not models:
        sys.exit("the configuration names no model; give llm.primary_model, or llm.models")
    for model in models:
        model.api_base, model.api_key = SEARCH["model_url"], os.environ["OPENAI_API_KEY"]
    config.llm.api_base, config.llm.api_key = SEARCH["model_url"], os.environ["OPENAI_API_KEY"]
    task = Path("task.md").read_text(encoding="utf-8")
    own = config.prompt.system_message
    config.prompt.system_message = task if own == "system_message" else f"{task}\n\n{own}"
    config.llm.update_model_params({"system_message": config.prompt.system_message})
    config.language, config.random_seed = "python", SEARCH["seed"]
    config.database.random_seed = SEARCH["seed"]
    # One at a time, so that the search depends on its seed alone.
    config.evaluator.parallel_evaluations = 1
    config.evaluator.timeout = SEARCH["seconds"]
    config.evaluator.max_retries = 0
    config.evaluator.cascade_evaluation = False
    config.checkpoint_interval = 1
    return config


def main() -> None:
    """Run the session's iterations, and keep the last checkpoint alone."""
    found = sorted(STATE.glob("checkpoints/checkpoint_*"), key=lambda path: int(path.name.rpartition("_")[2]))
    search = OpenEvolve("initial.py", "evaluator.py", configuration(), output_dir=str(STATE))
    try:
        asyncio.run(search.run(SEARCH["iterations"], checkpoint_path=str(found[-1]) if found else None))
    except EvolutionFailedError as error:
        # A model that answered, and wrote no usable program, is no failure of the run.
        if "LLM generation failed" in str(error):
            raise
        print(error)
    for path in found:
        shutil.rmtree(path)


if __name__ == "__main__":
    main()

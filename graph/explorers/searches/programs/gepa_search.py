"""Runs GEPA (`optimize_anything`) for a number of proposals from where it was, in the confinement.

`search.json` has the number of proposals, the seed, the model and its address; `state/` is GEPA's own run folder.
Imports nothing of the project; `evaluator` is the file beside it.
"""

import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from evaluator import evaluate_text
from gepa.optimize_anything import EngineConfig, GEPAConfig, ReflectionConfig, optimize_anything

SEARCH: dict[str, Any] = json.loads(Path(__file__).with_name("search.json").read_text(encoding="utf-8"))
DONE = Path("state/proposals.json")
"""Number of proposals of earlier sessions."""
TEMPORARY = frozenset({408, 409, 429})
"""Status codes, besides those from 500, after which a request is sent again."""


def ask(prompt: str | list[dict[str, Any]]) -> str:
    """Return the model's reply to a prompt. Raises OSError after the last retry."""
    messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    body = json.dumps({"model": SEARCH["model"], "messages": messages, **SEARCH["parameters"]}).encode()
    url = f"{SEARCH['model_url']}/chat/completions"
    request = urllib.request.Request(url, body, {"content-type": "application/json"})  # noqa: S310 - http, as given
    for attempt in range(SEARCH["retries"] + 1):
        try:
            with urllib.request.urlopen(request, timeout=SEARCH["timeout"]) as reply:  # noqa: S310 - as above
                said = json.load(reply)
            return str(said["choices"][0]["message"]["content"] or "")
        except urllib.error.HTTPError as error:
            why = error.read(1000).decode("utf-8", "replace")
            if attempt == SEARCH["retries"] or not (error.code in TEMPORARY or error.code >= 500):
                raise OSError(f"the model's service answered {error.code}: {why}") from None
        time.sleep(min(60, 2**attempt))
    raise OSError("the model's service did not answer")


def main() -> None:
    """Run the session's proposals."""
    before = json.loads(DONE.read_text(encoding="utf-8")) if DONE.exists() else 0
    total = before + SEARCH["iterations"]
    engine = EngineConfig(
        run_dir="state", seed=SEARCH["seed"], max_candidate_proposals=total, parallel=False, max_workers=1,
        use_cloudpickle=False,
    )  # fmt: skip
    optimize_anything(
        Path("initial.py").read_text(encoding="utf-8"),
        evaluator=evaluate_text,
        objective="Write a better controller: one Python file with a larger objective on the search set.",
        background=Path("task.md").read_text(encoding="utf-8"),
        config=GEPAConfig(engine=engine, reflection=ReflectionConfig(reflection_lm=ask)),
    )
    DONE.write_text(json.dumps(total), encoding="utf-8")


if __name__ == "__main__":
    main()

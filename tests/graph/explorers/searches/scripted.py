"""A model for searches: each reply is another program, some of them bad, and it may kill who asks."""

import signal
import subprocess
from pathlib import Path

from tests.graph.model_server import SOUND, Answer, Request, Say

OPENEVOLVE = """
llm: {primary_model: scripted, retries: 0}
diff_based_evolution: false
database: {num_islands: 2}
"""
SHINKA = """
evo:
  llm_models: [scripted]
  patch_types: [full]
  patch_type_probs: [1.0]
  max_patch_resamples: 1
  max_novelty_attempts: 1
  meta_rec_interval: null
db: {num_islands: 1}
"""


def program(number: int) -> str:
    """The n-th program: it opens more branches at first than the one before."""
    return SOUND.replace('"first": 1', f'"first": {2 + number}')


class Programs:
    """Replies with programs in the order of the requests; `killed` are the numbers of requests that kill who asks."""

    def __init__(self, *killed: int, bad: str = "") -> None:
        self.killed, self.bad = killed, bad
        self.process: subprocess.Popen[str] | None = None
        self.given = 0

    def __call__(self, request: Request) -> Answer:
        if request.number in self.killed and self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            return Say("Nobody hears this.")
        source = program(self.given)
        if self.bad and self.given == 0:
            source = self.bad + source
        self.given += 1
        return Say(f"Another start.\n\n```python\n{source}```\n")


def explorer(name: str, folder: Path) -> str:
    """The explorer as `--explorer` takes it, with its configuration written into a folder."""
    text = {"openevolve": OPENEVOLVE, "shinka": SHINKA}.get(name)
    if text is None:
        return f"{name}:scripted"
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return f"{name}:{path}"

"""Writes `data/` into an explorer's folder: the search set as arrays, and a program that plays controllers over it."""

import importlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from envdata.grid import Grid
from envdata.grid_names import short_name
from graph.explorers.base import ExplorerError
from graph.explorers.context import ExplorerContext
from graph.explorers.research.arrays import ResearchArrays, question_numbers, research_arrays
from graph.explorers.research.player import MANIFEST
from graph.explorers.safe_writes import write_beneath
from graph.run.files import RunError
from graph.run.settings import RunSettings
from sandbox.candidate import shipped
from sandbox.sanitize import quoted

FOLDER = "data"
"""Name of the folder in an explorer's folder."""
ABLE = ("folder", "agent-command", "claude-code", "codex")
"""Explorers that work in a folder and can study what lies there."""
MODULES = (
    "envdata", "envdata.actions", "envdata.admission", "envdata.branch_orders", "envdata.episode_state",
    "envdata.labels", "envdata.replay", "envdata.rules", "graph", "graph.explorers", "graph.explorers.research",
    "graph.explorers.research.player", "graph.explorers.research.study", "sandbox", "sandbox.action_errors",
    "sandbox.branch", "sandbox.inside", "sandbox.inside.constraints", "sandbox.inside.controller_runner",
    "sandbox.inside.errors", "sandbox.inside.wire", "sandbox.link", "sandbox.signals", "sandbox.status", "sandbox.tts",
    "sandbox.voting",
)  # fmt: skip
"""Modules that `play.py` needs besides numpy, copied so that it runs where `autotts` is not installed."""
PLAY = '''\
"""Plays a controller over the search set in this folder: python data/play.py controller.py (--help lists the rest)."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "modules"))

from graph.explorers.research.player import load_controller, load_grids, orders_of, play  # noqa: E402, F401
from graph.explorers.research.study import gain, main, sweep  # noqa: E402, F401

if __name__ == "__main__":
    sys.exit(main(HERE))
'''
ARRAYS = {
    "question": "number of the question, the same in every grid that has it; rows go by it",
    "branches": "recorded branches of the question",
    "answer": "code of the answer that a branch gives after depth + 1 intervals (index 0 is the first probe); at index "
    "`intervals` stands its final answer, beyond it −1. A code means something within its row only",
    "length": "tokens of the whole branch",
    "intervals": "L, the intervals that end in a probe; the branch ends in the interval after them",
    "right": "code of the right answer, −1 if no branch ever gives it",
    "parsed": "whether the answer of this code is an answer at all; those that are not never vote in `poll`",
    "probe_cost": "tokens that the look costs under this run's terms, 0 for a final answer",
    "confidence": "mean log-probability of the answer's tokens, NaN where there is none",
}
"""What each array is; shapes and types are read off the arrays."""
BESIDE = "the signal of that name after depth + 1 intervals, NaN where there is none"
"""What an array of a signal is."""


@dataclass(frozen=True)
class ResearchData:
    """The search set of a run, for an explorer that may study it."""

    settings: RunSettings
    secret: bytes
    """The run's secret, which numbers questions, branches and answers."""
    python: str = "python"
    """Name of a Python with numpy where the folder is read."""

    @classmethod
    def of(cls, context: ExplorerContext, python: str = "python") -> "ResearchData | None":
        """Return the research data of a run, None if its settings do not ask for it."""
        if not context.settings.research_data:
            return None
        assert context.evaluator is not None  # noqa: S101 - a run that proposes has one
        return cls(context.settings, context.evaluator.settings.secret, python)

    def write(self, folder: Path) -> None:
        """Write `data/` into an explorer's folder, each file atomically; equal runs and secrets give equal bytes.

        Raises:
            ExplorerError: A link or file stands in the way of a folder.
            GridError: A grid cannot be read.
        """
        grids = [Grid.load(path) for path in self.settings.grids]
        terms = self.settings.evaluation(self.secret).terms
        numbers = question_numbers(grids, self.secret)
        entries: list[dict[str, object]] = []
        tables = []
        for place, grid in enumerate(grids, 1):
            made = research_arrays(grid, terms, numbers, self.secret)
            name, file = quoted(short_name(grid.name), 80), f"grid-{place}.npz"
            write_beneath(folder, f"{FOLDER}/{file}", _npz(made.arrays))
            entries.append({"file": file, "name": name, "interval": grid.interval, "largest_probe": made.largest_probe,
                            "probes": grid.probed})  # fmt: skip
            tables.append(_table(file, name, grid.interval, made))
        manifest = {"budget": terms.budget, "max_branches": terms.max_branches, "latency": self.settings.latency,
                    "grids": entries}  # fmt: skip
        for module in MODULES:
            write_beneath(folder, f"{FOLDER}/modules/{_path(module)}", _source(module))
        for name, text in {
            "play.py": PLAY,
            "sc.py": shipped("sc").read_text(encoding="utf-8"),
            "README.md": _readme(tables, self.python),
            # The last one: the player reads it first.
            MANIFEST: json.dumps(manifest, indent=2) + "\n",
        }.items():
            write_beneath(folder, f"{FOLDER}/{name}", text)


def check_explorers(settings: RunSettings) -> None:
    """Raise RunError if a run asks for research data and has an explorer that cannot study it."""
    unable = [spec for spec in settings.explorers if spec.partition(":")[0] not in ABLE]
    if settings.research_data and unable:
        raise RunError(
            f"--research-data lays files into an explorer's folder, and {unable[0]} has none; explorers that can use "
            f"it: {', '.join(f'{name}:…' for name in ABLE)}"
        )


def _npz(arrays: Mapping[str, npt.NDArray[np.generic]]) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def _path(module: str) -> str:
    path = Path(_file(module))
    folder = module.replace(".", "/")
    return f"{folder}/__init__.py" if path.name == "__init__.py" else f"{folder}.py"


def _source(module: str) -> str:
    return Path(_file(module)).read_text(encoding="utf-8")


def _file(module: str) -> str:
    file = importlib.import_module(module).__file__
    if file is None:
        raise ExplorerError(f"the module {module} has no file to be copied into the research data")
    return file


def _table(file: str, name: str, interval: int, made: ResearchArrays) -> str:
    questions, branches, depths = made.arrays["answer"].shape
    lines = [
        f"## {file}: {name}",
        "",
        f"Q = {questions} questions, N = {branches} branches, D = {depths} depths, "
        f"C = {made.arrays['parsed'].shape[1]} codes; Δ = {interval} tokens.",
        "",
        "| array | shape | type | meaning |",
        "|---|---|---|---|",
    ]
    sizes = {"question": "Q", "branches": "Q", "right": "Q", "parsed": "Q, C", "length": "Q, N", "intervals": "Q, N"}
    lines += [
        f"| `{array}` | ({sizes.get(array, 'Q, N, D')}) | {values.dtype} | {ARRAYS.get(array, BESIDE)} |"
        for array, values in made.arrays.items()
    ]
    return "\n".join(lines)


def _readme(tables: Sequence[str], python: str) -> str:
    return README.replace("PYTHON", python) + "\n" + "\n\n".join(tables) + "\n"


README = """\
# The search set as arrays

Study it before you write. It is the search set alone: the held-out set, on which you are judged, is nowhere here. There
is no text: questions, branches and answers are numbered at random for this run, and no number here is one that a
controller sees. A controller that recognises branches of these questions, by their lengths for instance, is worth
nothing on others.

    PYTHON data/play.py controller.py           # accuracy, tokens, sequential tokens at each β; gain over SC
    PYTHON data/play.py controller.py --repeats 2 --betas 0.5 --knob width=8 --json

`play.py` needs Python 3.11 and numpy (greenlet makes it several times faster, where it is installed). It plays in its
own process, without a sandbox, by the rules and costs of the evaluation. Equal branch orders give equal episodes,
except for controllers that use `episode.rng`; since branches have other numbers here, its orders are others than the
evaluation's.

From Python, with `data` in `sys.path`:

    from play import load_controller, load_grids, orders_of, play, sweep
    grid = load_grids(Path("data"))[0]
    played = play(load_controller(Path("controller.py")), grid, 0.5, orders_of(grid, "balanced", 0, 8))
    played.correct, played.tokens, played.sequential        # arrays of repeats × questions, as the rows of the file

| file | content |
|---|---|
| `grid-1.npz`, … | one grid each: arrays by question, branch and depth, below |
| `grids.json` | names of the grids, and the terms of an episode |
| `play.py`, `modules/` | the player; `modules/envdata/rules.py` has the rules |
| `sc.py` | self-consistency, with which the gain compares |

Depth d of a branch is after d intervals of Δ tokens each; the last step, to depth L + 1, costs max(0, length − Δ·L) and
gives the final answer. Index d − 1 of the arrays over depths belongs to depth d.
"""

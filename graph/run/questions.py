"""Ids of a run's questions (`questions.json`): a run is read and its figures are paired without its grids."""

from pathlib import Path
from typing import Literal

from graph.analysis.curves import Questions
from graph.run.files import RunError, read_json
from graph.run.paths import write_json

Which = Literal["search", "heldout"]


def write_questions(path: Path, search: Questions, heldout: Questions) -> None:
    """Write the ids of the questions of the search and held-out grids atomically."""
    write_json(path, {"search": search.ids, "heldout": heldout.ids})


def read_questions(path: Path, which: Which, grids: tuple[str, ...]) -> Questions | None:
    """Return the questions of `grids`, the search or held-out ones; None if the run was made before ids were recorded.

    Raises:
        RunError: The file does not have a list of ids for each grid.
    """
    if not path.exists():
        return None
    said = read_json(path)
    ids = said.get(which) if isinstance(said, dict) else None
    if not (
        isinstance(ids, list)
        and len(ids) == len(grids)
        and all(isinstance(own, list) and all(isinstance(each, str) for each in own) for own in ids)
    ):
        raise RunError(f"{path} has no list of ids for each of the {len(grids)} {which} grids; no run wrote this")
    return Questions(grids, tuple(map(tuple, ids)))

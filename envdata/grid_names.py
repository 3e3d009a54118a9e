"""Names of grids: those that come with the package, and those that were fetched.

A name is the model's and the benchmark's in lower case, as in `qwen3-8b/aime24`. It may be given wherever the path of a
grid's file may; an existing file of that path takes precedence.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from envdata.cache import cache_folder
from envdata.grid_schema import GridError

BUNDLED = Path(__file__).parent / "bundled"
"""Folder of the grids that come with the package."""
BUNDLED_NAMES = {
    "bundled/search": BUNDLED / "word-problems-search.parquet",
    "bundled/heldout": BUNDLED / "word-problems-heldout.parquet",
}
"""Files of the bundled grids, by name."""
RELEASE = "autotts-release"
"""Name of the collection of grids that `autotts grid fetch` fetches (`envdata.autotts_release`)."""
SHORT = {"bundled": "bundled/search"}
"""Short names, with the names that they stand for."""


@dataclass(frozen=True)
class NamedGrid:
    """A grid that has a name."""

    name: str
    path: Path
    origin: str
    """"bundled" or "fetched"."""


def fetched_folder() -> Path:
    """Return the cache folder that keeps fetched grids, as `<model>/<benchmark>.parquet`."""
    return cache_folder("fetched")


def named_grids() -> Iterator[NamedGrid]:
    """Yield every grid that has a name: the bundled ones, then the fetched ones by name."""
    for name, path in BUNDLED_NAMES.items():
        yield NamedGrid(name, path, "bundled")
    folder = fetched_folder()
    for path in sorted(folder.glob("*/*.parquet")) if folder.is_dir() else ():
        if not path.name.startswith("."):
            yield NamedGrid(name_of(path), path, "fetched")


def name_of(path: Path) -> str:
    """Return the name of a fetched grid's file."""
    return f"{path.parent.name}/{path.stem}".lower()


def short_name(grid: str) -> str:
    """Return the name of a grid for tables and plots: the file's name without its folder and suffix, or its name."""
    return Path(grid).stem if grid.endswith(".parquet") else grid


def grid_file(grid: Path | str) -> Path:
    """Return the file of a grid that is given by its path or its name; the path itself if neither exists."""
    path, name = Path(grid), str(grid).lower()
    if path.is_file():
        return path
    name = SHORT.get(name, name)
    return next((each.path for each in named_grids() if each.name == name), path)


def no_such_grid(grid: Path | str, reason: str | None) -> GridError:
    """Return the error for a grid that cannot be opened.

    Args:
        grid: The path or name that was given.
        reason: The system's reason, such as "No such file or directory".
    """
    names = ", ".join([*SHORT, *(each.name for each in named_grids())])
    return GridError(
        f"{grid}: cannot be read ({reason}); give the path of a grid's Parquet file, or a name that "
        f"`autotts grid list` shows: {names}"
    )

"""`run.toml`, which pins a run to its settings, its grids, its explorer and the versions of packages."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from platform import python_version
from typing import Any

from envdata.atomic import write_text
from envdata.grid import Grid
from envdata.text_files import TextFileError, read_toml
from graph.run.files import RunError, check_folder
from graph.run.setting_values import SIDE_BY_SIDE, TURNS
from graph.run.settings import SETTINGS, RunSettings
from sandbox.versions import installed_versions

PACKAGES = ("autotts", "langgraph", "langgraph-checkpoint-sqlite", "numpy", "pyarrow")
"""Packages whose versions a run pins: what results and checkpoints are made with."""


@dataclass(frozen=True)
class Pinned:
    """The content of `run.toml`."""

    settings: RunSettings
    grid_hashes: Mapping[str, str]
    """SHA-256 by path, search and held-out."""
    explorer: Mapping[str, str]
    """What the explorer says it is: model ids, prompt versions."""
    versions: Mapping[str, str] = field(default_factory=lambda: package_versions())

    def text(self) -> str:
        """The file's content."""
        run = {
            setting.name: setting.option.absent if value is None else value
            for setting in SETTINGS.values()
            for value in [getattr(self.settings, setting.name)]
        }
        tables = {"run": run, "grids": self.grid_hashes, "explorer": self.explorer, "versions": self.versions}
        return "\n".join(_table(name, values) for name, values in tables.items())

    def save(self, path: Path) -> None:
        """Write the file as a whole."""
        write_text(path, self.text())

    @classmethod
    def load(cls, path: Path) -> "Pinned":
        """Read the file, after a look at all of its folder. Raises RunError if it is absent or is not one.

        Whoever reads a run begins here, so that no link and no pipe in its folder is ever followed or opened.
        """
        try:
            check_folder(path.parent)
            said = read_toml(path)
            run = _with_present_names(said["run"])
            values: dict[str, Any] = {
                setting.name: None if run[setting.name] == setting.option.absent else run[setting.name]
                for setting in SETTINGS.values()
                # A run that was made before a setting existed has its default, or the value that it acted by.
                if not (setting.option.later and setting.name not in run)
            }
            values |= {
                setting.name: setting.option.earlier
                for setting in SETTINGS.values()
                if setting.option.earlier is not None and setting.name not in run
            }
            parts = said["grids"], said["explorer"], said["versions"]
        except FileNotFoundError:
            raise RunError(f"{path.parent} holds no run (no {path.name}); start one with --out {path.parent}") from None
        except (OSError, TextFileError, KeyError, TypeError) as error:
            raise RunError(f"{path} is not a run's settings ({type(error).__name__}: {error})") from None
        try:
            return cls(RunSettings(**values), *parts)
        except RunError as error:
            raise RunError(f"{path} is not a run's settings: {error}") from None

    def check_same(self, now: "Pinned") -> None:
        """Raise RunError, naming the value, if the run would go on with another one than it began with."""
        for name in SETTINGS:
            began, wanted = getattr(self.settings, name), getattr(now.settings, name)
            if began != wanted:
                raise _changed(name, began, wanted)
        for name in ("grid_hashes", "explorer", "versions"):
            began, wanted = getattr(self, name), getattr(now, name)
            for key in [*began, *(key for key in wanted if key not in began)]:
                if began.get(key) != wanted.get(key):
                    what = {"grid_hashes": "the content of", "explorer": "explorer", "versions": "version of"}[name]
                    raise _changed(f"{what} {key}", began.get(key), wanted.get(key))


def _with_present_names(run: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings of a run by the names that they have now: `allocate` was the switch `side_by_side`."""
    if "side_by_side" not in run:
        return run
    return {"allocate": SIDE_BY_SIDE if run["side_by_side"] else TURNS, **run}


def grid_hashes(settings: RunSettings) -> dict[str, str]:
    """SHA-256 of every grid's file, by path. Raises GridError."""
    return {path: _load(path).content_hash for path in (*settings.grids, *settings.heldout)}


def check_grids(pinned: Pinned, paths: Sequence[str]) -> None:
    """Raise RunError if a grid is not the one that a run was played on: a run shows of no file what it did not know."""
    for path in paths:
        if _load(path).content_hash != pinned.grid_hashes.get(path):
            raise RunError(f"{path} is not the grid that the run was played on; put that one there, and try again")


def _load(path: str) -> Grid:
    """A grid of a run, which may name a pipe or a device instead. Raises GridError, RunError."""
    if Path(path).exists() and not Path(path).is_file():
        raise RunError(f"{path} is no plain file, and so no grid")
    return Grid.load(path)


def package_versions() -> dict[str, str]:
    """Versions of Python and of `PACKAGES`."""
    return {"python": python_version(), **installed_versions(PACKAGES)}


def _changed(what: str, began: object, wanted: object) -> RunError:
    return RunError(f"{what}: the run began with {began!r}, and cannot go on with {wanted!r}; start a new run for that")


def _table(name: str, values: Mapping[str, Any]) -> str:
    # JSON spells strings, numbers and lists as TOML does.
    lines = [f"{_key(key)} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    return "\n".join([f"[{name}]", *lines, ""])


def _key(key: str) -> str:
    return (
        key
        if key.replace("_", "").replace("-", "").isalnum() and key.isascii()
        else json.dumps(key, ensure_ascii=False)
    )

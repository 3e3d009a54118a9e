"""What a discovery run is: its parameters, and the file that pins them (`run.toml`)."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Any

from envdata.atomic import write_text
from envdata.episodes import MAX_BRANCHES, Terms
from envdata.grid import Grid
from sandbox.playing import Settings

PACKAGES = ("autotts", "langgraph", "langgraph-checkpoint-sqlite", "numpy", "pyarrow")
"""Packages whose versions a run pins: what results and checkpoints are made with."""


class RunError(ValueError):
    """A run cannot be started, resumed or read; the message says why, and what to do."""


@dataclass(frozen=True)
class RunSettings:
    """All that a run's results depend on, but for the content of its grids and the versions of packages."""

    grids: tuple[str, ...]
    """The search set: paths of grids."""
    heldout: tuple[str, ...]
    """What the candidates never see: paths of grids."""
    rounds: int = 5
    candidates: int = 12
    """Candidates a round."""
    finalists: int = 3
    """Candidates a round that are evaluated in full, the best of the screening."""
    screening_repeats: int = 2
    repeats: int = 8
    """Branch orders; eight balanced ones read every branch of a question equally often."""
    order: str = "balanced"
    betas: tuple[float, ...] = tuple(round(i / 10, 1) for i in range(11))
    seed: int = 0
    explorer: str = "evolution"
    objective: str = "area"
    sandbox: str = "auto"
    """The backend's name once a run has started, never `auto`."""
    budget: int | None = None
    probe_cost: int | None = 0
    """None is the grid's recorded costs."""
    max_branches: int = MAX_BRANCHES

    def __post_init__(self) -> None:
        for name in ("rounds", "candidates", "finalists", "screening_repeats", "repeats"):
            if getattr(self, name) < 1:
                raise RunError(f"{name} is {getattr(self, name)}; give 1 or more")
        if not self.grids:
            raise RunError("there is no grid to search on; give --grid FILE")
        if not self.betas:
            raise RunError("there is no value of β; give --betas as in 0:1:0.1")
        both = sorted(set(self.grids) & set(self.heldout))
        if both:
            raise RunError(f"{both[0]} is both searched on and held out; what is held out must not be seen")

    def evaluation(self) -> Settings:
        """How episodes are played."""
        return Settings(Terms(self.max_branches, self.budget, self.probe_cost), seed=self.seed, order=self.order)

    @property
    def traced(self) -> frozenset[float]:
        """Three β: the first, the middle one and the last."""
        return frozenset({self.betas[0], self.betas[len(self.betas) // 2], self.betas[-1]})


@dataclass(frozen=True)
class Pinned:
    """The content of `run.toml`."""

    settings: RunSettings
    grid_hashes: Mapping[str, str]
    """SHA-256 by path, search and held-out."""
    explorer: Mapping[str, str]
    """What the explorer says it is: model ids, prompt versions."""
    versions: Mapping[str, str] = field(default_factory=lambda: package_versions())

    def save(self, path: Path) -> None:
        """Write the file as a whole."""
        said = {each.name: _plain(each.name, getattr(self.settings, each.name)) for each in fields(RunSettings)}
        tables = {"run": said, "grids": self.grid_hashes, "explorer": self.explorer, "versions": self.versions}
        write_text(path, "\n".join(_table(name, values) for name, values in tables.items()))

    @classmethod
    def load(cls, path: Path) -> "Pinned":
        """Read the file. Raises RunError if it is absent or is not one."""
        try:
            said = tomllib.loads(path.read_text(encoding="utf-8"))
            run = said["run"]
            values = {each.name: _back(each.name, run.get(each.name)) for each in fields(RunSettings)}
            return cls(RunSettings(**values), said["grids"], said["explorer"], said["versions"])
        except FileNotFoundError:
            raise RunError(f"{path.parent} holds no run (no {path.name}); start one with --out {path.parent}") from None
        except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, UnicodeDecodeError) as error:
            raise RunError(f"{path} is not a run's settings ({type(error).__name__}: {error})") from None

    def check_same(self, now: "Pinned") -> None:
        """Raise RunError, naming the value, if the run would go on with another one than it began with."""
        for each in fields(RunSettings):
            began, wanted = getattr(self.settings, each.name), getattr(now.settings, each.name)
            if began != wanted:
                raise _changed(each.name, began, wanted)
        for name in ("grid_hashes", "explorer", "versions"):
            began, wanted = getattr(self, name), getattr(now, name)
            for key in [*began, *(key for key in wanted if key not in began)]:
                if began.get(key) != wanted.get(key):
                    what = {"grid_hashes": "the content of", "explorer": "explorer", "versions": "version of"}[name]
                    raise _changed(f"{what} {key}", began.get(key), wanted.get(key))


def grid_hashes(settings: RunSettings) -> dict[str, str]:
    """SHA-256 of every grid's file, by path. Raises GridError."""
    return {path: Grid.load(path).content_hash for path in (*settings.grids, *settings.heldout)}


def package_versions() -> dict[str, str]:
    """Versions of Python and of `PACKAGES`."""
    found = {"python": python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _changed(what: str, began: object, wanted: object) -> RunError:
    return RunError(f"{what}: the run began with {began!r}, and cannot go on with {wanted!r}; start a new run for that")


def _plain(name: str, value: Any) -> Any:
    if name == "probe_cost":
        return "recorded" if value is None else value
    return "unlimited" if name == "budget" and value is None else value


def _back(name: str, value: Any) -> Any:
    if value is None:
        raise KeyError(name)
    if (name, value) in (("probe_cost", "recorded"), ("budget", "unlimited")):
        return None
    return tuple(value) if isinstance(value, list) else value


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

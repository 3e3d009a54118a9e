"""What a study is: `STUDY.toml`, checked, as the runs that it stands for.

    explorers = ["evolution"]             # as for `autotts discover --explorer`; several joined by + take turns
    seeds = [0, 1, 2]
    ablations = ["none", "no_feedback"]   # switches of `autotts discover`, joined by +
    at_once = 1                           # runs side by side
    jobs = 1                              # processes of each run
    max_cost = 10.0                       # all runs together, in equal shares; also max_tokens, max_minutes

    [discover]                            # settings of all runs, by the names of the flags
    rounds = 5

Shares are fixed before the first run, so that a study that was stopped goes on under the caps that it began with.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from graph.cli.discover import discover_command, with_bundled
from graph.configuration import ConfigurationError, from_file
from graph.mlflow import EXPERIMENT
from graph.settings import Conduct, RunSettings

LOOP = "none"
"""The whole loop: nothing is taken away."""
SAMPLING = "no_feedback"
"""Independent samples, which the loop is compared with."""
SWITCHES = ("no_feedback", "no_beta", "no_traces", "no_critic", "no_history")
KEYS = ("explorers", "seeds", "ablations", "at_once", "jobs", "max_cost", "max_tokens", "max_minutes", "discover")
OWN = {
    "explorer": "explorers above", "seed": "seeds above", "jobs": "jobs above",
    **dict.fromkeys(SWITCHES, "ablations above"),
    "out": "--out", "resume": "a second start, which goes on",
    "approve": "runs of their own", "wait": "runs of their own", "json": "the Parquet files", "quiet": "--quiet",
}  # fmt: skip
"""Settings of `discover` that a study has otherwise, and where."""
MAX_RUNS = 1000


@dataclass(frozen=True)
class Arm:
    """What is varied besides the seed."""

    explorer: str
    ablation: str

    @property
    def name(self) -> str:
        """For people."""
        return self.explorer if self.ablation == LOOP else f"{self.explorer}, {self.ablation}"


@dataclass(frozen=True)
class Planned:
    """One run."""

    arm: Arm
    seed: int
    folder: str
    """Its name."""
    settings: RunSettings


@dataclass(frozen=True)
class Plan:
    """A study."""

    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    runs: tuple[Planned, ...]
    at_once: int
    jobs: int
    conduct: Conduct
    tracking: tuple[str, str] | None = None
    """The MLflow server that all runs are mirrored to, and the experiment there."""


def read_plan(path: Path) -> Plan:
    """Read and check a study. Raises ConfigurationError, which names what it cannot take; RunError for its settings."""
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from None
    for key in said:
        if key not in KEYS:
            raise ConfigurationError(f"{path}: {key} is no setting of a study; there are {', '.join(KEYS)}")
    explorers = _list(path, said, "explorers", str, ["evolution"])
    seeds = _list(path, said, "seeds", int, None)
    ablations = [_ablation(path, each) for each in _list(path, said, "ablations", str, [LOOP])]
    for name, values in (("seeds", seeds), ("explorers", explorers), ("ablations", ablations)):
        twice = [value for value in values if values.count(value) > 1]
        if twice:
            raise ConfigurationError(f"{path}: {name} has {twice[0]!r} twice")
    arms = tuple(Arm(explorer, ablation) for explorer in explorers for ablation in ablations)
    count = len(arms) * len(seeds)
    if count > MAX_RUNS:
        raise ConfigurationError(f"{path}: {count} runs; a study has {MAX_RUNS} at most")
    common, conduct, tracking = _common(path, said.get("discover", {}))
    common |= _shares(path, said, common, count)
    runs = tuple(
        Planned(arm, seed, folder_name(arm, seed), _settings(common, arm, seed)) for arm in arms for seed in seeds
    )
    names = [run.folder for run in runs]
    same = [name for name in names if names.count(name) > 1]
    if same:
        raise ConfigurationError(f"{path}: two explorers would share the folder {same[0]}; name them less alike")
    return Plan(arms, tuple(seeds), runs, _count(path, said, "at_once"), _count(path, said, "jobs"), conduct, tracking)


def folder_name(arm: Arm, seed: int) -> str:
    """The folder of a run, which says what it is."""
    explorer = re.sub(r"[^A-Za-z0-9.]+", "-", arm.explorer).strip("-.")
    return f"{explorer}--{arm.ablation.replace('_', '-')}--seed-{seed}"


def _settings(common: Mapping[str, Any], arm: Arm, seed: int) -> RunSettings:
    switches = {} if arm.ablation == LOOP else dict.fromkeys(arm.ablation.split("+"), True)
    return RunSettings(**{**common, **switches, "explorers": tuple(arm.explorer.split("+")), "seed": seed})


def _common(path: Path, table: Any) -> tuple[dict[str, Any], Conduct, tuple[str, str] | None]:
    """The settings that all runs share, how models are called, and where runs are mirrored to."""
    if isinstance(table, dict):
        for key in table:
            if key.replace("-", "_") in OWN:
                where = OWN[key.replace("-", "_")]
                raise ConfigurationError(f"{path}: {key} in [discover] is not for a study; use {where}")
    given = from_file(str(path), "discover", table, discover_command)
    known = {each.name for each in fields(RunSettings)}
    run = {name: value for name, value in given.items() if name in known}
    run["grids"], run["heldout"] = tuple(run.get("grids", ())), tuple(run.get("heldout", ()))
    conduct = Conduct(**{each.name: given[each.name] for each in fields(Conduct) if each.name in given})
    tracking = (given["tracking"], given.get("experiment", EXPERIMENT)) if given.get("tracking") else None
    return with_bundled(run), conduct, tracking


def _shares(path: Path, said: Mapping[str, Any], common: Mapping[str, Any], count: int) -> dict[str, Any]:
    """What each run may take at most of what all may; rounded down, so that no sum goes above."""
    shares: dict[str, Any] = {}
    for name in ("max_cost", "max_tokens", "max_minutes"):
        if name not in said:
            continue
        value = said[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
            raise ConfigurationError(f"{path}: {name} is {value!r}; give more than 0")
        share = value // count if name == "max_tokens" else value / count
        if share < 1 and name == "max_tokens":
            raise ConfigurationError(f"{path}: {name} is {value}, less than a token for each of {count} runs")
        own = common.get(name)
        shares[name] = share if own is None else min(own, share)
    return shares


def _ablation(path: Path, said: str) -> str:
    if said == LOOP:
        return LOOP
    names = [part.strip().replace("-", "_") for part in said.split("+")]
    for name in names:
        if name not in SWITCHES:
            known = ", ".join([LOOP, *SWITCHES])
            raise ConfigurationError(f"{path}: {said!r} is no ablation; there are {known}, and several joined by +")
    return "+".join(sorted(set(names), key=SWITCHES.index))


def _list(path: Path, said: Mapping[str, Any], name: str, kind: type, default: Sequence[Any] | None) -> list[Any]:
    value = said.get(name, default)
    sound = isinstance(value, list) and value and all(type(each) is kind for each in value)
    if not sound:
        what = "whole numbers, as in [0, 1, 2]" if kind is int else "names"
        raise ConfigurationError(f"{path}: {name} is {value!r}; give a list of {what}")
    return list(value or ())


def _count(path: Path, said: Mapping[str, Any], name: str) -> int:
    value = said.get(name, 1)
    if type(value) is not int or value < 1:
        raise ConfigurationError(f"{path}: {name} is {value!r}; give 1 or more")
    return value

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
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from envdata.text_files import TextFileError, read_toml
from graph.explorers.models.factory import SEARCH_EXPLORERS
from graph.run.bundled import grids_or_bundled
from graph.run.files import RunError
from graph.run.mlflow import MirrorSettings
from graph.run.setting_fields import ConfigurationError, Option, SettingsModel, read_table
from graph.run.settings import SETTINGS, AtLeastOne, ModelCallSettings, Names, RunSettings

LOOP = "none"
"""The whole loop: nothing is taken away."""
SAMPLING = "no_feedback"
"""Independent samples, which the loop is compared with."""
SWITCHES = tuple(name for name, setting in SETTINGS.items() if setting.option.ablation)
OWN = {
    **{setting.key: setting.option.in_study for setting in SETTINGS.values() if setting.option.in_study},
    **dict.fromkeys(SWITCHES, "ablations above"),
    "jobs": "jobs above", "executor": "--executor", "out": "--out", "resume": "a second start, which goes on",
    "secret": "runs of their own", "wait": "runs of their own", "json": "the Parquet files", "quiet": "--quiet",
}  # fmt: skip
"""Settings of `discover` that a study has otherwise, and where."""
MAX_RUNS = 1000


def _ablation(text: str) -> str:
    if text == LOOP:
        return LOOP
    names = [part.strip().replace("-", "_") for part in text.split("+")]
    if not set(names) <= set(SWITCHES):
        raise ValueError(f"{text!r} is no ablation; there are {', '.join([LOOP, *SWITCHES])}, and several joined by +")
    return "+".join(sorted(set(names), key=SWITCHES.index))


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    twice = [value for value in values if values.count(value) > 1]
    if twice:
        raise ValueError(f"{twice[0]!r} is there twice")
    return values


class StudySettings(SettingsModel):
    """The top of a study's file."""

    explorers: Annotated[Names, Field(min_length=1), AfterValidator(_distinct)] = ("evolution",)
    """As for `autotts discover --explorer`; several joined by + take turns."""
    seeds: Annotated[tuple[int, ...], Field(min_length=1), AfterValidator(_distinct)]
    """A run of each."""
    ablations: Annotated[
        tuple[Annotated[str, AfterValidator(_ablation)], ...], Field(min_length=1), AfterValidator(_distinct)
    ] = (LOOP,)
    """Switches of `autotts discover`, joined by +."""
    concurrent_runs: Annotated[AtLeastOne, Option(flag="--at-once")] = 1
    """Runs side by side."""
    jobs: AtLeastOne = 1
    """Processes of each run."""
    max_cost: Annotated[float | None, Field(gt=0, allow_inf_nan=False)] = None
    """US dollars of all runs together, in equal shares."""
    max_tokens: Annotated[int | None, Field(gt=0)] = None
    """Likewise, tokens."""
    max_minutes: Annotated[float | None, Field(gt=0, allow_inf_nan=False)] = None
    """Likewise, minutes."""


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

    study: StudySettings
    arms: tuple[Arm, ...]
    runs: tuple[Planned, ...]
    calls: ModelCallSettings
    mirror: MirrorSettings


def read_plan(path: Path) -> Plan:
    """Read and check a study. Raises ConfigurationError, which names what it cannot take; RunError for its settings."""
    try:
        said = read_toml(path)
    except (OSError, TextFileError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from None
    given = read_table(path, "", {key: value for key, value in said.items() if key != "discover"}, (StudySettings,))
    try:
        study = StudySettings(**given)
    except RunError as error:
        raise ConfigurationError(f"{path}: {error}") from None
    # A search of another framework is told of no history that an ablation could take away.
    arms = tuple(
        Arm(explorer, ablation)
        for explorer in study.explorers
        for ablation in ((LOOP,) if _searches(explorer) else study.ablations)
    )
    count = len(arms) * len(study.seeds)
    if count > MAX_RUNS:
        raise ConfigurationError(f"{path}: {count} runs; a study has {MAX_RUNS} at most")
    common, calls, mirror = _common(path, said.get("discover", {}))
    common |= _shares(path, study, common, count)
    runs = tuple(
        Planned(arm, seed, folder_name(arm, seed), _settings(common, arm, seed)) for arm in arms for seed in study.seeds
    )
    names = [run.folder for run in runs]
    same = [name for name in names if names.count(name) > 1]
    if same:
        raise ConfigurationError(f"{path}: two explorers would share the folder {same[0]}; name them less alike")
    return Plan(study, arms, runs, calls, mirror)


def _searches(explorer: str) -> bool:
    """Whether all of an arm's explorers are other frameworks' searches."""
    return all(spec.partition(":")[0] in SEARCH_EXPLORERS for spec in explorer.split("+"))


def folder_name(arm: Arm, seed: int) -> str:
    """The folder of a run, which says what it is."""
    explorer = re.sub(r"[^A-Za-z0-9.]+", "-", arm.explorer).strip("-.")
    return f"{explorer}--{arm.ablation.replace('_', '-')}--seed-{seed}"


def _settings(common: Mapping[str, Any], arm: Arm, seed: int) -> RunSettings:
    switches = {} if arm.ablation == LOOP else dict.fromkeys(arm.ablation.split("+"), True)
    return RunSettings(**{**common, **switches, "explorers": tuple(arm.explorer.split("+")), "seed": seed})


def _common(path: Path, table: Any) -> tuple[dict[str, Any], ModelCallSettings, MirrorSettings]:
    """The settings that all runs share, how models are called, and where runs are mirrored to."""
    for key in table if isinstance(table, dict) else ():
        if key.replace("-", "_") in OWN:
            where = OWN[key.replace("-", "_")]
            raise ConfigurationError(f"{path}: {key} in [discover] is not for a study; use {where}")
    given = read_table(path, "discover", table, (RunSettings, ModelCallSettings, MirrorSettings))
    grids, heldout = grids_or_bundled(given.get("grids", ()), given.get("heldout", ()))
    return (
        {**RunSettings.values_in(given), "grids": grids, "heldout": heldout},
        ModelCallSettings(**ModelCallSettings.values_in(given)),
        MirrorSettings(**MirrorSettings.values_in(given)),
    )


def _shares(path: Path, study: StudySettings, common: Mapping[str, Any], count: int) -> dict[str, Any]:
    """What each run may take at most of what all may; rounded down, so that no sum goes above."""
    shares: dict[str, Any] = {}
    for name in ("max_cost", "max_tokens", "max_minutes"):
        value = getattr(study, name)
        if value is None:
            continue
        share = value // count if name == "max_tokens" else value / count
        if share < 1 and name == "max_tokens":
            raise ConfigurationError(f"{path}: {name} is {value}, less than a token for each of {count} runs")
        own = common.get(name)
        shares[name] = share if own is None else min(own, share)
    return shares

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


ABSENT = {
    "probe_cost": "recorded",
    "budget": "unlimited",
    "critic": "the explorer",
    "base_url": "the provider's",
    "price": "looked up",
    "max_cost": "unlimited",
    "max_minutes": "unlimited",
    "max_tokens": "unlimited",
    "thinking": "the model's default",
    "effort": "the model's default",
    "temperature": "the model's default",
}
"""How `run.toml`, which knows no null, spells None."""


THINKING = ("adaptive", "off")
"""What extended thinking may be besides a number of tokens: as much as the model finds right, or none."""
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""The levels that services have names for; a model may know some of them only."""


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
    """Candidates a round that are evaluated in full at most, the best of the screening."""
    race: bool = True
    """Whether candidates that are clearly behind are dropped; otherwise all are evaluated in full."""
    screening_repeats: int = 2
    repeats: int = 8
    """Branch orders; eight balanced ones read every branch of a question equally often."""
    order: str = "balanced"
    betas: tuple[float, ...] = tuple(round(i / 10, 1) for i in range(11))
    seed: int = 0
    explorers: tuple[str, ...] = ("evolution",)
    """Who writes controllers, as `name` or `name:argument`; several take turns, a round each."""
    side_by_side: bool = False
    """Several explorers share every round instead."""
    critic: str | None = None
    """Who reasons about the measurements; None is the round's explorer."""
    base_url: str | None = None
    """The server of explorers `openai:…`; None is OpenAI's own. Holds no key: run.toml has it."""
    price: tuple[float, float] | None = None
    """US dollars for a million tokens of input and of output; None looks the model up."""
    max_cost: float | None = None
    """US dollars that model calls may cost, all in all; None is no limit."""
    max_minutes: float | None = None
    """Minutes that the run may take before its finale; None is no limit."""
    max_tokens: int | None = None
    """Tokens that model calls may take, input and output of all calls; None is no limit."""
    brief_tokens: int = 32_000
    """Tokens that a prompt may have; what does not fit is cut in a stated order."""
    max_output: int = 16_000
    """Tokens that a reply may have, thinking included."""
    thinking: int | str | None = None
    """Tokens of a reply that may be extended thinking, or one of `THINKING`; None is the model's own default."""
    effort: str | None = None
    """One of `EFFORTS`; None is the model's own default."""
    temperature: float | None = None
    """None is the model's own default."""
    no_feedback: bool = False
    """Draw all candidates without history, frontier and critiques: independent sampling, to compare with."""
    no_beta: bool = False
    """Ablation: knobs are free instead of scheduled by one β."""
    no_traces: bool = False
    """Ablation: the digest of the traces is withheld."""
    no_critic: bool = False
    """Ablation: briefs are told neither measurements nor diagnoses, and nobody reasons about them."""
    no_history: bool = False
    """Ablation: only the previous round's best is shown."""
    agent_tries: int = 10
    """Drafts that a coding agent may have evaluated, a round and attempt."""
    agent_minutes: float = 30.0
    """How long a coding agent may work, a round and attempt."""
    approve: bool = False
    """Stop before each execution until a person agrees."""
    checkpoints: str = "sqlite"
    """Where checkpoints are kept: `sqlite`, a file in the run's folder, or the URL of a PostgreSQL database."""
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
        if self.agent_tries < 0 or not self.agent_minutes > 0:
            raise RunError(f"agent_tries is {self.agent_tries} and agent_minutes {self.agent_minutes}; none is below 0")
        for name in ("brief_tokens", "max_output", "max_tokens", "max_cost", "max_minutes"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise RunError(f"{name} is {value}; give more than 0")
        if isinstance(self.thinking, str) and self.thinking not in THINKING:
            raise RunError(f"thinking is {self.thinking!r}; give a number of tokens, or {' or '.join(THINKING)}")
        if isinstance(self.thinking, int) and not 0 < self.thinking < self.max_output:
            raise RunError(
                f"thinking is {self.thinking} of max_output {self.max_output} tokens; give more than 0, and leave some "
                "for the reply"
            )
        if self.effort is not None and self.effort not in EFFORTS:
            raise RunError(f"effort is {self.effort!r}; give one of {', '.join(EFFORTS)}")
        if self.price is not None and min(self.price) < 0:
            raise RunError(f"price is {self.price}; give dollars for a million tokens in and out, as in 3,15")
        if self.base_url is not None and "@" in self.base_url:
            raise RunError("base_url holds a user or a password; keys come from the environment (OPENAI_API_KEY) alone")
        if not self.explorers:
            raise RunError("there is no explorer; give --explorer evolution, or another")
        if not self.grids:
            raise RunError("there is no grid to search on; give --grid FILE")
        if not self.betas:
            raise RunError("there is no value of β; give --betas as in 0:1:0.1")
        both = sorted(set(self.grids) & set(self.heldout))
        if both:
            raise RunError(f"{both[0]} is both searched on and held out; what is held out must not be seen")

    @property
    def explorer(self) -> str:
        """The explorers in words."""
        return (" + " if self.side_by_side else ", ").join(self.explorers)

    def evaluation(self) -> Settings:
        """How episodes are played."""
        return Settings(Terms(self.max_branches, self.budget, self.probe_cost), seed=self.seed, order=self.order)

    @property
    def traced(self) -> frozenset[float]:
        """Three β: the first, the middle one and the last."""
        return frozenset({self.betas[0], self.betas[len(self.betas) // 2], self.betas[-1]})


@dataclass(frozen=True)
class Conduct:
    """How models are called: a run is not pinned to it, and a resume may choose anew."""

    timeout: float = 600.0
    """Seconds that a model may be silent before a request counts as lost."""
    retries: int = 5
    """How often a request that failed for a passing reason is sent again."""
    at_once: int = 4
    """Requests to a model at a time."""


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
    return ABSENT[name] if value is None else value


def _back(name: str, value: Any) -> Any:
    if value is None:
        raise KeyError(name)
    if name in ABSENT and value == ABSENT[name]:
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

"""The protocol between the loop and whoever writes controllers.

An explorer sees what is in a `Brief` and in `Evidence`, and nothing else: no gold answer, no answer's text, nothing of
the held-out set. It keeps no state of its own between calls that its next answer depends on: everything it may use
again comes back in the history, so that a run that was killed goes on as if nothing had happened.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from envdata.episodes import Terms
from graph.journal import Journal


class ExplorerError(RuntimeError):
    """An explorer cannot be had, or cannot go on; the message says what to do."""


@dataclass(frozen=True)
class Point:
    """One point of a sweep: means over the search grids."""

    label: str
    beta: float | None
    accuracy: float
    """As a fraction."""
    tokens: float


@dataclass(frozen=True)
class Tried:
    """A candidate of an earlier round."""

    label: str
    round: int
    source: str
    notes: Mapping[str, Any]
    """What its explorer left with it."""
    status: str
    """`ok`, or what went wrong."""
    why: str | None
    screening: float | None
    """The objective with few repeats, comparable among all candidates of a run; None if it did not come to that."""
    score: float | None
    """The objective of the full evaluation; None if the screening left it out."""
    idea: str = ""
    """What its explorer said is new about it."""
    points: Sequence[Point] = ()
    """Its sweep in the full evaluation; empty if the screening left it out."""
    same_as: str | None = None
    """An earlier candidate or a baseline that acted the same in the screening."""


@dataclass(frozen=True)
class Lesson:
    """What the critic made of an earlier round."""

    round: int
    diagnosis: str = ""
    """Markdown, by a model; empty without one."""
    directions: Sequence[str] = ()
    """Where to go next, by a model."""
    measured: str = ""
    """The measurements in words; Markdown, without answers."""
    failures: str = ""
    """Why episodes failed, from their traces; Markdown, without answers."""


@dataclass(frozen=True)
class Rejected:
    """A proposal of this round that does not load or breaks the contract."""

    source: str
    status: str
    why: str
    """The error, quoted and capped."""


@dataclass(frozen=True)
class Brief:
    """What an explorer is asked for, and what it may know."""

    round: int
    rounds: int
    wanted: int
    """How many candidates are asked for."""
    seed: int
    """All randomness comes from here and from `round`."""
    betas: tuple[float, ...]
    objective: str
    low: float
    high: float
    """The range of tokens that `area` is taken over."""
    baselines: Mapping[str, float]
    """The objective of each, by name."""
    frontier: Sequence[Point] = ()
    history: Sequence[Tried] = ()
    """Earlier rounds' candidates, in their order."""
    lessons: Sequence[Lesson] = ()
    """One for each earlier round."""
    rejected: Sequence[Rejected] = ()
    """This round's proposals that have to be mended."""
    attempt: int = 0
    """0, or which repetition this is, after rejections."""
    terms: Terms = field(default_factory=Terms)
    """On what terms episodes are played: branches, budget, probe cost."""
    intervals: Sequence[int] = ()
    """Δ of each search grid, in tokens."""
    confidences: bool = False
    """Whether the search grids record confidences."""
    free_knobs: bool = False
    """The ablation without β: a candidate is one point, its schedule the same for every β."""
    feedback: bool = True
    """False where every round is to be an independent sample: nothing of earlier rounds is told, nor used."""


@dataclass(frozen=True)
class Proposal:
    """A controller's source, and why."""

    source: str
    idea: str
    """What is new about it, in words; Markdown."""
    notes: Mapping[str, Any] = field(default_factory=dict)
    """Plain JSON for the explorer's own use; it comes back in `Tried.notes`."""


@dataclass(frozen=True)
class Evidence:
    """What was measured about a round."""

    round: int
    best: str | None
    """The label of the round's best candidate."""
    measured: str
    """The critic's measurements in words; Markdown, without answers."""
    measures: Mapping[str, Any]
    """The same as plain JSON, by label."""
    tried: Sequence[Tried] = ()
    """This round's candidates."""
    failures: str = ""
    """Why episodes failed, from their traces; Markdown, without answers."""
    baselines: Mapping[str, float] = field(default_factory=dict)
    """The objective of each, by name."""
    objective: str = "area"
    low: float = 0.0
    high: float = 0.0
    """The range of tokens that `area` is taken over."""
    lessons: Sequence[Lesson] = ()
    """What was made of earlier rounds."""
    free_knobs: bool = False
    """The ablation without β."""


@dataclass(frozen=True)
class Critique:
    """What an explorer makes of the evidence."""

    diagnosis: str
    """Markdown; may be empty."""
    directions: tuple[str, ...] = ()
    """What to try next, most promising first; each a sentence or two."""


class Explorer(Protocol):
    """Whoever writes controllers."""

    def identity(self) -> Mapping[str, str]:
        """What it is: model ids, prompt versions. Pinned by the run; a resume with another identity is refused."""
        ...

    def propose(self, brief: Brief, journal: Journal) -> Sequence[Proposal]:
        """Write up to `brief.wanted` candidates. A reply that cost something is journalled before it is used."""
        ...

    def critique(self, evidence: Evidence, journal: Journal) -> Critique:
        """Say what the evidence means, and where to go next."""
        ...

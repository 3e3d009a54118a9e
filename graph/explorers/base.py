"""The protocol between the loop and explorers, which propose controllers.

An explorer is shown a `Brief` and `Evidence` only: no gold answer, no answer's text, nothing of the held-out set. Its
proposals depend on the arguments of a call alone, not on state that it keeps between calls. Everything that it may use
again comes back in the history, so that a run that was killed can be resumed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from envdata.episodes import Terms
from envdata.errors import UserError
from graph.analysis.frontier import Point as Point
from graph.analysis.frontier import Sweep as Sweep
from graph.run.candidates import CandidateRecord as CandidateRecord
from graph.run.explorer_shares import ExplorerShare
from graph.run.knowledge import Consolidation as Consolidation
from graph.run.knowledge import Knowledge as Knowledge
from graph.run.pinned import Pinned
from graph.run.roles import Assignment as Assignment
from graph.run.transcript import Transcript


class ExplorerError(UserError, RuntimeError):
    """An explorer cannot be made or cannot go on; the message says what to do."""


@dataclass(frozen=True)
class Lesson:
    """The critic's results on an earlier round."""

    round: int
    diagnosis: str = ""
    """Markdown, written by a model; empty without one."""
    directions: Sequence[str] = ()
    """What to try next, written by a model."""
    measured: str = ""
    """The measurements as Markdown, without answers."""
    failures: str = ""
    """Why episodes failed, from their traces; Markdown, without answers."""


DUPLICATE = "duplicate"
"""Status of a rejected proposal that acts as an earlier controller does."""


@dataclass(frozen=True)
class Rejected:
    """A proposal of this round that does not load, breaks the contract, or acts as an earlier controller does."""

    source: str
    status: str
    """Label of a `sandbox.status.Status`, or `DUPLICATE`."""
    why: str
    """The error, quoted and shortened."""


@dataclass(frozen=True)
class Reference:
    """A baseline that candidates are compared with."""

    label: str
    idea: str
    """First line of its docstring."""
    source: str
    sweep: Sweep


@dataclass(frozen=True)
class Brief:
    """The task of a round: the number of candidates to propose, and everything that an explorer may know."""

    round: int
    """Number of the round, from 1."""
    rounds: int
    """Number of rounds of the run."""
    wanted: int
    """Number of candidates to propose."""
    seed: int
    """Seed of all randomness, together with `round`."""
    betas: tuple[float, ...]
    """Values of β at which candidates are evaluated."""
    objective: str
    """The objective as given in `--objective`; larger is better."""
    low: float
    """Lower end of the range of mean tokens over which `gain` and `area` are taken."""
    high: float
    """Upper end of that range."""
    baselines: Mapping[str, float]
    """The objective of each baseline, by name."""
    references: Sequence[Reference] = ()
    """The baselines without failures, the best first."""
    facts: str = ""
    """Facts on the search grids that no controller changes, as Markdown (`graph.analysis.grid_facts`)."""
    frontier: Sequence[Point] = ()
    """Points of accuracy and cost that no other point beats on both, with their sequential tokens."""
    history: Sequence[CandidateRecord] = ()
    """Candidates of earlier rounds, in order."""
    lessons: Sequence[Lesson] = ()
    """The critic's results, one for each earlier round."""
    rejected: Sequence[Rejected] = ()
    """Proposals of this round that have to be corrected."""
    attempt: int = 0
    """0 at first; n at the n-th repetition after rejections."""
    terms: Terms = field(default_factory=Terms)
    """Terms of an episode: limit of branches, budget, probe cost."""
    intervals: Sequence[int] = ()
    """Interval Δ of each search grid, in tokens."""
    signals: Sequence[str] = ()
    """Names of the signals that all search grids have."""
    probes: bool = True
    """Whether branches can be probed on all search grids."""
    free_knobs: bool = False
    """Ablation without β: a candidate's schedule is the same for every β, and its sweep is one point."""
    feedback: bool = True
    """Whether earlier rounds are shown; False makes every round an independent sample."""
    roles: Sequence[Assignment] = ()
    """Assignments of the candidates, one for each; those of rejected proposals come first. Empty without roles."""
    knowledge: Knowledge | None = None
    """What earlier rounds are known to have shown, instead of all their results; None without consolidation."""
    latency: float = 0.0
    """Share of sequential tokens in the cost, in which the objective and its range are (`--latency`)."""
    shares: Sequence[ExplorerShare] = ()
    """Shares of several explorers in earlier rounds, by which this round is divided; no explorer is shown them."""


@dataclass(frozen=True)
class Proposal:
    """A candidate: a controller's source, and the idea behind it."""

    source: str
    idea: str
    """What is new about it; Markdown. Empty: its docstring tells it."""
    notes: Mapping[str, Any] = field(default_factory=dict)
    """Plain JSON for the explorer's own use, returned in `CandidateRecord.notes` in later rounds."""
    assignment: Assignment | None = None
    """The one of `Brief.roles` that it answers; None if the explorer goes by none."""


@dataclass(frozen=True)
class Evidence:
    """The measurements of a round, from which a critique is written."""

    round: int
    best: str | None
    """Label of the round's best candidate; None if none is sound."""
    measured: str
    """The critic's measurements as Markdown, without answers."""
    measures: Mapping[str, Any]
    """The same as plain JSON, by label."""
    candidates: Sequence[CandidateRecord] = ()
    """Candidates of this round."""
    failures: str = ""
    """Why episodes failed, from their traces; Markdown, without answers."""
    baselines: Mapping[str, float] = field(default_factory=dict)
    """The objective of each baseline, by name."""
    objective: str = "area"
    low: float = 0.0
    """As in `Brief`, like `high`."""
    high: float = 0.0
    latency: float = 0.0
    facts: str = ""
    """Facts on the search grids, as in `Brief`."""
    lessons: Sequence[Lesson] = ()
    """The critic's results on earlier rounds."""
    knowledge: Knowledge | None = None
    """As in `Brief`."""
    free_knobs: bool = False
    """Ablation without β, as in `Brief`."""


@dataclass(frozen=True)
class Findings:
    """Rounds that a historian consolidates into what is known."""

    round: int
    """Latest round, which is complete."""
    knowledge: Knowledge
    """The page so far."""
    measured: str
    """The measured part of the new page: all rounds in figures, as Markdown, without answers."""
    candidates: Sequence[CandidateRecord] = ()
    """Candidates of the rounds that the page does not have yet."""
    lessons: Sequence[Lesson] = ()
    """The critic's results on these rounds."""
    baselines: Mapping[str, float] = field(default_factory=dict)
    """The objective of each baseline, by name."""
    objective: str = "area"
    low: float = 0.0
    """As in `Brief`, like `high`."""
    high: float = 0.0
    latency: float = 0.0
    free_knobs: bool = False
    """Ablation without β, as in `Brief`."""


@dataclass(frozen=True)
class Critique:
    """An explorer's diagnosis of a round, and directions for the next ones."""

    diagnosis: str
    """Markdown; may be empty."""
    directions: tuple[str, ...] = ()
    """What to try next, the most promising first; one or two sentences each."""


@runtime_checkable
class Explorer(Protocol):
    """Proposes controllers and writes critiques: a language model, an evolutionary search, a person or a program.

    Implementations derive from this class and inherit `check_run`.
    """

    def identity(self) -> Mapping[str, str]:
        """Return what the proposals depend on, such as model and prompt versions.

        The run pins it: resuming with another identity is refused.
        """
        ...

    def propose(self, brief: Brief, transcript: Transcript) -> Sequence[Proposal]:
        """Return up to `brief.wanted` candidates.

        Args:
            brief: The task and the history.
            transcript: Transcript of the round. Everything that was paid for is recorded in it before it is used, so a
                resumed run does not pay for it again.

        Raises:
            ExplorerError: The explorer cannot go on.
            CapReached: A cap on money, minutes or tokens was reached before there was a candidate.
        """
        ...

    def critique(self, evidence: Evidence, transcript: Transcript) -> Critique:
        """Return a diagnosis of a round and directions for the next ones; empty if there is nothing to say.

        Args:
            evidence: The round's measurements.
            transcript: The round's transcript, used as in `propose`.

        Raises:
            ExplorerError: The explorer cannot go on.
        """
        ...

    def check_run(self, pinned: Pinned) -> None:
        """Raise ExplorerError if this explorer cannot take part in a run with these settings; accepts all by default.

        It is called before a run begins.
        """
        return


@runtime_checkable
class Historian(Protocol):
    """An explorer that also consolidates rounds into what is known; of others the measured part stands alone."""

    def consolidate(self, findings: Findings, transcript: Transcript) -> Consolidation | None:
        """Return the changes of the page; None if there is nobody to write any.

        Args:
            findings: The rounds, and the page so far.
            transcript: Transcript of the latest round, used as in `Explorer.propose`.

        Raises:
            ReplyError: No reply could be read; the page stays as it is.
            CapReached: A cap was reached; likewise.
            ExplorerError: The explorer cannot go on.
        """
        ...

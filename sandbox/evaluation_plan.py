"""Plans the evaluation of a candidate, and cuts it into chunks of repeats that processes play."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from envdata.perturbations import UNPERTURBED, Perturbation
from envdata.plain_text import whole
from sandbox.candidate import Candidate
from sandbox.evaluation_cache import EvaluationCache
from sandbox.replay_player import PlayedRepeat, Repeat
from sandbox.results import RepeatEpisodes
from sandbox.status import Status
from sandbox.trial import GIVE_UP_AFTER, trial_of, verdict

CHUNK = 200
"""Largest number of repeats in a chunk; a job starts a sandbox per chunk."""
MOST_REPEATS = 100_000
"""Largest number of branch orders of a plan."""


@dataclass(frozen=True)
class Plan:
    """The grids, values of β and repeats to evaluate a candidate on."""

    candidate: Candidate
    grids: tuple[str, ...]
    """Paths of the grids."""
    betas: tuple[float, ...] | None
    """Values of β; None plays the candidate once, at β = 1, because its schedule ignores β."""
    repeats: int
    """Number of branch orders, 1 … `MOST_REPEATS`; they are numbered from 0."""
    traced: frozenset[float] = frozenset()
    """Values of β whose repeat 0 is traced; with `betas` None, any non-empty set traces repeat 0."""
    failed: tuple[Status, str] | None = None
    """Status and reason if the candidate is known to be unplayable: its episodes fail without being played."""
    first: int = 0
    """First repeat, where those before it were played already."""
    give_up_after: int = GIVE_UP_AFTER
    """Least episodes of the trial on each grid; if all of them fail, the others are not played (`sandbox.trial`)."""
    cache: EvaluationCache | None = None
    """Cache that finished repeats are taken from and added to."""

    def __post_init__(self) -> None:
        """Raise ValueError for a number of repeats that cannot be played."""
        if not 1 <= self.repeats <= MOST_REPEATS:
            raise ValueError(f"repeats = {self.repeats} is outside 1 … {MOST_REPEATS:,}")


@dataclass(frozen=True)
class GivenUp:
    """A candidate all of whose trial episodes on a grid failed."""

    controller: str
    grid: str
    status: Status
    """Status of its other episodes."""
    why: str
    unplayed: int
    """Number of episodes that count as failed without having been played."""

    def __str__(self) -> str:
        """Return the message to users."""
        return (
            f"{self.controller} on {self.grid}: {self.why} ({self.status.label}); {self.unplayed:,} other episodes "
            "count as failed too"
        )


@dataclass(frozen=True)
class Chunk:
    """Repeats of one plan on one grid, to be played by one process."""

    share: int
    """Index of the `GridWork` that the repeats belong to."""
    candidate: Candidate
    grid: str
    failed: tuple[Status, str] | None
    repeats: tuple[Repeat, ...]
    trial: frozenset[Repeat] = frozenset()
    """If all episodes of all of these fail, the other repeats are returned unplayed."""
    cache: EvaluationCache | None = None
    key: str = ""
    """Key in the cache."""
    file: str | None = None
    """Path to read the grid from, if not `grid`: on another machine the file is elsewhere."""
    perturbation: Perturbation = UNPERTURBED
    """Change of the grid before it is played."""
    until: float | None = None
    """Deadline by `time.time`, in seconds, after which playing raises OutOfTime; None for no deadline."""


@dataclass
class GridWork:
    """The repeats of one plan on one grid, and their results so far."""

    plan: Plan
    grid: str
    questions: int
    """Number of questions of the grid."""
    key: str = ""
    """Key in the plan's cache."""
    every: list[Repeat] = field(init=False)
    """All repeats, in the order of β and number."""
    trial: tuple[Repeat, ...] = field(init=False)
    """The repeats to play first (`sandbox.trial`)."""
    played: dict[Repeat, PlayedRepeat] = field(init=False)
    failed: tuple[Status, str] | None = field(init=False)
    """Status and reason with which unplayed episodes fail; None if they are to be played."""
    given_up: GivenUp | None = field(init=False, default=None)
    _judged: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        """List the repeats, and take those that the cache holds."""
        plan = self.plan
        betas = (1.0,) if plan.betas is None else sorted(set(plan.betas))
        traced = frozenset(betas) if plan.betas is None and plan.traced else plan.traced
        self.every = [
            Repeat(beta, repeat, repeat == 0 and beta in traced)
            for beta in betas
            for repeat in range(plan.first, plan.repeats)
        ]
        self.failed = plan.failed
        self.trial = () if plan.failed else trial_of(self.every, self.questions, plan.give_up_after)
        kept = plan.cache.load(self.key) if plan.cache is not None and plan.failed is None else {}
        self.played = {repeat: kept[repeat] for repeat in self.every if repeat in kept}
        self.judge()

    def judge(self) -> int:
        """Give the candidate up if its trial is over and all of it failed; return the number of repeats discarded."""
        if self._judged or any(repeat not in self.played for repeat in self.trial):
            return 0
        self._judged = True
        found = verdict([self.played[repeat] for repeat in self.trial])
        if found is None:
            return 0
        before = len(self.played)
        self.played = {repeat: self.played[repeat] for repeat in self.trial}
        unplayed = (len(self.every) - len(self.trial)) * self.questions
        self.failed, self.given_up = found, GivenUp(self.plan.candidate.label, self.grid, *found, unplayed)
        return before - len(self.played)

    def chunks(self, number: int, jobs: int) -> Iterator[Chunk]:
        """Yield the unplayed repeats as chunks, the trial first.

        Args:
            number: Index of this `GridWork`, for `Chunk.share`.
            jobs: Number of processes that share the chunks.
        """
        trial = () if self._judged else self.trial
        left = [repeat for repeat in dict.fromkeys((*trial, *self.every)) if repeat not in self.played]
        if not left:
            return
        # Each chunk gets costly and cheap values of β alike, so that jobs end together.
        size = min(CHUNK, -(-len(left) // jobs))
        count = -(-len(left) // size)
        for share in range(count):
            own = tuple(left[share::count])
            # A chunk without a repeat of the trial uses its first repeat in its place.
            first = frozenset(own).intersection(trial) or frozenset(own[:1])
            yield Chunk(
                number, self.plan.candidate, self.grid, self.failed, own,
                first if trial else frozenset(), self.plan.cache, self.key,
            )  # fmt: skip

    def groups(self) -> Iterator[tuple[RepeatEpisodes, PlayedRepeat]]:
        """Yield the episodes and the repeat of each of `every`, in its order."""
        plan = self.plan
        for repeat in self.every:
            beta = None if plan.betas is None else repeat.beta
            played = self.played[repeat]
            yield RepeatEpisodes(plan.candidate.label, whole(self.grid), beta, repeat.number, played.result), played

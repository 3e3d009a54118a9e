"""The API a test-time-scaling controller is written against.

    from sandbox.tts import Answer, Controller, Episode, confidence, majority

    class MyController(Controller):
        \"\"\"One line on the idea.\"\"\"

        @staticmethod
        def schedule(beta: float) -> dict[str, float]:
            return {"width": round(2 + 14 * beta)}

        def solve(self, episode: Episode) -> Answer | None:
            branches = episode.branch(self.knobs["width"])
            episode.finish([b for b in branches if not b.finished])
            return majority(b.answer for b in branches)

An episode is one question. Actions take many branches at once and are atomic: a call that is not admissible raises one
of the errors below, and changes nothing. The same file runs in replay, in every sandbox and on a live model. Python's
standard library alone is used here: a controller's process has little else of the project.
"""

import math
import random
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from itertools import islice, repeat
from typing import Any

from envdata.actions import Op, Refusal
from sandbox.link import Link, Reply, Rows
from sandbox.voting import Poll, Tally, confidence, majority, poll

__all__ = [
    "ActionError",
    "AlreadyProbed",
    "Answer",
    "Branch",
    "BranchFinished",
    "BranchPruned",
    "BudgetExceeded",
    "Controller",
    "DuplicateBranch",
    "Episode",
    "EpisodeOver",
    "NoOpenSlot",
    "Poll",
    "Tally",
    "UnknownBranch",
    "confidence",
    "majority",
    "poll",
]


class ActionError(Exception):
    """An action that is not admissible now. It changed nothing and cost nothing."""


class UnknownBranch(ActionError):
    """The branch is not one that this episode opened."""


class DuplicateBranch(ActionError):
    """A call names a branch twice."""


class BranchPruned(ActionError):
    """The branch was pruned before."""


class BranchFinished(ActionError):
    """The branch is at its end: its answer is known, and it cannot go on."""


class NoOpenSlot(ActionError):
    """More branches are asked for than `episode.open_slots`."""


class AlreadyProbed(ActionError):
    """The branch was looked at since it last went on."""


class BudgetExceeded(ActionError):
    """The call's worst case, Δ + κ a branch, does not fit `episode.tokens_left`."""


class EpisodeOver(ActionError):
    """The episode has ended."""


# Plain numbers: an enumeration's members are slow to reach in Python 3.11.
_BRANCH, _READ, _CONTINUE, _FINISH = int(Op.BRANCH), int(Op.READ), int(Op.CONTINUE), int(Op.FINISH)
_PROBE, _PRUNE, _NOTE = int(Op.PROBE), int(Op.PRUNE), int(Op.NOTE)

_MANY = 1 << 30
"""More branches than any world has, and few enough for the wire."""

_ERRORS: dict[int, type[ActionError]] = {
    Refusal.UNKNOWN_BRANCH: UnknownBranch,
    Refusal.DUPLICATE_BRANCH: DuplicateBranch,
    Refusal.BRANCH_PRUNED: BranchPruned,
    Refusal.BRANCH_FINISHED: BranchFinished,
    Refusal.NO_OPEN_SLOT: NoOpenSlot,
    Refusal.ALREADY_PROBED: AlreadyProbed,
    Refusal.BUDGET_EXCEEDED: BudgetExceeded,
    Refusal.EPISODE_OVER: EpisodeOver,
}


class Answer(int):
    """An opaque label for an answer, numbered by first reveal within the episode.

    Equal answers of one episode are the same label; labels of two episodes have nothing to do with one another.
    """

    parsed: bool
    """False if the model gave no answer that could be read (`ERR`, `?`, `No` or nothing)."""
    text: str | None
    """The answer itself where the run shows answers, otherwise None."""

    def __new__(cls, label: int, parsed: bool, text: str | None = None) -> "Answer":
        """Make a label; only an episode makes ones that mean something."""
        self = super().__new__(cls, label)
        self.parsed = parsed
        self.text = text
        return self

    def __repr__(self) -> str:
        return f"Answer({int(self)})" if self.parsed else f"Answer({int(self)}, not parsed)"

    def __bool__(self) -> bool:
        # Label 0 is as much an answer as any other.
        return True


class Branch:
    """One reasoning trace of the model, as far as it was followed; made by `Episode.branch`, to be read only."""

    __slots__ = ("_seen", "answer", "confidence", "depth", "finished", "index", "pruned")

    def __init__(self, index: int) -> None:
        self.index = index
        """0, 1, … in the order of opening."""
        self.depth = 0
        """Intervals decoded so far."""
        self.answer: Answer | None = None
        """The latest answer revealed; None before."""
        self.confidence: float | None = None
        """Mean log-probability of the latest answer's tokens, where the grid has it."""
        self.finished = False
        self.pruned = False
        self._seen: list[Answer | None] = []
        """What was revealed at depths 1, 2, …, up to the last one that was looked at."""

    @property
    def active(self) -> bool:
        """Whether the branch can go on: neither finished nor pruned."""
        return not (self.finished or self.pruned)

    @property
    def answers(self) -> list[Answer | None]:
        """What was revealed at depths 1, 2, … up to `depth`; None at depths that were not looked at."""
        return self._seen + [None] * (self.depth - len(self._seen))

    @property
    def probed(self) -> bool:
        """Whether the present depth was looked at."""
        return len(self._seen) == self.depth

    def __repr__(self) -> str:
        state = "finished" if self.finished else "pruned" if self.pruned else "active"
        return f"Branch({self.index}, depth={self.depth}, answer={self.answer}, {state})"


class Episode:
    """One question, under one order of its branches: what a controller acts on and sees."""

    def __init__(
        self, link: Link, number: int, ceiling: int, interval: int, budget: int | None, seed: int, question: str | None
    ) -> None:
        """Called by the worker, not by controllers."""
        self._link = link
        self._number = number
        self._ceiling = ceiling
        self._seed = seed
        self._rng: random.Random | None = None
        self._labels: list[Answer] = []
        self._gaps = False
        """Whether some branch passed a depth without being looked at."""
        self._budget = budget
        self.branches: list[Branch] = []
        """All branches opened so far, in the order of opening."""
        self.interval = interval
        """Δ: what one interval costs, in tokens."""
        self.tokens = 0
        """Tokens spent so far."""
        self.question = question
        """The question's text where the run shows it, otherwise None."""

    @property
    def tokens_left(self) -> float:
        """What is left of the budget, in tokens; infinite if there is none."""
        return math.inf if self._budget is None else self._budget - self.tokens

    @property
    def open_slots(self) -> int:
        """How many more branches can be opened."""
        return self._ceiling - len(self.branches)

    @property
    def rng(self) -> random.Random:
        """Random numbers of this episode's own, from the run's seed, the question, the repeat and β."""
        if self._rng is None:
            self._rng = random.Random(self._seed)
        return self._rng

    def branch(self, n: int = 1, *, probe: bool = True) -> list[Branch]:
        """BRANCH: open n branches through their first interval, in parallel, and look at them.

        Raises NoOpenSlot beyond `open_slots`, BudgetExceeded.
        """
        return self._open(_BRANCH, n, probe)

    def read(self, n: int = 1) -> list[Branch]:
        """BRANCH and FINISH in one call: open n branches, in parallel, and look at their final answers alone.

        With a budget a branch may be stopped short; it is not `finished` then. Raises as `branch` does.
        """
        return self._open(_READ, n, False)

    def advance(self, branches: "Branch | Iterable[Branch]", *, probe: bool = True) -> None:
        """CONTINUE each branch by one interval, in parallel, and look at what it reaches.

        Raises BranchFinished, BranchPruned, DuplicateBranch, BudgetExceeded.
        """
        self._call(_CONTINUE, branches, probe)

    def finish(self, branches: "Branch | Iterable[Branch]") -> None:
        """CONTINUE each branch to its end, in parallel, and look at its final answer alone.

        With a budget a branch may be stopped short; it is not `finished` then. Raises as `advance` does.
        """
        self._call(_FINISH, branches, False)

    def probe(self, branches: "Branch | Iterable[Branch]") -> None:
        """PROBE: look at what branches would answer from their present prefixes.

        Raises AlreadyProbed where that was done, and as `advance` does.
        """
        self._call(_PROBE, branches, True)

    def prune(self, branches: "Branch | Iterable[Branch]") -> None:
        """PRUNE: stop branches for good; what they showed stays known. Raises BranchFinished, BranchPruned."""
        listed = _listed(branches)
        for branch in listed:
            self._check_own(branch)
            if branch.pruned or branch.finished:
                self._refuse(Refusal.BRANCH_PRUNED if branch.pruned else Refusal.BRANCH_FINISHED, f"prune {branch}")
        if len(set(listed)) < len(listed):
            self._refuse(Refusal.DUPLICATE_BRANCH, "prune")
        for branch in listed:
            branch.pruned = True
            self._link.post(self._number, _PRUNE, branch.index, "")

    def note(self, text: str) -> None:
        """Leave a remark in the episode's trace, cut to 200 characters."""
        self._link.post(self._number, _NOTE, 0, str(text)[:200])

    def _open(self, op: int, n: int, probe: bool) -> list[Branch]:
        n = int(n)
        if n < 1:
            if n == 0:
                return []
            raise ValueError(f"{n} branches to open: the number is 0 or more")
        reply = self._link.call(self._number, op, probe, min(n, _MANY), [])
        if reply[0]:
            self._refuse(reply[0], f"{Op(op).name} {n} with {self.open_slots} open slots")
        first = len(self.branches)
        opened = list(map(Branch, range(first, first + n)))
        self.branches += opened
        self._update(opened, reply)
        return opened

    def _call(self, op: int, branches: "Branch | Iterable[Branch]", probe: bool) -> None:
        listed = _listed(branches)
        if not listed:
            return
        reply = self._link.call(self._number, op, probe, len(listed), [branch.index for branch in listed])
        if reply[0]:
            for branch in listed:
                self._check_own(branch)
            self._refuse(reply[0], f"{Op(op).name} {', '.join(map(repr, listed[:4]))}")
        self._update(listed, reply)

    def _update(self, branches: list[Branch], reply: Reply) -> None:
        _, self.tokens, special, rows = reply
        labels = rows.labels
        if special < 0:
            return self._update_any(branches, rows)
        if special:
            labels = iter(own := list(islice(labels, len(branches))))
            for at, flag in zip(islice(rows.details, special), rows.flags, strict=False):
                if flag > 1:
                    branches[at].finished = True
                self._meet(own[at], flag)
        if self._gaps or rows.confidences is not None:
            for branch in branches:
                branch.depth += 1
            return self._reveal(branches, labels, rows.confidences)
        known = self._labels
        # The innermost loop of every evaluation: one turn a step of a branch.
        for branch, label in zip(branches, labels, strict=False):
            branch.depth += 1
            branch.answer = answer = known[label]
            branch._seen.append(answer)
        return None

    def _update_any(self, branches: list[Branch], rows: Rows) -> None:
        """Of a call that is not plain: branches may have gone on by any number of intervals, looked at or not."""
        looked: list[Branch] = []
        labels: list[int] = []
        values: list[float] = []
        own = repeat(math.nan) if rows.confidences is None else rows.confidences
        for branch, label, depth, flag, value in zip(
            branches, rows.labels, rows.details, rows.flags, own, strict=False
        ):
            branch.depth = depth
            if flag > 1:
                branch.finished = True
            if label < 0:
                self._gaps = True
            else:
                self._meet(label, flag)
                looked.append(branch)
                labels.append(label)
                values.append(value)
        self._reveal(looked, labels, None if rows.confidences is None else values)

    def _reveal(self, branches: list[Branch], labels: Iterable[int], confidences: Iterable[float] | None) -> None:
        """Show what branches answer at the depth they have reached."""
        known = self._labels
        values = repeat(math.nan) if confidences is None else confidences
        for branch, label, value in zip(branches, labels, values, strict=False):
            branch.answer = answer = known[label]
            branch.confidence = value if value == value else None
            seen, depth = branch._seen, branch.depth
            if len(seen) < depth - 1:
                # Depths were passed without a look, or this one is looked at after it was reached.
                seen += [None] * (depth - 1 - len(seen))
            seen.append(answer)

    def _meet(self, label: int, flag: int) -> None:
        """Make a label's answer when it is first revealed."""
        if label == len(self._labels):
            self._labels.append(Answer(label, bool(flag & 1), self._link.text(self._number, label)))

    def _check_own(self, branch: Branch) -> None:
        index = branch.index
        if not 0 <= index < len(self.branches) or self.branches[index] is not branch:
            raise UnknownBranch(f"{branch} is not a branch of this episode")

    def _refuse(self, refusal: int, what: str) -> None:
        raise _ERRORS[refusal](f"{what} ({self.tokens} tokens spent, {self.tokens_left} left)")


class Controller(ABC):
    """The base of every controller: a schedule from β to knobs, and a way to solve an episode with them."""

    def __init__(self, knobs: Mapping[str, Any]) -> None:
        self.knobs = dict(knobs)
        """The schedule at this run's β, with the settings that override it."""

    @staticmethod
    @abstractmethod
    def schedule(beta: float) -> dict[str, float]:
        """Every knob for β in [0, 1], each monotone in β: a larger β never spends less."""

    @abstractmethod
    def solve(self, episode: Episode) -> Answer | None:
        """Act on the episode until the answer is clear, and return it; None if there is none."""


def _listed(branches: "Branch | Iterable[Branch]") -> list[Branch]:
    return [branches] if isinstance(branches, Branch) else list(branches)

"""The API a test-time-scaling controller is written against.

    from autotts import Answer, Controller, Episode, majority

    class MyController(Controller):
        \"\"\"One line on the idea.\"\"\"

        @staticmethod
        def schedule(beta: float) -> dict[str, float]:
            return {"width": round(2 + 14 * beta)}

        def solve(self, episode: Episode) -> Answer | None:
            branches = episode.branch(self.knobs["width"])
            episode.finish([b for b in branches if not b.finished])
            return majority(b.answer for b in branches)

An episode is one question. Calls take many branches at once and are atomic: a call that is not admissible raises one
of the errors below, and changes nothing. The same file runs in replay, in every sandbox and on a live model. Only
Python's standard library is used here: a controller's process has little else of the project.
"""

import math
import random
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice, repeat
from typing import Any

from envdata.actions import Op, Refusal
from sandbox.action_errors import (
    ERRORS,
    ActionError,
    AlreadyProbed,
    BranchFinished,
    BranchPruned,
    BudgetExceeded,
    DuplicateBranch,
    EpisodeOver,
    NoOpenSlot,
    NoProbe,
    UnknownBranch,
    UnknownSignal,
)
from sandbox.branch import Answer, Branch, plain_answer
from sandbox.link import CallReply, Link, RevealedRows
from sandbox.signals import SignalReader
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
    "NoProbe",
    "Poll",
    "Tally",
    "UnknownBranch",
    "UnknownSignal",
    "confidence",
    "majority",
    "poll",
]


# Plain numbers: an enumeration's members are slow to reach in Python 3.11.
_BRANCH, _READ, _CONTINUE, _FINISH = int(Op.BRANCH), int(Op.READ), int(Op.CONTINUE), int(Op.FINISH)
_PROBE, _PRUNE, _NOTE = int(Op.PROBE), int(Op.PRUNE), int(Op.NOTE)

_MANY = 1 << 30
"""More branches than any episode has; fits the wire's 32 bits."""


class Episode:
    """One question under one order of its branches, which a controller acts on."""

    def __init__(
        self,
        link: Link,
        number: int,
        ceiling: int,
        interval: int,
        budget: int | None,
        seed: int,
        question: str | None,
        signals: Sequence[str] = (),
    ) -> None:
        """Called by the worker, not by controllers."""
        self._link = link
        self._number = number
        self._ceiling = ceiling
        self._seed = seed
        self._rng: random.Random | None = None
        self._labels: list[Answer] = []
        self._gaps = False
        """Whether some branch passed a depth unprobed."""
        self._budget = budget
        self.branches: list[Branch] = []
        """All branches opened so far, in the order of opening."""
        self._reader = SignalReader(link, number, signals, self.branches)
        self.interval = interval
        """Δ: tokens in one interval."""
        self.tokens = 0
        """Tokens spent so far."""
        self.question = question
        """Text of the question where the run shows it, otherwise None."""

    @property
    def tokens_left(self) -> float:
        """Tokens left of the budget; infinite without a budget."""
        return math.inf if self._budget is None else self._budget - self.tokens

    @property
    def open_slots(self) -> int:
        """Number of branches that can still be opened."""
        return self._ceiling - len(self.branches)

    @property
    def active(self) -> list[Branch]:
        """The branches neither finished nor pruned, in the order of opening."""
        return [branch for branch in self.branches if not (branch.finished or branch.pruned)]

    @property
    def rng(self) -> random.Random:
        """This episode's random generator; the same whenever the run is replayed."""
        if self._rng is None:
            self._rng = random.Random(self._seed)
        return self._rng

    def branch(self, n: int = 1, *, probe: bool = True) -> list[Branch]:
        """BRANCH: open n branches through their first interval, in parallel, and probe them.

        Costs Δ tokens a branch, and κ_probe a probe. Raises NoOpenSlot beyond `open_slots`, BudgetExceeded.
        """
        return self._open(_BRANCH, n, probe)

    def read(self, n: int = 1) -> list[Branch]:
        """BRANCH and FINISH in one call: open n branches, in parallel, and reveal their final answers alone.

        Costs the tokens of each branch; probes are free. A budget may stop a branch short; it is not `finished`
        then. Raises as `branch` does.
        """
        return self._open(_READ, n, False)

    def advance(self, branches: "Branch | Iterable[Branch]", *, probe: bool = True) -> None:
        """CONTINUE each branch by one interval, in parallel, and probe it.

        Costs Δ tokens a branch, less at its end, and κ_probe a probe, which is free at the end. Raises
        BranchFinished, BranchPruned, DuplicateBranch, BudgetExceeded.
        """
        self._call(_CONTINUE, branches, probe)

    def finish(self, branches: "Branch | Iterable[Branch]") -> None:
        """CONTINUE each branch to its end, in parallel, and reveal its final answer alone.

        Costs the remaining tokens of each branch; probes are free. A budget may stop a branch short; it is not
        `finished` then. Raises as `advance` does.
        """
        self._call(_FINISH, branches, False)

    def probe(self, branches: "Branch | Iterable[Branch]") -> None:
        """PROBE: reveal the answers that branches would give from their present prefixes.

        Costs κ_probe a branch. Raises AlreadyProbed at a probed depth, and as `advance` does.
        """
        self._call(_PROBE, branches, True)

    def prune(self, branches: "Branch | Iterable[Branch]") -> None:
        """PRUNE: stop branches for good; their answers stay known. Raises BranchFinished, BranchPruned."""
        listed = _listed(branches)
        _check_branches(listed)
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
        """Add a remark to the episode's trace, cut to 200 characters."""
        self._link.post(self._number, _NOTE, 0, str(text)[:200])

    def _open(self, op: int, n: int, probe: bool) -> list[Branch]:
        n = int(n)
        if n < 1:
            if n == 0:
                return []
            raise ValueError(f"{n} branches to open: the number is 0 or more")
        reply = self._link.call(self._number, op, probe, min(n, _MANY), [])
        if reply[0]:
            self.tokens = reply[1]
            self._refuse(reply[0], f"{Op(op).name} {n} with {self.open_slots} open slots")
        first = len(self.branches)
        opened = list(map(Branch, range(first, first + n), repeat(self._reader)))
        self.branches += opened
        self._update(opened, reply)
        return opened

    def _call(self, op: int, branches: "Branch | Iterable[Branch]", probe: bool) -> None:
        listed = _listed(branches)
        if not listed:
            return
        try:
            reply = self._link.call(self._number, op, probe, len(listed), [branch.index for branch in listed])
        except (AttributeError, TypeError):
            _check_branches(listed)
            raise
        if reply[0]:
            for branch in listed:
                self._check_own(branch)
            self._refuse(reply[0], f"{Op(op).name} {', '.join(map(repr, listed[:4]))}")
        self._update(listed, reply)

    def _update(self, branches: list[Branch], reply: CallReply) -> None:
        _, self.tokens, special, rows = reply
        if special < 0:
            return self._update_any(branches, rows)
        labels, known = list(islice(rows.labels, len(branches))), self._labels
        if special:
            for at, flag in zip(islice(rows.details, special), rows.flags, strict=False):
                if flag > 1:
                    branches[at].finished = True
                if labels[at] == len(known):
                    self._meet(labels[at], flag)
        if self._gaps or rows.confidences is not None:
            for branch in branches:
                branch.depth += 1
            return self._reveal(branches, labels, rows.confidences)
        # The innermost loop of every evaluation: one iteration per step of a branch.
        for branch, label in zip(branches, labels, strict=False):
            branch.depth += 1
            branch.answer = answer = known[label]
            branch._answers.append(answer)
        return None

    def _update_any(self, branches: list[Branch], rows: RevealedRows) -> None:
        """Update branches after a call that is not plain: they may have advanced by any number of intervals."""
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
        """Record the branches' answers at the depths they have reached."""
        known = self._labels
        values = repeat(math.nan) if confidences is None else confidences
        for branch, label, value in zip(branches, labels, values, strict=False):
            branch.answer = answer = known[label]
            branch.confidence = value if value == value else None
            answers, depth = branch._answers, branch.depth
            if len(answers) < depth - 1:
                # Depths were passed unprobed, or this one is probed after it was reached.
                gap = depth - 1 - len(answers)
                answers += [None] * gap
                branch._confidences += [None] * gap
            answers.append(answer)
            branch._confidences.append(branch.confidence)

    def _meet(self, label: int, flag: int) -> None:
        """Make the Answer of a label that is revealed for the first time."""
        if label == len(self._labels):
            text = self._link.text(self._number, label)
            parsed = bool(flag & 1)
            self._labels.append(plain_answer(label, parsed) if text is None else Answer(label, parsed, text))

    def _check_own(self, branch: Branch) -> None:
        index = branch.index
        if not 0 <= index < len(self.branches) or self.branches[index] is not branch:
            raise UnknownBranch(f"{branch} is not a branch of this episode")

    def _refuse(self, refusal: int, what: str) -> None:
        if refusal == Refusal.NO_PROBE:
            raise NoProbe(
                f"{what} asks for probes, which need a server that continues partial answers, or a grid with probes: "
                "give probe=False, and take the answers of finished branches"
            )
        raise ERRORS[refusal](f"{what} ({self.tokens} tokens spent, {self.tokens_left} left)")


class Controller(ABC):
    """Base class of controllers: a schedule from β to knobs, and a policy that solves an episode with them."""

    def __init__(self, knobs: Mapping[str, Any]) -> None:
        """Take the knobs."""
        self.knobs = dict(knobs)
        """The schedule at this run's β, with overriding settings."""

    @staticmethod
    @abstractmethod
    def schedule(beta: float) -> dict[str, float]:
        """Return every knob for β in [0, 1], each monotone in β: a larger β never spends less."""

    @abstractmethod
    def solve(self, episode: Episode) -> Answer | None:
        """Act on the episode until the answer is clear; return it, or None."""


def _listed(branches: "Branch | Iterable[Branch]") -> list[Branch]:
    if isinstance(branches, Branch):
        return [branches]
    try:
        return list(branches)
    except TypeError:
        _check_branches([branches])
        raise


def _check_branches(listed: Sequence[Any]) -> None:
    """Raise TypeError, with the first of them in its message, if something listed is no branch."""
    for each in listed:
        if not isinstance(each, Branch):
            raise TypeError(f"give a branch or several, as episode.active has them, not {each!r:.60}") from None

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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, repeat
from typing import Any

from envdata.actions import Op, Refusal
from sandbox.branch import Answer, Branch, plain_answer
from sandbox.link import Link, Reply, Rows
from sandbox.refused import (
    ERRORS,
    ActionError,
    AlreadyProbed,
    BranchFinished,
    BranchPruned,
    BudgetExceeded,
    DuplicateBranch,
    EpisodeOver,
    NoOpenSlot,
    UnknownBranch,
)
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


# Plain numbers: an enumeration's members are slow to reach in Python 3.11.
_BRANCH, _READ, _CONTINUE, _FINISH = int(Op.BRANCH), int(Op.READ), int(Op.CONTINUE), int(Op.FINISH)
_PROBE, _PRUNE, _NOTE = int(Op.PROBE), int(Op.PRUNE), int(Op.NOTE)
_ROUNDS, _IN_TURN = int(Op.ROUNDS), int(Op.IN_TURN)

_MANY = 1 << 30
"""More branches and rounds than any world has, and few enough for the wire."""


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

    def read(self, n: int = 1, *, in_turn: bool = False) -> list[Branch]:
        """BRANCH and FINISH in one call: open n branches, in parallel, and look at their final answers alone.

        With a budget a branch may be stopped short; it is not `finished` then. Raises as `branch` does. `in_turn` reads
        them one after the other, as n calls of `read(1)` would, without waiting for the controller in between.
        """
        return self.read_until(n, ()) if in_turn else self._open(_READ, n, False)

    def read_until(self, most: int, clear: Sequence[int], *, abreast: int = 1, afresh: bool = False) -> list[Branch]:
        """READ up to `most` branches, `abreast` at a time, until the vote of their final answers is clear.

        All answers that this call has read vote, with `afresh` only those of the latest `abreast`. The vote is clear
        when the leading answer has `clear[v]` votes, v being how many the second has; never with more than `clear`
        goes to. The last ones may be fewer than `abreast`.

        It costs and shows the same as calls of `read(abreast)` one by one, and leaves the same trace. Raises as those
        do, with what was read before staying read, and NoOpenSlot if `most` is beyond `open_slots`; ValueError if
        `abreast` or an entry of `clear` is less than 1.
        """
        least = min([abreast, *clear])
        if least < 1:
            raise ValueError(f"{least} branches abreast, or votes for a clear vote: it is 1 or more")
        return self._open(_IN_TURN, most, False, [abreast, afresh, *clear])

    def advance(self, branches: "Branch | Iterable[Branch]", *, probe: bool = True) -> None:
        """CONTINUE each branch by one interval, in parallel, and look at what it reaches.

        Raises BranchFinished, BranchPruned, DuplicateBranch, BudgetExceeded.
        """
        self._call(_CONTINUE, branches, probe)

    def rounds(
        self,
        branches: "Branch | Iterable[Branch]",
        most: int,
        *,
        leader: Answer | None = None,
        burst: int = 1,
        widen: int = 0,
        opening: int = 0,
        through_ends: bool = False,
    ) -> int:
        """Up to `most` rounds in one go; returns how many were taken.

        In each round every branch goes on by one interval and is looked at (`advance`); those that answer `leader` when
        this is called go on until they have taken up to `burst` intervals. Before the first round `opening` branches
        are opened (`branch`), between two rounds `widen`; they go along from then on, and are the last of
        `episode.branches`. Branches at their ends drop out. Rounds stop after one, or after an opening, in which a
        branch reached its end (not with `through_ends`), in which a branch came to answer `leader` or ceased to, or
        after which none is left.

        It costs and shows the same as those calls one by one, and leaves the same trace; what is spared is the way to
        the model and back. A call that is not admissible raises its error, as it would by itself: what was done before
        it stays done. Raises as `advance` and `branch` do; ValueError for a `leader` that this episode never revealed.
        """
        listed = _listed(branches)
        for name, value, least in (
            ("most", most, 0),
            ("burst", burst, 1),
            ("widen", widen, 0),
            ("opening", opening, 0),
        ):
            if value < least:
                raise ValueError(f"{name} is {value}; it is {least} or more")
        if not most or not (listed or opening):
            return 0
        label = -1
        if leader is not None:
            known, label = self._labels, int(leader)
            if label >= len(known) or known[label] is not leader:
                # Nobody's answer, or one that is shown under another number.
                label = next((at for at, answer in enumerate(known) if answer is leader), -1)
            if label < 0:
                raise ValueError(f"{leader!r} is not an answer of this episode")
        most, burst, widen, opening = (min(int(number), _MANY) for number in (most, burst, widen, opening))
        asked = [most, burst, widen, label, int(through_ends), opening]
        if label < 0:
            asked += [branch.index << 1 for branch in listed]
        else:
            asked += [branch.index << 1 | (branch.answer is leader) for branch in listed]
        reply = self._link.call(self._number, _ROUNDS, False, len(asked), asked)
        return self._follow(listed, reply)

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

    def _open(self, op: int, n: int, probe: bool, asked: Sequence[int] = ()) -> list[Branch]:
        n = int(n)
        if n < 1:
            if n == 0:
                return []
            raise ValueError(f"{n} branches to open: the number is 0 or more")
        n = min(n, _MANY)
        own = [n, *(min(int(each), _MANY) for each in asked)] if asked else []
        reply = self._link.call(self._number, op, probe, len(own) or n, own)
        refusal, self.tokens, _, rows = reply
        if op == _IN_TURN:
            n = next(rows.details)
            next(rows.flags)
        if not refusal or op == _IN_TURN:
            opened = self._add(n)
            self._update(opened, reply)
        if refusal:
            self._refuse(refusal, f"{Op(op).name} {n} with {self.open_slots} open slots")
        return opened

    def _add(self, n: int) -> list[Branch]:
        first = len(self.branches)
        opened = list(map(Branch, range(first, first + n)))
        self.branches += opened
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

    def _follow(self, branches: list[Branch], reply: Reply) -> int:
        """Take in what ROUNDS did."""
        refusal, self.tokens, _, rows = reply
        taken, opened, told, fresh = islice(rows.details, 4)
        branches = branches + self._add(opened) if opened else branches
        counts = list(islice(rows.details, 2 * told))
        ended = list(islice(rows.flags, 4 + 2 * told))[4::2]
        for label, flag in zip(islice(rows.details, fresh), rows.flags, strict=False):
            self._meet(label, flag)
        # Where the rounds ended before the first, only those are told of that were opened for it.
        each = zip(branches[-opened:] if told == opened else branches, counts[::2], counts[1::2], ended, strict=False)
        answers = map(self._labels.__getitem__, rows.labels)
        if self._gaps or refusal or rows.confidences is not None:
            self._follow_any(each, answers, rows.confidences)
        else:
            for branch, count, depth, end in each:
                branch.depth = depth
                seen = branch._seen
                seen += islice(answers, count)
                branch.answer = seen[-1]
                if end:
                    branch.finished = True
        if refusal:
            for branch in branches:
                self._check_own(branch)
            self._refuse(refusal, f"ROUNDS {', '.join(map(repr, branches[:4]))}")
        return taken

    def _follow_any(
        self,
        each: Iterable[tuple[Branch, int, int, int]],
        answers: Iterator[Answer],
        confidences: Iterator[float] | None,
    ) -> None:
        """What ROUNDS did to branches, of which some may have been passed over or stopped short."""
        for branch, count, depth, end in each:
            seen = branch._seen
            if count:
                seen += [None] * (branch.depth - len(seen))
                seen += islice(answers, count)
                branch.answer = seen[-1]
                if confidences is not None:
                    *_, value = islice(confidences, count)
                    branch.confidence = value if value == value else None
            branch.depth = depth
            self._gaps |= len(seen) < depth
            branch.finished |= end > 0

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
            text = self._link.text(self._number, label)
            parsed = bool(flag & 1)
            self._labels.append(plain_answer(label, parsed) if text is None else Answer(label, parsed, text))

    def _check_own(self, branch: Branch) -> None:
        index = branch.index
        if not 0 <= index < len(self.branches) or self.branches[index] is not branch:
            raise UnknownBranch(f"{branch} is not a branch of this episode")

    def _refuse(self, refusal: int, what: str) -> None:
        raise ERRORS[refusal](f"{what} ({self.tokens} tokens spent, {self.tokens_left} left)")


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

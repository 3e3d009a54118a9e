"""One live episode: the rules, a model's branches, opaque labels, the result and the trace.

The counterpart of `envdata.episodes.Episodes` for one episode: actions are judged and charged by the same
`envdata.rules`, and recorded by the same `envdata.traces`.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from envdata import several
from envdata.actions import Op, Refusal
from envdata.episodes import RUNNING, Played, Terms
from envdata.ledger import FINISHED, PRUNED, UNLIMITED, Bools, Calls, Costs, Ints, Ledger
from envdata.live.answers import AnswerBook
from envdata.live.world import LiveWorld
from envdata.rules import Course, Settled, prune
from envdata.traces import TraceLog

ONLY = slice(0, 1)
"""The only episode, among those of arrays that can hold many."""


def costs_of(terms: Terms, interval: int, probe_tokens: int) -> Costs:
    """What an action costs at most: with κ as the server counts it, a probe is as long as it may be."""
    probe = probe_tokens if terms.probe_cost is None else terms.probe_cost
    return Costs(interval, probe, UNLIMITED if terms.budget is None else terms.budget)


@dataclass(frozen=True)
class BranchState:
    """How one branch stands; for whoever watches, not for controllers."""

    tokens: int
    depth: int
    answer: str | None
    """The latest that was revealed."""
    finished: bool
    pruned: bool
    text: str


class LiveEpisode:
    """An episode that a controller plays (`sandbox.serving.Table`)."""

    questions = 1
    confident = True

    def __init__(self, world: LiveWorld, book: AnswerBook, ledger: Ledger, terms: Terms, costs: Costs) -> None:
        """`ledger` is one of a single episode, whose `terms.max_branches` branches may all be opened."""
        self.world, self.book, self.ledger, self.terms, self.costs = world, book, ledger, terms, costs
        ledger.begin(ONLY, np.full(1, ledger.width, np.int64))
        self.traces = TraceLog(self._spelt, 1)
        self.traces.begin(ONLY, True)
        self.status = RUNNING
        self.why: str | None = None
        self._answer = -1
        self._latest: dict[int, int] = {}
        """The code that each branch revealed last."""
        self._made = np.zeros(1, np.int64)

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return bool(self.ledger.over[0])

    @property
    def calls(self) -> int:
        """Admitted calls."""
        return int(self._made[0])

    @property
    def final_answer(self) -> str | None:
        """What it was answered with; None also for a label that is no answer."""
        return None if self._answer < 0 or not self.book.parsed(self._answer) else self.book.texts[self._answer]

    def play(self, calls: Calls) -> Played:
        """Apply one call. Raises CollectError where the model fails; what was decoded until then is counted.

        Of a call that stands for several, those that came before stay as if they had been made one by one.
        """
        try:
            done = several.settle(self.ledger, calls, self.world, self.costs, self._known)
        except several.Interrupted as interrupted:
            self._played(calls, interrupted.course)
            raise interrupted.cause from None
        return self._played(calls, done)

    def _played(self, calls: Calls, done: Settled | Course) -> Played:
        """Give out labels, and write down what was done."""
        course = done if isinstance(done, Course) else None
        settled = done.settled if isinstance(done, Course) else done
        known = self.book.revealed
        label = np.full(len(settled.call), -1, np.int64)
        shown = np.flatnonzero(settled.revealed)
        if course is not None:
            shown = shown[np.argsort(course.step[shown], kind="stable")]
        for at in shown.tolist():
            code = int(settled.answer[at])
            label[at] = self.book.label(code)
            self._latest[int(settled.place[at])] = code
        self.traces.add_calls(calls, done, np.zeros(len(settled.call), np.int64), self._made, self.ledger)
        self._made += int(((settled.refusal == Refusal.ADMITTED) if course is None else course.made).sum())

        def parsed(rows: Ints) -> Bools:
            return np.array([code >= 0 and self.book.parsed(code) for code in settled.answer[rows].tolist()], bool)

        return Played(settled, label, label >= known, parsed, course)

    def _known(self, episode: Ints, code: Ints) -> Ints:
        """The labels of answer codes, −1 for those that were not given out."""
        return np.array([self.book.known(each) for each in code.tolist()], np.int64)

    def prune(self, episode: Ints, branch: Ints) -> Ints:
        """PRUNE one branch an entry; returns `Refusal` values."""
        refusal = prune(self.ledger, episode, branch)
        self.traces.add_prunes(episode, branch, refusal == Refusal.ADMITTED, self._made, self.ledger)
        return refusal

    def answer(self, episode: int, label: int | None, status: int) -> Refusal:
        """ANSWER with a label that was revealed, or None."""
        if self.over:
            return Refusal.EPISODE_OVER
        code = -1 if label is None else self.book.code_of(label)
        if code is None:
            return Refusal.UNREVEALED_ANSWER
        self._end(status, code)
        self.traces.add_end(0, Op.ANSWER, code, self._made, self.ledger)
        return Refusal.ADMITTED

    def fail(self, episode: int, status: int, why: str) -> Refusal:
        """End it without an answer."""
        if self.over:
            return Refusal.EPISODE_OVER
        self._end(status, -1)
        self.why = why
        self.traces.add_end(0, Op.FAIL, -1, self._made, self.ledger, why)
        return Refusal.ADMITTED

    def note(self, episode: int, text: str) -> None:
        """Put a controller's remark into the trace."""
        self.traces.add_note(0, text, self._made, self.ledger)

    def answer_text(self, episode: int, code: int) -> str:
        """How an answer code is spelt."""
        return self.book.texts[code]

    def majority(self) -> str | None:
        """The most frequent answer among what branches revealed last, the first branch's among equals.

        Branches that were pruned vote where no other has an answer. None without answers.
        """
        voters = {place: code for place, code in self._latest.items() if self.book.parsed(code)}
        kept = [place for place in sorted(voters) if not self.ledger.state[place] & PRUNED] or sorted(voters)
        votes = [voters[place] for place in kept]
        return self.book.texts[max(votes, key=votes.count)] if votes else None

    def states(self) -> list[BranchState]:
        """How the branches stand now. May be called from any thread."""
        told = []
        for place, branch in enumerate(list(self.world.branches)):
            state, code = int(self.ledger.state[place]), self._latest.get(place)
            told.append(
                BranchState(
                    branch.count,
                    int(self.ledger.depth[place]),
                    None if code is None else self.book.texts[code],
                    bool(state & FINISHED),
                    bool(state & PRUNED),
                    branch.text,
                )
            )
        return told

    def _end(self, status: int, code: int) -> None:
        self.ledger.over[ONLY] = True
        self.status, self._answer = status, code

    def _spelt(self, question: npt.NDArray[np.int32], code: npt.NDArray[np.int32]) -> pa.Array:
        return pa.array([None if each < 0 else self.book.texts[each] for each in code.tolist()], pa.string())

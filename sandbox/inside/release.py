"""Runs controllers written for the public AutoTTS release, unmodified: its `question` object over our actions.

The release hands a controller a question with one method an action, one branch at a time; answers are strings. Every
method here is one or more of our actions, charged by the host; nothing is known before it is paid for. The candidate is
the file's `OptimalController`, made with `config={"beta": β}`.
"""

from os import read
from types import ModuleType
from typing import Any

from envdata.actions import Op, Refusal
from sandbox.inside.errors import Broken, safely
from sandbox.inside.wire import FINISHED, RECORD, RECORD_TEXT
from sandbox.link import Link, Reply
from sandbox.status import Status

CONTROLLER = "OptimalController"

NO_ANSWER = ("", "None")
"""Strings that a controller returns for want of an answer."""

_RECORD = RECORD.size


class ReleaseQuestion:
    """One question as the release's controllers know it.

    Where branches come sealed (`sandbox.sealing`), an interval is taken by reading it, and told with the next call.
    """

    def __init__(self, link: Link, number: int, interval: int, question: str | None) -> None:
        self._link = link
        self._number = number
        self._texts: list[str] = []
        """Spellings by label."""
        self._labels: dict[str, int] = {}
        self._costs: list[int] = []
        """Tokens by branch, in the order of opening; `_counted` says of which intervals."""
        self._sealed = link.sealed(number)
        """By branch, what sealed ones are taken from that are not open."""
        self._open: dict[int, int] = {}
        """By branch, what sealed ones are taken from that are open, and not at their ends."""
        self._taken: list[int] = []
        """The branches that intervals were taken from, in order."""
        self._told = self._counted = 0
        """Of how many of them the host was told, and how many are counted in `_costs`, as intervals of Δ tokens."""
        self._ends: dict[int, tuple[int, tuple[str, bool]]] = {}
        """Of sealed branches that were read to their ends, what their last records say: the cost, and what is shown."""
        self._records: dict[bytes, tuple[int | None, tuple[str, bool]]] = {}
        """What records say that were read before, for many say the same: the cost, None for a whole interval of Δ
        tokens, and what is shown."""
        self._interval = self.probe_freq = interval
        """Δ, in tokens."""
        self.question = question

    def probe_new(self) -> tuple[str, int, bool]:
        """Open a branch through its first interval: (answer, index, is_finish). ValueError if none is left."""
        index = len(self._costs)
        if index in self._sealed:
            self._open[index] = self._sealed.pop(index)
            self._costs.append(0)
            answer, finished = self.probe_more(index)
        else:
            reply = self._call(Op.BRANCH, True, [])
            if reply[0]:
                raise ValueError("no branch is left to open")
            self._costs.append(0)
            answer, finished = self._seen(index, reply)
            if index in self._sealed:
                self._open[index] = self._sealed.pop(index)
        return answer, index, finished

    def probe_more(self, index: int) -> tuple[str, bool]:
        """Advance a branch by an interval: (answer, is_finish). A finished one is charged its last interval again."""
        # A controller's innermost step: everything here is done once an interval.
        try:
            descriptor = self._open[index]
        except KeyError:
            return self._further(index)
        record = read(descriptor, _RECORD)
        self._taken.append(index)
        try:
            cost, shown = self._records[record]
        except KeyError:
            cost, shown = self._first_read(descriptor, record)
        if cost is not None:
            self._costs[index] += cost - self._interval
            if shown[1]:
                self._ends[index] = cost, shown
                del self._open[index]
        return shown

    def _further(self, index: int) -> tuple[str, bool]:
        """Advance a branch that is not sealed, or at its end."""
        if index in self._ends:
            cost, shown = self._ends[index]
            self._taken.append(index)
            self._costs[index] += cost - self._interval
            return shown
        reply = self._call(Op.CONTINUE, True, [index])
        if reply[0]:
            raise IndexError(f"branch {index}: {Refusal(reply[0]).name.lower()}")
        return self._seen(index, reply)

    def get_new_branch_final_answer(self) -> str:
        """Open a branch and read it whole. IndexError if none is left."""
        reply = self._call(Op.READ, False, [])
        if reply[0]:
            raise IndexError("no branch is left to open")
        index = len(self._costs)
        self._sealed.pop(index, None)
        self._costs.append(0)
        return self._seen(index, reply)[0]

    def get_seq_and_total_tokens(self) -> tuple[int, int]:
        """The longest branch so far, and all of them together, in tokens."""
        costs = self._count()
        return max(costs, default=0), sum(costs)

    def get_cost_per_branch_active(self) -> list[int]:
        """What each opened branch has cost, in tokens, in the order of opening."""
        return list(self._count())

    def tell(self) -> None:
        """Tell what was taken."""
        if self._told < len(self._taken):
            self._link.tell(self._number, self._taken[self._told :])
            self._told = len(self._taken)

    def _call(self, op: Op, probe: bool, branches: list[int]) -> Reply:
        self.tell()
        return self._link.call(self._number, op, probe, 1, branches)

    def _count(self) -> list[int]:
        """What each branch has cost. Counted when it is asked for, for few controllers ask at every step."""
        costs, interval = self._costs, self._interval
        for index in self._taken[self._counted :]:
            costs[index] += interval
        self._counted = len(self._taken)
        return costs

    def _first_read(self, descriptor: int, record: bytes) -> tuple[int | None, tuple[str, bool]]:
        """What a record says that was not read before; the rest of a long answer follows it."""
        cost, finished, size, text = RECORD.unpack(record)
        answer = (text[:size] if size <= RECORD_TEXT else text + read(descriptor, size - RECORD_TEXT)).decode()
        if answer not in self._labels:
            self._met(answer)
        usual = not finished and cost == self._interval
        said = None if usual else cost, (answer, finished != 0)
        if size <= RECORD_TEXT:
            self._records[record] = said
        return said

    def _met(self, answer: str) -> None:
        self._labels[answer] = len(self._texts)
        self._texts.append(answer)

    def _seen(self, index: int, reply: Reply) -> tuple[str, bool]:
        _, tokens, special, (labels, confidences, details, flags) = reply
        self._costs[index] += tokens - sum(self._count())
        label = next(labels)
        if confidences is not None:
            next(confidences)
        if not special:
            return self._texts[label], False
        next(details)
        if label == len(self._texts):
            self._met(self._link.text(self._number, label) or "")
        return self._texts[label], next(flags) >= FINISHED

    def label(self, answer: object) -> int | None:
        """The label of a string that the episode revealed. Raises LookupError for any other."""
        if answer is None or (type(answer) is str and answer in NO_ANSWER and answer not in self._texts):
            return None
        if type(answer) is not str or answer not in self._labels:
            raise LookupError
        return self._labels[answer]


class ReleaseCandidate:
    """A file's `OptimalController` (`sandbox.inside.player.Playable`)."""

    name = CONTROLLER

    def __init__(self, module: ModuleType) -> None:
        """Find the class; raises Broken if there is none."""
        found = module.__dict__.get(CONTROLLER)
        if not (isinstance(found, type) and callable(getattr(found, "solve", None))):
            why = f"the file must define a class {CONTROLLER} with solve(question)"
            raise Broken(Status.CONTRACT_ERROR, why)
        self._controller: type[Any] = found

    def schedule(self, beta: float, settings: dict[str, float]) -> dict[str, float]:
        """What the candidate is made with: the release's controllers keep their schedules to themselves."""
        return {"beta": beta, **settings}

    def prepare(self, job: dict[str, Any]) -> None:
        """Nothing is shared: every episode makes a controller of its own."""

    def play(self, link: Link, number: int, job: dict[str, Any]) -> int | None:
        """Play one episode to its answer's label; raises Broken for a string that no branch answered."""
        question = ReleaseQuestion(link, number, job["interval"], job["episodes"][number][2])
        controller = self._controller(config=self.schedule(job["beta"], job["settings"]))
        try:
            answer = controller.solve(question)
        finally:
            question.tell()
        try:
            return question.label(answer)
        except LookupError:
            what = f"{type(answer).__name__} {safely(answer)}"
            raise Broken(Status.CONTRACT_ERROR, f"solve() returned {what}, which no branch answered") from None

"""Runs controllers written for the public AutoTTS release, unmodified: its `question` object over our actions.

The release hands a controller a question with one method an action, one branch at a time; answers are strings. Every
method here is one or more of our actions, charged by the host; nothing is known before it is paid for. The candidate is
the file's `OptimalController`, made with `config={"beta": β}`.
"""

from types import ModuleType
from typing import Any, Protocol

from envdata.actions import Op, Refusal
from sandbox.inside.errors import Broken, safely
from sandbox.inside.wire import FINISHED
from sandbox.link import Reply
from sandbox.status import Status

CONTROLLER = "OptimalController"

NO_ANSWER = ("", "None")
"""Strings that a controller returns for want of an answer."""


class _Link(Protocol):
    def call(self, episode: int, op: int, probe: bool, count: int, branches: list[int]) -> Reply: ...

    def text(self, episode: int, label: int) -> str | None: ...


class ReleaseQuestion:
    """One question as the release's controllers know it."""

    def __init__(self, link: _Link, number: int, interval: int, question: str | None) -> None:
        self._link = link
        self._number = number
        self._texts: list[str] = []
        """Spellings by label."""
        self._spent = 0
        self._costs: list[int] = []
        """Tokens by branch, in the order of opening."""
        self.probe_freq = interval
        """Δ, in tokens."""
        self.question = question

    def probe_new(self) -> tuple[str, int, bool]:
        """Open a branch through its first interval: (answer, index, is_finish). ValueError if none is left."""
        reply = self._link.call(self._number, Op.BRANCH, True, 1, [])
        if reply[0]:
            raise ValueError("no branch is left to open")
        index = len(self._costs)
        self._costs.append(0)
        answer, finished = self._seen(index, reply)
        return answer, index, finished

    def probe_more(self, index: int) -> tuple[str, bool]:
        """Advance a branch by an interval: (answer, is_finish). A finished one is charged its last interval again."""
        reply = self._link.call(self._number, Op.CONTINUE, True, 1, [index])
        if reply[0]:
            raise IndexError(f"branch {index}: {Refusal(reply[0]).name.lower()}")
        return self._seen(index, reply)

    def get_new_branch_final_answer(self) -> str:
        """Open a branch and read it whole. IndexError if none is left."""
        reply = self._link.call(self._number, Op.READ, False, 1, [])
        if reply[0]:
            raise IndexError("no branch is left to open")
        index = len(self._costs)
        self._costs.append(0)
        return self._seen(index, reply)[0]

    def get_seq_and_total_tokens(self) -> tuple[int, int]:
        """The longest branch so far, and all of them together, in tokens."""
        return max(self._costs, default=0), self._spent

    def get_cost_per_branch_active(self) -> list[int]:
        """What each opened branch has cost, in tokens, in the order of opening."""
        return list(self._costs)

    def _seen(self, index: int, reply: Reply) -> tuple[str, bool]:
        _, tokens, special, (labels, confidences, details, flags) = reply
        self._costs[index] += tokens - self._spent
        self._spent = tokens
        label = next(labels)
        if confidences is not None:
            next(confidences)
        if not special:
            return self._texts[label], False
        next(details)
        if label == len(self._texts):
            self._texts.append(self._link.text(self._number, label) or "")
        return self._texts[label], next(flags) >= FINISHED

    def label(self, answer: object) -> int | None:
        """The label of a string that the episode revealed. Raises LookupError for any other."""
        if answer is None or (type(answer) is str and answer in NO_ANSWER and answer not in self._texts):
            return None
        try:
            return self._texts.index(answer)  # type: ignore[arg-type]
        except ValueError:
            raise LookupError from None


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

    def play(self, link: _Link, number: int, job: dict[str, Any]) -> int | None:
        """Play one episode to its answer's label; raises Broken for a string that no branch answered."""
        question = ReleaseQuestion(link, number, job["interval"], job["episodes"][number][2])
        controller = self._controller(config=self.schedule(job["beta"], job["settings"]))
        answer = controller.solve(question)
        try:
            return question.label(answer)
        except LookupError:
            what = f"{type(answer).__name__} {safely(answer)}"
            raise Broken(Status.CONTRACT_ERROR, f"solve() returned {what}, which no branch answered") from None

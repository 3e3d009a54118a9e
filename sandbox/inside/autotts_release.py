"""Runs unmodified controllers of the public AutoTTS release: implements the release's `question` object by our actions.

The release passes a controller a question with one method per action, one branch at a time; answers are strings. Every
method here is an action of ours, charged by the host; nothing is revealed before it is paid for. The candidate is the
file's `OptimalController`, made with `config={"beta": β}`.
"""

from types import ModuleType
from typing import Any

from envdata.actions import Op, Refusal
from sandbox.inside.errors import BrokenCandidate, safely
from sandbox.inside.wire import FINISHED
from sandbox.link import CallReply, Link
from sandbox.status import Status

CONTROLLER = "OptimalController"

# Plain numbers: an enumeration's members are slow to reach in Python 3.11.
_BRANCH, _CONTINUE, _READ = int(Op.BRANCH), int(Op.CONTINUE), int(Op.READ)

NO_ANSWER = ("", "None")
"""Strings that a controller returns for no answer."""


class ReleaseQuestion:
    """One question with the methods of the release's API."""

    def __init__(self, link: Link, number: int, interval: int, question: str | None) -> None:
        """Make the question of an episode; `interval` is Δ in tokens, `question` its text if the run shows it."""
        self._link = link
        self._number = number
        self._texts: list[str] = []
        """Texts of the answers by label."""
        self._labels: dict[str, int] = {}
        self._costs: list[int] = []
        """Tokens spent on each branch, in the order of opening."""
        self._tokens = 0
        """Tokens spent on the episode."""
        self.probe_freq = interval
        """Δ, in tokens."""
        self.question = question

    def probe_new(self) -> tuple[str, int, bool]:
        """Open a branch through its first interval; return (answer, index, is_finish). ValueError if none is left."""
        reply = self._link.call(self._number, _BRANCH, True, 1, [])
        if reply[0]:
            raise ValueError("no branch is left to open")
        index = len(self._costs)
        self._costs.append(0)
        answer, finished = self._take(index, reply)
        return answer, index, finished

    def probe_more(self, index: int) -> tuple[str, bool]:
        """Advance a branch by an interval; return (answer, is_finish).

        A finished branch is charged its last interval again, as in the release. Raises IndexError if it is refused.
        """
        reply = self._link.call(self._number, _CONTINUE, True, 1, [index])
        if reply[0]:
            raise IndexError(f"branch {index}: {Refusal(reply[0]).name.lower()}")
        return self._take(index, reply)

    def get_new_branch_final_answer(self) -> str:
        """Open a branch, decode it to its end and return its answer. IndexError if none is left."""
        reply = self._link.call(self._number, _READ, False, 1, [])
        if reply[0]:
            raise IndexError("no branch is left to open")
        self._costs.append(0)
        return self._take(len(self._costs) - 1, reply)[0]

    def get_seq_and_total_tokens(self) -> tuple[int, int]:
        """Return the tokens of the longest branch so far, and of all branches together."""
        return max(self._costs, default=0), self._tokens

    def get_cost_per_branch_active(self) -> list[int]:
        """Return the tokens spent on each opened branch, in the order of opening."""
        return list(self._costs)

    def _take(self, index: int, reply: CallReply) -> tuple[str, bool]:
        """Charge a call's tokens to a branch; return the answer that it revealed, and whether the branch finished."""
        _, tokens, special, rows = reply
        self._costs[index] += tokens - self._tokens
        self._tokens = tokens
        label = next(rows.labels)
        if rows.confidences is not None:
            next(rows.confidences)
        if not special:
            return self._texts[label], False
        next(rows.details)
        if label == len(self._texts):
            answer = self._link.text(self._number, label) or ""
            self._labels[answer] = label
            self._texts.append(answer)
        return self._texts[label], next(rows.flags) >= FINISHED

    def label(self, answer: object) -> int | None:
        """Return the label of a revealed answer, None for no answer. Raises LookupError for any other value."""
        if answer is None or (type(answer) is str and answer in NO_ANSWER and answer not in self._texts):
            return None
        if type(answer) is not str or answer not in self._labels:
            raise LookupError
        return self._labels[answer]


class ReleaseCandidate:
    """A file's `OptimalController` (`sandbox.inside.player.Playable`)."""

    name = CONTROLLER

    def __init__(self, module: ModuleType) -> None:
        """Find the class in the candidate's module. Raises BrokenCandidate if there is none."""
        found = module.__dict__.get(CONTROLLER)
        if not (isinstance(found, type) and callable(getattr(found, "solve", None))):
            why = f"the file must define a class {CONTROLLER} with solve(question)"
            raise BrokenCandidate(Status.CONTRACT_ERROR, why)
        self._controller: type[Any] = found

    def schedule(self, beta: float, settings: dict[str, float]) -> dict[str, float]:
        """Return β and the settings: the release's controllers do not expose their schedules."""
        return {"beta": beta, **settings}

    def prepare(self, job: dict[str, Any]) -> None:
        """Do nothing: every episode makes a controller of its own."""

    def play(self, link: Link, number: int, job: dict[str, Any]) -> int | None:
        """Play one episode and return its answer's label, None for no answer.

        Raises BrokenCandidate for a string that no branch answered, and whatever the candidate raises.
        """
        question = ReleaseQuestion(link, number, job["interval"], job["episodes"][number][2])
        controller = self._controller(config=self.schedule(job["beta"], job["settings"]))
        answer = controller.solve(question)
        try:
            return question.label(answer)
        except LookupError:
            what = f"{type(answer).__name__} {safely(answer)}"
            raise BrokenCandidate(Status.CONTRACT_ERROR, f"solve() returned {what}, which no branch answered") from None

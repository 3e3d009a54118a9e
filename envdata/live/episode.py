"""One live episode: rules, a model's branches, opaque labels, result and trace.

The counterpart of `envdata.episodes.Episodes` for one episode: the same `envdata.rules` admit and charge actions, and
the same `envdata.traces` record them.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from envdata.actions import Op, Refusal
from envdata.episode_state import FINISHED, PRUNED, Bools, Calls, Costs, EpisodeStates, Ints
from envdata.episodes import RUNNING, CallResults, Terms
from envdata.grid_schema import PROBE_CONFIDENCE
from envdata.live.answers import AnswerBook
from envdata.live.branch_source import LiveBranches
from envdata.live.episode_judge import EpisodeJudge
from envdata.live.judge import JUDGE
from envdata.rules import apply_calls, prune
from envdata.traces import TraceLog

ONLY = slice(0, 1)
"""The slice of the only episode in arrays over episodes."""


def costs_of(terms: Terms, interval: int, probe_tokens: int | None) -> Costs:
    """Return the largest costs of the actions of a live episode.

    Args:
        terms: Limits and costs.
        interval: Δ, in tokens.
        probe_tokens: The most tokens that a probe may decode, its largest cost where the server's count is charged;
            None where nothing can be probed.
    """
    if probe_tokens is None:
        return dataclasses.replace(terms.costs(interval, 0), repeats_last=False, probes=False)
    probe = probe_tokens if terms.probe_cost is None else terms.probe_cost
    return dataclasses.replace(terms, repeats_last=False).costs(interval, probe)


@dataclass(frozen=True)
class BranchState:
    """The state of one branch for observers; controllers do not see it."""

    tokens: int
    """Tokens decoded."""
    depth: int
    """Intervals decoded."""
    answer: str | None
    """The latest revealed answer."""
    finished: bool
    pruned: bool
    text: str
    cut: bool = False
    """Whether it ended at its largest length, not where the model ended it."""


class LiveEpisode:
    """An episode that a controller plays (`sandbox.episode_protocol`)."""

    questions = 1
    confident = True

    def __init__(
        self,
        source: LiveBranches,
        book: AnswerBook,
        states: EpisodeStates,
        terms: Terms,
        costs: Costs,
        signal_names: tuple[str, ...] = (PROBE_CONFIDENCE,),
        judge: EpisodeJudge | None = None,
    ) -> None:
        """Start the episode.

        Args:
            source: The model's branches.
            book: Answers and their labels.
            states: The state of a single episode with room for `terms.max_branches` branches.
            terms: Limits and costs.
            costs: The largest costs of actions, from `costs_of`.
            signal_names: Names of the signals that the controller may read.
            judge: Gives the signal `judge`, where that is among the names.
        """
        self.source, self.book, self.states, self.terms, self.costs = source, book, states, terms, costs
        self.signal_names, self.judge = signal_names, judge
        states.begin(ONLY, np.full(1, states.width, np.int64))
        self.traces = TraceLog(self._spelt, 1)
        self.traces.begin(ONLY, True)
        self.status = RUNNING
        self.why: str | None = None
        self._answer = -1
        self._latest: dict[int, int] = {}
        """Code of the answer that each branch revealed last."""
        self._made = np.zeros(1, np.int64)

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return bool(self.states.over[0])

    @property
    def calls(self) -> int:
        """Number of admitted calls."""
        return int(self._made[0])

    @property
    def final_answer(self) -> str | None:
        """Text of its answer; None if it ended without one, or with a mark of the absence of one."""
        return None if self._answer < 0 or not self.book.parsed(self._answer) else self.book.texts[self._answer]

    def play(self, calls: Calls) -> CallResults:
        """Apply one call. Raises CollectError where the model fails; tokens decoded until then are counted."""
        settled = apply_calls(self.states, calls, self.source, self.costs)
        known = self.book.revealed
        label = np.full(len(settled.call), -1, np.int64)
        for at in np.flatnonzero(settled.revealed).tolist():
            code = int(settled.answer[at])
            label[at] = self.book.label(code)
            self._latest[int(settled.place[at])] = code
        self.traces.add_calls(calls, settled, np.zeros(len(settled.call), np.int64), self._made, self.states)
        self._made += int((settled.refusal == Refusal.ADMITTED).sum())

        def parsed(rows: Ints) -> Bools:
            return np.array([code >= 0 and self.book.parsed(code) for code in settled.answer[rows].tolist()], bool)

        return CallResults(settled, label, label >= known, parsed)

    def signal(self, name: str, places: Ints, first: Ints) -> npt.NDArray[np.float32]:
        """Return a signal of branches, from depth `first` + 1 to the depth reached, branch after branch.

        It is the judge's score or the token confidence: the probes' confidences come with the answers. Raises
        JudgeError if the judge does not answer.
        """
        if name == JUDGE and self.judge is not None:
            finished = (self.states.flags[places] & FINISHED).astype(bool)
            answers = [self._latest.get(place) for place in places.tolist()]
            answered = np.array([code is not None and self.book.parsed(code) for code in answers], bool)
            return self.judge.values(
                places, first, self.states.depth[places], finished & answered,
                lambda place: self.source.branches[place].text,
            )  # fmt: skip
        return self.source.token_confidences(places, first, self.states.depth[places])

    def prune(self, episode: Ints, branch: Ints) -> Ints:
        """PRUNE one branch for each entry; arrays have shape (n,), the returned one holds `Refusal` values."""
        refusal = prune(self.states, episode, branch)
        self.source.stop(branch[refusal == Refusal.ADMITTED])
        self.traces.add_prunes(episode, branch, refusal == Refusal.ADMITTED, self._made, self.states)
        return refusal

    def answer(self, episode: int, label: int | None, status: int) -> Refusal:
        """ANSWER with a label that was revealed, or None; the episode ends with `status`."""
        if self.over:
            return Refusal.EPISODE_OVER
        code = -1 if label is None else self.book.code_of(label)
        if code is None:
            return Refusal.UNREVEALED_ANSWER
        self._end(status, code)
        self.traces.add_end(0, Op.ANSWER, code, self._made, self.states)
        return Refusal.ADMITTED

    def fail(self, episode: int, status: int, why: str) -> Refusal:
        """End the episode without an answer, with `status` and the reason `why`."""
        if self.over:
            return Refusal.EPISODE_OVER
        self._end(status, -1)
        self.why = why
        self.traces.add_end(0, Op.FAIL, -1, self._made, self.states, why)
        return Refusal.ADMITTED

    def note(self, episode: int, text: str) -> None:
        """Add a controller's note to the trace."""
        self.traces.add_note(0, text, self._made, self.states)

    def answer_text(self, episode: int, code: int) -> str:
        """Return the text of an answer code."""
        return self.book.texts[code]

    def majority(self) -> str | None:
        """Return the most frequent of the branches' last revealed answers; among equals that of the first branch.

        Pruned branches vote only where no other branch has an answer. None without answers.
        """
        voters = {place: code for place, code in self._latest.items() if self.book.parsed(code)}
        kept = [place for place in sorted(voters) if not self.states.flags[place] & PRUNED] or sorted(voters)
        votes = [voters[place] for place in kept]
        return self.book.texts[max(votes, key=votes.count)] if votes else None

    def branch_states(self) -> list[BranchState]:
        """Return the present state of all branches. May be called from any thread."""
        states = []
        for place, branch in enumerate(list(self.source.branches)):
            flags, code = int(self.states.flags[place]), self._latest.get(place)
            states.append(
                BranchState(
                    branch.count,
                    int(self.states.depth[place]),
                    None if code is None else self.book.texts[code],
                    bool(flags & FINISHED),
                    bool(flags & PRUNED),
                    branch.text,
                    branch.reason == "length",
                )
            )
        return states

    def _end(self, status: int, code: int) -> None:
        self.states.over[ONLY] = True
        self.status, self._answer = status, code

    def _spelt(self, question: npt.NDArray[np.int32], code: npt.NDArray[np.int32]) -> pa.Array:
        return pa.array([None if each < 0 else self.book.texts[each] for each in code.tolist()], pa.string())

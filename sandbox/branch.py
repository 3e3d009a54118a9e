"""Answers and branches as a controller sees them. Standard library alone."""

from collections.abc import Mapping

from sandbox.signals import SignalReader, Signals


class Answer(int):
    """An opaque label of an answer, numbered by first reveal within the episode.

    Equal answers of an episode have the same label; labels of two episodes are unrelated.
    """

    parsed: bool
    """False if the model gave no readable answer (`ERR`, `?`, `No` or nothing)."""
    text: str | None
    """The answer itself where the run shows answers, otherwise None."""

    def __new__(cls, label: int, parsed: bool, text: str | None = None) -> "Answer":
        """Make a label; only an episode's own labels are valid."""
        self = super().__new__(cls, label)
        self.parsed = parsed
        self.text = text
        return self

    def __copy__(self) -> "Answer":
        """Return the label itself: only an episode's own labels are valid."""
        return self

    def __deepcopy__(self, memo: object) -> "Answer":
        """Return the label itself, as `__copy__`."""
        return self

    def __repr__(self) -> str:
        """Return the label as text."""
        return f"Answer({int(self)})" if self.parsed else f"Answer({int(self)}, not parsed)"

    def __bool__(self) -> bool:
        """Return True, for label 0 too."""
        return True


_PLAIN: list[tuple[Answer, Answer]] = []
"""By label, the (not parsed, parsed) answers without text, made once for all episodes."""


def plain_answer(label: int, parsed: bool) -> Answer:
    """Return the shared Answer of a label, for episodes that show no text."""
    while len(_PLAIN) <= label:
        _PLAIN.append((Answer(len(_PLAIN), False), Answer(len(_PLAIN), True)))
    return _PLAIN[label][parsed]


# Made before workers are forked, so that workers share them.
plain_answer(255, parsed=True)


class Branch:
    """One reasoning trace of the model as far as it was decoded; made by `Episode`, read-only."""

    __slots__ = (
        "_answers", "_confidences", "_counted", "_reader", "_seen",
        "answer", "confidence", "depth", "finished", "index", "pruned",
    )  # fmt: skip

    def __init__(self, index: int, reader: SignalReader | None = None) -> None:
        """Called by the episode, not by controllers."""
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
        self._reader = reader
        self._confidences: list[float | None] = []
        """Confidences of `_answers`, as far as the grid has any."""
        self._answers: list[Answer | None] = []
        """Answers revealed at depths 1, 2, …, up to the last probed one."""
        self._seen: set[Answer] = set()
        self._counted = 0
        """Number of `_answers` that are in `_seen`."""

    @property
    def active(self) -> bool:
        """Whether the branch can go on: neither finished nor pruned."""
        return not (self.finished or self.pruned)

    @property
    def answers(self) -> list[Answer | None]:
        """Answers revealed at depths 1, 2, … up to `depth`; None at unprobed depths."""
        return self._answers + [None] * (self.depth - len(self._answers))

    @property
    def signals(self) -> Mapping[str, list[float | None]]:
        """Recorded numbers by name: `branch.signals["token_confidence"]` is a list with one for each depth reached.

        None where none is known. `probe_confidence` comes with probes, all others with the intervals, probed or not.
        Costs no tokens. A name that the grid or the model lacks raises UnknownSignal, which lists those it has.
        """
        return Signals(self._reader, self)

    @property
    def seen(self) -> set[Answer]:
        """The parsed answers that the branch ever gave."""
        if self._counted < len(self._answers):
            new = set(self._answers[self._counted :])
            self._counted = len(self._answers)
            self._seen.update(answer for answer in new if answer is not None and answer.parsed)
        return self._seen

    @property
    def probed(self) -> bool:
        """Whether the present depth was probed."""
        return len(self._answers) == self.depth

    def __repr__(self) -> str:
        """Return index, depth, answer and state as text."""
        state = "finished" if self.finished else "pruned" if self.pruned else "active"
        return f"Branch({self.index}, depth={self.depth}, answer={self.answer}, {state})"

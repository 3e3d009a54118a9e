"""What a controller sees of a model's answers and of its branches. Standard library alone."""


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


_PLAIN: list[tuple[Answer, Answer]] = []
"""Answers without text by label: not parsed, parsed. Episodes share them: making them takes time."""


def plain_answer(label: int, parsed: bool) -> Answer:
    """The answer with a label, of an episode that shows no text."""
    while len(_PLAIN) <= label:
        _PLAIN.append((Answer(len(_PLAIN), False), Answer(len(_PLAIN), True)))
    return _PLAIN[label][parsed]


# Made before workers are forked, so that they share these too.
plain_answer(255, parsed=True)


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

    def since(self, depth: int) -> list[Answer | None]:
        """What was revealed beyond a depth: the last entries of `answers`."""
        seen = self._seen
        if len(seen) == self.depth:
            return seen[depth:]
        return seen[depth:] + [None] * (self.depth - max(depth, len(seen)))

    @property
    def probed(self) -> bool:
        """Whether the present depth was looked at."""
        return len(self._seen) == self.depth

    def __repr__(self) -> str:
        state = "finished" if self.finished else "pruned" if self.pruned else "active"
        return f"Branch({self.index}, depth={self.depth}, answer={self.answer}, {state})"

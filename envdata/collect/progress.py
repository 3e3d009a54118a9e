"""Progress of a collection: questions, tokens and tokens a second."""

import time
from collections.abc import Callable
from typing import TextIO

from envdata.progress import Progress


class CollectionProgress(Progress):
    """Counts the questions and tokens of this collection."""

    def __init__(
        self,
        questions: int,
        done: int,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`done` of the `questions` were finished before; `clock` gives seconds."""
        super().__init__("collect", "questions", stream, clock)
        self._questions, self.finished = questions, done
        self._tokens = self._shown = 0
        self._show()

    def tokens(self, count: int) -> None:
        """Count tokens that were decoded."""
        self._tokens += count
        self._show()

    def under_way(self, count: int) -> None:
        """Show tokens that are decoded for unfinished questions; they are counted when these finish."""
        # What has just finished may be in neither number for a moment: the figure never falls.
        self._shown = max(self._shown, self._tokens + count)
        self._show()

    def question(self) -> None:
        """Count a question as finished."""
        self.finished += 1
        self._show()

    def failed(self, question: str, why: str) -> None:
        """Write that a question was left out."""
        self.say(f"left out: {question[:60]!r}: {why}")

    def _show(self) -> None:
        tokens, seconds = max(self._shown, self._tokens), max(self._clock() - self._began, 1e-9)
        self.update(self.finished, self._questions, f"{tokens:,} tokens, {tokens / seconds:.0f} tokens/s")

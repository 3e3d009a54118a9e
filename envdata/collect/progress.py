"""How far a collection is, on one line of a terminal or a line now and then in a log."""

import sys
import time
from collections.abc import Callable
from typing import TextIO

SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Counts questions and tokens of this run, and estimates the time left from them."""

    def __init__(
        self,
        questions: int,
        done: int,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`done` of the `questions` were finished before; `clock` gives seconds."""
        self._stream = stream or sys.stderr
        self._clock = clock
        self._questions, self._before, self._done = questions, done, done
        self._tokens = 0
        self._shown = 0
        self._began = clock()
        self._written: float | None = None

    def tokens(self, count: int) -> None:
        """Count tokens that were decoded."""
        self._tokens += count
        self._write()

    def under_way(self, count: int) -> None:
        """Say how many tokens there are so far of what is not finished; they are counted when it is."""
        # What has just finished may be in neither number for a moment: the line never goes back.
        self._shown = max(self._shown, self._tokens + count)
        self._write()

    def question(self) -> None:
        """Count a question as finished."""
        self._done += 1
        self._write()

    @property
    def finished(self) -> int:
        """Questions finished so far, earlier runs' included."""
        return self._done

    def failed(self, question: str, why: str) -> None:
        """Say that a question was left out."""
        clear = "\r\x1b[K" if self._stream.isatty() else ""
        self._stream.write(f"{clear}left out: {question[:60]!r}: {why}\n")
        self._write(force=True)

    def end(self) -> None:
        """Write the last state and leave the line."""
        self._write(force=True)
        if self._stream.isatty():
            self._stream.write("\n")

    def line(self) -> str:
        """Describe the state, such as "12/48 questions, 38,400 tokens, 243 tokens/s, 9 min left"."""
        seconds = max(self._clock() - self._began, 1e-9)
        tokens = max(self._shown, self._tokens)
        line = f"{self._done}/{self._questions} questions, {tokens:,} tokens, {tokens / seconds:.0f} tokens/s"
        here = self._done - self._before
        if not here or self._done == self._questions:
            return line
        return f"{line}, {_spoken(seconds / here * (self._questions - self._done))} left"

    def _write(self, *, force: bool = False) -> None:
        terminal = self._stream.isatty()
        now = self._clock()
        pause = 0.2 if terminal else SECONDS_BETWEEN_LINES
        if not force and self._written is not None and now - self._written < pause:
            return
        self._written = now
        # Clearing to the end of the line keeps a shorter text from showing the rest of a longer one.
        self._stream.write(f"\r{self.line()}\x1b[K" if terminal else f"{self.line()}\n")
        self._stream.flush()


def _spoken(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"

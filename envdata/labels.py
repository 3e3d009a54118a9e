"""Opaque labels for answers, numbered by first reveal within an episode.

Voting needs equality only, and famous answers are known by heart: a controller sees label 0, 1, 2, … instead of "144".
"""

from typing import TYPE_CHECKING

import numpy as np

from envdata.episode_state import Ints, first_of_each

if TYPE_CHECKING:
    # Research data is played where pyarrow may be missing (`graph.explorers.research`).
    from envdata.grid import Grid

_NEVER = np.iinfo(np.int64).max


class LabelBook:
    """Labels of `groups` × Q episodes; episode g × Q + q plays question q of the grid."""

    def __init__(self, grid: "Grid", groups: int) -> None:
        """Allocate tables for all episodes; no label is given out yet."""
        first_text = grid.arrays.first_text
        self._questions = len(first_text) - 1
        self._spellings = int(first_text[-1])
        self._label_of = np.full(groups * self._spellings, -1, np.int32)
        """Label of every distinct answer of every question, group after group; −1 where it was not revealed."""
        self._code_of = np.zeros(groups * self._spellings, np.int32)
        """The inverse: answer codes by label, starting at `_start` of the episode."""
        self._first = np.full(groups * self._spellings, _NEVER)
        """Scratch of `number`: the first entry that reveals each new answer, `_NEVER` between calls."""
        starts = np.arange(groups)[:, None] * self._spellings + first_text[None, :-1]
        self._start = starts.ravel()
        self.revealed = np.zeros(groups * self._questions, np.int64)
        """Number of labels that each episode has given out, shape (groups × Q,)."""

    def begin(self, group: int) -> None:
        """Forget the labels of the episodes of one group."""
        self._label_of[group * self._spellings : (group + 1) * self._spellings] = -1
        self.revealed[group * self._questions : (group + 1) * self._questions] = 0

    def number(self, episode: Ints, code: Ints) -> Ints:
        """Return labels for revealed answers; new labels are given out in the order of the entries.

        Args:
            episode: The episode of each revealed answer, shape (N,). The entries of one episode are adjacent.
            code: The answer's code within its question, shape (N,).

        Returns:
            Labels, shape (N,).
        """
        place = self._start[episode] + code
        label = self._label_of[place]
        fresh = np.flatnonzero(label < 0)
        if fresh.size:
            at = place[fresh]
            # Only the distinct new answers, which are few, are put in order.
            np.minimum.at(self._first, at, fresh)
            reveals = fresh == self._first[at]
            self._first[at] = _NEVER
            distinct, own = at[reveals], episode[fresh[reveals]]
            starts = first_of_each(own)
            counts = np.diff(np.append(starts, len(own)))
            rank = np.arange(len(own)) - np.repeat(starts, counts)
            given = self.revealed[own] + rank
            self._label_of[distinct] = given
            self._code_of[self._start[own] + given] = distinct - self._start[own]
            self.revealed[own[starts]] += counts
            label = self._label_of[place]
        labels: Ints = label.astype(np.int64)
        return labels

    def code(self, episode: int, label: int) -> int | None:
        """Return the answer code that `label` stands for in `episode`, None if the episode did not reveal it."""
        if not 0 <= label < self.revealed[episode]:
            return None
        return int(self._code_of[self._start[episode] + label])

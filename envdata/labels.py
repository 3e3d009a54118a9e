"""Opaque labels for answers: numbered by first reveal within an episode.

Voting needs equality only, and famous answers are known by heart: a controller sees label 0, 1, 2, … instead of "144".
"""

import numpy as np

from envdata.grid import Grid
from envdata.ledger import Ints, first_of_each

_NEVER = np.iinfo(np.int64).max


class LabelBook:
    """The labels of `groups` × Q episodes; episode g × Q + q plays question q of the grid."""

    def __init__(self, grid: Grid, groups: int) -> None:
        first_text = grid.arrays.first_text
        self._questions = len(first_text) - 1
        self._spellings = int(first_text[-1])
        self._label_of = np.full(groups * self._spellings, -1, np.int32)
        """Each group has a place for every distinct answer of every question; −1 where it was not revealed."""
        self._code_of = np.zeros(groups * self._spellings, np.int32)
        """The other way round: the codes of an episode's labels, as many as were given out."""
        self._first = np.full(groups * self._spellings, _NEVER)
        """At each place, when an answer is revealed that is being numbered; only then."""
        starts = np.arange(groups)[:, None] * self._spellings + first_text[None, :-1]
        self._start = starts.ravel()
        self.revealed = np.zeros(groups * self._questions, np.int64)
        """How many labels each episode has given out."""

    def begin(self, group: int) -> None:
        """Forget the labels of a group's episodes."""
        self._label_of[group * self._spellings : (group + 1) * self._spellings] = -1
        self.revealed[group * self._questions : (group + 1) * self._questions] = 0

    def number(self, episode: Ints, code: Ints, step: Ints | None = None) -> Ints:
        """The labels of answer codes, one an entry; new ones are given out in the order of the entries.

        The entries of one episode stand together. Where there is a `step`, those with smaller ones come first.
        """
        place = self._start[episode] + code
        label = self._label_of[place]
        fresh = np.flatnonzero(label < 0)
        if fresh.size:
            at = place[fresh]
            when = fresh if step is None else step[fresh] * len(place) + fresh
            # Sorting is for the distinct ones alone, which are few.
            np.minimum.at(self._first, at, when)
            reveals = when == self._first[at]
            self._first[at] = _NEVER
            distinct, own = at[reveals], episode[fresh[reveals]]
            if step is not None:
                by_reveal = np.lexsort((when[reveals], own))
                distinct, own = distinct[by_reveal], own[by_reveal]
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

    def known(self, episode: Ints, code: Ints) -> Ints:
        """The labels of answer codes, one an entry, −1 for those that were not given out."""
        label: Ints = self._label_of[self._start[episode] + code].astype(np.int64)
        return label

    def code(self, episode: int, label: int) -> int | None:
        """The answer code that `label` stands for in `episode`, None if it was not revealed there."""
        if not 0 <= label < self.revealed[episode]:
            return None
        return int(self._code_of[self._start[episode] + label])

"""Answers of one live episode: one spelling for equal answers, and opaque labels for the revealed ones."""

from envdata.answers import is_parsed
from envdata.collect.canonical_answers import Speller


class AnswerBook:
    """Numbers answers as they occur (codes) and labels them as they are revealed.

    The answer rule decides which answers are equal, as for the wrong answers of a grid. Equal answers take the spelling
    of the one that occurred first.
    """

    def __init__(self, speller: Speller) -> None:
        """Start without answers; `speller` decides which answers are equal."""
        self._speller = speller
        self._codes: dict[str, int] = {}
        """Codes by answer as the model wrote it."""
        self._groups: dict[str, int] = {}
        """Codes by the speller's group of equal answers."""
        self.texts: list[str] = []
        """Spellings, by code."""
        self._labels: dict[int, int] = {}
        self._by_label: list[int] = []

    @property
    def revealed(self) -> int:
        """Number of labels given out."""
        return len(self._by_label)

    def code(self, answer: str) -> int:
        """Return the code of an answer."""
        known = self._codes.get(answer)
        if known is None:
            group, text = self._speller.group(answer)
            if group not in self._groups:
                self._groups[group] = len(self.texts)
                self.texts.append(text)
            known = self._codes[answer] = self._groups[group]
        return known

    def label(self, code: int) -> int:
        """Return the label of a code; a code without one gets the next label."""
        if code not in self._labels:
            self._labels[code] = len(self._by_label)
            self._by_label.append(code)
        return self._labels[code]

    def code_of(self, label: int) -> int | None:
        """Return the code of a label; None if the label was not given out."""
        return self._by_label[label] if 0 <= label < len(self._by_label) else None

    def parsed(self, code: int) -> bool:
        """Return whether a code is an answer, rather than a mark of the absence of one."""
        return is_parsed(self.texts[code])

"""The answers that one live episode has met: one spelling for equal ones, opaque labels for those it revealed."""

from envdata.answers import is_parsed
from envdata.collect.extraction import NO_ANSWER
from envdata.collect.spelling import Speller


class AnswerBook:
    """Numbers answers as they are met (codes), and labels them as they are revealed.

    Which answers are equal, the answer rule says, as for a grid. A grid knows all answers of a question beforehand;
    here each is compared with those met so far, the first ones first, and takes the spelling of the first equal one.
    """

    def __init__(self, speller: Speller) -> None:
        """Nothing is known yet."""
        self._speller = speller
        self._codes: dict[str, int] = {}
        """By answer as the model wrote it."""
        self.texts: list[str] = []
        """Spellings, by code."""
        self._labels: dict[int, int] = {}
        self._by_label: list[int] = []

    @property
    def revealed(self) -> int:
        """How many labels were given out."""
        return len(self._by_label)

    def code(self, answer: str) -> int:
        """The code of an answer."""
        known = self._codes.get(answer)
        if known is None:
            text = self._spelling(answer)
            if text not in self.texts:
                self.texts.append(text)
            known = self._codes[answer] = self.texts.index(text)
        return known

    def label(self, code: int) -> int:
        """The label of a code, given out by this if it has none yet."""
        if code not in self._labels:
            self._labels[code] = len(self._by_label)
            self._by_label.append(code)
        return self._labels[code]

    def known(self, code: int) -> int:
        """The label of a code, −1 if it has none yet."""
        return self._labels.get(code, -1)

    def code_of(self, label: int) -> int | None:
        """The code that a label stands for; None if it was not given out."""
        return self._by_label[label] if 0 <= label < len(self._by_label) else None

    def parsed(self, code: int) -> bool:
        """Whether it is an answer at all."""
        return is_parsed(self.texts[code])

    def _spelling(self, answer: str) -> str:
        if not is_parsed(answer.strip()):
            return NO_ANSWER
        own = self._speller.spell(NO_ANSWER, [answer])[answer]
        for met in self.texts:
            if met != NO_ANSWER and self._speller.spell(met, [own])[own] == met:
                return met
        return own

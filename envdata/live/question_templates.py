"""Templates of a grid whose questions were put in several ways: each question gets that of its family.

A grid records the template of each family of questions, but not each question's family: the questions are read again
from their source. A question of the grid has its own family. Another one has that of the most similar question, by the
words that both have: for the bundled grids, whose families are kinds of word problems, that finds all families of the
held-out grid's questions from the search grid's.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from envdata.collect.questions import Question

SIMILAR = 0.3
"""Least share of words in common (Jaccard's index) with which a question counts as one of a family."""

_WORD = re.compile(r"[^\W\d_]+")


class NoFamilyError(ValueError):
    """A question belongs to no family of the grid; the message names the way out."""


@dataclass(frozen=True)
class QuestionTemplates:
    """The templates of a grid by family, and its questions with their families."""

    templates: Mapping[str, str]
    families: Mapping[str, str]
    """Families of the grid's questions, by text."""

    @classmethod
    def of(cls, templates: Mapping[str, str], questions: Sequence[Question]) -> "QuestionTemplates":
        """Return the templates with the questions of their source.

        Args:
            templates: Templates by family.
            questions: The source's questions; those that were put in none of these ways are left out.
        """
        by_shape = {shape: family for family, shape in templates.items()}
        shapes = {question.text: question.prompt.replace(question.text, "{question}") for question in questions}
        return cls(templates, {text: by_shape[shape] for text, shape in shapes.items() if shape in by_shape})

    def template(self, question: str) -> str:
        """Return the template of a question's family. Raises NoFamilyError where it is like none."""
        return self.templates[self.family(question)]

    def family(self, question: str) -> str:
        """Return the family of a question. Raises NoFamilyError where it is like none."""
        if question in self.families:
            return self.families[question]
        words = _words(question)
        most: dict[str, float] = {}
        for text, family in self.families.items():
            most[family] = max(most.get(family, 0.0), _in_common(words, _words(text)))
        ranked = sorted(most.items(), key=lambda each: -each[1])
        first, second = (*ranked, ("", 0.0), ("", 0.0))[:2]
        if first[1] < SIMILAR or first[1] == second[1]:
            known = ", ".join(sorted(self.templates))
            raise NoFamilyError(
                f"the grid's questions are put in {len(self.templates)} ways, and this question is like none of them; "
                f"choose one of {known} (--family)"
            )
        return first[0]


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.lower()))


def _in_common(a: frozenset[str], b: frozenset[str]) -> float:
    return len(a & b) / len(a | b) if a or b else 0.0

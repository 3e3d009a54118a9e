"""One spelling for equal answers: voting compares strings and nothing else.

Each answer is compared with the reference answer by itself (`equality.forms.same`). The others are grouped by their own
forms (`equality.forms.Form.group`). So the spelling of an answer depends neither on the order nor the number of
answers, nor on which others there are.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from envdata.answers import NO_ANSWER, is_parsed
from envdata.collect.answer_rules import ANSWER_RULES, MATH
from envdata.collect.branches import Branch
from envdata.collect.equality.forms import Form, from_json, same, text_form
from envdata.collect.extraction import AnswerRule
from envdata.collect.math_verify_client import MathVerifyProcess
from envdata.collect.questions import Question, QuestionError

VERSION = 2
"""Version of this method; it changes when equal input may be spelt differently."""


class Speller(Protocol):
    """Gives equal answers of a question one spelling."""

    def facts(self) -> dict[str, Any]:
        """Return everything that decides the spelling, for a grid's provenance."""

    def gold(self, text: str) -> str:
        """Return the spelling of a reference answer."""

    def spell(self, gold: str, answers: Iterable[str]) -> dict[str, str]:
        """Return the spelling of each distinct answer of one question; `gold` is its reference answer as spelt."""

    def group(self, answer: str) -> tuple[str, str]:
        """Return a key that equal answers share, and the answer's spelling; '' for both if it is not an answer."""

    def given_up(self, answers: Iterable[str]) -> list[str]:
        """Return those answers, sorted, that exceeded the limits on reading and were compared as texts."""

    def close(self) -> None:
        """End what the speller started."""


def make_speller(rule: AnswerRule) -> Speller:
    """Return the speller of an answer rule. Raises CollectError if a package that it needs is missing."""
    if rule.kind != MATH:
        return VerbatimSpeller(rule)
    speller = MathSpeller(rule)
    speller.facts()
    return speller


class VerbatimSpeller:
    """Keeps answers as the rule found them: exact texts, or numbers and choices in the rule's own notation."""

    def __init__(self, rule: AnswerRule) -> None:
        self._rule = rule

    def facts(self) -> dict[str, Any]:
        """Return the rule, and the package that registered it if that is another one."""
        package = ANSWER_RULES.origin(self._rule.kind)
        return {"answers": self._rule.kind, "version": VERSION, **({} if package is None else {"package": package})}

    def gold(self, text: str) -> str:
        """Return the reference answer as the rule writes it."""
        return self._rule.gold(text)

    def spell(self, gold: str, answers: Iterable[str]) -> dict[str, str]:
        """Return each answer unchanged."""
        return {answer: answer for answer in answers}

    def group(self, answer: str) -> tuple[str, str]:
        """Return the answer unchanged, as key and as spelling."""
        return (answer, answer) if is_parsed(answer.strip()) else (NO_ANSWER, NO_ANSWER)

    def given_up(self, answers: Iterable[str]) -> list[str]:
        """Return no answers: texts need no reading."""
        return []

    def close(self) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class _Read:
    """An answer as it was read."""

    spelling: str
    form: Form | None
    """None for a text that is not an answer."""


class MathSpeller:
    """Gives mathematically equal answers one spelling."""

    def __init__(self, rule: AnswerRule) -> None:
        self._rule = rule
        self._process = MathVerifyProcess()
        self._known: dict[str, _Read] = {}
        self._given_up: set[str] = set()
        """Answers that exceeded the limits on reading."""

    def facts(self) -> dict[str, Any]:
        """Return the versions that readings depend on. Raises CollectError if a package is missing."""
        return {"answers": self._rule.kind, "version": VERSION, **self._process.versions()}

    def gold(self, text: str) -> str:
        """Return the spelling of the reference answer by itself."""
        return self._read(self._rule.gold(text)).spelling

    def spell(self, gold: str, answers: Iterable[str]) -> dict[str, str]:
        """Return spellings as `Speller.spell`: '' for texts that are not answers, else the shortest of the group.

        Of equally short spellings of a group the first in the order of characters is taken.
        """
        own = {answer: self._read(answer) for answer in set(answers)}
        reference = self._read(gold)
        right = {
            answer
            for answer, read in own.items()
            if read.form is not None and reference.form is not None and same(reference.form, read.form)
        }
        groups: dict[str, str] = {}
        for answer, read in own.items():
            if read.form is not None and answer not in right:
                met = groups.get(read.form.group, read.spelling)
                groups[read.form.group] = min(met, read.spelling, key=lambda spelling: (len(spelling), spelling))
        return {
            answer: NO_ANSWER
            if read.form is None
            else reference.spelling
            if answer in right
            else groups[read.form.group]
            for answer, read in own.items()
        }

    def group(self, answer: str) -> tuple[str, str]:
        """Return key and spelling as `Speller.group`."""
        read = self._read(answer)
        return ("", NO_ANSWER) if read.form is None else (read.form.group, read.spelling)

    def form(self, answer: str) -> Form | None:
        """Return the form of an answer; None for a text that is not one."""
        return self._read(answer).form

    def given_up(self, answers: Iterable[str]) -> list[str]:
        """Return answers as `Speller.given_up`, of those spelt so far."""
        return sorted(self._given_up.intersection(answers))

    def close(self) -> None:
        """End the process that reads answers."""
        self._process.close()

    def _read(self, answer: str) -> _Read:
        """Return an answer as it was read, now or before."""
        known = self._known.get(answer)
        if known is None:
            known = self._known[answer] = self._asked(answer)
        return known

    def _asked(self, answer: str) -> _Read:
        """Return an answer as the process reads it."""
        if not answer.strip():
            return _Read(NO_ANSWER, None)
        reply = self._process.ask({"read": answer})
        if reply is None:
            self._given_up.add(answer)
            text = " ".join(answer.split())
            return _Read(text, text_form(text))
        return _Read(NO_ANSWER, None) if "none" in reply else _Read(reply["spelling"], from_json(reply["form"]))


def spelt_questions(questions: Sequence[Question], speller: Speller) -> list[Question]:
    """Return questions with their reference answers spelt.

    Raises QuestionError for a reference answer that the rule cannot read.
    """
    spelt = [replace(question, answer=speller.gold(question.answer)) for question in questions]
    for number, (before, after) in enumerate(zip(questions, spelt, strict=True)):
        if not is_parsed(after.answer):
            kind = speller.facts()["answers"]
            where = f"{before.where}: " if before.where else ""
            raise QuestionError(
                f"{where}question {number} ({before.text[:60]!r}): its answer {before.answer[:60]!r} is none that the "
                f"rule {kind!r} can read; give the answer itself, name what it stands after (…?after=####), or take "
                "another rule with --answers"
            )
    return spelt


def spelt_branches(branches: Sequence[Branch], gold: str, speller: Speller) -> tuple[list[Branch], list[str]]:
    """Return the branches of one question with all their answers spelt, and the answers that exceeded the limits.

    Args:
        branches: The branches.
        gold: The reference answer, as the speller spelt it.
        speller: Spells answers.
    """
    answers = {answer for branch in branches for answer in (branch.final_answer, *branch.probe_answers)}
    spelling = speller.spell(gold, answers)
    spelt = [
        replace(
            branch,
            final_answer=spelling[branch.final_answer],
            probe_answers=[spelling[answer] for answer in branch.probe_answers],
        )
        for branch in branches
    ]
    return spelt, speller.given_up({gold, *answers})

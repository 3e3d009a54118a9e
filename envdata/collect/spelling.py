"""Equal answers get one spelling: voting compares strings and nothing else.

Over the answers of one question, mathematical equality is decided in a fixed way. Each answer is first read by itself:
numbers come out as fractions in lowest terms (0.5, 1/2 and \\frac{1}{2} all as 1/2), other expressions as LaTeX.
Then the spellings that are left are gone through in one order, the reference answer first, the others by length and
alphabet: each takes the spelling of the first earlier one that math-verify holds equal to it, or keeps its own. The
outcome so depends on which answers a question has, never on how often, when or in which branch they came. Comparing
with the first only matters because math-verify's equality is not transitive (9 % is 9 to it, and 0.09): no chain
of near equals can pull two answers together that are not.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from envdata.answers import is_parsed
from envdata.collect.branches import Branch
from envdata.collect.extraction import NO_ANSWER, AnswerRule
from envdata.collect.mathprocess import MathProcess
from envdata.collect.mathworker import EXACT, TEXT
from envdata.collect.questions import Question, QuestionError

VERSION = 1
"""Of the way described above; it changes when equal input may be spelt differently."""

NEAR = 1e-5
"""Formulas whose values are further apart than this, absolutely and relatively, differ: math-verify rounds to 1e-6."""


class Speller(Protocol):
    """Spells the answers of a question."""

    def facts(self) -> dict[str, Any]:
        """What decides the spelling, for a grid's provenance."""

    def gold(self, text: str) -> str:
        """How a reference answer is spelt."""

    def spell(self, gold: str, answers: Iterable[str]) -> dict[str, str]:
        """The spelling of each distinct answer of one question; `gold` is its reference answer, as `gold` gave it."""

    def given_up(self, answers: Iterable[str]) -> list[str]:
        """Those answers, sorted, that took more time or memory than one is worth and were compared as texts."""

    def close(self) -> None:
        """End what was started."""


def make_speller(rule: AnswerRule) -> Speller:
    """The speller of an answer rule; raises CollectError if a package that it needs is missing."""
    if rule.kind != "math":
        return AsFound(rule)
    speller = Mathematical(rule)
    speller.facts()
    return speller


class AsFound:
    """Keeps answers as the rule found them: exact texts, and numbers, which the rule writes in one way."""

    def __init__(self, rule: AnswerRule) -> None:
        self._rule = rule

    def facts(self) -> dict[str, Any]:
        """The kind of answers."""
        return {"answers": self._rule.kind, "version": VERSION}

    def gold(self, text: str) -> str:
        """The reference answer as the rule writes it."""
        return self._rule.gold(text)

    def spell(self, gold: str, answers: Iterable[str]) -> dict[str, str]:
        """Each answer as it is."""
        return {answer: answer for answer in answers}

    def given_up(self, answers: Iterable[str]) -> list[str]:
        """None: texts are texts."""
        return []

    def close(self) -> None:
        """Nothing was started."""


@dataclass(frozen=True)
class _Read:
    spelling: str
    kind: str
    near: complex | None


class Mathematical:
    """Spells mathematically equal answers alike, as the module says."""

    def __init__(self, rule: AnswerRule) -> None:
        self._rule = rule
        self._process = MathProcess()
        self._known: dict[str, _Read] = {}
        self._given_up: set[str] = set()
        """Answers that could not be read, and spellings that could not be compared with another."""

    def facts(self) -> dict[str, Any]:
        """The versions that readings depend on. Raises CollectError if a package is missing."""
        return {"answers": self._rule.kind, "version": VERSION, **self._process.versions()}

    def gold(self, text: str) -> str:
        """The reference answer as it is spelt by itself."""
        return self._read(self._rule.gold(text)).spelling

    def spell(self, gold: str, answers: Iterable[str]) -> dict[str, str]:
        """As in `Speller`; what is no answer is spelt ''."""
        own = {answer: self._read(answer) for answer in set(answers)}
        leaders = [self._read(gold)]
        spelt = {leaders[0].spelling: leaders[0].spelling}
        waiting = {each for each in own.values() if is_parsed(each.spelling)}
        for each in sorted(waiting, key=lambda each: (len(each.spelling), each.spelling, each.kind)):
            if each.spelling in spelt:
                continue
            leader = next((leader for leader in leaders if self._same(leader, each)), None)
            if leader is None:
                leaders.append(each)
            spelt[each.spelling] = (leader or each).spelling
        return {answer: spelt.get(each.spelling, NO_ANSWER) for answer, each in own.items()}

    def given_up(self, answers: Iterable[str]) -> list[str]:
        """As in `Speller`: of what was spelt so far, what could not be read, or not be compared with some other."""
        return sorted(
            answer
            for answer in set(answers)
            if answer in self._given_up or (answer in self._known and self._known[answer].spelling in self._given_up)
        )

    def close(self) -> None:
        """End the process that reads answers."""
        self._process.close()

    def _read(self, answer: str) -> _Read:
        if not is_parsed(answer.strip()):
            return _Read(NO_ANSWER, TEXT, None)
        known = self._known.get(answer)
        if known is None:
            said = self._process.ask({"read": answer})
            if said is None:
                self._given_up.add(answer)
                said = {"spelling": " ".join(answer.split()), "kind": TEXT}
            near = said.get("near")
            known = _Read(said["spelling"], said["kind"], complex(*near) if near else None)
            self._known[answer] = known
        return known

    def _same(self, a: _Read, b: _Read) -> bool:
        """Whether two answers of different spelling are equal."""
        if a.kind == b.kind == EXACT or (TEXT in (a.kind, b.kind) and a.kind != b.kind):
            return False
        if a.kind == b.kind == TEXT:
            return a.spelling.casefold() == b.spelling.casefold()
        if a.near is not None and b.near is not None:
            apart = abs(a.near - b.near)
            if apart > NEAR and apart > NEAR * max(abs(a.near), abs(b.near)):
                return False
        said = self._process.ask({"same": [a.spelling, b.spelling]})
        if said is None:
            self._given_up.update((a.spelling, b.spelling))
            return False
        return bool(said["same"])


def spelt_questions(questions: Sequence[Question], speller: Speller) -> list[Question]:
    """The questions with their reference answers spelt; raises QuestionError for one that has none then."""
    spelt = [replace(question, answer=speller.gold(question.answer)) for question in questions]
    for number, (before, after) in enumerate(zip(questions, spelt, strict=True)):
        if not is_parsed(after.answer):
            raise QuestionError(
                f"question {number} ({before.text[:60]!r}): its answer {before.answer[:60]!r} is none; give the "
                "answer itself, or name what it stands after (…?after=####)"
            )
    return spelt


def spelt_branches(branches: Sequence[Branch], gold: str, speller: Speller) -> tuple[list[Branch], list[str]]:
    """The branches of one question with all their answers spelt, and the answers that were given up (`Speller`)."""
    found = {answer for branch in branches for answer in (branch.final_answer, *branch.probe_answers)}
    spelling = speller.spell(gold, found)
    spelt = [
        replace(
            branch,
            final_answer=spelling[branch.final_answer],
            probe_answers=[spelling[answer] for answer in branch.probe_answers],
        )
        for branch in branches
    ]
    return spelt, speller.given_up({gold, *found})

"""Pairs of a reference answer and an answer from a CSV file, each compared by its rule.

The file has a header. Its columns are `gold` and `answer`, and if wanted `rule` (a kind of `AnswerRule`) and `equal` (1
or 0, the expected result). With a column `text` instead of `answer`, the answer is the one that the rule finds in the
text's last box, outside the thinking; the reference answer may then stand in `answer`.
"""

import csv
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envdata.answers import NO_ANSWER, is_parsed
from envdata.collect.answer_reader import Reader, Thinking
from envdata.collect.answer_rules import ANSWER_RULES
from envdata.collect.canonical_answers import MathSpeller, Speller, make_speller
from envdata.collect.equality.forms import described
from envdata.collect.extraction import BOXED, AnswerRule
from envdata.collect.questions import QuestionError

_EQUAL = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
_NAMED_LINES = 5
"""Largest number of lines that one error names."""


@dataclass(frozen=True)
class Pair:
    """One row of the file."""

    line: int
    rule: AnswerRule
    gold: str
    answer: str
    equal: bool | None
    """The expected result, None where the file does not state one."""
    found_in_text: bool = False
    """Whether `answer` is a whole text in which the answer has to be found."""


@dataclass(frozen=True)
class Judgement:
    """The result for a pair."""

    pair: Pair
    gold: str
    """The reference answer as it was read, in words."""
    answer: str
    """The answer as it was read, in words."""
    equal: bool
    given_up: bool = False
    """Whether reading exceeded its limits, so that texts were compared."""

    @property
    def right(self) -> bool | None:
        """Whether the result is the expected one; None where the file does not state one."""
        return None if self.pair.equal is None else self.pair.equal == self.equal


def read_pairs(path: Path, kind: str) -> list[Pair]:
    """Return the pairs of a file.

    Args:
        path: The CSV file.
        kind: The rule of rows that name none.

    Raises:
        QuestionError: The file cannot be used; the message names the line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            columns = reader.fieldnames or []
            _check_columns(path, list(columns))
            return [_pair(path, reader.line_num, row, kind) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise QuestionError(f"{path}: cannot be read as a CSV file in UTF-8 ({reason})") from None


def judge(pairs: list[Pair]) -> Iterator[Judgement]:
    """Yield the result for each pair, in order.

    Raises:
        CollectError: A package is missing.
        QuestionError: A rule cannot read a reference answer; raised before the first result. Where the file states the
            expected result it is no error, and nothing equals that answer.
    """
    with ExitStack() as stack:
        spellers: dict[str, Speller] = {}
        for pair in pairs:
            if pair.rule.kind not in spellers:
                spellers[pair.rule.kind] = stack.enter_context(closing(make_speller(pair.rule)))
        _check_gold(pairs, spellers)
        for pair in pairs:
            yield _judged(pair, spellers[pair.rule.kind])


def _check_columns(path: Path, columns: list[str]) -> None:
    """Raise QuestionError unless the needed columns are there."""
    has = ", ".join(columns) or "none"
    if "gold" not in columns and not {"text", "answer"} <= set(columns):
        raise QuestionError(f"{path}: there is no column 'gold'; the columns are {has}, and gold and answer are needed")
    if not {"text", "answer"} & set(columns):
        raise QuestionError(
            f"{path}: there is no column 'answer'; the columns are {has}, and gold and answer are needed"
        )


def _pair(path: Path, line: int, row: dict[str | Any, str | Any], kind: str) -> Pair:
    """Return the pair in a row. Raises QuestionError."""
    if None in row:
        raise QuestionError(
            f"{path}, line {line}: has more values than there are columns; put values with commas in quotes"
        )
    named = (row.get("rule") or kind).strip()
    if named not in ANSWER_RULES.built_in and named not in ANSWER_RULES.registered():
        raise QuestionError(f"{path}, line {line}: the rule {named!r} is not one of {', '.join(ANSWER_RULES.names())}")
    expected = (row.get("equal") or "").strip().lower()
    if expected and expected not in _EQUAL:
        raise QuestionError(f"{path}, line {line}: equal is {row['equal']!r}, not 1 or 0")
    rule = AnswerRule(BOXED, named)
    equal = _EQUAL[expected] if expected else None
    if "text" not in row:
        return Pair(line, rule, row["gold"] or "", row["answer"] or "", equal)
    gold = row["gold"] if "gold" in row else row["answer"]
    # A text in which no answer is to be found is right if none is.
    return Pair(line, rule, gold or "", row["text"] or "", True if equal is None else equal, found_in_text=True)


def _check_gold(pairs: list[Pair], spellers: dict[str, Speller]) -> None:
    """Raise QuestionError if a rule cannot read a reference answer."""
    unread = [pair for pair in pairs if pair.equal is None and not is_parsed(spellers[pair.rule.kind].gold(pair.gold))]
    if unread:
        lines = "; ".join(f"line {pair.line}: {pair.gold[:60]!r}" for pair in unread[:_NAMED_LINES])
        more = f" and {len(unread) - _NAMED_LINES} more" if len(unread) > _NAMED_LINES else ""
        raise QuestionError(
            f"reference answers that the rule {unread[0].rule.kind} cannot read: {lines}{more}; correct them, or name "
            "another rule"
        )


def _judged(pair: Pair, speller: Speller) -> Judgement:
    """Return the result for a pair."""
    gold = speller.gold(pair.gold)
    answer = _found(pair)
    if pair.found_in_text and not is_parsed(gold):
        equal = not is_parsed(answer)
    else:
        equal = is_parsed(gold) and speller.spell(gold, [answer])[answer] == gold
    given_up = bool(speller.given_up([gold, answer]))
    return Judgement(pair, _shown(speller, gold), _shown(speller, answer), equal, given_up)


def _found(pair: Pair) -> str:
    """Return the pair's answer, found in its text where it has one."""
    if not pair.found_in_text:
        return pair.rule.read(pair.answer)
    reader = Reader(pair.rule, "", Thinking())
    found = reader.find(pair.answer, reader.thinks(pair.answer, "stop"))
    return found.answer if found else NO_ANSWER


def _shown(speller: Speller, answer: str) -> str:
    """Return an answer as it was read, in words."""
    if isinstance(speller, MathSpeller):
        return described(speller.form(answer))
    return answer if is_parsed(answer) else "no answer"

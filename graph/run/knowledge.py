"""What a run knows: a bounded page of statements, each with the rounds and figures that carry it, and a measured part.

A historian changes statements by their numbers and strikes those that later rounds contradict, with the reason; it
cannot drop one silently. Numbers are never used again.
"""

from collections.abc import Mapping, Set
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from graph.run.files import RunError, read_json
from graph.run.paths import write_json

CONSOLIDATED, PAGE_KEPT = "consolidated", "page kept"
"""Events of a round's transcript: the changes of a historian; and that there were none that could be read, and why."""
MAX_STATEMENTS = 12
"""Statements that hold, at most."""
MAX_STRUCK = 6
"""Struck statements that a page keeps: the latest."""
MAX_TEXT = 320
"""Characters of a statement."""
MAX_FIGURES = 240
"""Characters of a statement's figures, and of the reason for which one is struck."""


class MisfitError(ValueError):
    """Changes do not fit the page that they are made to. The message says why, and what to do."""


@dataclass(frozen=True)
class Statement:
    """One statement on the search."""

    number: int
    """Number on the page, from 1."""
    text: str
    rounds: tuple[int, ...]
    """Rounds that carry it."""
    figures: str
    """The figures of those rounds that carry it, as the historian quotes them."""
    written: int
    """Round after which it was written or last changed."""
    struck: int | None = None
    """Round after which it was struck; None while it holds."""
    why: str = ""
    """Why it was struck."""


@dataclass(frozen=True)
class Knowledge:
    """The page as of a round."""

    round: int = 0
    """Last round that is consolidated in it; 0 for an empty page."""
    measured: str = ""
    """The rounds in figures, which no model writes; Markdown."""
    statements: tuple[Statement, ...] = ()
    """Those that hold, and the latest struck ones."""

    @property
    def holding(self) -> list[Statement]:
        """Statements that hold."""
        return [each for each in self.statements if each.struck is None]

    @property
    def struck(self) -> list[Statement]:
        """Statements that were struck."""
        return [each for each in self.statements if each.struck is not None]


@dataclass(frozen=True)
class Revision:
    """A statement that a historian writes, or changes."""

    text: str
    rounds: tuple[int, ...]
    figures: str
    number: int | None = None
    """Number of the statement that it replaces; None for a new one."""


@dataclass(frozen=True)
class Strike:
    """A statement that a historian strikes."""

    number: int
    why: str


@dataclass(frozen=True)
class Consolidation:
    """What a historian makes of some rounds: changes of the page."""

    statements: tuple[Revision, ...] = ()
    struck: tuple[Strike, ...] = ()

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Consolidation":
        """Return the changes in a `CONSOLIDATED` event. Raises RunError for one that no run wrote."""
        try:
            statements = [Revision(**{**each, "rounds": tuple(each["rounds"])}) for each in value["statements"]]
            return cls(tuple(statements), tuple(Strike(**each) for each in value["struck"]))
        except (KeyError, TypeError) as error:
            raise RunError(f"a transcript holds a consolidation that no run wrote ({error})") from None


def revise(knowledge: Knowledge, changes: Consolidation, number: int) -> tuple[Statement, ...]:
    """Return the statements after the changes that a historian made after round `number`.

    Args:
        knowledge: The page so far.
        changes: What is written, changed and struck; the rest stays as it is.
        number: Latest round.

    Raises:
        MisfitError: A number is not that of a statement that holds, a round is not complete, a text is missing, or more
            than `MAX_STATEMENTS` hold. The message says what to do.
    """
    known = {each.number: each for each in knowledge.statements}
    holding = {each.number for each in knowledge.holding}
    for strike in changes.struck:
        if strike.number not in holding:
            raise MisfitError(f"{strike.number} is struck, and no statement of this number holds; {_numbers(holding)}")
        if not strike.why.strip():
            raise MisfitError(f"statement {strike.number} is struck without a reason; say which round contradicts it")
        holding.remove(strike.number)
        known[strike.number] = replace(known[strike.number], struck=number, why=strike.why)
    following = max(known, default=0) + 1
    for revision in changes.statements:
        if not (revision.text.strip() and revision.figures.strip() and revision.rounds):
            raise MisfitError("a statement lacks its text, its rounds or its figures; give all three")
        wrong = [each for each in revision.rounds if not 1 <= each <= number]
        if wrong:
            raise MisfitError(f"a statement names round {wrong[0]}; complete are the rounds 1 to {number}")
        place = revision.number
        if place is None:
            place, following = following, following + 1
        elif place not in holding:
            raise MisfitError(f"statement {place} is changed, and none of this number holds; {_numbers(holding)}")
        rounds = tuple(sorted(set(revision.rounds)))
        known[place] = Statement(place, revision.text, rounds, revision.figures, number)
        holding.add(place)
    if len(holding) > MAX_STATEMENTS:
        raise MisfitError(f"{len(holding)} statements would hold; {MAX_STATEMENTS} is the limit: strike or join some")
    struck = [each for each in known.values() if each.struck is not None]
    struck.sort(key=lambda each: (each.struck or 0, each.number))
    kept = {each.number for each in struck[-MAX_STRUCK:]} | holding
    return tuple(known[each] for each in sorted(kept))


def write_knowledge(path: Path, knowledge: Knowledge) -> None:
    """Write the page as JSON."""
    write_json(path, asdict(knowledge))


def read_knowledge(path: Path) -> Knowledge | None:
    """Return the page in a JSON file; None if there is none. Raises RunError for a file that no run wrote."""
    try:
        value = read_json(path)
        statements = tuple(Statement(**{**each, "rounds": tuple(each["rounds"])}) for each in value["statements"])
        return Knowledge(value["round"], value["measured"], statements)
    except FileNotFoundError:
        return None
    except (KeyError, TypeError) as error:
        raise RunError(f"{path} is no page of a run ({type(error).__name__}: {error})") from None


def _numbers(holding: Set[int]) -> str:
    return f"there are {', '.join(map(str, sorted(holding)))}" if holding else "there are none yet"

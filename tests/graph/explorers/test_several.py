"""Several explorers in turns and side by side, and another one as critic."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.discovery import explorer_of
from graph.explorers.base import Brief, Critique, Evidence, Explorer, ExplorerError, Proposal
from graph.explorers.evolution.explorer import Evolution
from graph.explorers.setup import Setup
from graph.explorers.several import Several, WithCritic, _dealt, compose, parts
from graph.folder import read_json
from graph.journal import Journal
from graph.machine import run
from graph.settings import RunError, RunSettings
from tests.graph.test_loop import SOUND, Make


class Person:
    """Proposes sources of its own, broken ones first if it is told to, and remembers what it was asked."""

    def __init__(self, name: str, broken: int = 0, says: str = "") -> None:
        self.name, self.broken, self.says = name, broken, says
        self.briefs: list[Brief] = []
        self.evidence: list[Evidence] = []

    def identity(self) -> Mapping[str, str]:
        return {"explorer": self.name}

    def propose(self, brief: Brief, journal: Journal) -> Sequence[Proposal]:
        self.briefs.append(brief)
        sources = [
            f"def {self.name}" if brief.attempt == 0 and place < self.broken
            else f"# {self.name} {brief.round} {brief.attempt} {place}\n{SOUND}"
            for place in range(brief.wanted)
        ]  # fmt: skip
        return [Proposal(source, self.name, {"mine": self.name}) for source in sources]

    def critique(self, evidence: Evidence, journal: Journal) -> Critique:
        self.evidence.append(evidence)
        return Critique(self.says)


def test_in_turns_each_has_a_round_and_sees_its_own_notes_alone(make_context: Make) -> None:
    first, second = Person("first", says="one"), Person("second", says="two")
    context = make_context(Several({"a": first, "b": second}))
    context.settings = replace(context.settings, rounds=3)
    run(context)
    assert [brief.round for brief in first.briefs] == [1, 3]
    assert [brief.round for brief in second.briefs] == [2]
    assert [each.round for each in first.evidence] == [1, 3]
    assert [dict(tried.notes) for tried in first.briefs[1].history] == [{"mine": "first"}] * 2 + [{}] * 2
    said = read_json(context.folder.round(2).metrics)["candidates"]
    assert said[0]["notes"] == {"explorer": "b", "notes": {"mine": "second"}}
    assert "two" in context.folder.round(2).critique.read_text(encoding="utf-8")


def test_side_by_side_each_has_a_share_and_failures_go_back_to_who_wrote_them(make_context: Make) -> None:
    first, second = Person("first"), Person("second", broken=1, says="two")
    context = make_context(Several({"a": first, "b": second}, side_by_side=True))
    context.settings = replace(context.settings, candidates=3)
    run(context)
    assert [(brief.attempt, brief.wanted) for brief in first.briefs] == [(0, 2)]
    assert [(brief.attempt, brief.wanted) for brief in second.briefs] == [(0, 1), (1, 1)]
    assert [each.source for each in second.briefs[1].rejected] == ["def second"]
    said = read_json(context.folder.round(1).metrics)["candidates"]
    assert [(each["notes"]["explorer"], each["status"]) for each in said] == [("a", "ok"), ("a", "ok"), ("b", "ok")]
    # The first has nothing to say, so that the second is asked.
    assert "two" in context.folder.round(1).critique.read_text(encoding="utf-8")


def test_another_explorer_can_be_the_critic(make_context: Make) -> None:
    writer, critic = Person("writer", says="by the writer"), Person("critic", says="by the critic")
    context = make_context(WithCritic(writer, critic))
    run(context)
    assert critic.briefs == []
    assert writer.evidence == []
    assert "by the critic" in context.folder.round(1).critique.read_text(encoding="utf-8")
    assert WithCritic(writer, critic).identity() == {"explorer": "writer", "critic explorer": "critic"}


@pytest.mark.slow
def test_evolution_searches_on_beside_another(make_context: Make) -> None:
    context = make_context(Several({"evolution": Evolution(), "b": Person("b")}, side_by_side=True))
    context.settings = replace(context.settings, rounds=2)
    run(context)
    said = read_json(context.folder.round(2).metrics)["candidates"]
    (mine,) = [each for each in said if each["notes"]["explorer"] == "evolution"]
    # Of the second round: a child of what it wrote in the first, so that its own notes came back to it.
    assert "recipe" in mine["notes"]["notes"]
    assert "starting point" not in mine["idea"]


@given(st.integers(1, 50), st.integers(2, 6), st.integers(0, 20))
def test_shares_add_up_and_differ_by_one_at_most(wanted: int, hands: int, first: int) -> None:
    shares = _dealt(wanted, hands, first)
    assert sum(shares) == wanted
    assert max(shares) - min(shares) <= 1


def test_who_got_one_more_changes_with_the_round() -> None:
    assert [_dealt(1, 3, first) for first in range(3)] == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_what_is_asked_for_makes_one_explorer(tmp_path: Path) -> None:
    def made(**asked: object) -> Explorer:
        return explorer_of(Setup(RunSettings(grids=("g",), heldout=(), **asked)))  # type: ignore[arg-type]

    folder = f"folder:{tmp_path}"
    assert isinstance(made(), Evolution)
    several = made(explorers=("evolution", folder), side_by_side=True)
    assert isinstance(several, Several)
    assert several.identity()["explorer"] == "side by side"
    assert several.identity()["2 folder"] == str(tmp_path)
    criticised = made(critic=folder)
    assert isinstance(criticised, WithCritic)
    assert len(list(parts(made(explorers=("evolution", folder), critic=folder)))) == 3
    with pytest.raises(RunError, match="--explorer evolution is given twice"):
        made(explorers=("evolution", "evolution"))
    with pytest.raises(ExplorerError, match="--side-by-side needs two"):
        made(side_by_side=True)
    with pytest.raises(ExplorerError, match="there is no explorer"):
        compose({}, None, side_by_side=False)

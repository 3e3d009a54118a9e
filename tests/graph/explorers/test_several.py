"""Several explorers in turns and side by side, and another one as critic."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.explorers.allocation import equal_places, sampled_places
from graph.explorers.base import Brief, Critique, Evidence, Explorer, ExplorerError, Proposal
from graph.explorers.context import ExplorerContext
from graph.explorers.evolution.explorer import Evolution
from graph.explorers.multi import MultiExplorer, Team, compose
from graph.loop.discovery import make_run_explorer
from graph.loop.machine import run
from graph.report.page.data import page_data
from graph.report.run_summary import shares as spread
from graph.run.explorer_shares import read_shares
from graph.run.files import RunError
from graph.run.paths import read_json
from graph.run.pinned import Pinned, grid_hashes
from graph.run.record import load
from graph.run.settings import RunSettings
from graph.run.transcript import Transcript
from tests.graph.test_loop import SOUND, Make


class Person(Explorer):
    """Proposes sources of its own, broken ones first if it is told to, and remembers what it was asked."""

    def __init__(self, name: str, broken: int = 0, says: str = "") -> None:
        self.name, self.broken, self.says = name, broken, says
        self.briefs: list[Brief] = []
        self.evidence: list[Evidence] = []

    def identity(self) -> Mapping[str, str]:
        return {"explorer": self.name}

    def propose(self, brief: Brief, transcript: Transcript) -> Sequence[Proposal]:
        self.briefs.append(brief)
        sources = [
            f"def {self.name}" if brief.attempt == 0 and place < self.broken
            else f"# {self.name} {brief.round} {brief.attempt} {place}\n{SOUND}"
            for place in range(brief.wanted)
        ]  # fmt: skip
        return [Proposal(source, self.name, {"mine": self.name}) for source in sources]

    def critique(self, evidence: Evidence, transcript: Transcript) -> Critique:
        self.evidence.append(evidence)
        return Critique(self.says)


def test_in_turns_each_has_a_round_and_sees_its_own_notes_alone(make_context: Make) -> None:
    first, second = Person("first", says="one"), Person("second", says="two")
    context = make_context(MultiExplorer({"a": first, "b": second}))
    context.settings = context.settings.replace(rounds=3)
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
    context = make_context(MultiExplorer({"a": first, "b": second}, allocate="side-by-side"))
    context.settings = context.settings.replace(candidates=3)
    run(context)
    assert [(brief.attempt, brief.wanted) for brief in first.briefs] == [(0, 2)]
    assert [(brief.attempt, brief.wanted) for brief in second.briefs] == [(0, 1), (1, 1)]
    assert [each.source for each in second.briefs[1].rejected] == ["def second"]
    said = read_json(context.folder.round(1).metrics)["candidates"]
    assert [(each["notes"]["explorer"], each["status"]) for each in said] == [("a", "ok"), ("a", "ok"), ("b", "ok")]
    # The first has nothing to say, so that the second is asked.
    assert "two" in context.folder.round(1).critique.read_text(encoding="utf-8")


def test_a_bandit_divides_rounds_by_the_archive_alone_and_the_report_tells_the_shares(make_context: Make) -> None:
    first, second = Person("first"), Person("second")
    context = make_context(MultiExplorer({"a": first, "b": second}, allocate="bandit"))
    context.settings = context.settings.replace(candidates=4, rounds=2, explorers=("a", "b"), allocate="bandit")
    Pinned(context.settings, grid_hashes(context.settings), {}).save(context.folder.settings)
    run(context)
    shares = read_shares(context.folder, ("a", "b"), 3)
    assert [share.places for share in shares[:2]] == [2, 2]
    assert [share.candidates for share in shares] == [share.places for share in shares]
    assert sum(share.places for share in shares) == 8
    assert all(brief.shares == () for brief in (*first.briefs, *second.briefs))
    # Another process divides the second round alike.
    places, unit = sampled_places(("a", "b"), shares[:2], 4, number=2, seed=context.settings.seed)
    assert ([places["a"], places["b"]], unit) == ([share.places for share in shares[2:]], "places")
    record = load(context.folder.path)
    assert record.tables.shares.column("places").to_pylist() == [share.places for share in shares]
    assert [each["explorer"] for each in page_data(record)["shares"]] == ["a", "b"] * 2
    assert "  a: " in "\n".join(spread(shares))


def test_another_explorer_can_be_the_critic(make_context: Make) -> None:
    writer, critic = Person("writer", says="by the writer"), Person("critic", says="by the critic")
    context = make_context(Team(writer, critic, writer))
    run(context)
    assert critic.briefs == []
    assert writer.evidence == []
    assert "by the critic" in context.folder.round(1).critique.read_text(encoding="utf-8")
    assert Team(writer, critic, writer).identity() == {"explorer": "writer", "critic explorer": "critic"}


@pytest.mark.slow
def test_evolution_searches_on_beside_another(make_context: Make) -> None:
    context = make_context(MultiExplorer({"evolution": Evolution(), "b": Person("b")}, allocate="side-by-side"))
    context.settings = context.settings.replace(rounds=2)
    run(context)
    said = read_json(context.folder.round(2).metrics)["candidates"]
    (mine,) = [each for each in said if each["notes"]["explorer"] == "evolution"]
    # Of the second round: a child of what it wrote in the first, so that its own notes came back to it.
    assert "recipe" in mine["notes"]["notes"]
    assert "starting point" not in mine["idea"]


@given(st.integers(1, 50), st.integers(2, 6), st.integers(0, 20))
def test_shares_add_up_and_differ_by_one_at_most(wanted: int, hands: int, first: int) -> None:
    shares = equal_places([str(hand) for hand in range(hands)], wanted, first + 1).values()
    assert sum(shares) == wanted
    assert max(shares) - min(shares) <= 1


def test_who_got_one_more_changes_with_the_round() -> None:
    given = [equal_places("abc", 1, number) for number in (1, 2, 3)]
    assert [[name for name, places in each.items() if places] for each in given] == [["a"], ["b"], ["c"]]


class Fussy(Person):
    """Refuses every run."""

    def check_run(self, pinned: Pinned) -> None:
        raise ExplorerError(f"{pinned.settings.grids[0]} does not suit {self.name}")


def test_each_of_several_explorers_is_asked_whether_the_run_suits_it() -> None:
    pinned = Pinned(RunSettings(grids=("g",), heldout=()), {}, {}, {})
    two: dict[str, Explorer] = {"a": Person("a"), "b": Person("b")}
    compose(two, Person("c")).check_run(pinned)
    with pytest.raises(ExplorerError, match="g does not suit c"):
        compose(two, Fussy("c")).check_run(pinned)
    with pytest.raises(ExplorerError, match="g does not suit b"):
        compose({**two, "b": Fussy("b")}, None, allocate="side-by-side").check_run(pinned)


def test_what_is_asked_for_makes_one_explorer(tmp_path: Path) -> None:
    def made(**asked: object) -> Explorer:
        return make_run_explorer(ExplorerContext(RunSettings(grids=("g",), heldout=(), **asked)))  # type: ignore[arg-type]

    folder = f"folder:{tmp_path}"
    assert isinstance(made(), Evolution)
    several = made(explorers=("evolution", folder), allocate="side-by-side")
    assert isinstance(several, MultiExplorer)
    assert several.identity()["explorer"] == "side by side"
    assert several.identity()["2 folder"] == str(tmp_path)
    criticised = made(critic=folder)
    assert isinstance(criticised, Team)
    with pytest.raises(RunError, match="--explorer evolution is given twice"):
        made(explorers=("evolution", "evolution"))
    with pytest.raises(ExplorerError, match="--allocate side-by-side needs two"):
        made(allocate="side-by-side")
    with pytest.raises(ExplorerError, match="there is no explorer"):
        compose({}, None)

"""Consolidation: changes of the page, the measured part, and what explorers of each kind make of a round."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from graph.explorers.base import (
    Brief,
    Consolidation,
    ExplorerError,
    Findings,
    Knowledge,
    Lesson,
)
from graph.explorers.evolution.explorer import Evolution
from graph.explorers.folder import FolderExplorer
from graph.explorers.multi import MultiExplorer, Team, compose
from graph.explorers.prompts import (
    ReplyError,
    consolidation_prompt,
    knowledge_text,
    proposal_prompt,
    read_consolidation,
)
from graph.explorers.recorded import RecordedExplorer
from graph.explorers.submitted_consolidation import consolidation_of_sessions
from graph.loop.consolidation import update_knowledge
from graph.loop.machine import run
from graph.report.page.data import page_data
from graph.run.knowledge import MAX_STATEMENTS, MAX_STRUCK, MisfitError, Revision, Strike, read_knowledge, revise
from graph.run.record import load
from graph.run.transcript import Transcript
from tests.graph.explorers.test_several import Person
from tests.graph.test_loop import Make, Scripted

NEW = Revision("Retention helps.", (1, 2), "r2-01 68.0 (66.0 … 70.0)")


def page(*revisions: Revision, number: int = 3) -> Knowledge:
    return Knowledge(number, "", revise(Knowledge(), Consolidation(revisions), number))


def test_statements_are_written_changed_and_struck_with_the_reason_and_the_rest_stays() -> None:
    before = page(NEW, replace(NEW, text="Width helps."), replace(NEW, text="Pruning harms."))
    changes = Consolidation(
        (
            Revision("Retention helps at β > 0.5.", (4, 2), "r4-02 +1.0", number=1),
            replace(NEW, text="Waves save time."),
        ),
        (Strike(2, "round 4: r4-01 −0.8 (−1.5 … −0.1)"),),
    )
    after = revise(before, changes, 6)
    assert [(each.number, each.text, each.written, each.struck) for each in after] == [
        (1, "Retention helps at β > 0.5.", 6, None),
        (2, "Width helps.", 3, 6),
        (3, "Pruning harms.", 3, None),
        (4, "Waves save time.", 6, None),
    ]
    assert after[0].rounds == (2, 4)
    shown = knowledge_text(Knowledge(6, "Measured.", after))
    assert "Struck after round 6: “round 4: r4-01 −0.8" in shown
    assert "Measured." in shown


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (Consolidation((replace(NEW, rounds=(4,)),)), "names round 4; complete are the rounds 1 to 3"),
        (Consolidation((replace(NEW, rounds=()),)), "lacks its text, its rounds or its figures"),
        (
            Consolidation((replace(NEW, number=9),)),
            "statement 9 is changed, and none of this number holds; there are 1",
        ),
        (Consolidation((), (Strike(7, "no"),)), "7 is struck, and no statement of this number holds"),
        (Consolidation((), (Strike(1, " "),)), "without a reason"),
        (Consolidation((NEW,) * MAX_STATEMENTS), f"{MAX_STATEMENTS + 1} statements would hold"),
    ],
)
def test_changes_that_do_not_fit_the_page_are_refused(changes: Consolidation, says: str) -> None:
    with pytest.raises(MisfitError, match=says):
        revise(page(NEW), changes, 3)


def test_the_page_is_bounded_and_a_number_is_never_used_again() -> None:
    knowledge = Knowledge()
    for number in range(1, 10):
        struck = tuple(Strike(each.number, "not so") for each in knowledge.holding)
        changes = Consolidation((replace(NEW, rounds=(1,)),), struck)
        knowledge = Knowledge(number, "", revise(knowledge, changes, number))
    assert [each.number for each in knowledge.holding] == [9]
    assert [each.number for each in knowledge.struck] == list(range(9 - MAX_STRUCK, 9))


def findings(**changed: object) -> Findings:
    lessons = [
        Lesson(each, f"diagnosis {each}", ("go on",), f"measured {each}", f"failed {each}") for each in (1, 2, 3)
    ]
    return replace(
        Findings(3, Knowledge(), "all in figures", lessons=lessons, objective="area", low=1, high=9), **changed
    )  # type: ignore[arg-type]


def test_a_reply_is_read_in_the_form_that_is_asked_for_and_told_what_is_wrong_with_it() -> None:
    said = {"statements": [{"number": None, "text": "a\nb\u202e", "rounds": [1], "figures": "1.0"}], "struck": []}
    (statement,) = read_consolidation(f"Here:\n```json\n{json.dumps(said)}\n```", findings()).statements
    assert (statement.text, statement.rounds, statement.number) == ("a b", (1,), None)
    for wrong, says in {
        "": "is empty",
        "nothing": "no JSON object",
        '{"statements": 3}': "not two lists of objects",
        '{"statements": [{"text": "a", "rounds": ["1"], "figures": "1"}]}': "not a list of whole numbers",
        '{"statements": [{"text": "a", "rounds": [8], "figures": "1"}]}': "complete are the rounds 1 to 3",
        '{"statements": [], "struck": [{"number": 1, "why": "no"}]}': "there are none yet",
    }.items():
        with pytest.raises(ReplyError, match=says):
            read_consolidation(wrong, findings())


def test_the_prompt_holds_the_page_and_the_rounds_and_drops_measurements_first() -> None:
    asked = consolidation_prompt(findings(knowledge=replace(page(NEW), round=0)), limit=30_000)
    for part in (
        "1. “Retention helps.”",
        "diagnosis 2",
        "failed 3",
        "measured 1",
        "the rounds 1 to 3",
        "all in figures",
    ):
        assert part in asked.changing
    assert asked.cut == ()
    shorter = consolidation_prompt(findings(), limit=asked.tokens - 120)
    assert shorter.cut[0] == "the measurements of round 1"


def test_a_brief_holds_the_page_instead_of_the_rounds_in_it_but_for_the_last_one() -> None:
    lessons = findings().lessons
    brief = Brief(4, 9, 2, 0, (0.0, 1.0), "area", 1.0, 9.0, {"sc": 0.5}, lessons=lessons)
    whole = proposal_prompt(brief, limit=40_000).changing
    with_page = proposal_prompt(replace(brief, knowledge=page(NEW)), limit=40_000).changing
    assert all(f"diagnosis {number}" in whole for number in (1, 2, 3))
    assert "# What is known from the rounds 1 to 3" in with_page
    assert [number for number in (1, 2, 3) if f"diagnosis {number}" in with_page] == [3]
    # An empty page stands for nothing.
    assert proposal_prompt(replace(brief, knowledge=Knowledge()), limit=40_000).changing == whole


class Keeper(Person):
    """Writes a statement at each consolidation and strikes the one before; says nothing readable in round 2."""

    def consolidate(self, findings: Findings, transcript: Transcript) -> Consolidation | None:
        if findings.round == 2:
            raise ReplyError("nobody can read that")
        struck = tuple(Strike(each.number, "not so") for each in findings.knowledge.holding)
        rounds = tuple(range(findings.knowledge.round + 1, findings.round + 1))
        return Consolidation((Revision(f"Known after {findings.round}.", rounds, "1.0"),), struck)


def test_a_page_is_kept_through_a_run_and_can_be_played_back(make_context: Make, tmp_path: Path) -> None:
    said: list[str] = []
    keeper = Keeper("keeper", says="too early")
    context = make_context(Team(Person("writer"), keeper, keeper))
    context.settings = context.settings.replace(rounds=3, candidates=1, consolidate_every=1)
    context.observer.say = said.append  # type: ignore[method-assign]
    context.folder.settings.write_text(
        context.folder.settings.read_text()
        .replace("rounds = 1\n", "rounds = 3\n")
        .replace("consolidate_every = 3", "consolidate_every = 1")
    )
    run(context)
    pages = [read_knowledge(context.folder.round(number).knowledge) for number in (1, 2, 3)]
    assert all(pages)
    # The reply of round 2 cannot be read: the page stays, the run says so, and round 3 consolidates both.
    assert pages[0] == pages[1]
    assert "round 2: what is known stays as it was: nobody can read that" in said
    first, second = pages[2].statements  # type: ignore[union-attr]
    assert (first.struck, first.why, second.rounds) == (3, "not so", (2, 3))
    assert "- round 3: 1 candidates, 0 failed" in pages[2].measured  # type: ignore[union-attr]
    assert "Known after 3." in context.folder.knowledge.read_text(encoding="utf-8")
    record = load(context.folder.path)
    assert record.tables.statements.select(["round", "number", "holds"]).to_pylist() == [
        {"round": 1, "number": 1, "holds": True}, {"round": 2, "number": 1, "holds": True},
        {"round": 3, "number": 1, "holds": False}, {"round": 3, "number": 2, "holds": True},
    ]  # fmt: skip
    shown = page_data(record)["rounds"][2]["knowledge"]
    assert [each["text"] for each in shown["statements"]] == ["Known after 1.", "Known after 3."]
    recorded = RecordedExplorer(str(context.folder.path))
    assert recorded.consolidate(findings(), Transcript(tmp_path / "t")) == keeper.consolidate(
        findings(knowledge=pages[1]), Transcript(tmp_path / "t")
    )
    with pytest.raises(ReplyError, match="nobody can read that"):
        recorded.consolidate(findings(round=2), Transcript(tmp_path / "t"))


def test_without_a_historian_the_measured_part_stands_alone(make_context: Make) -> None:
    # It has no `consolidate`, as plug-ins that were written before there was one.
    context = make_context(Scripted([]))
    context.settings = context.settings.replace(consolidate_every=1)
    run(context)
    knowledge = read_knowledge(context.folder.round(1).knowledge)
    assert knowledge is not None
    assert (knowledge.round, knowledge.statements) == (1, ())
    assert "- round 1: 0 candidates, 0 failed, 0 duplicates; none was sound" in knowledge.measured
    assert "none was sound" in context.folder.digest.read_text(encoding="utf-8")


@pytest.mark.parametrize("switch", ["no_consolidation", "no_feedback", "no_history"])
def test_ablations_keep_no_page(make_context: Make, switch: str) -> None:
    context = make_context(Keeper("keeper"), consolidate_every=1, **{switch: True})  # type: ignore[call-arg]
    update_knowledge(context, 1, {}, [])
    assert not context.folder.round(1).knowledge.exists()


def test_of_several_explorers_the_first_that_writes_a_page_is_asked() -> None:
    both = MultiExplorer({"evolution": Evolution(), "keeper": Keeper("keeper")})
    changes = both.consolidate(findings(), Transcript(Path("nowhere")))
    assert changes is not None
    with pytest.raises(ExplorerError, match="writes no page of what is known"):
        compose({"a": Person("a")}, None, Evolution())
    team = compose({"a": Person("a")}, None, Keeper("b"))
    assert team.identity() == {"explorer": "a", "historian explorer": "b"}


def test_a_person_may_leave_a_file_which_is_taken_once_and_nobody_waits_for_it(tmp_path: Path) -> None:
    folder, transcript = tmp_path / "inbox", Transcript(tmp_path / "round-003" / "transcript.jsonl")
    folder.mkdir()
    explorer = FolderExplorer(str(folder))
    assert explorer.consolidate(findings(round=2), transcript) is None
    said = {"statements": [{"text": "So.", "rounds": [2], "figures": "1.0"}]}
    (folder / "consolidation.json").write_text(json.dumps(said))
    # What was found, or not found, before a kill counts.
    assert explorer.consolidate(findings(round=2), transcript) is None
    taken = explorer.consolidate(findings(), transcript)
    assert taken is not None
    assert not (folder / "consolidation.json").exists()
    assert explorer.consolidate(findings(), transcript) == taken
    (folder / "consolidation.json").write_text("so")
    with pytest.raises(ReplyError, match="no JSON object"):
        explorer.consolidate(findings(round=4), transcript)


def test_an_agent_consolidates_in_the_sessions_of_the_rounds_that_are_due(tmp_path: Path) -> None:
    def left(number: int, explorer: str, text: str) -> None:
        said = {"statements": [{"text": text, "rounds": [1], "figures": "1.0"}]}
        of_round = Transcript(tmp_path / f"round-{number:03d}" / "transcript.jsonl", stamp={"explorer": explorer})
        of_round.record("agent", round=number, consolidation=json.dumps(said))

    for number, explorer, text in ((1, "a", "old"), (2, "a", "mine"), (3, "b", "another's")):
        left(number, explorer, text)
    latest = Transcript(tmp_path / "round-003" / "transcript.jsonl", stamp={"explorer": "a"})
    changes = consolidation_of_sessions(findings(knowledge=Knowledge(1)), latest, "agent")
    assert changes is not None
    assert [each.text for each in changes.statements] == ["mine"]
    assert consolidation_of_sessions(findings(knowledge=Knowledge(2)), latest, "agent") is None

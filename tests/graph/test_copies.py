"""Proposals that act as an earlier controller does: they go back once, with the name of that controller."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from graph.explorers.base import Brief, Critique, Evidence, Explorer, Proposal
from graph.explorers.evolution.render import render
from graph.explorers.evolution.seeds import SEEDS
from graph.loop.context import Context
from graph.loop.nodes.baselines import evaluate_baselines
from graph.loop.nodes.proposer import propose
from graph.run.paths import read_json
from graph.run.roles import Assignment
from graph.run.tables import sent_back
from graph.run.transcript import Transcript
from sandbox.candidate import shipped

SOUND = render(SEEDS[0][1])
AGAIN = f"# Not a line of it is the same, says its author.\n{SOUND}"
OTHER = render(SEEDS[3][1])
THIRD = render(SEEDS[4][1])

Make = Callable[..., Context]


class Scripted(Explorer):
    """Proposes what it is given, round by round and attempt by attempt; it answers the assignments in their order."""

    def __init__(self, *attempts: Sequence[str]) -> None:
        self.attempts = attempts
        self.briefs: list[Brief] = []

    def identity(self) -> Mapping[str, str]:
        return {"explorer": "scripted"}

    def propose(self, brief: Brief, transcript: Transcript) -> Sequence[Proposal]:
        self.briefs.append(brief)
        sources = self.attempts[brief.attempt] if brief.attempt < len(self.attempts) else ()
        roles = [*brief.roles, *[None] * len(sources)]
        return [Proposal(source, "", assignment=role) for source, role in zip(sources, roles, strict=False)]

    def critique(self, evidence: Evidence, transcript: Transcript) -> Critique:
        return Critique("")


def play(context: Context) -> list[dict[str, Any]]:
    """Play the proposer of round 1 after the baselines; return the entries of the proposals."""
    evaluate_baselines(context, {"round": 0})
    propose(context, {"round": 1})
    entries: list[dict[str, Any]] = read_json(context.folder.round(1).proposals)
    return entries


def test_a_copy_goes_back_with_what_it_equals_and_its_answer_takes_its_place(make_context: Make) -> None:
    explorer = Scripted([AGAIN, SOUND, shipped("sc").read_text(encoding="utf-8")], [OTHER, THIRD])
    context = make_context(explorer, resend=True)
    context.settings = context.settings.replace(candidates=3)
    entries = play(context)
    first, second = explorer.briefs
    assert [(each.status, each.why) for each in second.rejected] == [
        ("duplicate", "it acts exactly as r1-01 does"), ("duplicate", "it acts exactly as sc does"),
    ]  # fmt: skip
    assert (second.wanted, second.attempt, second.roles) == (2, 1, first.roles[1:])
    assert [context.folder.round(1).source(each["label"]).read_text() for each in entries] == [AGAIN, OTHER, THIRD]
    assert [Assignment.from_json(each["assignment"]) for each in entries] == list(first.roles)
    events = Transcript(context.folder.round(1).transcript).events()
    drafts = [event["status"] for event in events if event["event"] == "draft"]
    assert drafts == ["ok", "duplicate", "duplicate", "ok", "ok"]
    assert sent_back(context.folder.round(1)) == 2


def test_a_copy_goes_back_once_and_stays_where_it_was(make_context: Make) -> None:
    explorer = Scripted([AGAIN, SOUND], [AGAIN])
    context = make_context(explorer, resend=True)
    entries = play(context)
    assert [each["label"] for each in entries] == ["r1-01", "r1-02"]
    assert len(explorer.briefs) == 2
    # A run that was killed asks for the same again.
    explorer.briefs.clear()
    propose(context, {"round": 1})
    assert len(explorer.briefs) == 2
    assert read_json(context.folder.round(1).proposals) == entries
    assert sent_back(context.folder.round(1)) == 1


def test_an_answer_to_a_copy_that_does_not_load_leaves_the_copy_and_nobody_is_asked_for_nothing(
    make_context: Make,
) -> None:
    explorer = Scripted([AGAIN, SOUND], ["def"], [OTHER])
    context = make_context(explorer, resend=True)
    entries = play(context)
    assert [brief.wanted for brief in explorer.briefs] == [2, 1]
    assert [each["status"] for each in entries] == ["ok", "ok"]
    drafts = [event for event in Transcript(context.folder.round(1).transcript).events() if event["event"] == "draft"]
    assert drafts[-1]["source"] == "def"


def test_one_that_differs_at_another_beta_alone_is_no_copy(make_context: Make) -> None:
    # The β that all are compared at first is 1; at 0 the one reads one branch and the other two.
    wider = SOUND.replace("round(64**beta)", "round(2 * 32**beta)")
    wider = wider.replace("1 - 0.3 * 0.1**beta", "1 - 0.1 * 0.3**beta")
    assert wider.count("32**beta") == wider.count("0.3**beta") == 1
    explorer = Scripted([SOUND, wider])
    play(make_context(explorer, resend=True))
    assert len(explorer.briefs) == 1


@pytest.mark.parametrize("switch", [{"resend": False}, {"no_feedback": True}, {"approve": True}])
def test_nothing_goes_back_without_leave(make_context: Make, switch: dict[str, bool]) -> None:
    explorer = Scripted([AGAIN, SOUND])
    context = make_context(explorer, **{"resend": True, **switch})
    play(context)
    assert len(explorer.briefs) == 1

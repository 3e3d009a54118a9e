"""Roles: how shares are read and divided, and the mechanism families that the archive keeps the best of."""

import random
from collections import Counter
from itertools import product
from typing import Any

import pytest

from graph.critic.families import FAMILIES, best_of_each, family, untried
from graph.critic.mechanisms import MECHANISMS, SIGNALS
from graph.explorers.evolution.mechanisms import SLOTS
from graph.explorers.evolution.sampling import anything
from graph.explorers.evolution.variation import crossover, simplified, unseen
from graph.explorers.submissions import Submission
from graph.run.candidates import CandidateRecord
from graph.run.roles import DEFAULT_SHARES, ROLES, Assignment, divide, read_shares
from graph.run.settings import RunSettings
from graph.study.roles import roles_table
from tests.graph.prompts.briefs import brief


def tried(label: str, family: str, screening: float | None, score: float | None = None) -> CandidateRecord:
    return CandidateRecord(label, 1, "", {}, "ok", None, screening, score, family=family)


def test_the_default_gives_twelve_candidates_the_shares_that_it_names() -> None:
    shares = read_shares(DEFAULT_SHARES)
    assert Counter(divide(shares, 12)) == shares
    assert sorted(shares) == sorted(ROLES)


@pytest.mark.parametrize(("wanted", "expected"), [
    (1, {"refine": 1}),
    (4, {"refine": 1, "combine": 1, "new": 1, "cheaper": 1}),
    (6, {"refine": 2, "combine": 1, "new": 2, "cheaper": 1}),
])  # fmt: skip
def test_shares_are_divided_by_the_largest_remainders(wanted: int, expected: dict[str, int]) -> None:
    assert Counter(divide(read_shares(DEFAULT_SHARES), wanted)) == expected


def test_roles_alternate_so_that_each_half_has_about_the_same() -> None:
    roles = divide({"refine": 4, "new": 4}, 8)
    assert Counter(roles[:4]) == Counter(roles[4:])


def test_a_share_of_nothing_gives_nobody_a_role() -> None:
    assert divide({}, 5) == []
    assert divide({"refine": 0}, 5) == []
    assert read_shares("off") == {}


@pytest.mark.parametrize(("text", "message"), [
    ("refine=4,other=1", "'other' is no role; there are refine, combine, new, cheaper, worst, or give off"),
    ("refine=4,refine=1", "refine is given twice"),
    ("refine=-1", "the share of refine is '-1'; give a whole number"),
    ("new=0", "gives every role a share of 0; give off"),
    ("", "'' is no role"),
])  # fmt: skip
def test_shares_that_cannot_be_read_are_refused_with_the_way_out(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RunSettings(grids=("a",), roles=text)


def test_every_combination_of_mechanisms_and_votes_is_a_family() -> None:
    parts = [name for name in MECHANISMS if name != "pruning"]
    named = {
        family(dict(zip(parts, has, strict=True)), signals)
        for has in product((True, False), repeat=3)
        for signals in ((), *((signal,) for signal in SIGNALS), ("length", "trajectory"))
    }
    assert named == set(FAMILIES)
    assert FAMILIES[0] == "stops early, adaptive width, in waves, plain votes"
    assert FAMILIES[-1] == "never stops early, adaptive width, all at once, votes by several"


def test_the_best_of_each_family_is_kept_and_a_full_evaluation_counts_before_a_screening() -> None:
    a, b = FAMILIES[:2]
    history = [tried("r1-01", a, 0.9), tried("r1-02", a, 0.5, 0.6), tried("r1-03", b, 0.7), tried("r1-04", b, 0.7)]
    best = best_of_each([*history, tried("r1-05", "", 0.99), tried("r1-06", FAMILIES[2], None)])
    assert {name: each.label for name, each in best.items()} == {a: "r1-02", b: "r1-03"}
    assert list(best) == [a, b]
    assert untried(history, ("probe_confidence", "judge")) == list(FAMILIES[2:])


def test_only_families_whose_votes_the_grids_signals_can_weigh_are_untried() -> None:
    def ballots(*signals: str) -> set[str]:
        return {name.rpartition("votes by ")[2] for name in untried([], signals)} & {"confidence", "other signals"}

    assert ballots() == set()
    assert ballots("token_confidence") == {"confidence"}
    assert ballots("judge") == {"other signals"}
    assert ballots("judge", "probe_confidence") == {"confidence", "other signals"}


def test_a_file_with_a_number_answers_the_assignment_of_that_number_and_others_those_left() -> None:
    roles = [Assignment("refine", ("r1-01",)), Assignment("new"), Assignment("worst", ("r1-01",), grid=2)]
    files = ("controller-3.py", "controller-9.py", "controller-a.py")
    proposals = Submission(("a", "b", "c"), "", files).proposals(brief(wanted=3, roles=roles))
    assert [each.assignment for each in proposals] == [roles[2], roles[0], roles[1]]
    (alone,) = Submission(("a",), "an idea", ("controller.py",)).proposals(brief(wanted=3))
    assert (alone.assignment, alone.idea) == (None, "an idea")


def test_recipes_for_roles_are_recipes_of_the_family() -> None:
    rng = random.Random(5)
    for _ in range(50):
        first, second = anything(rng), anything(rng)
        child, simple = crossover(rng, first, second), simplified(rng, first)
        for each in (child, simple):
            assert set(each.choices) == set(SLOTS)
            assert set(each.genes) == {knob.name for knob in each.knobs()}
        assert len(simple.knobs()) <= len(first.knobs())
        assert simple != first
        assert unseen(rng, [first.choices], ()).choices != first.choices


def test_a_study_credits_gains_to_the_role_of_a_rounds_best_with_intervals_over_runs() -> None:
    def candidate(run: str, number: int, role: str, screening: float, *, best: bool) -> dict[str, Any]:
        return {"run": run, "round": number, "role": role, "screening": screening, "best": best, "status": "ok",
                "same_as": None, "score": screening, "selected": False}  # fmt: skip

    runs = ("a", "b", "c")
    candidates = [
        candidate(run, number, role, screening, best=best)
        for place, run in enumerate(runs)
        for number, role, screening, best in (
            (1, "new", 0.9, True),
            (2, "refine", 0.5, True), (2, "new", 0.3, False),
            (3, "refine", 0.4, False), (3, "new", 0.6 + 0.1 * place, True),
        )
    ]  # fmt: skip
    gains = [{"round": number, "gain": gain} for number, gain in enumerate((0.0, 0.1, 0.2, 0.5))]
    refine, new = roles_table(candidates, dict.fromkeys(runs, gains))
    assert (refine["role"], new["role"], new["count"]) == ("refine", "new", 6)
    assert refine["share"]["value"] == pytest.approx(0.25)
    assert new["share"]["value"] == pytest.approx(0.75)
    assert refine["ahead"]["value"] == pytest.approx(-0.025)
    assert refine["ahead"]["low"] < -0.025 < refine["ahead"]["high"]
    assert roles_table([{**each, "role": ""} for each in candidates], {}) == []
    assert roles_table(candidates[:5], {"a": gains})[0]["ahead"]["low"] is None, "too few runs"

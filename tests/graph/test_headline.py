"""The headline, and costs in which latency counts, against figures worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from envdata.episodes import Terms
from graph.analysis.curves import Curve
from graph.analysis.frontier import frontier
from graph.analysis.headline import headline, terms_in_words
from graph.analysis.objective import Objective, Scorer
from tests.graph.test_curves import CHEAP, QUESTIONS, SC, curve


def lasting(own: Curve, sequential: list[float]) -> Curve:
    """A curve with the same sequential tokens for every question at a point."""
    tokens = own.tokens_by_question[0]
    return replace(own, sequential_by_question=(np.repeat(np.array(sequential)[:, None], tokens.shape[1], axis=1),))


def test_the_headline_says_what_is_saved_and_at_what_costs() -> None:
    mine, theirs = lasting(CHEAP, [50, 80]), lasting(SC, [20, 30, 40])
    found = headline({"mine": mine, "sc": theirs}, "mine", theirs, QUESTIONS, part="Held out", terms=Terms(64))
    assert found["text"].startswith("Held out: mine is right on 50.0 % (")
    for said in (
        ") with 100 tokens (50 sequential) a question where self-consistency takes 1,000 tokens (30 sequential) for "
        "50.0 % (",
        "at that accuracy it saves 90 % of the tokens (",
        "at those tokens it is right on 75.0 % (",
        "+25.0 points (",
        "(probes charged as recorded, prefill not charged).",
    ):
        assert said in found["text"]
    assert found["controllers"]["mine"]["saving"]["value"] == pytest.approx(0.9)
    assert found["controllers"]["sc"]["saving"] == {"value": 0, "low": 0, "high": 0}
    assert found["controllers"]["sc"]["difference"]["value"] == 0


def test_a_headline_claims_nothing_that_is_not_there() -> None:
    worse = curve("worse", [(0.0, [1, 0, 0, 0], 500)])
    found = headline({"worse": worse}, "worse", SC, QUESTIONS, part="Held out", terms=Terms(64, probe_cost=0))
    assert "at that accuracy it saves no tokens" in found["text"]
    assert "(probes free, prefill not charged)" in found["text"]
    own = headline({"sc": SC}, "sc", SC, QUESTIONS, part="Held out", terms=Terms(64))
    assert "no controller was found that is better than self-consistency" in own["text"]
    assert terms_in_words(Terms(64, probe_cost=3, prefill_weight=0.5)) == (
        "probes charged 3 tokens each, prefill charged at 0.5 of a decoded token"
    )


def test_latency_is_charged_in_one_place() -> None:
    slow, quick = lasting(CHEAP, [100, 1000]), lasting(CHEAP, [1, 10])
    assert quick.charged(0) is quick
    assert quick.charged(0.5).tokens == pytest.approx([10, 100])
    assert quick.charged(1).tokens == pytest.approx([1, 10])
    reference = lasting(SC, [100, 1000, 10000])
    for objective in ("gain", "saving@sc", "area", "gamma:1e-4"):
        scorer = Scorer(Objective.parse(objective), 100, 10000, QUESTIONS, reference)
        assert scorer.score(slow) == pytest.approx(scorer.score(quick))
        charged = replace(scorer, latency=0.5)
        assert charged.score(slow) == pytest.approx(scorer.score(slow))
        assert charged.score(quick) > charged.score(slow)
    saving = Scorer(Objective.parse("saving@sc"), 0, 0, QUESTIONS, reference, latency=0.5)
    # 50 % costs self-consistency 1000 and the quick one 10, tokens and sequential tokens alike.
    assert saving.score(quick) == pytest.approx(0.99)


def test_the_frontier_is_one_of_costs_and_shows_both() -> None:
    quick = lasting(curve("quick", [(0.0, [1, 1, 0, 0], 150)]), [10])
    slow = lasting(curve("slow", [(0.0, [1, 1, 0, 0], 100)]), [100])
    for latency, label in ((0.0, "slow"), (0.5, "quick")):
        (row,) = frontier([quick, slow], [0, 0], QUESTIONS, latency).to_pylist()
        assert row["controller"] == label
    assert (row["tokens"], row["sequential"]) == (150, 10)


def test_what_costs_more_at_every_point_has_no_accuracy_at_self_consistencys_tokens() -> None:
    dear = curve("dear", [(0.0, [1, 1, 1, 0], 1001), (1.0, [1, 1, 1, 1], 5000)])
    found = headline({"dear": dear}, "dear", SC, QUESTIONS, part="Held out", terms=Terms(64))
    assert "it saves no tokens, and it takes more than those tokens at every β (probes" in found["text"]
    figures = found["controllers"]["dear"]
    assert (figures["accuracy"], figures["difference"]) == (None, None)
    assert figures["gain"]["value"] > 0


def test_accuracies_of_a_headline_are_as_measured_and_so_is_their_difference() -> None:
    """A dearer point that measured worse pulls no estimate down: the sentence's numbers add up."""
    noisy = curve("sc", [(0.0, [1, 0, 0, 0], 10), (0.5, [1, 1, 1, 0], 1000), (1.0, [1, 1, 0, 0], 10000)])
    mine = curve("mine", [(0.0, [1, 1, 0, 0], 100), (1.0, [1, 1, 1, 1], 10000), (0.5, [1, 0, 0, 0], 5000)])
    found = headline({"mine": mine}, "mine", noisy, QUESTIONS, part="Held out", terms=Terms(64))
    assert "for 75.0 % (" in found["text"]
    figures = found["controllers"]["mine"]
    # Half of the way in log tokens from 100 to 10,000, between 50 and 100 %.
    assert figures["accuracy"]["value"] == pytest.approx(0.75)
    assert figures["difference"]["value"] == pytest.approx(0)

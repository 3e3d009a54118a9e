"""Votes: who takes part, what weighs how much, and how sure the winner is."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from sandbox.branch import Answer, Branch
from sandbox.tts import Poll, Tally, confidence, majority, poll

A, B, NONE = Answer(0, True), Answer(1, True), Answer(2, False)


def test_what_is_not_parsed_does_not_vote() -> None:
    assert poll([NONE, NONE, None, A]) == Poll(A, 1, 0)
    assert poll([NONE, None]) == poll([]) == Poll(None, 0, 0)
    # The vote of the published figures counts labels, whatever they say.
    assert majority([NONE, NONE, None, A]) is NONE


def test_votes_take_weights() -> None:
    assert poll([A, B, B, NONE], [2.5, 1, 1, 9]) == Poll(A, 2.5, 2)
    assert poll({B: 0.5, A: 0.25, NONE: 7.0, None: 3.0}) == Poll(B, 0.5, 0.25)
    tally = Tally()
    tally.add([A])
    tally.add([B], [1.0])
    assert tally.poll() == Poll(A, 1, 1), "the first met among equals"
    tally.add({B: 0.5})
    assert tally.poll().winner is B


def test_weights_belong_to_answers() -> None:
    with pytest.raises(ValueError, match="shorter"):
        poll([A, B], [1.0])
    with pytest.raises(ValueError, match="takes no weights"):
        poll({A: 1.0}, [1.0])


@given(st.floats(0, 500), st.floats(0, 500))
def test_confidence_is_the_tail_of_a_beta_distribution(first: float, second: float) -> None:
    assert confidence(first, second) == pytest.approx(float(beta.sf(0.5, first + 1, second + 1)), abs=1e-9)


@given(st.integers(0, 60), st.integers(0, 60))
def test_whole_votes_have_the_exact_confidence(first: int, second: int) -> None:
    tail = sum(math.comb(first + second + 1, k) for k in range(first + 1))
    assert confidence(first, second) == confidence(float(first), float(second)) == tail / 2 ** (first + second + 1)


def test_negative_votes_are_an_error() -> None:
    with pytest.raises(ValueError, match="0 or more"):
        confidence(-1, 2)


def test_a_branch_knows_the_answers_that_it_ever_gave() -> None:
    branch = Branch(0)
    assert branch.seen == set()
    branch._answers += [A, NONE, None, A]
    assert branch.seen == {A}
    branch._answers.append(B)
    assert branch.seen == {A, B}

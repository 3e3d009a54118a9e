import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envdata.collect.extraction import AnswerRule, Token, mean_logprob, shifted

NUMBER = AnswerRule("Answer:")
TEXT = AnswerRule("Answer:", "exact")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (" 3 * 4 = 12.\nAnswer: 12", "12"),
        ("Answer: 12 balls", "12"),
        ("Answer: $1,200.50\n", "1200.5"),
        ("Answer: 12.0", "12"),
        ("Answer: -7.", "-7"),
        ("Answer: -0", "0"),
        ("Answer: 007", "7"),
        ("Answer: 5\nProblem: 6", "5"),
        ("Answer: 1\nAnswer: 2", "2"),
        ("Answer:\n12", ""),
        ("Answer: none", ""),
        ("12", ""),
        ("", ""),
    ],
)
def test_numbers_get_one_spelling(text, answer):
    assert NUMBER.answer(text) == answer


@pytest.mark.parametrize(("text", "answer"), [("Answer:  a b \nc", "a b"), ("Answer: ", ""), ("a b", "")])
def test_texts_are_taken_as_they_are(text, answer):
    assert TEXT.answer(text) == answer


def test_the_answers_place_is_where_it_is_written():
    text = "So: 4.\nAnswer: about 1,200 m"
    found = NUMBER.find(text)
    assert found is not None
    assert text[found.start : found.end] == "1,200"


def test_confidence_is_the_mean_over_the_answers_tokens_only():
    tokens = [Token(0, 2, -8.0), Token(2, 3, -1.0), Token(3, 5, -2.0), Token(5, 6, -16.0)]
    assert mean_logprob(tokens, 2, 4) == -1.5
    assert mean_logprob(shifted(tokens, 10), 12, 14) == -1.5
    assert mean_logprob(tokens, 9, 9) == -27 / 4
    assert mean_logprob([], 0, 1) is None
    assert mean_logprob([*tokens, Token(6, 7, None)], 5, 7) is None


@pytest.mark.parametrize(("marker", "kind", "message"), [(" ", "number", "marker is empty"), ("A:", "sum", "'sum'")])
def test_rules_that_cannot_be(marker, kind, message):
    with pytest.raises(ValueError, match=message):
        AnswerRule(marker, kind)


MATH = AnswerRule("\\boxed{", "math")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"so \boxed{\frac{1}{2}} it is", r"\frac{1}{2}"),
        (r"\boxed{1} no, \boxed{ 2 }", "2"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{\frac{1}{2", r"\frac{1}{2"),
        (r"\boxed{}", ""),
        ("nothing boxed", ""),
    ],
)
def test_a_box_ends_where_its_brace_closes(text, answer):
    assert MATH.answer(text) == answer


@settings(max_examples=50)
@given(st.recursive(st.text("ab1+ ", max_size=5), lambda inner: st.lists(inner.map("{{{}}}".format)).map("".join)))
def test_any_balanced_text_comes_out_of_its_box(inside):
    text = f"first \\boxed{{x}}, then \\boxed{{{inside}}} and {{more}}"
    found = MATH.find(text)
    assert (found.answer if found else "") == (inside.strip() or "x")
    if found:
        assert text[found.start : found.end] == found.answer


def test_without_the_marker_a_box_serves_where_answers_are_mathematical():
    text = "Thus \\boxed{5}."
    assert AnswerRule("Answer:", "math").answer(text) == "5"
    assert AnswerRule("Answer:", "exact").answer(text) == ""
    assert AnswerRule("Answer:", "math").line(text) is None, "a trace that has boxed something may still go on"
    assert AnswerRule("Answer:", "math").answer("Thus \\boxed{5}.\nAnswer: 6") == "6"


@pytest.mark.parametrize(
    ("closing", "marker"),
    [("\nAnswer:", "Answer:"), ("\n\nThe final answer is \\boxed{", "\\boxed{"), ("So.\n**Result:** ", "**Result:**")],
)
def test_the_marker_of_a_closing(closing, marker):
    assert AnswerRule.after(closing, "math").marker == marker


@pytest.mark.parametrize(
    ("kind", "text", "gold"),
    [
        ("math", "We get 4.\nSo \\boxed{\\frac{3}{4}}.", "\\frac{3}{4}"),
        ("math", " 12 ", "12"),
        ("number", "1,200.50", "1200.5"),
        ("number", "about 12", "12"),
        ("number", "about a dozen", ""),
        ("choice", "(C) 12 apples", "C"),
        ("choice", "No.", "no"),
        ("choice", "12", ""),
        ("exact", "ERR", ""),
        ("exact", "\\boxed{5} ", "\\boxed{5}"),
    ],
)
def test_reference_answers(kind, text, gold):
    assert AnswerRule("Answer:", kind).gold(text) == gold

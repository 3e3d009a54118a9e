import pytest

from envdata.collect.answer_reader import Reader, Thinking
from envdata.collect.extraction import BOXED, AnswerRule

PLAIN = Reader(AnswerRule("Answer:"), "\nAnswer:")
CLOSING = f"\n\nSo it is {BOXED}"
THINKING = Reader(AnswerRule(BOXED, "exact"), CLOSING, Thinking())
LEAVING = f"\n</think>\n\nSo it is {BOXED}"


@pytest.mark.parametrize(
    ("prefix", "closing"),
    [
        (" 3 * 4 =", "\nAnswer:"),
        (" 3 * 4 = 12.\nAns", "wer:"),
        (" 3 * 4 = 12.\nAnswer:", ""),
        (" 3 * 4 = 12.\nAnswer: 1", ""),
        (" 3 * 4 = 12.\nAnswer: 12\n", None),
    ],
)
def test_what_closes_a_plain_trace(prefix, closing):
    assert PLAIN.closing_of(prefix, False) == closing


@pytest.mark.parametrize(
    ("prefix", "closing"),
    [
        ("<think>so", LEAVING),
        (f"<think>it may be {BOXED}7}}", LEAVING),
        ("<think>so\n</thi", f"nk>\n\nSo it is {BOXED}"),
        ("<think>so.</thi", f"nk>\n\nSo it is {BOXED}"),
        ("<think>so</think>", CLOSING),
        ("<think>so</think>\n\nSo it", f" is {BOXED}"),
        (f"<think>so</think>\n\nThus {BOXED}", ""),
        (f"<think>so</think>\n\nThus {BOXED}\\frac{{1}}", ""),
        (f"<think>so</think>\n\nThus {BOXED}7}}", None),
    ],
)
def test_what_closes_a_thinking_trace(prefix, closing):
    assert THINKING.closing_of(prefix, True) == closing


@pytest.mark.parametrize(
    ("text", "reason", "answer"),
    [
        (f"<think>{BOXED}1}}</think>It is {BOXED}2}}", "stop", "2"),
        (f"<think>{BOXED}1}}", "length", None),
        (f"the prompt opened it, {BOXED}1}}", "length", None),
        (f"the prompt opened it, {BOXED}1}}</think> {BOXED}2}}", "stop", "2"),
        (f"it did not think: {BOXED}3}}", "stop", "3"),
    ],
)
def test_the_answer_comes_after_the_thinking(text, reason, answer):
    found = THINKING.find(text, THINKING.thinks(text, reason))
    assert (found and found.answer) == answer
    assert found is None or text[found.start : found.end] == answer


def test_a_tag_that_is_nothing_is_refused():
    with pytest.raises(ValueError, match="is empty"):
        Thinking("<think>", "")

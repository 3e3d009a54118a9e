"""Spelling through its one door, with the real math-verify in its real process."""

import asyncio
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envdata.answers import UNPARSED, is_parsed
from envdata.collect.branches import Branch
from envdata.collect.canonical_answers import make_speller, spelt_branches, spelt_questions
from envdata.collect.engine import CollectError
from envdata.collect.extraction import AnswerRule
from envdata.collect.questions import Question, QuestionError

RULE = AnswerRule("\\boxed{", "math")
FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def speller():
    made = make_speller(RULE)
    yield made
    made.close()


def spelt_alike(speller, *answers):
    return len(set(speller.spell("the gold answer is another", answers).values())) == 1


@pytest.mark.parametrize(
    "answers",
    [
        ["1/2", r"\frac{1}{2}", r"\frac12", "0.5", ".50", "$\\frac{2}{4}$", r"\(0.5\)", "1/2."],
        ["1200.5", "1,200.50", r"1\,200.5", "$1200.5", "2401/2"],
        ["12", "12 apples", "12.0", "012", r"12 \text{ cm}", "**12**", "7 + 5", r"2^2 \cdot 3"],
        ["-3", "-3.0", r"\frac{-6}{2}"],
        [r"2\sqrt{3}", r"\sqrt{12}", r"\frac{6}{\sqrt{3}}"],
        ["n+1", "1 + n", "(n^2 - 1)/(n - 1)"],
        [r"\{1, 2\}", r"\{2,1\}", "1,2"],
        ["(1,2)", r"\left( 1, 2 \right)"],
        ["1/3", "0.333333", "0.33333333"],
        ["Paris", "paris", r"\text{Paris}"],
    ],
    ids=lambda answers: answers[0],
)
def test_equal_answers_have_one_spelling(speller, answers):
    assert spelt_alike(speller, *answers)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("1/3", "0.33"),
        ("7", "7 or 8"),
        ("1000", "1 000 or so, or 2"),
        (r"\sqrt{3}", "1.732"),
        ("n + 1", "m + 1"),
        ("(1,2)", "[1,2]"),
        ("Paris", "London"),
        ("12", "-12"),
        (r"\{1, 2\}", "12"),
    ],
)
def test_others_do_not(speller, a, b):
    assert not spelt_alike(speller, a, b)


def test_a_reference_answer_gives_its_spelling_and_the_first_in_one_order_gives_it_otherwise(speller):
    assert speller.spell("9", ["9\\%", "0.09"]) == {"9\\%": "9", "0.09": "9/100"}
    # 9 % is either, and yet no chain pulls the two together.
    assert speller.spell("9/100", ["9\\%", "9"]) == {"9\\%": "9/100", "9": "9"}
    assert speller.spell("5", ["x = 5"]) == {"x = 5": "5"}


@pytest.mark.parametrize("answer", ["(" * 9, "\\frac" * 3, "x" * 5000, "{", "\\"])
def test_what_cannot_be_read_is_compared_as_text(speller, answer):
    assert speller.spell("3", [answer, "3"]) == {answer: answer, "3": "3"}


@pytest.mark.slow
def test_an_answer_that_would_run_for_ever_ends_its_reading_and_nothing_else(speller):
    before = speller._process.given_up
    assert speller.spell("3", ["7^{7^{7^{7}}}"]) == {"7^{7^{7^{7}}}": "7^{7^{7^{7}}}"}
    assert speller._process.given_up == before + 1
    assert speller.given_up(["7^{7^{7^{7}}}", "3", "4"]) == ["7^{7^{7^{7}}}"]
    assert speller.spell("3", ["3.0", "6/2"]) == {"3.0": "3", "6/2": "3"}


NUMBERS = st.fractions(max_denominator=50) | st.integers(-(10**12), 10**12)
WRITTEN = st.one_of(
    NUMBERS.map(str),
    st.integers(-999_999, 999_999).map(lambda n: f"{n:,}"),
    st.decimals(-1000, 1000, places=3).map(str),
    NUMBERS.map(lambda n: f"\\frac{{{n.numerator}}}{{{n.denominator}}}"),
    st.integers(2, 20).map(lambda n: f"\\sqrt{{{n}}}"),
    st.sampled_from(["x", "n + 1", "1 + n", r"2\sqrt{3}", r"\sqrt{12}", "50\\%", "1/2", "50", "x = 5", "5", r"\pi"]),
    st.sampled_from([*UNPARSED, "  "]),
    st.text(alphabet="ab1 2+{}\\^_$,.", max_size=8),
)


@FEW
@given(
    gold=WRITTEN.filter(lambda text: is_parsed(text.strip())), answers=st.lists(WRITTEN, max_size=8), seed=st.integers()
)
def test_spelling_is_an_equivalence_that_depends_on_nothing_but_the_answers(speller, gold, answers, seed):
    spelt_gold = speller.gold(gold)
    spelling = speller.spell(spelt_gold, answers)
    assert spelling.keys() == set(answers)
    # Neither the order nor how often an answer comes matters.
    shuffled = answers * 2
    random.Random(seed).shuffle(shuffled)
    assert speller.spell(spelt_gold, shuffled) == spelling
    # What is no answer is '', and an answer never becomes one.
    for answer, spelt in spelling.items():
        # In a box, "No" answers a question; it is spelt so that nobody takes it for the mark.
        if not is_parsed(answer.strip()) and answer != "No":
            assert spelt == ""
        assert spelt == "" or is_parsed(spelt)
    # Spelt once: a spelling stands for itself, so spelling again changes nothing.
    again = speller.spell(spelt_gold, spelling.values())
    assert all(again[spelt] == spelt for spelt in spelling.values())


@FEW
@given(a=WRITTEN, b=WRITTEN)
def test_equality_is_reflexive_and_symmetric(speller, a, b):
    assert spelt_alike(speller, a, a)
    one, other = speller.spell("z", [a, b]), speller.spell("z", [b, a])
    assert one == other


@FEW
@given(number=NUMBERS)
def test_a_number_is_spelt_the_same_however_it_is_written(speller, number):
    ways = [str(number), f"\\frac{{{number.numerator}}}{{{number.denominator}}}", f"${number}$"]
    if number.denominator == 1:
        ways += [f"{number.numerator:,}", f"{number}.0", f"{number}."]
    assert set(speller.spell("z", ways).values()) == {str(number)}


def test_branches_are_spelt_together(speller):
    branches = [
        Branch(9, "0.5", "stop", ["", r"\frac{1}{2}"], [0.0, -1.0], [0, 3], None),
        Branch(3, "ERR", "length", ["1/2"], [-1.0], [3], "text"),
    ]
    spelt, given_up = spelt_branches(branches, speller.gold(r"\boxed{\frac{2}{4}}"), speller)
    assert given_up == []
    assert [(b.final_answer, b.probe_answers) for b in spelt] == [("1/2", ["", "1/2"]), ("", ["1/2"])]
    assert (spelt[1].text, spelt[1].tokens) == ("text", 3)


def test_reference_answers_are_spelt_and_none_is_refused(speller):
    asked = [Question("a", r"so \boxed{\frac{4}{2}}", "a"), Question("b", "$12.50$", "b")]
    assert [question.answer for question in spelt_questions(asked, speller)] == ["2", "25/2"]
    with pytest.raises(QuestionError, match=r"question 1 \('b'\): its answer '\$ \$' is none that"):
        spelt_questions([asked[0], Question("b", "$ $", "b")], speller)


@pytest.mark.parametrize(("kind", "answer"), [("number", "about a dozen"), ("choice", "12"), ("exact", "No")])
def test_a_reference_answer_that_the_rule_cannot_read_is_named_with_its_line(kind, answer):
    asked = [Question("a", answer, "a", where="q.jsonl, line 7")]
    with pytest.raises(QuestionError, match=rf"q.jsonl, line 7: question 0 \('a'\): .*'{answer}' is none.*{kind}"):
        spelt_questions(asked, make_speller(AnswerRule("Answer:", kind)))


def test_threads_may_share_a_speller(speller):
    async def many():
        asked = ([f"{n}/7", f"{2 * n}/14"] for n in range(1, 9))
        return await asyncio.gather(*(asyncio.to_thread(speller.spell, "z", each) for each in asked))

    assert all(len(set(each.values())) == 1 for each in asyncio.run(many()))


@pytest.mark.parametrize("kind", ["number", "exact"])
def test_other_rules_keep_answers_as_they_found_them(kind):
    speller = make_speller(AnswerRule("Answer:", kind))
    assert speller.spell("1/2", ["0.5", "1/2", ""]) == {"0.5": "0.5", "1/2": "1/2", "": ""}
    assert speller.gold("1,200.50") == ("1200.5" if kind == "number" else "1,200.50")
    assert speller.facts() == {"answers": kind, "version": 2}


def test_the_facts_name_the_packages(speller):
    assert set(speller.facts()) == {"answers", "version", "math-verify", "latex2sympy2-extended", "sympy"}


def test_without_math_verify_it_says_what_to_install(monkeypatch, tmp_path):
    # A package of that name that cannot be imported stands before the real one.
    (tmp_path / "math_verify.py").write_text("raise ImportError('no module named math_verify')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(CollectError, match=r"no module named math_verify.*autotts\[questions\].*--answers number"):
        make_speller(RULE)

"""Pairs of answers judged by hand as a mathematician would, and the command that judges them."""

import csv
import random
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from envdata.collect.answer_pairs import judge, read_pairs
from envdata.collect.canonical_answers import make_speller
from envdata.collect.equality.forms import from_json, same, to_json
from envdata.collect.equality.structure import read
from envdata.collect.extraction import AnswerRule
from graph.cli import cli

JUDGED = Path(__file__).parent / "judged_answers.csv"
IN_TURN = 30
"""Every so many rows are judged where tests have to be quick; the rest by the test marked slow."""


def wrong(pairs):
    return [(each.pair.line, each.pair.gold, each.pair.answer) for each in judge(pairs) if not each.right]


def test_pairs_are_judged_as_by_hand():
    assert wrong(read_pairs(JUDGED, "math")[::IN_TURN]) == []


@pytest.mark.slow
def test_all_pairs_are_judged_as_by_hand():
    assert wrong(read_pairs(JUDGED, "math")) == []


def judged(tmp_path, content, *options):
    file = tmp_path / "pairs.csv"
    file.write_text(content, encoding="utf-8")
    return CliRunner().invoke(cli, ["answers", str(file), *options])


def test_the_command_prints_how_each_pair_is_read_and_counts_what_is_right(tmp_path):
    done = judged(tmp_path, "rule,gold,answer,equal\nnumber,5,$5.00,1\nmath,\\frac12,0.5,0\nchoice,(C),C. Paris,1\n")
    assert done.exit_code == 0
    assert done.output.splitlines() == [
        "2: number: 5 (5) = $5.00 (5)  right",
        "3: math: \\frac12 (1/2) = 0.5 (1/2)  WRONG",
        "4: choice: (C) (C) = C. Paris (C)  right",
        "2 of 3 right",
    ]


def test_without_the_column_equal_nothing_is_counted_and_the_option_names_the_rule(tmp_path):
    done = judged(tmp_path, "\ufeffgold,answer\n5,5 cm\n6,7\n", "--rule", "number")
    assert done.output.splitlines() == ["2: number: 5 (5) = 5 cm (5)", "3: number: 6 (6) ≠ 7 (7)"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("gold,answer\n5,5\nnone,5\n", "reference answers that the rule number cannot read: line 3: 'none'"),
        ("gold,answer\nERR,5\n", "line 2: 'ERR'"),
        ("gold\n5\n", "there is no column 'answer'"),
        ("answer\n5\n", "there is no column 'gold'; the columns are answer"),
        ("gold,answer,rule\n5,5,sum\n", "line 2: the rule 'sum' is not one of math, number, choice, exact"),
        ("gold,answer,equal\n5,5,maybe\n", "line 2: equal is 'maybe', not 1 or 0"),
        ("gold,answer\n1,2,3\n", "line 2: has more values than there are columns; put values with commas in quotes"),
    ],
)
def test_what_cannot_be_judged_is_named(tmp_path, content, message):
    done = judged(tmp_path, content, "--rule", "number")
    assert done.exit_code == 1
    assert message in " ".join(done.output.split())


def test_what_is_no_answer_is_never_right(tmp_path):
    rows = "".join(
        f"{rule},{mark},{mark},0\n" for rule in ("math", "number", "choice", "exact") for mark in ("ERR", "?", "")
    )
    assert judged(tmp_path, f"rule,gold,answer,equal\n{rows}").output.splitlines()[-1] == "12 of 12 right"


def test_answers_are_found_in_whole_texts(tmp_path):
    texts = [
        (r"The answer is \boxed{12}. I put it in \boxed{}.", "12"),
        (r"\boxed{12} (format \boxed{answer})", "12"),
        (r"\boxed {4} or \boxed 5, no, \fbox{6}", "6"),
        (r"\boxed{\begin{pmatrix}1\\{2}\end{pmatrix}}", r"\begin{pmatrix}1\\{2}\end{pmatrix}"),
        ("<think>\\boxed{3}</think>\nIt is 5.", ""),
        ("<think>\\boxed{3}</think>\nSo \\boxed{5}.", "5"),
        (r"\boxed{}", ""),
        (r"\boxed{5}, as \boxed{ANSWER_HERE}, \boxed{\,} or \boxed{~}", "5"),
        (r"\boxed{5}, not \boxed{?}", "5"),
        (r"\\boxed{4}", "4"),
        (r"\Boxed{5}, \bbox[border:1px]{6} or \framebox[2cm]{7}", "7"),
    ]
    file = tmp_path / "texts.csv"
    with file.open("w", newline="") as stream:
        csv.writer(stream).writerows([("text", "answer"), *texts])
    done = CliRunner().invoke(cli, ["answers", str(file)])
    assert done.output.splitlines()[-1] == "11 of 11 right", done.output


ROWS = [row for row in csv.DictReader(JUDGED.open(encoding="utf-8")) if row["rule"] == "math"]
# Plain ones: each example reads a few, and SymPy takes its time.
SHORT = sorted({row[name] for row in ROWS[::3] for name in ("gold", "answer") if 0 < len(row[name]) < 12})
FEW = settings(max_examples=20, deadline=None)


@pytest.fixture(scope="module")
def speller():
    made = make_speller(AnswerRule("\\boxed{", "math"))
    yield made
    made.close()


@FEW
@given(gold=st.sampled_from(SHORT), answers=st.lists(st.sampled_from(SHORT), max_size=8), seed=st.integers(0, 9))
def test_which_answers_belong_together_depends_on_no_other_answer(speller, gold, answers, seed):
    gold = speller.gold(gold)
    spelling = speller.spell(gold, answers)
    shuffled = answers * 2
    random.Random(seed).shuffle(shuffled)
    assert speller.spell(gold, shuffled) == spelling
    for a in answers:
        assert (speller.spell(gold, [a])[a] == gold) == (spelling[a] == gold)
        for b in answers:
            pair = speller.spell(gold, [a, b])
            assert (pair[a] == pair[b]) == (spelling[a] == spelling[b])


@FEW
@given(a=st.sampled_from(SHORT), b=st.sampled_from(SHORT))
def test_either_side_may_be_the_reference(a, b):
    one, other = read(a), read(b)
    if one is None or other is None:
        return
    assert same(one, one)
    assert same(one, other) == same(other, one)
    assert from_json(to_json(one)) == one

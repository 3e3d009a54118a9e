import re

import pytest

from envdata.collect.question_sources import load_questions
from envdata.collect.questions import QuestionError, fingerprint
from envdata.collect.word_problems import FAMILIES, word_problems


def test_generated_questions_have_the_product_of_their_numbers_as_answer():
    for question in load_questions("word-problems?count=96&seed=3"):
        numbers = [int(n) for n in re.findall(r"\d+", question.text)]
        assert int(question.answer) == numbers[0] * numbers[1]
        assert question.prompt.endswith(f"\n\nProblem: {question.text}\nReasoning:")


def test_ranges_of_one_seed_are_disjoint_in_numbers_and_apart_from_the_examples():
    def asked(questions):
        return {(q.family, *sorted(re.findall(r"\d+", q.text)[:2], key=q.text.index)) for q in questions}

    search, held_out = asked(word_problems(48, seed=1)), asked(word_problems(48, seed=1, skip=48))
    examples = {(family.name, *map(str, facts)) for family in FAMILIES for facts in family.examples}
    assert len(search) == len(held_out) == 48
    assert not search & held_out
    assert not (search | held_out) & examples


def test_a_seed_gives_the_same_questions_and_another_gives_others():
    assert word_problems(8, seed=1) == word_problems(16, seed=1)[:8]
    assert fingerprint(word_problems(8, seed=1)) != fingerprint(word_problems(8, seed=2))


def test_jsonl_with_a_template_and_with_prompts_of_its_own(tmp_path):
    file = tmp_path / "q.jsonl"
    file.write_text('{"question": "1 + 1?", "answer": 2}\n\n{"question": "Why?", "answer": "so", "prompt": "Why"}\n')
    first, second = load_questions(str(file), "{} {question} =")
    assert (first.text, first.answer, first.prompt) == ("1 + 1?", "2", "{} 1 + 1? =")
    assert second.prompt == "Why"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "line 1: is not JSON"),
        ("[]", "holds no question"),
        ('{"question": "", "answer": "1"}', "line 1, column 'question': '' is not a text"),
        ('{"question": "a"}', "line 1: there is no column 'answer'; the columns are 'question', and …?answer=COLUMN"),
        ('{"question": "a", "answer": true}', "line 1, column 'answer': True is not a text or a number"),
        ('{"question": "a", "answer": NaN}', "column 'answer': nan is not a text or a number"),
        ('{"question": "a", "answer": 1, "prompt": 2}', "column 'prompt': 2 is not a text"),
        ('{"question": "a", "answer": 1}\n{"question": "a", "answer": 1}', "question 1 repeats question 0"),
        (
            '{"question": "a", "answer": 1}\n{"question": "b", "answer": "ERR"}',
            "line 2: the answer of question 1 is 'ERR', which marks",
        ),
        ("", "holds no question"),
    ],
)
def test_lines_that_cannot_be_used_are_named(tmp_path, content, message):
    file = tmp_path / "q.jsonl"
    file.write_text(content)
    with pytest.raises(QuestionError, match=re.escape(message)):
        load_questions(str(file))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("absent.jsonl", "cannot be read"),
        ("word-problems?count=x", "count=x is not one of"),
        ("word-problems?size=3", "size=3 is not one of"),
        ("word-problems?count=5000", "one seed gives numbers 0 to"),
        ("word-problems?count=0", "were asked for"),
    ],
)
def test_sources_that_cannot_be_used_say_how(spec, message):
    with pytest.raises(QuestionError, match=re.escape(message)):
        load_questions(spec)

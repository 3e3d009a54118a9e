"""Each question of a grid that was asked in several ways gets the template of its family."""

import pytest

from envdata.collect.question_sources import load_questions
from envdata.grid import Grid
from envdata.live.model import LiveSettings
from envdata.live.question_templates import NoFamilyError, QuestionTemplates


@pytest.fixture(scope="module")
def search() -> LiveSettings:
    return LiveSettings.like(Grid.load("envdata/bundled/word-problems-search.parquet").provenance)


@pytest.mark.parametrize("kind", ["search", "heldout"])
def test_questions_are_put_as_their_source_puts_them(search: LiveSettings, kind: str) -> None:
    provenance = Grid.load(f"envdata/bundled/word-problems-{kind}.parquet").provenance
    questions = load_questions(provenance["questions"], dedupe=True)
    assert len({question.family for question in questions}) == 4
    for question in questions:
        assert search.asked(question.text) == question.prompt


def test_a_question_that_is_like_none_is_refused(search: LiveSettings) -> None:
    with pytest.raises(NoFamilyError, match="choose one of containers, prices, times, travel"):
        search.asked("What is 6 * 7?")
    tied = QuestionTemplates({"a": "A {question}", "b": "B {question}"}, {"one two": "a", "one three": "b"})
    assert tied.family("two two one") == "a"
    with pytest.raises(NoFamilyError):
        tied.family("one")

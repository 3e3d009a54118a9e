"""Which answers are answers at all."""

import pytest

from envdata.answers import is_parsed


@pytest.mark.parametrize("answer", ["", "ERR", "?", "No"])
def test_marks_of_no_answer(answer: str) -> None:
    assert not is_parsed(answer)


@pytest.mark.parametrize("answer", ["0", "144", "\\frac{2160}{7}", "no", "NO", "err", "No.", " ", "??", "None"])
def test_anything_else_is_one(answer: str) -> None:
    assert is_parsed(answer)

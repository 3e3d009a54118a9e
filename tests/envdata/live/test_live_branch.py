"""A branch taken in pieces is the branch taken whole; answers met one by one are numbered as they are revealed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdata.collect.answer_reader import Reader
from envdata.collect.canonical_answers import VerbatimSpeller
from envdata.collect.engine import Continuation
from envdata.collect.extraction import AnswerRule, Token
from envdata.live.answers import AnswerBook
from envdata.live.branch import LiveBranch
from envdata.live.model import LiveSettings, settings_of

STOPS = ("\n\n", "\nP", "abab")


def piece(text: str, asked: int, stops: tuple[str, ...]) -> Continuation:
    """What a server makes of `text` when it is asked for `asked` tokens of a character each."""
    written, shown, reason = text[:asked], text[:asked], "length" if len(text) > asked else "stop"
    for end in range(1, len(written) + 1):
        stop = next((stop for stop in stops if written[:end].endswith(stop)), None)
        if stop:
            written, shown, reason = written[:end], written[: end - len(stop)], "stop"
            break
    tokens = tuple(Token(at, at + 1, -0.5) for at in range(len(written)))
    return Continuation(tuple(map(ord, written)), tokens, written, shown, reason, len(written))


@given(st.text("ab\nP", min_size=1, max_size=60), st.lists(st.integers(1, 9), min_size=60, max_size=60))
def test_a_branch_in_pieces_is_the_branch_in_one(text: str, sizes: list[int]) -> None:
    whole, parts = LiveBranch(STOPS), LiveBranch(STOPS)
    whole.append(piece(text, 1000, STOPS), 1000, len(piece(text, 1000, STOPS).pieces))
    decoded = 0
    for size in sizes:
        rest = text[len(parts.written) :]
        more = piece(rest, size, STOPS)
        decoded += more.count
        parts.append(more, size, more.count)
        if parts.finished:
            break
    assert (parts.text, parts.written, parts.pieces) == (whole.text, whole.written, whole.pieces)
    assert parts.reason == whole.reason == "stop"
    assert parts.count == decoded
    assert parts.count - parts.wasted == whole.count == len(whole.pieces)
    assert len(parts.tokens) == len(parts.pieces)


def test_how_much_of_a_stop_text_may_be_missing() -> None:
    branch = LiveBranch(STOPS)
    assert branch.begun_stop() == 0
    branch.append(piece("xx\n", 3, STOPS), 3, 3)
    branch.reason = None
    assert branch.begun_stop() == 1
    branch.append(piece("aba", 3, STOPS), 3, 3)
    assert branch.begun_stop() == 3


def test_a_branch_that_is_given_less_than_it_asked_for_has_ended() -> None:
    branch = LiveBranch(())
    branch.append(Continuation((1,), (Token(0, 1, 0.0),), "x", "x", "length", 1), 5, 1)
    assert branch.reason == "length"
    empty = LiveBranch(())
    empty.append(Continuation((), (), "", "", "stop", 0), 5, 0)
    assert empty.finished
    assert empty.final_answer(Reader(AnswerRule("Answer:"), "\nAnswer:")) is None


def test_answers_are_numbered_as_they_are_revealed() -> None:
    book = AnswerBook(VerbatimSpeller(AnswerRule("Answer:", "number")))
    codes = [book.code(answer) for answer in ("7", "8", "7", "ERR", "?")]
    assert codes == [0, 1, 0, 2, 2]
    assert [book.label(code) for code in (1, 2, 1, 0)] == [0, 1, 0, 2]
    assert [book.code_of(label) for label in (0, 2, 3, -1)] == [1, 0, None, None]
    assert book.parsed(0)
    assert not book.parsed(2)


def test_equal_formulas_are_one_answer() -> None:
    pytest.importorskip("math_verify")
    from envdata.collect.canonical_answers import make_speller

    speller = make_speller(AnswerRule("\\boxed{", "math"))
    book = AnswerBook(speller)
    codes = [book.code(answer) for answer in ("0.5", "\\frac{1}{2}", "2/4", "x+1", "1+x", "3")]
    speller.close()
    assert codes == [0, 0, 0, 1, 1, 2]


def test_a_model_is_asked_as_a_grid_was() -> None:
    provenance = {
        "interval": 5, "branches": 8, "closing": "\nAnswer:", "probe_tokens": 6, "probe_stop": ["\n"],
        "answers": {"kind": "number", "marker": "Answer:"},
        "sampling": {"max_tokens": 85, "stop": ["\n\n"], "top_p": None},
        "prompts": {"one": "Q: {question}\n", "two": "Problem: {question}\n"},
    }  # fmt: skip
    live_settings = LiveSettings.like(provenance, "two")
    assert live_settings.asked("why?") == "Problem: why?\n"
    assert (live_settings.settings.interval, live_settings.settings.sampling.stop) == (5, ("\n\n",))
    with pytest.raises(ValueError, match=r"cannot be read again .* choose one of one, two"):
        LiveSettings.like(provenance)
    with pytest.raises(ValueError, match="there are one, two"):
        LiveSettings.like(provenance, "three")
    with pytest.raises(ValueError, match="does not say how it was collected"):
        settings_of({"interval": 5})
    with pytest.raises(ValueError, match="in it: no question would be put"):
        LiveSettings.of(settings_of(provenance), "nothing")

"""Replies as models really write them: what is understood, and what is sent back with which words."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.explorers.base import ExplorerError
from graph.explorers.prompts import CRITIQUE_SCHEMA, ReplyError, read_critique, read_proposals
from graph.explorers.prompts.replies import MAX_DIAGNOSIS, MAX_DIRECTION, MAX_DIRECTIONS, MAX_IDEA
from sandbox.candidate import MAX_SOURCE

CODE = '''"""An idea."""

from sandbox.tts import Controller, majority


class One(Controller):
    """One."""

    @staticmethod
    def schedule(beta):
        return {}

    def solve(self, episode):
        return majority(branch.answer for branch in episode.read(1))
'''
OTHER = CODE.replace("One", "Other")


def fenced(code: str, marks: str = "```", info: str = "python") -> str:
    return f"{marks}{info}\n{code}{marks}\n"


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(f"It reads one branch.\n\n{fenced(CODE)}", id="as asked for"),
        pytest.param(f"It reads one branch.\n\n{fenced(CODE)}\nThat should help.", id="prose after it"),
        pytest.param(f"It reads one branch.\n{fenced(CODE, info='py')}", id="another name of the language"),
        pytest.param(f"It reads one branch.\n{fenced(CODE, info='')}", id="no name of the language"),
        pytest.param(f"It reads one branch.\n{fenced(CODE, '~~~')}", id="tildes"),
        pytest.param(f"It reads one branch.\n{fenced(CODE, '`````')}", id="a longer fence"),
        pytest.param(f"It reads one branch.\n\n{CODE}", id="no fence"),
        pytest.param(f"It reads one branch.\n\n{CODE}\nThat should help.\n", id="no fence, and prose after it"),
        pytest.param(f"It reads one branch.\r\n{fenced(CODE)}".replace("\n", "\r\n"), id="other ends of lines"),
        pytest.param(
            f"## It reads one branch.\n\n{fenced('pip install x' + chr(10), info='bash')}{fenced(CODE)}", id="a command"
        ),
    ],
)
def test_one_candidate_is_found(reply: str) -> None:
    (proposal,) = read_proposals(reply, 1)
    assert proposal.source == CODE
    assert proposal.idea in ("It reads one branch.", "")


def test_a_file_that_is_code_and_nothing_else() -> None:
    (proposal,) = read_proposals(CODE, 1)
    assert (proposal.source, proposal.idea) == (CODE, "")


def test_several_candidates_have_an_idea_each() -> None:
    reply = f"# A\n\nThe first.\n\n{fenced(CODE)}\n# B\n\nThe second.\n\n{fenced(OTHER)}"
    first, second = read_proposals(reply, 2)
    assert (first.source, first.idea) == (CODE, "A\nThe first.")
    assert (second.source, second.idea) == (OTHER, "B\nThe second.")
    assert [each.source for each in read_proposals(reply, 5)] == [CODE, OTHER]


def test_of_several_drafts_of_one_the_last_counts() -> None:
    (proposal,) = read_proposals(f"{fenced(CODE)}\nWait, better:\n{fenced(OTHER)}", 1)
    assert proposal.source == OTHER


def test_more_than_was_asked_for_is_left_out() -> None:
    assert len(read_proposals(fenced(CODE) * 5, 3)) == 3


def test_a_file_in_pieces_is_put_together() -> None:
    imports, body = CODE.split("\n\n\nclass", 1)
    reply = f"The imports:\n{fenced(imports + chr(10))}\nand the class:\n{fenced('class' + body)}"
    (proposal,) = read_proposals(reply, 1)
    assert proposal.source.split() == CODE.split()


def test_sketches_beside_the_candidates_are_left_alone() -> None:
    reply = f"Instead of\n{fenced('x = episode.read(64)' + chr(10))}\nit does\n{fenced(CODE)}"
    (proposal,) = read_proposals(reply, 2)
    assert proposal.source == CODE


def test_a_file_with_a_fence_in_its_docstring_stays_whole_inside_a_longer_one() -> None:
    code = CODE.replace('"""An idea."""', '"""An idea.\n\n```\nx\n```\n"""')
    (proposal,) = read_proposals(fenced(code, "````"), 1)
    assert proposal.source == code


def test_a_reply_that_was_cut_keeps_what_is_whole() -> None:
    reply = f"{fenced(CODE)}\nAnd\n```python\n{OTHER[:200]}"
    (proposal,) = read_proposals(reply, 2)
    assert proposal.source == CODE


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("", "the reply is empty; answer with a paragraph"),
        ("  \n\t\n", "the reply is empty"),
        ("I cannot help with that.", "there is no code in the reply, which begins with 'I cannot help with that.'"),
        (fenced("print(1)\n"), "no code block defines a subclass of Controller"),
        (f"```python\n{CODE}", "the last code block is not closed"),
        ("```python\nfrom sandbox", "the only code block is not closed and defines no subclass"),
        (fenced(CODE + "#" * MAX_SOURCE + "\n"), "bytes of source; the limit is 1,048,576"),
        ("{" * 2000, "there is no code in the reply"),
    ],
)
def test_what_cannot_be_used_is_sent_back_with_what_to_change(reply: str, said: str) -> None:
    with pytest.raises(ReplyError) as error:
        read_proposals(reply, 1)
    assert said in str(error.value)
    assert len(str(error.value)) < 500
    assert isinstance(error.value, ExplorerError)


def test_a_refusal_is_quoted_without_controls() -> None:
    with pytest.raises(ReplyError) as error:
        read_proposals("I\x1b[2J will\u202e not." + "z" * 1000, 1)
    assert not set("\x1b\u202e\n") & set(str(error.value))


def test_ideas_are_cut() -> None:
    (proposal,) = read_proposals("word " * 10000 + "\n" + fenced(CODE), 1)
    assert len(proposal.idea) <= MAX_IDEA


GOOD = {"diagnosis": "It stops too soon.\nOn hard ones.", "directions": ["Wait for a second look.", "  "]}


@pytest.mark.parametrize(
    "reply",
    [
        json.dumps(GOOD),
        f"Here it is:\n\n{fenced(json.dumps(GOOD, indent=2), info='json')}Good luck.",
        f"With {{braces}} before it: {json.dumps(GOOD)} and after }} it",
        json.dumps({"note": "x"}) + json.dumps(GOOD),
        json.dumps({**GOOD, "more": 1}),
        json.dumps(GOOD, indent=2).replace("\n", "\r\n"),
        "\ufeff" + json.dumps(GOOD, indent=2).replace("  ", "\u00a0 "),
        json.dumps(GOOD).replace("}", ",}").replace("]", ", ]"),
        json.dumps(GOOD, indent=2).replace("[\n", "[ // the first\n").replace("{\n", "{ /* it */\n"),
        str(GOOD),
        str({**GOOD, "sure": True, "why": None}),
        json.dumps(GOOD).replace('"diagnosis"', "diagnosis").replace('"directions"', "directions"),
        json.dumps(GOOD).replace('"', "”"),
        json.dumps(GOOD).replace('{"', "{“").replace('":', "”:").replace('", "', "”, “"),
        json.dumps(GOOD).replace("\\n", "\n"),
        json.dumps(GOOD).replace('": ["', '": \n["').replace("}", ""),
        json.dumps({**GOOD, "score": float("nan"), "top": float("inf")}),
        json.dumps(GOOD).replace('", "d', '"\n"d'),
        json.dumps([GOOD]),
        json.dumps({"critique": GOOD}),
        json.dumps({"result": [{"critique": GOOD}]}),
        json.dumps(json.dumps(GOOD)),
        json.dumps({"answer": json.dumps(GOOD)}),
        fenced(json.dumps(json.dumps(GOOD)), info="json"),
        json.dumps({"Diagnosis": GOOD["diagnosis"], " DIRECTIONS ": GOOD["directions"]}),
        json.dumps({**GOOD, "directions": "- Wait for a second look.\n"}),
        json.dumps({**GOOD, "directions": [GOOD["directions"]]}),
        json.dumps({**GOOD, "diagnosis": "no"}) + "\nRather:\n" + json.dumps(GOOD),
        json.dumps(GOOD) + '\nin the form {"diagnosis": …, "directions": […]} that you gave, with {"x": 1}',
        'The form {"diagnosis": "…", "directions": ["…"]} gives\n' + json.dumps(GOOD),
        "> " + json.dumps(GOOD, indent=2).replace("\n", "\n> "),
        "```json\n" + json.dumps(GOOD),
    ],
)
def test_a_critique_is_found(reply: str) -> None:
    said = read_critique(reply)
    assert said.diagnosis == "It stops too soon.\nOn hard ones."
    assert said.directions == ("Wait for a second look.",)


def test_quotes_within_a_text_of_json_need_no_escape() -> None:
    said = read_critique('{"diagnosis": "It says "stop", and "go".", "directions": ["Wait for "it"."]}')
    assert (said.diagnosis, said.directions) == ('It says "stop", and "go".', ('Wait for "it".',))


def test_a_diagnosis_in_parts_is_joined() -> None:
    said = read_critique(json.dumps({"diagnosis": {"main": "a", "also": ["b", "c"]}, "directions": "1. x\n2. y"}))
    assert (said.diagnosis, said.directions) == ("main: a\nalso: b\nc", ("x", "y"))


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("", "the reply is empty; answer with one JSON object"),
        ("It stops too soon.", "holds no JSON object"),
        ('{"diagnosis": "It stops', "holds no JSON object"),
        ("[1, 2]", "holds no JSON object"),
        ("{}", '"diagnosis" is None, not a text'),
        (json.dumps({**GOOD, "diagnosis": " "}), "\"diagnosis\" is ' ', not a text"),
        (json.dumps({**GOOD, "diagnosis": 3}), '"diagnosis" is 3, not a text'),
        (json.dumps({"diagnosis": "x"}), '"directions" is None, not a list of texts'),
        (json.dumps({**GOOD, "directions": 3}), '"directions" is 3, not a list of texts'),
        (json.dumps({**GOOD, "directions": [1]}), '"directions" is [1], not a list of texts'),
        ("{" * 100_000, "holds no JSON object"),
        ('{"a":' * 100_000, "holds no JSON object"),
    ],
)
def test_what_is_no_critique_is_sent_back_with_what_to_change(reply: str, said: str) -> None:
    with pytest.raises(ReplyError) as error:
        read_critique(reply)
    assert said in str(error.value)
    assert '{"diagnosis": "…", "directions": ["…", "…"]}' in str(error.value)


def test_a_critique_is_cut_and_cleaned() -> None:
    said = read_critique(json.dumps({"diagnosis": "\x1b[31m" + "x" * 20000, "directions": ["y" * 2000] * 50}))
    assert len(said.diagnosis) <= MAX_DIAGNOSIS
    assert len(said.directions) == MAX_DIRECTIONS
    assert max(map(len, said.directions)) <= MAX_DIRECTION
    assert "\x1b" not in said.diagnosis


def test_the_schema_is_what_is_read() -> None:
    assert set(CRITIQUE_SCHEMA["required"]) == set(GOOD) == set(CRITIQUE_SCHEMA["properties"])


@given(st.text(alphabet=st.sampled_from('`~#{}"\n aclsController(:)[],')), st.integers(1, 3))
def test_whatever_comes_is_read_or_refused(reply: str, wanted: int) -> None:
    for read in (lambda: read_proposals(reply, wanted), lambda: read_critique(reply)):
        said = ""
        try:
            read()
        except ReplyError as error:
            said = str(error)
        assert not said or "answer with" in said or "close each block" in said


@pytest.mark.parametrize(
    "reply", [f"\ufeff{fenced(CODE)}", fenced(f"\ufeff{CODE}"), f"\ufeff{CODE}", f"\ufeffIdea.\n\n{fenced(CODE)}"]
)
def test_a_byte_order_mark_means_nothing(reply: str) -> None:
    assert read_proposals(reply, 1)[0].source == CODE

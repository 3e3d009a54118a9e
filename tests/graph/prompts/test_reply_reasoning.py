"""Reasoning in the text of a reply: what is moved to the thinking, and what only looks like it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.explorers.prompts import read_critique, read_proposals, split_reasoning
from tests.graph.prompts.test_reply_code import CODE, DRAFT, TAG_IN_DOCSTRING, TAG_IN_STRING, docstring, fence

ANSWER = f"It waits.\n\n{fence(CODE)}"
DRAFTED = f"First:\n{fence(DRAFT)}No."
OPEN_DRAFT = "Maybe\n```python\nclass Draft(Controller):\n    def solve(self):\nno, start again."
OPEN_STRING = 'Maybe\n```python\nclass Draft(Controller):\n    """It\'s\nno, start again.'
SPELLINGS = [
    ("<think>", "</think>"), ("<thinking>", "</thinking>"), ("<THINK>", "</THINK>"), ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"), ("<reason>", "</reason>"), ("<antThinking>", "</antThinking>"),
    ("<ant_thinking>", "</ant_thinking>"), ("<seed:think>", "</seed:think>"), ("<mm:think>", "</mm:think>"),
    ("<longcat_think>", "</longcat_think>"), ("<scratchpad>", "</scratchpad>"), ("<reflection>", "</reflection>"),
    ("<inner_monologue>", "</inner_monologue>"), ("<analysis>", "</analysis>"), ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"), ("<unused94>thought", "<unused95>"), ('<think depth="2">', "</think>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"), ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<think>", "</ think>"), ("<think>", "<\\think>"), ("<think>", "</thinking>"),
]  # fmt: skip


@pytest.mark.parametrize(("opening", "closing"), SPELLINGS)
def test_reasoning_between_tags_is_moved_whatever_they_are_called(opening: str, closing: str) -> None:
    for draft in (DRAFTED, OPEN_DRAFT, OPEN_STRING, "", '{"diagnosis": "x", "directions": []}'):
        for reply in (f"{opening}\n{draft}\n{closing}\n\n{ANSWER}", f"{opening}{draft} {closing}{ANSWER}"):
            split = split_reasoning(reply)
            assert split.text.strip() == ANSWER.strip()
            assert split.thinking.removeprefix("thought").strip() == draft.strip()
            assert read_proposals(split.text, 1)[0].source == CODE
        if opening != "<unused94>thought":
            # The template has written the opening tag into the prompt.
            split = split_reasoning(f"{draft}\n{closing}\n\n{ANSWER}")
            assert (split.text.strip(), split.thinking) == (ANSWER.strip(), draft.strip())


@pytest.mark.parametrize(
    ("reply", "text", "thinking"),
    [
        pytest.param(f"{ANSWER}\n<think>\n{DRAFTED}\n</think>\n", ANSWER, DRAFTED, id="after the answer"),
        pytest.param(f"{ANSWER}\n<think>\n{DRAFTED}", ANSWER, DRAFTED, id="after it, not closed"),
        pytest.param(f"<think>\n{DRAFTED}", "", DRAFTED, id="not closed"),
        pytest.param(
            f"<think>\n{DRAFTED}\n<answer>\n{ANSWER}</answer>",
            f"<answer>\n{ANSWER}</answer>",
            DRAFTED,
            id="not closed before the answer's tag",
        ),
        pytest.param(f"<think>a</think>\n<think>b</think>\n{ANSWER}", ANSWER, "a\n\nb", id="two"),
        pytest.param(
            f"<thinking>a<reflection>b</reflection>c</thinking>\n{ANSWER}",
            ANSWER,
            "a<reflection>b\n\nc",
            id="one in another",
        ),
        pytest.param(f"a</think>b</think>{ANSWER}", ANSWER, "a\n\nb", id="closed twice"),
        pytest.param(f"<think></think>\n\n{ANSWER}", ANSWER, "", id="empty"),
        pytest.param(f"<think/>\n{ANSWER}", ANSWER, "", id="closes itself"),
        pytest.param(f"\ufeff <think>a</think>{ANSWER}", f"\ufeff {ANSWER}", "a", id="byte order mark"),
        pytest.param(f"> <think>\n> a\n> </think>\n{ANSWER}", f"> \n{ANSWER}", "> a\n>", id="quoted"),
        pytest.param(
            f"<think>`</think>` ends it.</think>{ANSWER}", ANSWER, "`</think>` ends it.", id="mentioned in it"
        ),
        pytest.param(
            f'I close `<think>` and "</think>".\n{ANSWER}',
            f'I close `<think>` and "</think>".\n{ANSWER}',
            "",
            id="mentioned",
        ),
        pytest.param(
            f"Models <think> too much.\n{ANSWER}", f"Models <think> too much.\n{ANSWER}", "", id="in a sentence"
        ),
        pytest.param(fence(TAG_IN_STRING), fence(TAG_IN_STRING), "", id="in a string"),
        pytest.param(fence(TAG_IN_DOCSTRING), fence(TAG_IN_DOCSTRING), "", id="in a docstring"),
        pytest.param(
            fence(docstring("<think>\n</think>")), fence(docstring("<think>\n</think>")), "", id="lines of a docstring"
        ),
        pytest.param(
            fence(CODE.replace('"two")', '"two")  # no </think>')),
            fence(CODE.replace('"two")', '"two")  # no </think>')),
            "",
            id="in a comment",
        ),
        pytest.param(f"{ANSWER}<|im_end|>\n", ANSWER, "", id="a special token"),
        pytest.param(f"{ANSWER}<｜end▁of▁sentence｜>", ANSWER, "", id="DeepSeek's special token"),
        pytest.param(
            f"<|channel|>analysis<|message|>{DRAFTED}<|end|><|start|>assistant<|channel|>final<|message|>{ANSWER}<|return|>",
            ANSWER,
            DRAFTED,
            id="Harmony",
        ),
        pytest.param(
            f"<|start|>assistant<|channel|>analysis<|message|>a<|end|>\n<|start|>assistant<|channel|>commentary to=x "
            f"<|constrain|>json<|message|>b<|call|><|channel|>final <|constrain|>json<|message|>{ANSWER}",
            ANSWER,
            "a\n\nb",
            id="Harmony with a tool",
        ),
        pytest.param(
            f"{DRAFTED}<|end|><|start|>assistant<|channel|>final<|message|>{ANSWER}",
            ANSWER,
            DRAFTED,
            id="Harmony without its beginning",
        ),
        pytest.param(f"<|channel|>analysis<|message|>{DRAFTED}", "", DRAFTED, id="Harmony without an end"),
        pytest.param(
            f"analysisWe wait. {DRAFTED}assistantfinal{ANSWER}",
            ANSWER,
            f"We wait. {DRAFTED}",
            id="Harmony without its tokens",
        ),
        pytest.param(f"analysis: it waits.\n{ANSWER}", f"analysis: it waits.\n{ANSWER}", "", id="a word"),
    ],
)
def test_reasoning_is_told_from_the_answer(reply: str, text: str, thinking: str) -> None:
    split = split_reasoning(reply)
    assert (split.text.strip(), split.thinking.strip()) == (text.strip(), thinking.strip())
    assert split_reasoning(split.text).text == split.text


GOOD = {"diagnosis": "It stops too soon.", "directions": ["Wait."]}


@pytest.mark.parametrize(
    "reply",
    [
        f'<think>{{"diagnosis": "draft", "directions": []}} no…</think>\n{json.dumps(GOOD)}',
        f'{{"diagnosis": "draft", "directions": []}} no…</think>\n{json.dumps(GOOD)}',
        json.dumps({**GOOD, "diagnosis": "<think>hm\nhm</think>It stops too soon."}),
        json.dumps({**GOOD, "diagnosis": "hm</think>\nIt stops too soon."}),
        json.dumps({"diagnosis": "It stops too soon.", "directions": ["<thinking>no</thinking>Wait."]}, indent=2),
        f'{json.dumps(GOOD)}\n<think>{{"diagnosis": "other", "directions": []}}',
        f'<|channel|>analysis<|message|>{{"diagnosis": 1}}<|end|><|channel|>final<|message|>{json.dumps(GOOD)}<|end|>',
    ],
)
def test_a_critique_is_read_without_reasoning(reply: str) -> None:
    said = read_critique(split_reasoning(reply).text)
    assert (said.diagnosis, said.directions) == ("It stops too soon.", ("Wait.",))


def test_a_critique_may_speak_of_tags() -> None:
    value = {"diagnosis": "It reads <think> as text", "directions": ['drop </think> and "<think>"']}
    for reply in (json.dumps(value), f"Here:\n{fence(json.dumps(value, indent=2) + chr(10), 'json')}"):
        assert split_reasoning(reply).text == reply
        assert read_critique(reply).diagnosis == value["diagnosis"]


@given(
    st.lists(
        st.sampled_from(
            [
                "<think>",
                "</think>",
                "\n",
                "```python\n",
                '"""',
                "{",
                '"a":',
                "}",
                "a",
                "<|channel|>final<|message|>",
                "`",
                "> ",
            ]
        )
    )
)
def test_nothing_of_a_reply_is_lost(parts: list[str]) -> None:
    reply = "".join(parts)
    split = split_reasoning(reply)
    assert reply.count("a") - 2 * reply.count("channel") - reply.count("message") <= (
        split.text + split.thinking
    ).count("a")


def test_long_hostile_replies_are_split_in_time() -> None:
    for piece in (
        "</think>",
        "<think>",
        "<think></think>",
        "{",
        '{"',
        "`" * 3 + "\n",
        '"""',
        "<|channel|>",
        " ",
        "<|end|>",
    ):
        split_reasoning(piece * (200_000 // len(piece)))

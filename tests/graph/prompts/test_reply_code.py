"""Code in replies: which text is the controller, where it ends, and characters that Python does not take."""

import contextlib
import json
import textwrap
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.explorers.prompts import ReplyError, read_proposals
from graph.explorers.prompts.code_blocks import fenced_blocks
from graph.explorers.prompts.python_source import mended
from tests.graph.model_server import SOUND

CODE = '''"""One branch, or two where they are worth it."""

from sandbox.tts import Controller, majority


class One(Controller):
    """Reads a branch, and it's done."""

    @staticmethod
    def schedule(beta):
        return {"width": 1 + round(beta)}

    def solve(self, episode):
        branches = episode.read(self.knobs["width"])
        if len(branches) > 1:
            episode.note("two")
        return majority(branch.answer for branch in branches)
'''
OTHER = CODE.replace("One", "Other")
DRAFT = CODE.replace("One", "Draft").replace('"two"', '"draft"')
IMPORTS, CLASS = CODE.split("\n\n\n", 1)
SOLVE = CLASS[CLASS.index("    def solve") :]


def fence(code: str, info: str = "python", marks: str = "```") -> str:
    return f"{marks}{info}\n{code}{marks}\n"


def quote(text: str, marks: str = "> ") -> str:
    return "".join(f"{marks}{line}".rstrip() + "\n" for line in text.split("\n")[:-1])


def indent(text: str, by: str = "    ") -> str:
    return textwrap.indent(text, by)


def listed(line: str, first: int = 1) -> str:
    """The controller's lines, each with its number in that form."""
    return "".join(line.format(number, text) + "\n" for number, text in enumerate(CODE.split("\n")[:-1], first))


def docstring(text: str) -> str:
    """The controller with more in its first docstring."""
    return CODE.replace('worth it."""', f'worth it.\n\n{text}\n"""')


FENCED_DOCSTRING = docstring("Use as\n\n```\nautotts evaluate x\n```\n\nor so.")
NAMED_FENCE_DOCSTRING = docstring("```python\nOne({}).solve(episode)\n```")
INDENTED_FENCE = CODE.replace("it's done.", "it's done.\n\n    ```\n    x\n    ```\n    ")
FENCE_IN_STRING = CODE.replace('"two"', '"""\n```\ntwo\n```\n"""')
TAG_IN_STRING = CODE.replace('"two"', '"</think>"')
TAG_IN_DOCSTRING = docstring("Stops after </think> was written.")
QUOTES_IN_COMMENT = CODE.replace('"two")', '"two")  # it\'s "odd, and """ too ```')


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        pytest.param(
            fence(CODE) + "\nUse it:\n\n" + fence("autotts evaluate c.py\n", "bash"), CODE, id="command after"
        ),
        pytest.param(
            fence(CODE) + fence("from sandbox.tts import Controller\nclass Mine(Controller):\n    pass\n"),
            CODE,
            id="example of use after",
        ),
        pytest.param(
            fence(CODE) + fence("from controller import One\nprint(One(One.schedule(0.5)))\n"), CODE, id="call after"
        ),
        pytest.param(
            fence(CODE) + "The heart of it:\n" + fence("class One(Controller):\n" + SOLVE), CODE, id="fragment after"
        ),
        pytest.param(fence(CODE) + "The heart of it:\n" + fence(SOLVE), CODE, id="method after"),
        pytest.param(
            fence(CODE)
            + "In short:\n"
            + fence(
                CODE.replace("        branches = episode.read", "        # ... as before\n        branches = read")
            ),
            CODE,
            id="a shortened one after",
        ),
        pytest.param(fence(DRAFT) + "No, rather:\n" + fence(CODE), CODE, id="the last of two"),
        pytest.param(fence(FENCED_DOCSTRING), FENCED_DOCSTRING, id="fence in a docstring"),
        pytest.param(fence(FENCED_DOCSTRING, ""), FENCED_DOCSTRING, id="fence in a docstring, no language"),
        pytest.param(fence(NAMED_FENCE_DOCSTRING), NAMED_FENCE_DOCSTRING, id="named fence in a docstring"),
        pytest.param(fence(INDENTED_FENCE), INDENTED_FENCE, id="indented fence in a docstring"),
        pytest.param(fence(FENCE_IN_STRING), FENCE_IN_STRING, id="fence in a string"),
        pytest.param(fence(FENCED_DOCSTRING, marks="~~~"), FENCED_DOCSTRING, id="another fence in a docstring"),
        pytest.param(fence(FENCED_DOCSTRING, marks="````"), FENCED_DOCSTRING, id="a longer fence outside"),
        pytest.param(fence(QUOTES_IN_COMMENT), QUOTES_IN_COMMENT, id="quotes in a comment"),
        pytest.param(
            fence('x = """\n') + "No.\n" + fence(FENCED_DOCSTRING), FENCED_DOCSTRING, id="an open string before it"
        ),
        pytest.param(fence('It\'s """odd\n', "text") + fence(CODE), CODE, id="quotes in a block of text"),
        pytest.param("1. Idea\n\n" + indent(fence(CODE)), CODE, id="in a list"),
        pytest.param("- Idea\n" + indent(fence(FENCED_DOCSTRING), "  "), FENCED_DOCSTRING, id="docstring, in a list"),
        pytest.param("1. ```python\n" + indent(CODE, "   ") + "   ```\n", CODE, id="beside a list's number"),
        pytest.param(fence(indent(CODE)), CODE, id="all of it indented"),
        pytest.param("    ```python\n" + CODE + "    ```\n", CODE, id="the fence alone indented"),
        pytest.param("```python\n" + CODE + "    ```\n", CODE, id="the closing fence alone indented"),
        pytest.param(quote(fence(CODE)), CODE, id="quoted"),
        pytest.param(quote(quote(fence(CODE))), CODE, id="quoted twice"),
        pytest.param(quote(fence(CODE), ">"), CODE, id="quoted without a space"),
        pytest.param(fence(CODE, "py"), CODE, id="py"),
        pytest.param(fence(CODE, 'Python3 title="c.py" {1-3}'), CODE, id="attributes"),
        pytest.param(fence(CODE, "{.python .numberLines}"), CODE, id="Pandoc's attributes"),
        pytest.param(fence(CODE, "python:controller.py"), CODE, id="a file's name"),
        pytest.param(fence(CODE, " python"), CODE, id="space before the language"),
        pytest.param("```python " + CODE + "```\n", CODE, id="code beside the opening fence"),
        pytest.param("```python\n" + CODE.rstrip("\n") + "```\n", CODE, id="fence beside the last line"),
        pytest.param("Here it is: ```python\n" + CODE + "```\n", CODE, id="fence after prose"),
        pytest.param(fence(CODE, marks="~~~~~"), CODE, id="tildes"),
        pytest.param("`````python\n" + CODE + "``````\n", CODE, id="a longer closing fence"),
        pytest.param("```markdown\n# Idea\n" + fence(CODE) + "```\n", CODE, id="in a block of Markdown"),
        pytest.param("````markdown\n# Idea\n" + fence(CODE) + "````\n", CODE, id="in a longer block of Markdown"),
        pytest.param("```python\nclass Draft(Controller):\n    def\nNo.\n\n" + fence(CODE), CODE, id="draft given up"),
        pytest.param(fence(CODE) + "```\n", CODE, id="a fence too many"),
        pytest.param(fence(CODE) + "<|im_end|>", CODE, id="a special token"),
        pytest.param(CODE, CODE, id="code alone"),
        pytest.param("An idea, as asked.\n\n" + CODE + "\nThat should help: it waits.\n", CODE, id="no fence"),
        pytest.param(
            "From the data we import this: wait.\n\n" + CODE + "\n\n- It waits.\n  - longer\n1. And stops.\n",
            CODE,
            id="no fence, and a list after it",
        ),
        pytest.param("<answer>\n" + CODE + "</answer>\n", CODE, id="in tags"),
        pytest.param("<code>\n" + CODE + "</code>\nIt waits.\n", CODE, id="in tags, and prose"),
        pytest.param("Idea\n\n" + FENCED_DOCSTRING, FENCED_DOCSTRING, id="no fence but in its docstring"),
        pytest.param(json.dumps({"idea": "x", "code": CODE}), CODE, id="JSON"),
        pytest.param(
            fence(json.dumps({"files": [{"path": "c.py", "content": CODE}]}) + "\n", "json"), CODE, id="files"
        ),
        pytest.param(json.dumps({"code": fence(CODE)}), CODE, id="a fence in JSON"),
        pytest.param(json.dumps({"code": CODE.split("\n")}), CODE, id="lines in JSON"),
        pytest.param(
            json.dumps({"cells": [{"source": ["# Idea"]}, {"source": CODE.splitlines(keepends=True)}]}),
            CODE,
            id="a notebook",
        ),
        pytest.param(
            fence(f"<tool_call>{json.dumps({'arguments': json.dumps({'content': CODE})})}</tool_call>\n", ""),
            CODE,
            id="a tool call in the text",
        ),
        pytest.param(quote(CODE), CODE, id="no fence, quoted"),
        pytest.param("Idea:\n\n" + indent(CODE) + "\nDone.", CODE, id="no fence, indented"),
        pytest.param("idea: x\ncode: |\n" + indent(CODE, "  "), CODE, id="YAML"),
        pytest.param("<answer>" + CODE + "</answer>", CODE, id="beside tags"),
        pytest.param("<![CDATA[\n" + CODE + "]]>\n", CODE, id="CDATA"),
        pytest.param("<file><![CDATA[" + CODE + "]]></file></answer>\n", CODE, id="beside CDATA and tags"),
        pytest.param('<file path="controller.py">' + CODE + "</file>", CODE, id="beside a tag with attributes"),
        pytest.param("[PYTHON]" + CODE + "[/PYTHON]\n", CODE, id="beside a tag in brackets"),
        pytest.param(fence("cat > c.py <<'EOF'\n" + CODE + "EOF\n", "bash"), CODE, id="a here-document"),
        pytest.param(
            fence("mkdir x && cd x\n$ cat > c.py << \\EOF\n" + CODE + "EOF\nautotts evaluate c.py\n", "sh"),
            CODE,
            id="a here-document among commands",
        ),
        pytest.param(fence("%%writefile controller.py\n" + CODE), CODE, id="a notebook's magic"),
        pytest.param(fence("--- src/controller.py ---\n" + CODE), CODE, id="a title with the file's name"),
        pytest.param(fence("// controller.py\n" + CODE), CODE, id="a title as another language's comment"),
        pytest.param(fence(listed("{:3d} | {}")), CODE, id="line numbers"),
        pytest.param(fence(listed("{}. {}")), CODE, id="line numbers with points"),
        pytest.param(fence(listed("[{}] {}", 0)), CODE, id="line numbers in brackets, from 0"),
        pytest.param(fence(listed("{:4d}  {}", 7)), CODE, id="line numbers and spaces, from the middle"),
        pytest.param(fence("".join(f">>> {line}\n" for line in CODE.split("\n"))), CODE, id="prompts"),
        pytest.param(fence(CODE.replace("\n", "\\n") + "\n"), CODE, id="escaped line ends"),
        pytest.param("```\n" + fence(CODE) + "```\n", CODE, id="a fence in a fence"),
        pytest.param(fence(IMPORTS + "\n") + "and\n" + fence(CLASS), IMPORTS + "\n\n" + CLASS, id="imports apart"),
        pytest.param(
            fence(CODE[: CODE.index("    def solve")]) + fence(SOLVE),
            CODE.replace("\n\n    def solve", "\n\n    def solve"),
            id="a method apart",
        ),
        pytest.param(fence(CODE.replace("\n", "\r\n")).replace("```", "\r\n```"), CODE, id="CRLF"),
        pytest.param(fence(CODE).replace("\n", "\r"), CODE, id="CR"),
        *(
            pytest.param(fence(docstring(text)), docstring(text), id=f"in a docstring, {name}")
            for name, text in {
                "a line of a diff": "--- Schedule\nWider.",
                "two signs of a diff": "@@ note @@\n- x",
                "headings": "Idea\n=====\nx\n\nNotes\n=====\ny\n\nBeta\n=====",
            }.items()
        ),
        pytest.param(fence(TAG_IN_STRING), TAG_IN_STRING, id="a tag in a string"),
        pytest.param(fence(TAG_IN_DOCSTRING), TAG_IN_DOCSTRING, id="a tag in a docstring"),
        pytest.param(
            fence(CODE.replace("(Controller)", "(\n    Controller,\n)")),
            CODE.replace("(Controller)", "(\n    Controller,\n)"),
            id="bases on several lines",
        ),
        pytest.param(
            fence(CODE.replace("import Controller", "import Controller as Base").replace("(Controller)", "(Base)")),
            CODE.replace("import Controller", "import Controller as Base").replace("(Controller)", "(Base)"),
            id="another name of the base",
        ),
        pytest.param(
            fence(
                CODE.replace("from sandbox.tts import Controller", "import autotts\nfrom autotts import")
                .replace(" import,", " import")
                .replace("(Controller)", "(autotts.Controller)")
            ),
            CODE.replace("from sandbox.tts import Controller", "import autotts\nfrom autotts import")
            .replace(" import,", " import")
            .replace("(Controller)", "(autotts.Controller)"),
            id="the public name",
        ),
    ],
)
def test_the_controller_is_found(reply: str, code: str) -> None:
    (proposal,) = read_proposals(reply, 1)
    assert proposal.source == code


def test_several_candidates_keep_their_order_without_examples_of_use() -> None:
    example = fence("from sandbox.tts import Controller\nclass Mine(Controller):\n    pass\n")
    reply = f"A\n{fence(CODE)}{example}B\n{quote(fence(OTHER))}{example}"
    assert [each.source for each in read_proposals(reply, 2)] == [CODE, OTHER]


def smart(text: str, single: bool = False) -> str:
    """The text as a word processor alters its quotes."""
    opened = False
    out = []
    for place, character in enumerate(text):
        if character == '"':
            opened = not opened or text[place - 1 : place + 2] == '"""'
            out.append("“" if opened else "”")
        elif character == "'" and single:
            out.append("’")
        else:
            out.append(character)
    return "".join(out)


@pytest.mark.parametrize(
    ("altered", "code"),
    [
        (CODE.replace('"', "”"), CODE),
        (smart(CODE), CODE),
        (smart(CODE, single=True), CODE.replace("it's", "it’s")),
        (CODE.replace('"two"', "‘two’"), CODE.replace('"two"', "'two'")),
        (CODE.replace('"two"', "‘it’s two’"), CODE.replace('"two"', "'it’s two'")),
        (CODE.replace('"two"', '"two”'), CODE),
        (CODE.replace('"two"', '“say "two"”'), CODE.replace('"two"', r'"say \"two\""')),
        (CODE.replace('"two"', '"“two”"'), CODE.replace('"two"', '"“two”"')),
        (CODE.replace('"two"', "«two»"), CODE),
        (CODE.replace("    ", "\u00a0" * 4), CODE),
        (CODE.replace("    ", "\u202f\u2003 \u00a0"), CODE),
        (CODE.replace("    def", "\u200b    def"), CODE),
        ("\ufeff" + CODE, CODE),
        (
            CODE.replace("len(branches) > 1", "len(branches) > −1"),
            CODE.replace("len(branches) > 1", "len(branches) > -1"),
        ),
        (CODE.replace("(branches)", "（branches）").replace("1:", "1："), CODE),
        (CODE.replace(" > 1", " ≥ 1"), CODE.replace(" > 1", " >= 1")),
        (CODE.replace("\n\n", "\u2028\n"), CODE),
        (CODE.replace(">", "&gt;").replace('"', "&quot;"), CODE),
        (CODE.replace("    ", "\t"), CODE),
        (CODE.replace("        ", "\t"), CODE),
        (CODE.replace("\n        return", "\n\treturn").replace("\n        branches", "\n\tbranches"), CODE),
        (CODE.replace("\n    def solve", "\n\tdef solve").replace("\n        branches", "\n\t\tbranches"), CODE),
        (CODE.replace('"two"', '"two\tthree"'), CODE.replace('"two"', '"two\tthree"')),
        (docstring("\tkept\t“so”\u00a0and – so…"), docstring("\tkept\t“so”\u00a0and – so…")),
        (
            CODE.replace("(branches) > 1:", "(branches) > 1:  # ≥ “two”\u00a0…"),
            CODE.replace("(branches) > 1:", "(branches) > 1:  # ≥ “two”\u00a0…"),
        ),
        (CODE.replace('"two"', '"\ud83d"'), CODE.replace('"two"', '"\ufffd"')),
        (CODE.replace('"two"', '"\x00two"'), CODE),
        ("\x1b[32m" + CODE.replace("import", "\x1b[1mimport\x1b[0m"), CODE),
    ],
)
def test_characters_that_cannot_parse_are_replaced_and_others_stay(altered: str, code: str) -> None:
    compile(code, "controller.py", "exec")
    assert mended(altered) == code
    assert read_proposals(fence(altered), 1)[0].source == code


@pytest.mark.parametrize(
    "source",
    [
        "f = r\"\\\\\" \"\\\\\"\ng = '''a\n\tb'''\nh = [\n\t1,\n]\n",
        "x = {'a': \"it's\", 'b': '\"'}\nif x:\n  y = 1\n  if y:\n        z = 2\n",
        'a = "\\\n“”"\nb = 1 if a else 2  # “\n',
        "def f(a,\n\tb):\n    return '…' + \"—\"\n",
    ],
)
def test_a_source_that_parses_stays_as_it_is(source: str) -> None:
    compile(source, "x", "exec")
    assert mended(source) == source


@given(
    st.text(
        alphabet=st.sampled_from("\"'“”‘’`~ \t\n\r#\\>\u00a0\ufeff=:(){}[]ab-+@</think>classController"), max_size=80
    )
)
def test_no_text_stops_the_reading(reply: str) -> None:
    mended(reply)
    assert sum(len(block.text) for block in fenced_blocks(reply)) <= 2 * len(reply) + 2


@given(st.integers(0, len(SOUND)), st.sampled_from(["```python\n", "", "> ```\n> ", "<think>\n```py\n"]))
def test_a_file_that_was_cut_is_refused_or_whole_in_its_methods(cut: int, opening: str) -> None:
    with contextlib.suppress(ReplyError):
        assert "Controller)" in read_proposals(opening + SOUND[:cut], 1)[0].source


SHOWN: Mapping[str, str] = {"r1-01": CODE, "r1-02": OTHER}
WIDER = CODE.replace("1 + round(beta)", "2 + round(beta)")
WIDER_LINES = (
    '         return {"width": 1 + round(beta)}',
    '-        return {"width": 1 + round(beta)}\n+        return {"width": 2 + round(beta)}',
)
UNIFIED = f"""--- a/controller.py
+++ b/controller.py
@@ -10,3 +10,3 @@
     def schedule(beta):
{WIDER_LINES[1]}

     def solve(self, episode):
"""
SEARCH = """<<<<<<< SEARCH
        return {"width": 1 + round(beta)}
=======
        return {"width": 2 + round(beta)}
>>>>>>> REPLACE
"""
PATCH = f"""*** Begin Patch
*** Update File: controller.py
@@ def schedule(beta):
{WIDER_LINES[1]}
*** End Patch
"""


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(f"It is wider.\n\n{fence(UNIFIED, 'diff')}", id="unified"),
        pytest.param(f"It is wider.\n\n{UNIFIED}", id="unified, no fence"),
        pytest.param(fence(UNIFIED, "python"), id="unified, called Python"),
        pytest.param(fence(UNIFIED.replace("@@ -10,3 +10,3 @@", "@@ -90,3 +90,3 @@"), "diff"), id="wrong lines"),
        pytest.param(fence(UNIFIED.replace("@@ -10,3 +10,3 @@", "@@ ... @@"), "diff"), id="no lines"),
        pytest.param(fence(UNIFIED.split("@@\n", 1)[1], "diff"), id="no header"),
        pytest.param(fence(UNIFIED.replace("\n", "\r\n"), "diff"), id="CRLF"),
        pytest.param(fence(UNIFIED.replace("        return", "   return"), "diff"), id="other indentation"),
        pytest.param(quote(fence(UNIFIED, "diff")), id="quoted"),
        pytest.param(indent(fence(UNIFIED, "diff")), id="indented"),
        pytest.param(f"It is wider.\n\n{fence(SEARCH, '')}", id="search and replace"),
        pytest.param(f"It is wider.\n\n{SEARCH}", id="search and replace, no fence"),
        pytest.param(fence(SEARCH, "python"), id="search and replace, called Python"),
        pytest.param(fence(SEARCH.replace("SEARCH", "ORIGINAL").replace("REPLACE", "UPDATED"), ""), id="other names"),
        pytest.param(fence(SEARCH.replace("        return", "return"), ""), id="search without indentation"),
        pytest.param(SEARCH.replace('"width"', "“width”"), id="search with typographic quotes"),
        pytest.param(
            SEARCH.replace("SEARCH\n", "SEARCH\n\n").replace("SEARCH", "HEAD").replace("REPLACE", "new"), id="as git's"
        ),
        pytest.param(fence(WIDER_LINES[1] + "\n"), id="a diff without header, called Python"),
        pytest.param(PATCH, id="a patch of Codex"),
        pytest.param(fence("".join(f"+{line}\n" for line in WIDER.split("\n")[:-1]), "diff"), id="all of it added"),
        pytest.param(
            fence(
                "--- /dev/null\n+++ b/c.py\n@@ -0,0 +1,17 @@\n" + "".join(f"+{x}\n" for x in WIDER.split("\n")), "diff"
            ),
            id="a new file",
        ),
        pytest.param(fence(UNIFIED, "diff") + "The whole:\n" + fence(WIDER), id="and the whole file"),
    ],
)
def test_a_change_is_made_to_the_controller_that_the_prompt_shows(reply: str) -> None:
    (proposal,) = read_proposals(reply, 1, SHOWN)
    assert proposal.source.rstrip() == WIDER.rstrip()


def test_a_change_is_made_to_the_parent_that_the_reply_names() -> None:
    (proposal,) = read_proposals(f"I change r1-02.\n{SEARCH}", 1, SHOWN)
    assert "class Other" in proposal.source


def test_a_change_of_several_parts_is_made_as_a_whole_or_not_at_all() -> None:
    more = SEARCH + SEARCH.replace('return {"width": 1 + round(beta)}', 'episode.note("two")').replace(
        'return {"width": 2 + round(beta)}', 'episode.note("more")'
    )
    (proposal,) = read_proposals(more, 1, SHOWN)
    assert proposal.source == WIDER.replace('"two"', '"more"')
    with pytest.raises(ReplyError, match="a change that fits none of the controllers shown here; answer with"):
        read_proposals(more.replace('note("two")', 'note("three")'), 1, SHOWN)
    with pytest.raises(ReplyError, match="fits none"):
        read_proposals(fence(UNIFIED, "diff"), 1)

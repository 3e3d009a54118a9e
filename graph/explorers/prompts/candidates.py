"""Candidates in a model's reply: which of its texts is a whole controller, and what is done to it before it is used.

Nothing is run or parsed as Python here: the sandbox checks whether a candidate loads. A controller is whole by its
text: a class derived from `Controller` that defines `schedule` and `solve`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graph.explorers.prompts.code_blocks import DIFF, Block, fenced_blocks
from graph.explorers.prompts.edits import added, applied, hunks, is_bare_diff, is_change
from graph.explorers.prompts.json_reply import json_objects
from graph.explorers.prompts.listings import unlisted
from graph.explorers.prompts.python_source import mended, string_after

# Bounded repetitions: a reply may be long and hostile.
_CLASS = re.compile(r"^class[ \t]+\w{1,200}[ \t]*\([^()]{0,200}\bController\b[^()]{0,200}\)[ \t]*:", re.MULTILINE)
_IMPORTED_AS = re.compile(
    r"^from[ \t]+[\w.]{1,100}[ \t]+import[^\n]{0,200}\bController[ \t]+as[ \t]+(\w{1,100})", re.MULTILINE
)
_IMPORT = re.compile(r"^(?:from|import)[ \t]+(?:sandbox|autotts)\b", re.MULTILINE)
_METHODS = tuple(
    re.compile(rf"^[ \t]+(?:async[ \t]+)?def[ \t]+{name}\b", re.MULTILINE) for name in ("solve", "schedule")
)
_LEFT_OUT = re.compile(
    r"^[ \t]*#[ \t]*(?:\.\.\.|…)[^\n]*$|"
    r"^[ \t]*(?:\.\.\.|…)[ \t]*#[^\n]*\b(?:as|rest|same|unchanged|existing|omitted)\b",
    re.MULTILINE,
)
"""Lines that stand for code which is not shown."""
_CODE_STARTS = re.compile(
    r'^(?:from\s+[\w.]+\s+import\b|import\s+\w|class\s+\w+\s*[(:]|[rRuU]?(?:"""|“““|”””)|@\w+\s*(?:\(|$)|#!)'
)
_TAG = re.compile(r"^\s*(?:(?:</?[A-Za-z_][^<>\n]{0,200}>|\]\]>)\s*){1,5}$")
_WRAPPER = re.compile(
    r"^([ \t]*(?:<(?:final_?)?(?:answer|code|solution|response|output|controller|python)>|<!\[CDATA\[){1,4})(?=\S)|"
    r"^([ \t]*(?:<[A-Za-z_|][^<>\n]{0,200}>|<!\[CDATA\[|\[PYTHON\]){1,4})"
    r"(?=(?:from|import|class)\s+\w|\"\"\"|#)",
    re.MULTILINE,
)
MAX_STARTS = 20
"""Lines of a reply without fences that are tried as the beginning of a file, at most."""
_CODE_CONTINUES = re.compile(
    r"""^(?:[)\]}@#"']|(?:def|class|import|from|if|elif|else|for|while|with|try|except|finally|return|assert|async|del|"""
    r"""global|match|pass|raise|type)\b|[rRbBfFuU]{1,2}["']|[A-Za-z_][\w.]*\s*(?:[=(\[:]|[-+*/|&^%]=)|\w+(?:,\s*\w+)+\s*=)"""
)
"""Beginnings of unindented lines that belong to a file, where no fence tells its end."""
_PROSE_LINE = re.compile(r"^[A-Za-z][\w'’-]*[,:]? (?:\w[\w'’-]*[,:]? ){2,}|^(?:[*#>-]|\d+[.)]) ")


@dataclass(frozen=True)
class FoundCode:
    """A file in a reply, and the prose before it."""

    source: str
    prose: str


@dataclass(frozen=True)
class Search:
    """Files that were found in a reply, and why there are none."""

    found: Sequence[FoundCode]
    """In their order; several drafts of one candidate are all among them."""
    blocks: Sequence[Block]
    misfit: bool = False
    """Whether the reply holds a change that fits no controller."""


def completeness(source: str) -> int:
    """Return how much of a controller a text defines: 0 without a class, 1 with it, one more for each method."""
    if not _defines_class(source):
        return 0
    return 1 + sum(method.search(source) is not None for method in _METHODS)


def find_code(reply: str, shown: Mapping[str, str]) -> Search:
    """Return the controllers in a reply: whole ones, else changes of those that the prompt shows, else parts.

    Args:
        reply: Text of the reply, without reasoning.
        shown: Sources of the controllers that the prompt shows, by label, the likeliest parents first.
    """
    blocks = fenced_blocks(reply)
    files = [block for block in blocks if not _is_change(block)]
    found = _whole(files)
    if found:
        return Search(found, blocks)
    changed, misfit = _changed(reply, blocks, shown)
    if changed is not None:
        return Search([changed], blocks)
    if in_json := _in_json(reply):
        return Search(in_json, blocks)
    bare = _bare_code(reply) if not any(_defines_class(block.text) for block in blocks) else None
    if bare is not None:
        return Search([bare], blocks)
    parts = [FoundCode(mended(each.text), each.prose) for each in files if _defines_class(mended(each.text))]
    return Search([] if misfit else parts, blocks, misfit)


def _is_change(block: Block) -> bool:
    """Whether a block is a change of a file by its language or its text."""
    return block.language in DIFF or is_change(block.text, is_whole=completeness(block.text) > len(_METHODS))


def _whole(blocks: Sequence[Block]) -> list[FoundCode]:
    """Return the whole controllers among fenced blocks; one that is spread over several is joined."""
    texts = [(block, mended(unlisted(block.text))) for block in blocks]
    ranked = [(completeness(text), block, text) for block, text in texts]
    # A block that ends at the next one's opening is a draft that was given up.
    closed = [each for each in ranked if each[1].is_closed] or ranked
    best = max((rank for rank, _, _ in closed), default=0)
    chosen = [(block, text) for rank, block, text in closed if rank == best > 1]
    shown_whole = [(block, text) for block, text in chosen if not _LEFT_OUT.search(text)]
    chosen = shown_whole or chosen
    lacks_import = len(chosen) <= 1 and not all(_IMPORT.search(text) for _, text in chosen)
    if best < 1 + len(_METHODS) or lacks_import:
        # Imports, helpers or methods are in a separate block.
        pieces = [(block, text) for block, text in texts if block.is_python]
        joined = "\n\n".join(text.strip("\n") for _, text in pieces) + "\n"
        if len(pieces) > 1 and completeness(joined) >= max(best, 2) and len(_CLASS.findall(joined)) <= 1:
            return [FoundCode(joined, "\n".join(block.prose for block, _ in pieces))]
    return [FoundCode(text, block.prose) for block, text in chosen]


def _changed(reply: str, blocks: Sequence[Block], shown: Mapping[str, str]) -> tuple[FoundCode | None, bool]:
    """Return the controller that a reply's changes make of one that is shown, and whether changes fit none."""
    texts = [(block.text, block.language in DIFF) for block in blocks if _is_change(block)]
    if not texts and is_change(reply):
        texts = [(reply.replace("\r\n", "\n"), False)]
    if not texts:
        texts = [(block.text, True) for block in blocks if is_bare_diff(block.text)]
    parts = [hunk for text, is_diff in texts for hunk in hunks(text, is_diff=is_diff)]
    if not parts:
        return None, False
    prose = "\n".join(block.prose for block in blocks) if blocks else ""
    whole = added(parts)
    if whole is not None and completeness(mended(whole)) > 2:
        return FoundCode(mended(whole), prose), False
    # A parent that the reply names comes first.
    parents = sorted(shown.items(), key=lambda entry: entry[0] not in reply)
    for _, source in parents:
        for form in (parts, [type(hunk)(_mended(hunk.old), _mended(hunk.new), hunk.line) for hunk in parts]):
            result = applied(source, form)
            if result is not None and result != source and completeness(mended(result)) > 2:
                return FoundCode(mended(result), prose), False
    # A diff with so much context that it holds the file.
    context = mended("\n".join(line for hunk in parts for line in hunk.new) + "\n")
    if len(parts) == 1 and completeness(context) > 2 and _IMPORT.search(context):
        return FoundCode(context, prose), False
    return None, True


def _mended(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(mended("\n".join(lines)).split("\n")) if lines else ()


def _in_json(reply: str) -> list[FoundCode]:
    """Return the controllers that are texts in a reply's JSON objects, with the other texts as prose."""
    found = []
    for value in json_objects(reply, {"code", "source", "controller", "controller.py", "file", "content", "answer"}):
        texts = list(_texts(value, 0))
        for text in texts:
            inner = fenced_blocks(text)
            codes = _whole(inner) if inner else [FoundCode(mended(text), "")]
            if codes and completeness(codes[-1].source) > 1:
                found.append(FoundCode(codes[-1].source, "\n".join(each for each in texts if each is not text)))
    return found


def _texts(value: Any, depth: int) -> list[str]:
    if isinstance(value, str):
        return [value]
    if depth > 3 or not isinstance(value, dict | list):
        return []
    if isinstance(value, list) and len(value) > 1 and all(isinstance(each, str) for each in value):
        # A text as its lines, as notebooks keep it.
        return [("" if value[0].endswith("\n") else "\n").join(value), *value]
    inner = value.values() if isinstance(value, dict) else value
    return [text for each in inner for text in _texts(each, depth + 1)]


def _bare_code(reply: str) -> FoundCode | None:
    """Return the fullest file in a reply without fences and the prose before it, or None without a controller class."""
    lines = re.split(r"\r\n|\r|\n", _WRAPPER.sub("\\g<0>\n", reply))
    starts = [place for place, line in enumerate(lines) if _CODE_STARTS.match(line.lstrip("\ufeff\u00a0 \t>"))]
    found = [_file_from(lines, start) for start in starts[:MAX_STARTS]]
    defining = [each for each in found if _defines_class(each.source)]
    return max(defining, key=lambda each: completeness(each.source)) if defining else None


def _file_from(lines: Sequence[str], start: int) -> FoundCode:
    """Return the file that begins at a line and ends before prose, or where its own indentation or quotation ends."""
    lead = lines[start][: len(lines[start]) - len(lines[start].lstrip("\ufeff\u00a0 \t>"))]
    kept: list[str] = []
    end, inside, defines = 0, "", False
    for line in lines[start:]:
        if lead and line.strip(" \t>") and not line.startswith(lead):
            break
        line = line[len(lead) :]
        if not inside and line[:1].strip():
            # Unindented: a statement of the file, or the prose after it.
            is_code = _CODE_CONTINUES.match(line) or _CODE_STARTS.match(line)
            if defines and (_TAG.match(line) or not is_code or _PROSE_LINE.match(line)):
                break
            defines = defines or line.startswith("class ")
        kept.append(line)
        inside = string_after(line, inside)
        end = len(kept) if line.strip() else end
    return FoundCode(mended("\n".join(kept[:end]).strip("\n") + "\n"), "\n".join(lines[:start]))


def _defines_class(source: str) -> bool:
    if _CLASS.search(source):
        return True
    alias = _IMPORTED_AS.search(source)
    return (
        alias is not None
        and re.search(rf"^class[ \t]+\w+[ \t]*\([^()]*\b{alias[1]}\b", source, re.MULTILINE) is not None
    )

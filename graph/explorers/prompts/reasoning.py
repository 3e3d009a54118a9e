r"""Reasoning that a model wrote into its reply, between tags or in channels, as servers without a parser for it send.

Servers split a model's reasoning from its answer by the tags of the model's template. Where a server does not, or the
template has written the opening tag into the prompt, the reply holds the reasoning, drafts of code and JSON included.
Accepted trade-off: a tag counts wherever a model would write one, at the start of a line or as a closing one. It does
not count in quotation marks or backticks, in a string of a fenced Python file, or inside a JSON object.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from graph.explorers.prompts.code_blocks import code_strings
from graph.explorers.prompts.python_source import open_after

_NAME = (
    r"(?:ant_?|inner_?|[a-z]{1,20}[:_])?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|scratchpad|analysis|"
    r"monologue|deliberation|rationale|chain_of_thought|cot)"
)
_OPENING = (
    rf"<\s?{_NAME}(?:\s[^<>\n]{{0,200}})?>|\[THINK\]|◁think▷|<unused94>|"
    r"<\|(?:begin_of_(?:thought|thinking)|start_think(?:ing)?|think(?:ing)?)\|>"
)
_CLOSING = (
    rf"<\s?[/\\]\s?{_NAME}\s?>|<{_NAME}\s?/>|\[/THINK\]|◁/think▷|<unused95>|"
    r"<\|(?:end_of_(?:thought|thinking)|end_think(?:ing)?|/think(?:ing)?)\|>"
)
_ANY = re.compile(f"(?P<closing>{_CLOSING})|(?P<opening>{_OPENING})", re.IGNORECASE)
_ANSWER = re.compile(
    r"^[ \t]*(?:<(?:final_?)?(?:answer|response|solution|output|result)>|<\|(?:begin_of_solution|start_response)\|>)",
    re.IGNORECASE | re.MULTILINE,
)
"""Tags with which an answer begins, where nothing closed the reasoning before it."""
_CHANNEL = re.compile(
    r"(?:<\|start\|>[^<]{0,40})?<\|channel\|>\s*(?P<name>analysis|commentary|final)\b[^<]{0,100}"
    r"(?:<\|constrain\|>[^<]{0,40})?<\|message\|>"
)
_CHANNEL_END = re.compile(r"<\|(?:end|return|call|start)\|>")
_FLAT_CHANNELS = re.compile(r"\A\s*(?:<\|start\|>)?(?:assistant)?(?:analysis|commentary)(?![\w ]*:)", re.ASCII)
_FLAT_FINAL = re.compile(r"assistant\s{0,3}final(?![a-z])\s{0,2}(?:\|?message\|?>)?")
_LEFTOVER = re.compile(
    r"(?:<\|(?:end|return|im_end|eot_id|eom_id|endoftext|end_of_text|end_of_solution|end_response|end_of_turn|"
    r"eot|end_of_sentence)\|>|</s>|<end_of_turn>|<eos>|<｜[^<>｜]{1,40}｜>)\Z",
    re.IGNORECASE,
)
"""Special tokens at the end of a reply that a server should have left out."""
_OBJECT = re.compile(r'\{\s{0,200}"')
_QUOTES = "`'\"“”‘’«»"
_ANSWER_AHEAD = re.compile(r"`{3}|~{3}|^class\s|\{", re.MULTILINE)
MAX_OBJECTS = 200
"""Positions in a reply that are tried as the start of a JSON object, at most."""


@dataclass(frozen=True)
class SplitReply:
    """A reply in two parts."""

    text: str
    """The answer; empty if all of the reply is reasoning."""
    thinking: str
    """The reasoning, without its tags; empty if there is none."""


def split_reasoning(reply: str) -> SplitReply:
    """Return a reply without the reasoning in it, and that reasoning.

    Reasoning is text between tags such as `<think>` and `</think>`, all before a closing tag that nothing opened, all
    after an opening one that nothing closes, and the channels but `final` of OpenAI's Harmony format. All of a reply
    whose reading fails is text.
    """
    try:
        return _split(reply)
    except Exception:
        return SplitReply(reply, "")


def _split(reply: str) -> SplitReply:
    if (channels := _channels(reply)) is not None:
        return channels
    texts: list[str] = []
    thoughts: list[str] = []
    at, opened = 0, False
    for tag in _tags(reply):
        if opened and not tag.opens:
            thoughts.append(reply[at : tag.start])
        elif opened or not tag.counts:
            continue
        elif tag.opens:
            texts.append(reply[at : tag.start])
        else:
            # The opening tag stood in the prompt, or the text between two closing ones is reasoning as well.
            thoughts += [*texts, reply[at : tag.start]]
            texts = []
        at, opened = tag.end, tag.opens
    if opened:
        answer = _ANSWER.search(reply, at)
        thoughts.append(reply[at : answer.start() if answer else len(reply)])
        at = answer.start() if answer else len(reply)
    texts.append(reply[at:])
    return SplitReply(_without_leftovers("".join(texts)), _joined(thoughts))


@dataclass(frozen=True)
class _Tag:
    """A tag of a reply, other than one that is only mentioned."""

    start: int
    end: int
    opens: bool
    counts: bool
    """Whether it counts outside reasoning; inside, each closing tag does."""


def _tags(reply: str) -> Iterator[_Tag]:
    """Yield the tags of a reply."""
    found = [each for each in _ANY.finditer(reply) if not _is_mention(reply, each)]
    if not found:
        return
    lines = list(code_strings(reply))
    starts = [start for start, _, _ in lines]
    spans = _objects(reply)
    after, paired = 0, False
    for each in found:
        opens = each.lastgroup == "opening"
        line_start = max(after, reply.rfind("\n", 0, each.start()) + 1)
        begins = not reply[line_start : each.start()].strip(" \t>*_#\ufeff")
        span = bisect_right(spans, (each.start(), len(reply))) - 1
        in_object = span >= 0 and each.start() < spans[span][1]
        line = bisect_right(starts, each.start()) - 1
        in_string = line >= 0 and _is_in_string(lines[line], each.start())
        # An unfinished draft can leave a string open: what follows tells whether the answer comes now.
        if in_string and not opens and begins and not paired:
            in_string = _ANSWER_AHEAD.search(reply, each.end()) is None
        yield _Tag(each.start(), each.end(), opens, not in_object and not in_string and (begins or not opens))
        after, paired = each.end(), opens and in_string


def _is_in_string(line: tuple[int, str, str], place: int) -> bool:
    """Whether a place is in a string or a comment of a line of code, of which `code_strings` tells."""
    start, text, inside = line
    return place <= start + len(text) and bool(open_after(text[: place - start], inside))


def _is_mention(reply: str, found: re.Match[str]) -> bool:
    """Whether a tag stands in quotation marks or backticks: text about tags."""
    before, after = reply[max(0, found.start() - 1) : found.start()], reply[found.end() : found.end() + 1]
    return bool(before and after) and before in _QUOTES and after in _QUOTES


def _objects(reply: str) -> list[tuple[int, int]]:
    """Return the first and last place of each JSON object, in their order."""
    decoder, spans, end = json.JSONDecoder(strict=False), [], 0
    for start in islice(_OBJECT.finditer(reply), MAX_OBJECTS):
        if start.start() < end:
            continue
        try:
            _, end = decoder.raw_decode(reply, start.start())
        except (ValueError, RecursionError):
            continue
        spans.append((start.start(), end))
    return spans


def _channels(reply: str) -> SplitReply | None:
    """Return a reply in OpenAI's Harmony format by its channels, with special tokens or without; None for others."""
    starts = list(_CHANNEL.finditer(reply))
    if not starts:
        if not _FLAT_CHANNELS.match(reply):
            return None
        ends = list(_FLAT_FINAL.finditer(reply))
        if not ends:
            return None
        begun = _FLAT_CHANNELS.match(reply)
        thinking = reply[begun.end() if begun else 0 : ends[-1].start()]
        return SplitReply(_without_leftovers(reply[ends[-1].end() :]), thinking.strip())
    texts: list[str] = []
    thoughts = [reply[: starts[0].start()]]
    for place, start in enumerate(starts):
        limit = starts[place + 1].start() if place + 1 < len(starts) else len(reply)
        closing = _CHANNEL_END.search(reply, start.end(), limit)
        body = reply[start.end() : closing.start() if closing else limit]
        (texts if start["name"] == "final" else thoughts).append(body)
    thoughts[0] = _CHANNEL_END.sub("", thoughts[0])
    return SplitReply(_without_leftovers("\n".join(texts)), _joined(thoughts))


def _without_leftovers(text: str) -> str:
    kept = text
    while (found := _LEFTOVER.search(kept.rstrip(), max(0, len(kept.rstrip()) - 60))) is not None:
        kept = kept[: found.start()]
    return kept if kept.strip() else ""


def _joined(thoughts: list[str]) -> str:
    return "\n\n".join(each.strip() for each in thoughts if each.strip())

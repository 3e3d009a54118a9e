"""Answers of traces: the part of a trace that is its answer, and the text that makes a cut trace answer.

A reasoning model thinks between two tags and answers after the second one. Text in between, with boxed results, is not
yet its answer; a trace that ends before the second tag has none. A model without tags may answer anywhere.
"""

from dataclasses import dataclass

from envdata.collect.cut_points import closing_after
from envdata.collect.extraction import AnswerRule, FoundAnswer


@dataclass(frozen=True)
class Thinking:
    """The tags around a reasoning model's thinking."""

    start: str = "<think>"
    """Opens the thinking, unless the prompt has opened it already."""
    end: str = "</think>"

    def __post_init__(self) -> None:
        if not self.end.strip():
            raise ValueError("the tag that ends the thinking is empty; name it, such as '</think>'")

    def before(self, reasoning: str, answer: str) -> str:
        """Return a trace of reasoning that a server sent apart, between its tags, and the answer; open without one."""
        return f"{self.start}{reasoning}{self.end}{answer}" if answer else f"{self.start}{reasoning}"

    def leaving(self, closing: str) -> str:
        """Return the text that ends the thinking and goes on with `closing`."""
        return f"\n{self.end}\n\n{closing.lstrip()}"


@dataclass(frozen=True)
class Reader:
    """Reads answers from the traces of one kind of model."""

    rule: AnswerRule
    """Finds answers."""
    closing: str
    """Text that makes the model answer."""
    thinking: Thinking | None = None
    """The tags of a reasoning model, None for a model without."""

    def thinks(self, written: str, finish_reason: str | None) -> bool:
        """Return whether a whole trace is a thinking one.

        A hybrid model may answer without thinking: such a trace has neither tag and was not stopped for its length. The
        prompt may have opened the thinking, so a trace that was stopped for its length before any tag counts as
        thinking.

        Args:
            written: The whole trace.
            finish_reason: "stop", "length" or None.
        """
        tags = self.thinking
        return tags is not None and (tags.start in written or tags.end in written or finish_reason == "length")

    def answer_start(self, text: str, thinks: bool) -> int | None:
        """Return the offset at which the answer of (a prefix of) a trace begins; None while it is still thinking."""
        if not thinks or self.thinking is None:
            return 0
        at = text.rfind(self.thinking.end)
        return None if at < 0 else at + len(self.thinking.end)

    def closing_of(self, prefix: str, thinks: bool) -> str | None:
        """Return the text to append to `prefix` to make the model answer; None if its answer is complete there.

        Args:
            prefix: A prefix of a trace.
            thinks: Whether the trace is a thinking one (`thinks`).
        """
        start = self.answer_start(prefix, thinks)
        if start is None and self.thinking is not None:
            leaving = self.thinking.leaving(self.closing)
            # A tag that the trace has begun is completed, whatever precedes it.
            begun = leaving.lstrip()
            rest = closing_after(prefix, begun)
            return rest if len(begun) - len(rest) > 1 else closing_after(prefix, leaving)
        region = prefix[start or 0 :]
        line = self.rule.line(region)
        if line is None:
            return closing_after(region, self.closing)
        # Past the marker there is nothing to close: the answer is complete, or the model is left to go on with it.
        return None if line[2] else ""

    def find(self, text: str, thinks: bool) -> FoundAnswer | None:
        """Return the answer in `text` with its place, None if there is none; `thinks` as in `closing_of`."""
        start = self.answer_start(text, thinks)
        if start is None:
            return None
        found = self.rule.find(text[start:])
        return found and FoundAnswer(found.answer, found.start + start, found.end + start)

    def end_of_answer(self, text: str, thinks: bool) -> int | None:
        """Return the offset of the line end or the brace that closes the answer; None if nothing closes it."""
        start = self.answer_start(text, thinks)
        line = None if start is None else self.rule.line(text[start:])
        return None if line is None or start is None or not line[2] else line[1] + start

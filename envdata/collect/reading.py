"""Which part of a trace is its answer, and what makes a cut trace answer.

A reasoning model thinks between two tags and answers after the second one. What it writes in between, boxed results
included, is not its answer yet; a trace that ends before the second tag has none. A model without tags may answer
anywhere.
"""

from dataclasses import dataclass

from envdata.collect.cutting import closing_after
from envdata.collect.extraction import AnswerRule, Found


@dataclass(frozen=True)
class Thinking:
    """The tags that a reasoning model thinks between."""

    start: str = "<think>"
    """Opens the thinking, unless the prompt has opened it already."""
    end: str = "</think>"

    def __post_init__(self) -> None:
        if not self.end.strip():
            raise ValueError("the tag that ends the thinking is empty; name it, such as '</think>'")

    def leaving(self, closing: str) -> str:
        """Give what ends the thinking and goes on with `closing`."""
        return f"\n{self.end}\n\n{closing.lstrip()}"


@dataclass(frozen=True)
class Reader:
    """Reads answers from the traces of one kind of model."""

    rule: AnswerRule
    closing: str
    thinking: Thinking | None = None

    def thinks(self, written: str, finish_reason: str | None) -> bool:
        """Say whether a whole trace is a thinking one.

        A hybrid model may answer without thinking: such a trace has neither tag and came to an end of its own. One that
        was stopped for its length before any tag may have had its opening tag in the prompt, and counts as thinking.
        """
        tags = self.thinking
        return tags is not None and (tags.start in written or tags.end in written or finish_reason == "length")

    def answer_start(self, text: str, thinks: bool) -> int | None:
        """Give where the answer of (the start of) a trace begins, in characters; None while it is still thinking."""
        if not thinks or self.thinking is None:
            return 0
        at = text.rfind(self.thinking.end)
        return None if at < 0 else at + len(self.thinking.end)

    def closing_of(self, prefix: str, thinks: bool) -> str | None:
        """What is appended to `prefix` to make the model answer; None if its answer stands there complete."""
        start = self.answer_start(prefix, thinks)
        if start is None and self.thinking is not None:
            leaving = self.thinking.leaving(self.closing)
            # A tag that the trace has begun is completed, whatever stands in front of it.
            begun = leaving.lstrip()
            rest = closing_after(prefix, begun)
            return rest if len(begun) - len(rest) > 1 else closing_after(prefix, leaving)
        region = prefix[start or 0 :]
        line = self.rule.line(region)
        if line is None:
            return closing_after(region, self.closing)
        # Past the marker there is nothing to close: the answer is complete, or the model is left to go on with it.
        return None if line[2] else ""

    def find(self, text: str, thinks: bool) -> Found | None:
        """Give the answer in `text` and where it stands, or None."""
        start = self.answer_start(text, thinks)
        if start is None:
            return None
        found = self.rule.find(text[start:])
        return found and Found(found.answer, found.start + start, found.end + start)

    def end_of_answer(self, text: str, thinks: bool) -> int | None:
        """Give where the line end or the brace stands that closes the answer; None if nothing closes it."""
        start = self.answer_start(text, thinks)
        line = None if start is None else self.rule.line(text[start:])
        return None if line is None or start is None or not line[2] else line[1] + start

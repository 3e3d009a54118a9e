"""Everything that decides what a collected grid holds, apart from the questions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from envdata.collect.answer_reader import Reader, Thinking
from envdata.collect.engine import Asked, Conversation, Sampling
from envdata.collect.extraction import AnswerRule
from envdata.collect.questions import Question


@dataclass(frozen=True)
class ChatSettings:
    """How a question is put to a chat model; without one, its prompt is a text to be continued."""

    system: str | None = None
    begun: str = ""
    """The start of the answer, put into the model's mouth, such as "<think>\\n" where the template leaves it out."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """More variables for the chat template."""


@dataclass(frozen=True)
class CollectionSettings:
    """How branches are drawn, cut, probed and read."""

    interval: int
    """Δ, in tokens. Without probes it is at most the longest that a trace may be: a branch is then one interval."""
    branches: int = 64
    """Traces a question."""
    sampling: Sampling = field(default_factory=Sampling)
    probes: bool = True
    """Whether cut traces are made to answer; if not, a branch has intervals, and shows its final answer alone."""
    closing: str = "\nAnswer:"
    """What a cut trace is continued with to make the model answer."""
    probe_tokens: int = 8
    """The most tokens a probe may decode."""
    probe_stop: tuple[str, ...] = ("\n",)
    answers: AnswerRule = field(default_factory=lambda: AnswerRule("Answer:"))
    thinking: Thinking | None = None
    chat: ChatSettings | None = None
    seed: int = 0
    keep_text: bool = True

    def __post_init__(self) -> None:
        for name in ("interval", "branches", "probe_tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it starts at 1")
        if self.probes and self.answers.marker not in self.closing:
            raise ValueError(
                f"the closing {self.closing!r} does not hold the marker {self.answers.marker!r} that answers are read "
                "after; make the marker a part of the closing"
            )
        if not self.probes and self.interval > self.sampling.max_tokens:
            raise ValueError(
                f"the interval is {self.interval} tokens, and a trace has at most {self.sampling.max_tokens}: give a "
                "shorter interval, or leave it out for branches of one interval"
            )

    @property
    def reader(self) -> Reader:
        """What reads answers from the traces."""
        return Reader(self.answers, self.closing, self.thinking)

    def asked(self, question: Question) -> Asked:
        """Give what the engine is asked for a question."""
        if self.chat is None:
            return question.prompt
        return Conversation(question.prompt, self.chat.system, self.chat.begun, self.chat.options)

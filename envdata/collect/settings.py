"""Everything that decides what a collected grid holds, apart from the questions."""

from dataclasses import dataclass, field

from envdata.collect.engine import Sampling
from envdata.collect.extraction import AnswerRule


@dataclass(frozen=True)
class Settings:
    """How branches are drawn, cut, probed and read."""

    interval: int
    """Δ, in tokens."""
    branches: int = 64
    """Traces a question."""
    sampling: Sampling = field(default_factory=Sampling)
    closing: str = "\nAnswer:"
    """What a cut trace is continued with to make the model answer."""
    probe_tokens: int = 8
    """The most tokens a probe may decode."""
    probe_stop: tuple[str, ...] = ("\n",)
    answers: AnswerRule = field(default_factory=lambda: AnswerRule("Answer:"))
    seed: int = 0
    keep_text: bool = True

    def __post_init__(self) -> None:
        for name in ("interval", "branches", "probe_tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it starts at 1")
        if self.answers.marker not in self.closing:
            raise ValueError(
                f"the closing {self.closing!r} does not hold the marker {self.answers.marker!r} that answers are read "
                "after; make the marker a part of the closing"
            )

"""One branch of a live episode: its decoded tokens and its end."""

from dataclasses import dataclass, field

from envdata.collect.answer_reader import Reader
from envdata.collect.branches import CutTrace
from envdata.collect.engine import Continuation, Prompt
from envdata.collect.extraction import Token, shifted
from envdata.collect.token_confidence import confidences_between


@dataclass
class LiveBranch:
    """A trace that is decoded piece by piece, as the controller asks.

    The server sees only one piece at a time: a stop text that begins in one piece and ends in the next is found here.
    Tokens that the server decoded after it count as waste.
    """

    stop: tuple[str, ...]
    """Texts that end the trace."""
    pieces: Prompt = ()
    """Tokens decoded up to the branch's end."""
    tokens: list[Token] = field(default_factory=list)
    """Their places in `written` and log-probabilities; a last piece that was decoded without places adds none."""
    written: str = ""
    """Text decoded up to the branch's end, with the stop text."""
    text: str = ""
    """The same without the stop text."""
    count: int = 0
    """Tokens decoded, as the server counts them, with waste."""
    wasted: int = 0
    """Tokens decoded after the branch's end."""
    reason: str | None = None
    """Reason of its end, "stop" or "length"; None while it goes on."""

    @property
    def finished(self) -> bool:
        """Whether the branch is at its end."""
        return self.reason is not None

    def append(self, more: Continuation, asked: int, count: int) -> None:
        """Add a decoded piece.

        Args:
            more: The piece.
            asked: The largest number of tokens that was requested.
            count: The number of tokens that the server counted.
        """
        before = len(self.written)
        self.pieces += more.pieces
        self.tokens += shifted(more.tokens, before)
        self.written += more.written
        self.text = self.written[:before] + more.text
        self.count += count
        if more.finish_reason != "length" or more.count < asked:
            # A piece shorter than requested means that the end of the context is reached.
            self.reason = more.finish_reason if more.finish_reason in ("stop", "length") else "stop"
        self._end_at_stop(before)

    def mean_confidences(self, interval: int, first: int, depth: int) -> list[float]:
        """Return the mean confidences of its tokens at depths `first` + 1 … `depth`, NaN where there is none."""
        return confidences_between(self.tokens, interval, first, depth)

    def begun_stop(self) -> int:
        """Return how many characters complete a stop text that the branch ends in the middle of; 0 for none."""
        missing = [
            len(stop) - size for stop in self.stop for size in range(1, len(stop)) if self.written.endswith(stop[:size])
        ]
        return max(missing, default=0)

    def cut(self, reader: Reader) -> CutTrace:
        """Return the branch as a cut trace to probe.

        While a branch goes on, nobody knows whether it will end its thinking: it counts as thinking.
        """
        thinks = reader.thinks(self.written, "length")
        return CutTrace(self.pieces, tuple(self.tokens), self.written, thinks, reader.closing_of(self.written, thinks))

    def final_answer(self, reader: Reader) -> str | None:
        """Return the answer of the whole trace; None where it has none."""
        found = reader.find(self.text, reader.thinks(self.written, self.reason))
        return found.answer if found else None

    def _end_at_stop(self, before: int) -> None:
        """End the branch at a stop text that is complete now and began before `before`, an offset into `written`."""
        ends = []
        for stop in self.stop:
            at = self.written.find(stop, max(0, before - len(stop) + 1))
            if 0 <= at < before < at + len(stop):
                ends.append((at + len(stop), at))
        if not ends:
            return
        end, at = min(ends)
        kept = next((i + 1 for i, token in enumerate(self.tokens) if token.end >= end), len(self.tokens))
        self.wasted += len(self.tokens) - kept
        self.tokens, self.pieces = self.tokens[:kept], self.pieces[:kept]
        self.written, self.text = self.written[:end], self.written[:at]
        self.reason = "stop"

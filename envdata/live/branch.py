"""One branch of a live episode: what was decoded of it, and where it ends."""

from dataclasses import dataclass, field

from envdata.collect.branches import Cut
from envdata.collect.engine import Decoded, Prompt
from envdata.collect.extraction import Token, shifted
from envdata.collect.reading import Reader


@dataclass
class LiveBranch:
    """A trace that grows as the controller says.

    A trace is asked for in pieces, and the server sees only one of them at a time: a stop text that begins in one and
    ends in the next is found here. What the server wrote after it was for nothing, and counts as waste.
    """

    stop: tuple[str, ...]
    pieces: Prompt = ()
    tokens: list[Token] = field(default_factory=list)
    """Places in `written`, and log-probabilities; without those of a last piece that was read unplaced."""
    written: str = ""
    """All that was decoded up to the branch's end, the stop text included."""
    text: str = ""
    """The same without the stop text."""
    count: int = 0
    """Tokens decoded, as the server counts them; waste included."""
    wasted: int = 0
    """Tokens decoded after the branch's end."""
    reason: str | None = None
    """Why it ended, "stop" or "length"; None as long as it goes on."""

    @property
    def finished(self) -> bool:
        """Whether it is at its end."""
        return self.reason is not None

    def append(self, more: Decoded, asked: int, count: int) -> None:
        """Take in what was decoded next, of at most `asked` tokens; the server counted `count`."""
        before = len(self.written)
        self.pieces += more.pieces
        self.tokens += shifted(more.tokens, before)
        self.written += more.written
        self.text = self.written[:before] + more.text
        self.count += count
        if more.finish_reason != "length" or more.count < asked:
            # One that was given less than it asked for has met the end of its context.
            self.reason = more.finish_reason if more.finish_reason in ("stop", "length") else "stop"
        self._end_at_stop(before)

    def begun_stop(self) -> int:
        """How many characters may be missing of a stop text that the branch ends in the middle of; 0 for none."""
        missing = [
            len(stop) - size for stop in self.stop for size in range(1, len(stop)) if self.written.endswith(stop[:size])
        ]
        return max(missing, default=0)

    def cut(self, reader: Reader) -> Cut:
        """The branch as it stands, to be made to answer.

        Of one that goes on, nobody knows yet whether it will end its thinking: it counts as thinking.
        """
        thinks = reader.thinks(self.written, "length")
        return Cut(self.pieces, tuple(self.tokens), self.written, thinks, reader.closing_of(self.written, thinks))

    def final_answer(self, reader: Reader) -> str | None:
        """The answer of the whole trace; None where it has none."""
        found = reader.find(self.text, reader.thinks(self.written, self.reason))
        return found.answer if found else None

    def _end_at_stop(self, before: int) -> None:
        """End where a stop text is complete that began before `before`."""
        found = []
        for stop in self.stop:
            at = self.written.find(stop, max(0, before - len(stop) + 1))
            if 0 <= at < before < at + len(stop):
                found.append((at + len(stop), at))
        if not found:
            return
        end, at = min(found)
        kept = next((i + 1 for i, token in enumerate(self.tokens) if token.end >= end), len(self.tokens))
        self.wasted += len(self.tokens) - kept
        self.tokens, self.pieces = self.tokens[:kept], self.pieces[:kept]
        self.written, self.text = self.written[:end], self.written[:at]
        self.reason = "stop"

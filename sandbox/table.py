"""What frames are served at."""

from typing import Protocol

from envdata.actions import Refusal
from envdata.episodes import Played
from envdata.ledger import Calls, Ints, Ledger


class Table(Protocol):
    """What episodes are played at: many of a grid (`envdata.episodes.Episodes`), or one of a model."""

    questions: int
    """Episodes in a group."""

    @property
    def ledger(self) -> Ledger:
        """What is open, how deep, and what was spent."""

    @property
    def confident(self) -> bool:
        """Whether answers come with a confidence."""

    def play(self, calls: Calls) -> Played:
        """Apply calls of distinct episodes."""

    def prune(self, episode: Ints, branch: Ints) -> Ints:
        """PRUNE one branch an entry; returns `Refusal` values."""

    def answer(self, episode: int, label: int | None, status: int) -> Refusal:
        """ANSWER."""

    def fail(self, episode: int, status: int, why: str) -> Refusal:
        """End an episode without an answer."""

    def note(self, episode: int, text: str) -> None:
        """Put a controller's remark into the trace."""

    def answer_text(self, episode: int, code: int) -> str:
        """How an answer code is spelt."""

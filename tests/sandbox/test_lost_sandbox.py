"""A sandbox that ends by itself in the middle of an evaluation: its repeats are played again, and nothing is lost."""

from pathlib import Path

import pytest

from envdata.grid import Grid
from sandbox.backends.base import Limits, Received, RunningSandbox
from sandbox.backends.process import ProcessBackend
from sandbox.candidate import Candidate
from sandbox.conformance.playing import fingerprint
from sandbox.replay_player import EvaluationSettings, PlayedRepeat, Player, Repeat
from tests import grids

PATIENT = Limits(reply_seconds=60.0, start_seconds=120.0)


class Fragile:
    """A sandbox that is gone once it has sent so many control messages."""

    def __init__(self, running: RunningSandbox, messages: int) -> None:
        self._running, self._left = running, messages

    def __getattr__(self, name: str) -> object:
        return getattr(self._running, name)

    def receive(self, source: int) -> Received:
        received = self._running.receive(source)
        if received.control:
            self._left -= 1
        return received if self._left > 0 else Received(b"", b"", closed=True)


class FragileBackend(ProcessBackend):
    """Its first sandbox does not last."""

    def __init__(self, messages: int) -> None:
        super().__init__()
        self._messages = messages

    def launch(self, limits: Limits) -> RunningSandbox:
        running = super().launch(limits)
        messages, self._messages = self._messages, 1 << 30
        return Fragile(running, messages)  # type: ignore[return-value]


def _play(backend: ProcessBackend, grid: Path) -> list[PlayedRepeat]:
    repeats = [Repeat(beta, number, number == 0) for beta in (0.0, 1.0) for number in range(6)]
    player = Player(backend, Candidate.parse("asc"), Grid.load(grid), EvaluationSettings(limits=PATIENT))
    return sorted(player.play(repeats), key=lambda each: (each.repeat.beta, each.repeat.number))


@pytest.mark.parametrize("messages", [2, 3, 5])
def test_what_a_lost_sandbox_was_playing_is_played_again(tmp_path: Path, messages: int) -> None:
    grid = grids.write_worked(tmp_path)
    assert fingerprint(_play(FragileBackend(messages), grid)) == fingerprint(_play(ProcessBackend(), grid))

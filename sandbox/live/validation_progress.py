"""Progress of a validation: episodes that have ended, and tokens decoded in those that run."""

from collections.abc import Callable

from envdata.live.episode import LiveEpisode
from sandbox.live.solver import Watch

Report = Callable[[int, int, str], None]
"""Called with the number of live episodes that have ended, the total, and a note; from any thread."""


class ValidationProgress:
    """Counts the episodes of all controllers and β together.

    A slow server may decode for minutes before an episode ends: the note then shows that the tokens grow.
    """

    def __init__(self, total: int, report: Report | None) -> None:
        """Count towards `total` episodes; `report`, if any, is called at every change."""
        self._total, self._report = total, report
        self._done, self._recorded = 0, 0
        self._ended_tokens = 0
        self._running: dict[int, int] = {}
        """Tokens decoded so far in each running episode, by its number."""
        self._started = 0
        self.work = ""
        """Name of the episodes that are played at present."""

    def begin(self, work: str) -> None:
        """Show that other episodes are played from now on."""
        self.work = work
        self._show()

    def start(self) -> tuple[int, Watch]:
        """Return the number of an episode that begins, and the callback that its solver takes."""
        self._started += 1
        number = self._started
        self._running[number] = 0

        def watch(episode: LiveEpisode) -> None:
            if number in self._running:
                self._running[number] = episode.source.traces.decoded + episode.source.probes.decoded
                self._show()

        return number, watch

    def end(self, number: int, tokens: int) -> None:
        """Count an episode that has ended, and generated `tokens` tokens."""
        self._running.pop(number, None)
        self._ended_tokens += tokens
        self._done += 1
        self._show()

    def skip(self) -> None:
        """Count an episode that had been recorded before."""
        self._done += 1
        self._recorded += 1
        self._show()

    @property
    def recorded(self) -> int:
        """Number of episodes that had been recorded before."""
        return self._recorded

    def _show(self) -> None:
        if self._report is not None:
            tokens = self._ended_tokens + sum(list(self._running.values()))
            self._report(self._done, self._total, f"{self.work}, {tokens:,} tokens generated")

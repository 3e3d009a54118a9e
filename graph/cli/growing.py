"""Branches growing in the terminal while a question is being solved."""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from envdata.live.episode import BranchState, LiveEpisode
from sandbox.quoting import quoted
from sandbox.solving.solver import Watch

BAR = 24
"""Widest bar, in characters; longer branches share it in proportion."""
ROWS = 32
"""Branches that are drawn; of more, the last ones are counted."""


class Growing:
    """Draws the episode that it was last told of."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._episode: LiveEpisode | None = None

    def __call__(self, episode: LiveEpisode) -> None:
        """Be told that something happened (`sandbox.solving.solver.Watch`)."""
        self._episode = episode

    def __rich__(self) -> Any:
        if self._episode is None:
            return Text(f"{self._title}: asking …", style="dim")
        return picture(self._title, self._episode.states(), int(self._episode.ledger.tokens[0]))


def picture(title: str, states: list[BranchState], tokens: int) -> Group:
    """A line a branch: how far it came, what it answers, and its last words."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for justify in ("right", "left", "right", "left", "left"):
        table.add_column(justify=justify, no_wrap=True)
    longest = max((state.tokens for state in states), default=0) or 1
    for number, state in enumerate(states[:ROWS]):
        size = max(1, round(BAR * state.tokens / longest)) if state.tokens else 0
        style = "green" if state.finished else "red" if state.pruned else "cyan"
        mark = "■" if state.finished else "✂" if state.pruned else "▸"
        table.add_row(
            Text(f"{number}", style="dim"),
            Text("━" * size + mark, style=style),
            Text(f"{state.tokens}", style="dim"),
            Text("" if state.answer is None else quoted(state.answer, 24) or "–", style="bold"),
            Text(quoted(state.text[-40:].replace("\n", " "), 40), style="dim"),
        )
    more = f", {len(states) - ROWS} more branches" if len(states) > ROWS else ""
    return Group(table, Text(f"{title}: {len(states)} branches, {tokens:,} tokens{more}", style="dim"))


@contextlib.contextmanager
def growing(title: str, *, quiet: bool) -> Iterator[Watch | None]:
    """Draw on standard error where that is a terminal; yields what is to be told of the episode, if anything is."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    drawn = Growing(title)
    with Live(drawn, console=Console(stderr=True), refresh_per_second=8, transient=False):
        yield drawn

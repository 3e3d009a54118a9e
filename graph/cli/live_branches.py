"""Live view of the branches in the terminal while a question is being solved."""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from envdata.live.episode import BranchState, LiveEpisode
from sandbox.live.solver import Watch
from sandbox.sanitize import quoted

BAR = 24
"""Width of the longest branch's bar in characters; other bars are in proportion to it."""
ROWS = 32
"""Branches that are drawn; of more, the rest are counted."""


class LiveBranchView:
    """A rich renderable that draws the latest state of an episode."""

    def __init__(self, title: str) -> None:
        """Draw an episode under `title`."""
        self._title = title
        self._episode: LiveEpisode | None = None

    def __call__(self, episode: LiveEpisode) -> None:
        """Take the episode's present state (the callback `sandbox.live.solver.Watch`)."""
        self._episode = episode

    def __rich__(self) -> Any:
        """Return the renderable: a table of branches, or a remark before the first state."""
        if self._episode is None:
            return Text(f"{self._title}: asking …", style="dim")
        return branch_table(self._title, self._episode.branch_states(), int(self._episode.states.tokens[0]))


def branch_table(title: str, states: list[BranchState], tokens: int) -> Group:
    """Return a table with a row per branch: its length in tokens, its answer and the end of its text.

    Args:
        title: Text before the totals, which stand below the table.
        states: The branches, by index.
        tokens: Tokens that the episode spent.
    """
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
def live_branch_view(title: str, *, quiet: bool) -> Iterator[Watch | None]:
    """Draw an episode on standard error while the body runs; yields the callback that takes its states.

    Yields None, and draws nothing, with `quiet` or where standard error is not a terminal.
    """
    if quiet or not sys.stderr.isatty():
        yield None
        return
    view = LiveBranchView(title)
    with Live(view, console=Console(stderr=True), refresh_per_second=8, transient=False):
        yield view

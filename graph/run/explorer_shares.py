"""Shares of several explorers in a run's rounds: places given, candidates proposed, gain, and what it was paid for.

All of it is read from complete rounds, so that it is the same after a kill and a resume. Only replies that were
received count as spending: requests in flight at a kill, and minutes, differ between runs with equal results.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graph.run.paths import RoundFolder, RunFolder, read_json
from graph.run.transcript import Transcript

AUTHOR_KEY = "explorer"
"""Key of the author in the notes of a candidate of a run with several explorers, and in events of a transcript."""
ALLOCATED = "allocated"
"""Event of the transcript with the places of a round by explorer."""


@dataclass(frozen=True)
class ExplorerShare:
    """One explorer's part in a complete round."""

    round: int
    explorer: str
    """Its specification in `--explorer`."""
    places: int
    """Number of candidates that it was asked for."""
    candidates: int
    """Number of candidates that it proposed, those included that did not load."""
    gain: float
    """Gain of the frontier by the best of its candidates over everything before the round, in the unit of the
    objective; 0 if none gained."""
    tokens: int
    """Input and output tokens of the replies to its proposals."""
    cost: float | None
    """US dollars of these replies; None if the price of one is unknown."""


def read_shares(folder: RunFolder, explorers: Sequence[str], before: int) -> list[ExplorerShare]:
    """Return the shares of all explorers in the complete rounds before round `before`, by round.

    Args:
        folder: The run's folder.
        explorers: The run's explorers; a single one has all of each round.
        before: Round, from 1; all earlier ones must be complete.

    Raises:
        RunError: A file is damaged.
        FileNotFoundError: A round is not complete.
    """
    return [share for number in range(1, before) for share in _of_round(folder.round(number), explorers, number)]


def _of_round(own: RoundFolder, explorers: Sequence[str], number: int) -> list[ExplorerShare]:
    alone = len(explorers) == 1
    candidates: list[Mapping[str, Any]] = read_json(own.metrics)["candidates"]
    events = Transcript(own.transcript).events()
    asked: Mapping[str, int] = next((e["places"] for e in reversed(events) if e["event"] == ALLOCATED), {})
    # By id: a reply counts once, whatever was written again after a kill.
    replies = {e["id"]: e for e in events if e["event"] == "reply" and str(e["id"]).startswith("propose/")}
    shares = []
    for name in explorers:
        proposed = [each for each in candidates if alone or each["notes"].get(AUTHOR_KEY) == name]
        paid = [each for each in replies.values() if alone or each.get(AUTHOR_KEY) == name]
        costs: list[Any] = [each.get("cost") for each in paid]
        shares.append(
            ExplorerShare(
                round=number,
                explorer=name,
                places=int(asked.get(name, 0 if asked else len(proposed))),
                candidates=len(proposed),
                gain=max([0.0, *(each["gain"]["value"] for each in proposed if each["gain"])]),
                tokens=sum(int(each["usage"].get(kind, 0)) for each in paid for kind in ("input", "output")),
                cost=None if None in costs else float(sum(costs)),
            )
        )
    return shares

"""Racing: candidates are replayed in stages, and one that is clearly behind is spared the stages that are left.

After a stage all candidates that are still running have been played on the same episodes, so each is compared with the
leader question by question. It is dropped if the whole interval of the difference lies below zero, with all but
`DOUBT` of the resamples: the questions that there are leave next to no room for it to be the better one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from envdata.ledger import Floats
from graph.curves import Curve
from graph.objective import Yardstick

DOUBT = 0.005
"""The share of resamples in which a candidate that is dropped may be ahead of the leader: half of one in a hundred,
because every candidate is looked at after every stage."""

Play = Callable[[Sequence[str], int, int], pa.Table]
"""Plays candidates, by label, over the repeats from the first number up to the second; returns their episodes."""


@dataclass(frozen=True)
class Dropped:
    """A candidate that was spared the rest."""

    after: int
    """Repeats that it was played for."""
    leader: str
    behind: float
    """How much its score was below the leader's."""


@dataclass
class Race:
    """How a race went."""

    episodes: pa.Table
    """All that was played."""
    scores: Mapping[str, float]
    """After the first stage, of every candidate without failures."""
    finalists: list[str]
    """Those that were played to the end, the best of the first stage first."""
    dropped: dict[str, Dropped] = field(default_factory=dict)
    failed: dict[str, Curve] = field(default_factory=dict)
    """Candidates with episodes that failed: they do not run on."""
    repeats: dict[str, int] = field(default_factory=dict)
    """How many repeats each candidate was played for."""

    def report(self, full: int) -> dict[str, Any]:
        """As plain JSON: who was dropped and why, and the replays beside those of `full` repeats for every candidate.

        A replay is one repeat of one candidate, at every β and on every question.
        """
        return {
            "dropped": {label: asdict(each) for label, each in self.dropped.items()},
            "repeats": self.repeats,
            "replays": sum(self.repeats.values()),
            "unraced": full * len(self.repeats),
        }


def stages(first: int, last: int, *, racing: bool) -> tuple[int, ...]:
    """After how many repeats candidates are compared: `first`, doubled up to `last`; without racing the two alone."""
    if first >= last:
        return (last,)
    found = [first]
    while racing and 2 * found[-1] < last:
        found.append(2 * found[-1])
    return (*found, last)


def race(
    labels: Sequence[str],
    plan: Sequence[int],
    play: Play,
    yardstick: Yardstick,
    grids: Sequence[str],
    *,
    places: int,
    dropping: bool = True,
) -> Race:
    """Play candidates through the stages of `plan`, the best `places` of the first alone through the others.

    Ties go to the earlier. Without `dropping` nobody falls out between the stages.
    """
    running, played = list(labels), 0
    parts: list[pa.Table] = []
    outcome = Race(pa.table({}), {}, [])
    for repeats in plan:
        parts.append(play(running, played, repeats))
        played = repeats
        episodes = pa.concat_tables(parts).unify_dictionaries().combine_chunks()
        curves = {label: Curve.from_episodes(episodes, label, grids) for label in running}
        outcome.repeats |= dict.fromkeys(running, repeats)
        outcome.failed |= {label: curve for label, curve in curves.items() if curve.failures}
        running = [label for label in running if label not in outcome.failed]
        scores = {label: yardstick.score(curves[label]) for label in running}
        if repeats == plan[0]:
            outcome.scores = scores
            # Sorting keeps the order of equals.
            running = sorted(running, key=lambda label: -scores[label])[:places]
        outcome.episodes = episodes
        if dropping and repeats != plan[-1] and running:
            fallen = _behind({label: curves[label] for label in running}, scores, yardstick, repeats)
            outcome.dropped |= fallen
            running = [label for label in running if label not in fallen]
        if not running:
            break
    outcome.finalists = running
    return outcome


def _behind(
    curves: Mapping[str, Curve], scores: Mapping[str, float], yardstick: Yardstick, repeats: int
) -> dict[str, Dropped]:
    """Those that the leader clearly dominates."""
    leader = max(curves, key=lambda label: scores[label])
    ahead = yardstick.resampled(curves[leader])
    fallen = {}
    for label, curve in curves.items():
        difference: Floats = yardstick.resampled(curve) - ahead
        if label != leader and float(np.quantile(difference, 1 - DOUBT)) < 0:
            fallen[label] = Dropped(repeats, leader, scores[leader] - scores[label])
    return fallen

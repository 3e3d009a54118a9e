"""Racing: candidates are replayed in stages, and those significantly worse than the leader are dropped in between.

After a stage all remaining candidates have played the same episodes, so each is compared with the leader question by
question. A candidate is dropped if the p-value of the paired randomisation test (`envdata.intervals.superiority`) is
below `DROP_P_VALUE`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa

from envdata.intervals import superiority
from graph.analysis.curves import Curve
from graph.analysis.objective import Scorer

DROP_P_VALUE = 0.005
"""p-value below which a candidate is dropped; as low as this because every candidate is tested after every stage."""

Play = Callable[[Sequence[str], int, int], pa.Table]
"""Plays candidates, given by label, over the repeats first … last − 1 and returns their episodes."""


@dataclass(frozen=True)
class Dropped:
    """A candidate that was dropped before the last stage."""

    after: int
    """Number of repeats played before the drop."""
    leader: str
    """Label of the leader it was compared with."""
    behind: float
    """Score of the leader less its own."""


@dataclass
class Race:
    """Result of a race; dictionaries are keyed by candidate label."""

    episodes: pa.Table
    """All episodes played, of every candidate."""
    scores: Mapping[str, float]
    """Score after the first stage of every candidate without failures."""
    finalists: list[str]
    """Candidates that played all stages, sorted by the score after the first stage, best first."""
    dropped: dict[str, Dropped] = field(default_factory=dict)
    failed: dict[str, Curve] = field(default_factory=dict)
    """Candidates with failed episodes; they leave the race."""
    repeats: dict[str, int] = field(default_factory=dict)
    """Number of repeats played."""

    def report(self, full: int) -> dict[str, Any]:
        """Return the race as plain JSON: drops, repeats, and replays played and saved.

        A replay is one repeat of one candidate, at every β and on every question. `unraced` is the number of replays
        that `full` repeats of every candidate would have taken.
        """
        return {
            "dropped": {label: asdict(each) for label, each in self.dropped.items()},
            "repeats": self.repeats,
            "replays": sum(self.repeats.values()),
            "unraced": full * len(self.repeats),
        }


def stages(first: int, last: int, *, racing: bool) -> tuple[int, ...]:
    """Return the repeats at which stages end: `first`, doubled until `last`; without racing only those two."""
    if first >= last:
        return (last,)
    ends = [first]
    while racing and 2 * ends[-1] < last:
        ends.append(2 * ends[-1])
    return (*ends, last)


def race(
    labels: Sequence[str],
    plan: Sequence[int],
    play: Play,
    scorer: Scorer,
    grids: Sequence[str],
    *,
    places: int,
    dropping: bool = True,
) -> Race:
    """Play candidates through the stages of a race.

    Args:
        labels: Candidates.
        plan: Numbers of repeats at which stages end, ascending (`stages`).
        play: Plays candidates over a range of repeats.
        scorer: Objective with its range.
        grids: Search grids.
        places: Number of candidates that go on after the first stage; the earlier one wins a tie.
        dropping: Whether to drop candidates that are significantly worse than the leader after a stage.
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
        scores = {label: scorer.score(curves[label]) for label in running}
        if repeats == plan[0]:
            outcome.scores = scores
            # The sort is stable: the earlier candidate wins a tie.
            running = sorted(running, key=lambda label: -scores[label])[:places]
        outcome.episodes = episodes
        if dropping and repeats != plan[-1] and running:
            dropped = _significantly_worse({label: curves[label] for label in running}, scores, scorer, repeats)
            outcome.dropped |= dropped
            running = [label for label in running if label not in dropped]
        if not running:
            break
    outcome.finalists = running
    return outcome


def _significantly_worse(
    curves: Mapping[str, Curve], scores: Mapping[str, float], scorer: Scorer, repeats: int
) -> dict[str, Dropped]:
    """Return the candidates whose p-value against the leader is below `DROP_P_VALUE`."""
    leader = max(curves, key=lambda label: scores[label])
    ahead = scorer.sample(curves[leader])
    worse = {}
    for label, curve in curves.items():
        if label != leader and superiority(scorer.sample(curve).minus(ahead)) < DROP_P_VALUE:
            worse[label] = Dropped(repeats, leader, scores[leader] - scores[label])
    return worse

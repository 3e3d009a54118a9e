"""The trial after which a candidate that always fails is given up; it depends on no timing.

The trial consists of some of an evaluation's own repeats, spread over its values of β, with at least a stated number
of episodes. If all of them fail, all other episodes of the candidate on that grid fail too, played or not; if one does
not, all repeats are played.
"""

from collections import Counter
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import closing

import numpy as np

from sandbox.replay_player import PlayedRepeat, Repeat
from sandbox.status import Status

GIVE_UP_AFTER = 100
"""Least number of episodes in a trial; the candidate is given up if all of them fail."""

FEWEST = 3
"""Least number of repeats in a trial: the smallest β, one in the middle and the largest."""


def trial_of(repeats: Sequence[Repeat], questions: int, failures: int) -> tuple[Repeat, ...]:
    """Return the repeats of the trial, with `failures` episodes or more; empty if that takes all repeats.

    Args:
        repeats: All repeats, in the order of β.
        questions: Episodes in a repeat.
        failures: Least number of episodes in the trial.
    """
    count = max(FEWEST, -(-failures // questions))
    if count >= len(repeats):
        return ()
    places = np.linspace(0, len(repeats) - 1, count).round().astype(int)
    return tuple(repeats[place] for place in places.tolist())


def failed_everywhere(played: PlayedRepeat) -> bool:
    """Whether no episode of a repeat has status OK."""
    return Status.OK not in played.result.status


def verdict(trial: Sequence[PlayedRepeat]) -> tuple[Status, str] | None:
    """Return the status and reason with which the other episodes fail; None if they are to be played."""
    if not trial or not all(map(failed_everywhere, trial)):
        return None
    failures = [
        (Status(code), each.result.why.get(question, ""))
        for each in trial
        for question, code in enumerate(each.result.status.tolist())
    ]
    counts = Counter(status for status, _ in failures)
    status = max(sorted(counts), key=counts.__getitem__)
    first = next(why for each, why in failures if each == status)
    return status, f"given up after {len(failures)} episodes, all of which failed; the first said: {first}"


def until_trial_failed(
    played: Generator[PlayedRepeat, None, None], trial: Collection[Repeat]
) -> Iterator[PlayedRepeat]:
    """Yield repeats until all of `trial` were yielded and all their episodes failed; an empty trial never stops it.

    The caller decides about the remaining repeats: `trial` may be a part of the whole trial, or stand in for it.
    """
    left = set(trial)
    hopeless = bool(trial)
    with closing(played):
        for each in played:
            yield each
            if each.repeat in left:
                left.remove(each.repeat)
                hopeless = hopeless and failed_everywhere(each)
                if hopeless and not left:
                    return

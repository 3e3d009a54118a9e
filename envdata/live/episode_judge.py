"""The judge's scores of one live episode's branches, asked when the controller reads the signal, once a branch."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from envdata.collect.concurrency import together
from envdata.episode_state import Bools, Ints
from envdata.live.branch_source import Bridge
from envdata.live.judge import Judge
from envdata.live.metering import METER, Meter


class EpisodeJudge:
    """Scores branches that have ended with an answer. Others have no score, and nobody is asked or paid."""

    def __init__(self, judge: Judge, bridge: Bridge, question: str, thinking_end: str | None = None) -> None:
        """Start without scores.

        Args:
            judge: The judge.
            bridge: The connection to the event loop in which the judge is asked.
            question: Text of the question.
            thinking_end: The tag after a reasoning model's thinking: what follows it is judged; None judges all.
        """
        self._judge, self._bridge = judge, bridge
        self._question, self._thinking_end = question, thinking_end
        self._scores: dict[int, float] = {}
        self.requests = Meter()
        """Counts of the requests to the judge."""

    @property
    def unscored(self) -> int:
        """Number of branches that the judge was asked about without a score."""
        return sum(math.isnan(score) for score in self._scores.values())

    def values(
        self, places: Ints, first: Ints, depth: Ints, ended: Bools, text: Callable[[int], str]
    ) -> npt.NDArray[np.float32]:
        """Return the signal at depths `first` + 1 … `depth`, branch after branch: the score stands at the last depth.

        Args:
            places: Branches, shape (m,), as are the next three.
            first: Depths after which values are wanted.
            depth: Depths reached.
            ended: Which branches have ended with an answer.
            text: Returns the text of a branch.

        Raises:
            JudgeError: The judge does not answer.
        """
        rows = list(zip(places.tolist(), first.tolist(), depth.tolist(), ended.tolist(), strict=True))
        wanted = [place for place, a, b, has_ended in rows if has_ended and b > a and place not in self._scores]
        if wanted:
            self._bridge.run(self._ask(wanted, text))
        values: list[float] = []
        for place, a, b, has_ended in rows:
            values += [math.nan] * (b - a)
            if has_ended and b > a:
                values[-1] = self._scores[place]
        return np.array(values, np.float32)

    async def _ask(self, places: Sequence[int], text: Callable[[int], str]) -> None:
        METER.set(self.requests)
        async with together() as group:
            for place in places:
                group.create_task(self._score(place, text(place)))

    async def _score(self, place: int, text: str) -> None:
        score = await self._judge.score(self._question, judged_text(text, self._thinking_end))
        self._scores[place] = math.nan if score is None else score


def judged_text(text: str, thinking_end: str | None) -> str:
    """Return the part of a branch that is judged: what follows the thinking, or all where nothing does."""
    return (text.rpartition(thinking_end)[2].strip() if thinking_end else "") or text

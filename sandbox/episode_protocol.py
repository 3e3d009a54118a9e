"""Interface through which frames act on episodes."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from envdata.actions import Refusal
from envdata.episode_state import Calls, EpisodeStates, Ints
from envdata.episodes import CallResults


class PlayableEpisodes(Protocol):
    """Episodes that frames act on: many of a grid (`envdata.episodes.Episodes`), or one of a live model."""

    questions: int
    """Episodes in a group."""

    @property
    def states(self) -> EpisodeStates:
        """State of all episodes: open branches, their depths, and tokens spent."""

    @property
    def confident(self) -> bool:
        """Whether revealed answers come with a confidence."""

    @property
    def signal_names(self) -> tuple[str, ...]:
        """Names of the signals that a controller may read, with that of the confidences."""

    def signal(self, name: str, places: Ints, first: Ints) -> npt.NDArray[np.float32]:
        """Return a signal's values of branches, from depth `first` + 1 to the depth reached, branch after branch.

        Places are episode × width + branch; NaN where there is no value.
        """

    def play(self, calls: Calls) -> CallResults:
        """Apply one call per episode; return what the calls revealed and cost."""

    def prune(self, episode: Ints, branch: Ints) -> Ints:
        """PRUNE branch `branch[i]` of episode `episode[i]`; return `Refusal` values of the same shape."""

    def answer(self, episode: int, label: int | None, status: int) -> Refusal:
        """End an episode with an answer label, or None for no answer."""

    def fail(self, episode: int, status: int, why: str) -> Refusal:
        """End an episode with a failure status and its reason."""

    def note(self, episode: int, text: str) -> None:
        """Add a controller's note to the trace."""

    def answer_text(self, episode: int, code: int) -> str:
        """Return the text of an answer code."""

"""Signals of branches as a controller sees them. Standard library alone.

A signal's values stay with the host until a controller asks for them. Then those of all branches of the episode are
requested at once, so that a controller which reads a signal at every step has one more exchange a step, and one that
reads none has none.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from sandbox.action_errors import UnknownSignal
from sandbox.link import Link

PROBE_CONFIDENCE = "probe_confidence"
"""The signal that probes reveal with their answers; all others come with the decoded intervals."""

JUDGE = "judge"
"""The signal that has a value where a branch has ended, and at no depth before."""


class ReachedBranch(Protocol):
    """A branch of an episode, as far as its signals need it."""

    index: int
    depth: int
    """Intervals decoded so far."""
    _confidences: list[float | None]
    """Confidences of the probes up to the last one."""


class SignalReader:
    """Reads the signals of one episode, each value once."""

    def __init__(self, link: Link, number: int, names: Sequence[str], branches: Sequence[ReachedBranch]) -> None:
        """Take the link, the worker's number of the episode, the names of its signals, and its opened branches."""
        self._link, self._number, self._branches = link, number, branches
        self.names = names
        self._known: dict[str, dict[int, list[float | None]]] = {}
        """By signal and branch: the values read so far."""

    def values(self, branch: ReachedBranch, name: str) -> list[float | None]:
        """Return the values at depths 1, 2, … up to the branch's. Raises UnknownSignal."""
        if name not in self.names:
            known = ", ".join(self.names) or "none"
            raise UnknownSignal(f"no signal is called {name!r:.60}; there are: {known}")
        if name == PROBE_CONFIDENCE:
            own = branch._confidences
            return own + [None] * (branch.depth - len(own))
        known_values = self._known.setdefault(name, {})
        if len(known_values.get(branch.index, ())) < branch.depth:
            self._read(name, known_values)
        values = known_values.get(branch.index, [])
        return values + [None] * (branch.depth - len(values)) if name == JUDGE else list(values)

    def _read(self, name: str, known: dict[int, list[float | None]]) -> None:
        """Request what is missing of all branches."""
        lists: list[tuple[list[float | None], int]] = []
        wanted: list[int] = []
        for branch in self._branches:
            own = known.setdefault(branch.index, [])
            if len(own) < branch.depth:
                lists.append((own, branch.depth - len(own)))
                wanted += (branch.index, len(own))
        received = self._link.read_signal(self._number, self.names.index(name), wanted)
        for own, missing in lists:
            for _, value in zip(range(missing), received, strict=False):
                own.append(value if value == value else None)
            while name == JUDGE and own and own[-1] is None:
                # A branch may end without another interval: its last depth is asked for again.
                own.pop()


class Signals(Mapping[str, list[float | None]]):
    """The signals of one branch, by name."""

    def __init__(self, reader: SignalReader | None, branch: ReachedBranch) -> None:
        """Called by the branch, not by controllers."""
        self._reader, self._branch = reader, branch

    def __getitem__(self, name: str) -> list[float | None]:
        """Return the values at depths 1, 2, … up to the branch's; None where none is known.

        Raises UnknownSignal for a name that the grid or the model does not have.
        """
        if self._reader is None:
            raise UnknownSignal(f"no signal is called {name!r:.60}; there are: none")
        return self._reader.values(self._branch, name)

    def __contains__(self, name: object) -> bool:
        return self._reader is not None and name in self._reader.names

    def __iter__(self) -> Iterator[str]:
        return iter(() if self._reader is None else self._reader.names)

    def __len__(self) -> int:
        return 0 if self._reader is None else len(self._reader.names)

    def __repr__(self) -> str:
        return f"Signals({', '.join(self)})"

"""Sealed branches: what a branch will say, put where it can be read only once and piece by piece, and where it shows.

A controller of the AutoTTS release goes on one branch and one interval at a time, and looks at each: a way to the host
and back for every step is most of what it costs. So the host writes a branch's intervals into a pipe, of which the
worker has the reading end. Reading from it *is* the action: the kernel gives the next bytes and no others, and they are
gone from the pipe. The worker tells afterwards what it took, in which order (`Op.TAKEN`). When an episode ends, the
host compares that with what is left in its pipes: taking without telling ends the worker, and is charged like the rest.

A worker cannot look without taking: its filter of system calls leaves it no tee, splice or ioctl, which would tell how
much is left. What is its word alone is the order between branches, on which no figure depends where every call is of
one branch.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from envdata.actions import Op, Refusal
from envdata.episodes import Episodes, Played, Terms
from envdata.ledger import Bools, Calls, Ints
from sandbox.frames import Parsed
from sandbox.pipes import Pipes
from sandbox.records import RecordBook, Records

AHEAD = 35
"""Unopened branches that are handed out beyond one that is opened: opening them is reading, too. Asking for one costs
as much as handing out some thirty. It is always as many: how many others came to need must not show."""
MOST = 72
"""Branches of an episode that are handed out and not at their ends, at most; each is an open file of the worker and of
the host."""
LIVE = 3
"""Episodes of a worker that are played at once with sealed branches."""
OPEN_FILES = 256
"""What a worker may have open, with all of that; containers allow no more either."""

_BRANCH, _READ = int(Op.BRANCH), int(Op.READ)

Handed = list[tuple[int, int]]
"""Branches of an episode that come sealed, and the pipes of its worker that they are in."""


@dataclass(slots=True)
class _Seal:
    """One branch that was handed out."""

    pipe: int
    begins: int
    """Depth of the branch when it was sealed."""
    records: Records
    first: int
    end: int
    """Its records are those from `first` to `end`."""
    skipped: bool = False
    """Whether the branch was read whole in another way: nothing may be taken from it then."""
    left: int | None = None
    """How many bytes were left when the episode ended, and are no longer in the pipe."""

    def due(self, depth: int) -> int:
        """How many bytes are to be left, if the branch has been told to be at a depth."""
        at = self.records.at
        return at[self.end] - at[self.first if self.skipped else self.first + depth - self.begins]


def suits(terms: Terms) -> bool:
    """Whether every action can be admitted beforehand: nothing depends on what is left to spend, or on an end."""
    return terms.budget is None and terms.repeats_last


class Sealer:
    """Hands out sealed branches of a grid's episodes, and compares what is told with what was taken."""

    def __init__(self, episodes: Episodes) -> None:
        """Raises ValueError where `episodes` are not played on such terms (`suits`)."""
        if not suits(episodes.terms):
            raise ValueError(f"branches cannot be sealed on these terms: {episodes.terms}")
        self._episodes = episodes
        self._seals: defaultdict[int, dict[int, _Seal]] = defaultdict(dict)
        """By episode and branch."""
        self._pipes: defaultdict[int, Pipes] = defaultdict(Pipes)
        """By group: those into its worker."""
        self._records = RecordBook(episodes.grid, episodes.terms.probe_cost)

    def take(self, told: Parsed) -> Bools:
        """Apply what was taken, as TAKEN entries tell it; returns (k,) which of them cannot be."""
        return self._episodes.take(told.episode, told.count, told.branch)

    def hand_out(self, calls: Calls, played: Played) -> dict[int, Handed]:
        """Seal branches for the episodes whose calls opened one, by episode.

        That is the branch that was opened, and some that come next. Those that cannot be sealed, for want of open files
        or because they say too much for a pipe, are left out. Pipes that their worker does not know yet are `outgoing`.
        """
        admitted = played.settled.refusal == Refusal.ADMITTED
        for episode in calls.episode[admitted & (calls.op == _READ)].tolist():
            seal = self._seals[episode].get(int(self._episodes.ledger.opened[episode]) - 1)
            if seal is not None:
                seal.skipped = True
        handed = {
            episode: self._hand_out(episode) for episode in calls.episode[admitted & (calls.op == _BRANCH)].tolist()
        }
        return {episode: branches for episode, branches in handed.items() if branches}

    def _hand_out(self, episode: int) -> Handed:
        ledger, own = self._episodes.ledger, self._seals[episode]
        opened = int(ledger.opened[episode])
        begin, end = max(0, opened - 1), min(opened + AHEAD, int(ledger.ceiling[episode]))
        if len(own) + end - begin > MOST:
            self._let_go(episode)
        group, question = divmod(episode, self._episodes.questions)
        pipes, records = self._pipes[group], self._records.of(question)
        places = slice(episode * ledger.width + begin, episode * ledger.width + end)
        branches = []
        for branch, number, depth in zip(
            range(begin, end), self._episodes.recorded_branches(places), ledger.depth[places].tolist(), strict=True
        ):
            if branch in own:
                continue
            data, first, last = records.rest(number, depth)
            pipe = pipes.fill(data) if data and len(own) < MOST else None
            if pipe is not None:
                own[branch] = _Seal(pipe, depth, records, first, last)
                branches.append((branch, pipe))
            elif branch >= opened:
                # Later ones could not be opened before it.
                break
        return branches

    def _let_go(self, episode: int) -> None:
        """Free pipes that are empty, as it was told."""
        own, pipes, depths = self._of(episode)
        for branch, seal in list(own.items()):
            if not seal.due(depths[branch]) and not pipes.left(seal.pipe):
                pipes.free([seal.pipe])
                del own[branch]

    def settle(self, episodes: Ints) -> set[int]:
        """Of which episodes that have ended something else was taken from their branches than was told.

        What the others have left is taken back, to seal branches of other episodes of the same worker with.
        """
        lying = set()
        for episode in episodes.tolist():
            own, pipes, depths = self._of(episode)
            for branch, seal in own.items():
                due = seal.due(depths[branch])
                seal.left = pipes.take_back(seal.pipe) if due else pipes.left(seal.pipe)
                if seal.left != due:
                    lying.add(episode)
            if episode not in lying:
                pipes.free(seal.pipe for seal in own.values())
                own.clear()
        return lying

    def charge(self, episode: int) -> None:
        """Charge an episode for what was taken from its branches and not told."""
        own, pipes, depths = self._of(episode)
        branches: list[int] = []
        for branch, seal in sorted(own.items()):
            if not seal.skipped:
                left = pipes.left(seal.pipe) if seal.left is None else seal.left
                taken = seal.records.begun(seal.first, seal.end, left)
                branches += [branch] * (taken - (depths[branch] - seal.begins))
        if branches:
            self._episodes.take(np.array([episode]), np.array([len(branches)]), np.array(branches))

    def outgoing(self, group: int) -> list[int]:
        """Reading ends of pipes that go with the next reply to a worker."""
        return self._pipes[group].outgoing

    def sent(self) -> None:
        """Close the reading ends: whoever was to get them has them."""
        for pipes in self._pipes.values():
            pipes.sent()

    def end(self, group: int) -> None:
        """Close everything of a group, whose worker has ended."""
        for episode in range(group * self._episodes.questions, (group + 1) * self._episodes.questions):
            self._seals.pop(episode, None)
        if group in self._pipes:
            self._pipes.pop(group).close()

    def close(self) -> None:
        """Close everything."""
        for group in list(self._pipes):
            self.end(group)

    def _of(self, episode: int) -> tuple[dict[int, _Seal], Pipes, list[int]]:
        """An episode's seals, the pipes that they are in, and the depths of its branches."""
        ledger = self._episodes.ledger
        depths = ledger.depth[episode * ledger.width : (episode + 1) * ledger.width]
        return self._seals[episode], self._pipes[episode // self._episodes.questions], depths.tolist()

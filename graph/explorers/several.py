"""Several explorers in one run: taking turns round by round, or side by side within each; and another one as critic.

Each sees the whole history. What an explorer leaves for its own use in a candidate's notes comes back to it alone:
another one could read nothing in it. Who wrote what is kept in those notes, so that it is part of the archive.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from graph.accounting.caps import CapReached
from graph.explorers.base import Brief, Critique, Evidence, Explorer, ExplorerError, Proposal, Tried
from graph.journal import Journal

BY, OWN = "explorer", "notes"
"""What the notes of a candidate hold in such a run: the name of its explorer, and that one's own notes."""
WROTE = "wrote"
"""The transcript's event that says which sources an explorer proposed."""


@dataclass(frozen=True)
class Several:
    """Two or more explorers, by the names that they were asked for with."""

    explorers: Mapping[str, Explorer]
    side_by_side: bool = False

    def __post_init__(self) -> None:
        if len(self.explorers) < 2:
            raise ExplorerError("several explorers are two or more; one alone needs no company")

    def identity(self) -> Mapping[str, str]:
        """That of each, with its place before it."""
        together = {"explorer": "side by side" if self.side_by_side else "in turns"}
        for place, (name, explorer) in enumerate(self.explorers.items(), 1):
            together |= {f"{place} asked as": name}
            together |= {f"{place} {key}": value for key, value in explorer.identity().items()}
        return together

    def propose(self, brief: Brief, journal: Journal) -> Sequence[Proposal]:
        """Ask the one whose turn it is, or each for its share; what failed goes back to whoever wrote it."""
        proposals: list[Proposal] = []
        for name, share in self._shares(brief, journal):
            try:
                said = self.explorers[name].propose(share, journal)[: share.wanted]
            except CapReached:
                # What the others wrote is paid for; the next round finds the cap again.
                if not proposals:
                    raise
                continue
            # Told apart by source: nothing else of a rejected proposal comes back.
            journal.record(WROTE, explorer=name, round=brief.round, sources=[_digest(each.source) for each in said])
            proposals += [replace(each, notes={BY: name, OWN: dict(each.notes)}) for each in said]
        return proposals

    def critique(self, evidence: Evidence, journal: Journal) -> Critique:
        """What the one says whose turn it was; side by side, the first that has something to say."""
        names = list(self.explorers) if self.side_by_side else [self._turn(evidence.round)]
        for name in names:
            own = replace(evidence, tried=[_as_seen(each, name) for each in evidence.tried])
            said = self.explorers[name].critique(own, journal)
            if said.diagnosis or said.directions:
                return said
        return Critique("")

    def _shares(self, brief: Brief, journal: Journal) -> Iterator[tuple[str, Brief]]:
        seen = {name: replace(brief, history=[_as_seen(each, name) for each in brief.history])
                for name in self.explorers}  # fmt: skip
        if not self.side_by_side:
            name = self._turn(brief.round)
            yield name, seen[name]
        elif brief.attempt == 0:
            shares = _dealt(brief.wanted, len(self.explorers), brief.round - 1)
            for name, wanted in zip(self.explorers, shares, strict=True):
                if wanted:
                    yield name, replace(seen[name], wanted=wanted)
        else:
            authors = _authors(journal, brief.round)
            for name in self.explorers:
                own = tuple(each for each in brief.rejected if authors.get(_digest(each.source)) == name)
                if own:
                    yield name, replace(seen[name], wanted=len(own), rejected=own)

    def _turn(self, number: int) -> str:
        return list(self.explorers)[(number - 1) % len(self.explorers)]


@dataclass(frozen=True)
class WithCritic:
    """An explorer whose critiques another one writes."""

    explorer: Explorer
    critic: Explorer

    def identity(self) -> Mapping[str, str]:
        """Both."""
        return {**self.explorer.identity(), **{f"critic {key}": v for key, v in self.critic.identity().items()}}

    def propose(self, brief: Brief, journal: Journal) -> Sequence[Proposal]:
        """The explorer's."""
        return self.explorer.propose(brief, journal)

    def critique(self, evidence: Evidence, journal: Journal) -> Critique:
        """The critic's."""
        return self.critic.critique(evidence, journal)


def compose(explorers: Mapping[str, Explorer], critic: Explorer | None, *, side_by_side: bool) -> Explorer:
    """One explorer out of those that a run asks for. Raises ExplorerError."""
    if not explorers:
        raise ExplorerError("there is no explorer; give --explorer NAME")
    if side_by_side and len(explorers) < 2:
        raise ExplorerError("--side-by-side needs two explorers or more; give --explorer again")
    several = len(explorers) > 1
    one: Explorer = Several(explorers, side_by_side) if several else next(iter(explorers.values()))
    return one if critic is None else WithCritic(one, critic)


def parts(explorer: Explorer) -> Iterator[Explorer]:
    """The explorers that one is made of: itself, if it is a single one."""
    if isinstance(explorer, Several):
        yield from explorer.explorers.values()
    elif isinstance(explorer, WithCritic):
        yield from parts(explorer.explorer)
        yield explorer.critic
    else:
        yield explorer


def _as_seen(tried: Tried, name: str) -> Tried:
    notes: Mapping[str, Any] = tried.notes
    return replace(tried, notes=notes.get(OWN, {}) if notes.get(BY) == name else {})


def _dealt(wanted: int, hands: int, first: int) -> list[int]:
    """Shares that differ by one at most; who gets one more changes with the round."""
    return [wanted // hands + ((place - first) % hands < wanted % hands) for place in range(hands)]


def _digest(source: str) -> str:
    return hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()


def _authors(journal: Journal, number: int) -> dict[str, str]:
    wrote = [each for each in journal.events() if each["event"] == WROTE and each["round"] == number]
    return {source: each["explorer"] for each in wrote for source in each["sources"]}

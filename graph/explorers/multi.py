"""Several explorers in one run, which divide its rounds among them, and others that criticise or consolidate.

Each explorer sees the whole history. The notes that an explorer attaches to a candidate are returned to that explorer
only, since no other one can interpret them. The author of a candidate is stored in its notes, and thus in the archive.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from graph.accounting.caps import CapReached
from graph.explorers.allocation import equal_places, sampled_places
from graph.explorers.base import (
    Brief,
    CandidateRecord,
    Consolidation,
    Critique,
    Evidence,
    Explorer,
    ExplorerError,
    Findings,
    Historian,
    Proposal,
)
from graph.run.explorer_shares import ALLOCATED, AUTHOR_KEY
from graph.run.pinned import Pinned
from graph.run.setting_values import BANDIT, SIDE_BY_SIDE, TURNS
from graph.run.transcript import Transcript

NOTES_KEY = "notes"
"""Key of an explorer's own notes in a candidate's notes, beside `AUTHOR_KEY`."""
EVENT = "wrote"
"""Event of the transcript that lists the sources that an explorer proposed."""


@dataclass(frozen=True)
class MultiExplorer(Explorer):
    """Two or more explorers that share a run."""

    explorers: Mapping[str, Explorer]
    """By the specification given in `--explorer`."""
    allocate: str = TURNS
    """Division of the rounds, as in `--allocate`."""

    def __post_init__(self) -> None:
        """Raise ExplorerError for fewer than two explorers."""
        if len(self.explorers) < 2:
            raise ExplorerError(f"there are {len(self.explorers)} explorers to combine; give two or more")

    def identity(self) -> Mapping[str, str]:
        """Return the identity of each explorer, its keys prefixed with the explorer's number."""
        identity = {"explorer": {TURNS: "in turns", SIDE_BY_SIDE: "side by side"}.get(self.allocate, self.allocate)}
        for number, (name, explorer) in enumerate(self.explorers.items(), 1):
            identity |= {f"{number} asked as": name}
            identity |= {f"{number} {key}": value for key, value in explorer.identity().items()}
        return identity

    def propose(self, brief: Brief, transcript: Transcript) -> Sequence[Proposal]:
        """Return the proposals of all explorers that have a share of the round.

        Args:
            brief: The task. Rejected proposals are sent back to their authors.
            transcript: The round's transcript, which also records the author of each source.

        Raises:
            CapReached: A cap was reached before any explorer had proposed.
            ExplorerError: An explorer cannot go on.
        """
        proposals: list[Proposal] = []
        for name, share in self._shares(brief, transcript):
            try:
                own = self.explorers[name].propose(share, _of(transcript, name))[: share.wanted]
            except CapReached:
                # Proposals of other explorers are paid for already; the next round reaches the cap again.
                if not proposals:
                    raise
                continue
            # By source, since a rejected proposal comes back without its notes.
            transcript.record(EVENT, explorer=name, round=brief.round, sources=[_digest(each.source) for each in own])
            proposals += [replace(each, notes={AUTHOR_KEY: name, NOTES_KEY: dict(each.notes)}) for each in own]
        return proposals

    def critique(self, evidence: Evidence, transcript: Transcript) -> Critique:
        """Return the critique of the explorer whose turn it was; if all share rounds, the first that is not empty.

        Args:
            evidence: The round's measurements.
            transcript: The round's transcript.

        Raises:
            ExplorerError: An explorer cannot go on.
        """
        for name in self._asked_about(evidence.round):
            seen = replace(evidence, candidates=[_as_seen(each, name) for each in evidence.candidates])
            critique = self.explorers[name].critique(seen, _of(transcript, name))
            if critique.diagnosis or critique.directions:
                return critique
        return Critique("")

    def consolidate(self, findings: Findings, transcript: Transcript) -> Consolidation | None:
        """Return the changes of the first explorer that writes any; the one whose turn it was is asked first.

        Args:
            findings: The rounds, and the page so far.
            transcript: Transcript of the latest round.

        Raises:
            ReplyError, CapReached, ExplorerError: As of `Historian.consolidate`.
        """
        for name in dict.fromkeys([*self._asked_about(findings.round), *self.explorers]):
            explorer = self.explorers[name]
            if isinstance(explorer, Historian):
                seen = replace(findings, candidates=[_as_seen(each, name) for each in findings.candidates])
                changes = explorer.consolidate(seen, _of(transcript, name))
                if changes is not None:
                    return changes
        return None

    def check_run(self, pinned: Pinned) -> None:
        """Raise ExplorerError if one of the explorers cannot take part in the run."""
        for explorer in self.explorers.values():
            explorer.check_run(pinned)

    def _shares(self, brief: Brief, transcript: Transcript) -> Iterator[tuple[str, Brief]]:
        """Yield the names of the explorers to ask, each with the brief for its share of the candidates."""
        seen = {name: replace(brief, history=[_as_seen(each, name) for each in brief.history], shares=())
                for name in self.explorers}  # fmt: skip
        if brief.attempt == 0:
            places, unit = self._places(brief)
            transcript.record(ALLOCATED, round=brief.round, places=places, unit=unit)
            roles = iter(brief.roles)
            for name, wanted in places.items():
                if wanted:
                    yield name, replace(seen[name], wanted=wanted, roles=tuple(islice(roles, wanted)))
        elif self.allocate == TURNS:
            name = self._turn(brief.round)
            yield name, seen[name]
        else:
            authors = _authors(transcript, brief.round)
            for name in self.explorers:
                ours = [i for i, each in enumerate(brief.rejected) if authors.get(_digest(each.source)) == name]
                own = tuple(brief.rejected[place] for place in ours)
                again = tuple(brief.roles[place] for place in ours if place < len(brief.roles))
                if own:
                    yield name, replace(seen[name], wanted=len(own), rejected=own, roles=again)

    def _places(self, brief: Brief) -> tuple[dict[str, int], str | None]:
        """Return the places of each explorer in a round, and the unit of spending that a bandit goes by."""
        names = list(self.explorers)
        if self.allocate == BANDIT:
            return sampled_places(names, brief.shares, brief.wanted, number=brief.round, seed=brief.seed)
        if self.allocate == SIDE_BY_SIDE:
            return equal_places(names, brief.wanted, brief.round), None
        return {name: brief.wanted if name == self._turn(brief.round) else 0 for name in names}, None

    def _asked_about(self, number: int) -> list[str]:
        """Return the explorers to ask about a round, in order: the one whose turn it was, or all."""
        return [self._turn(number)] if self.allocate == TURNS else list(self.explorers)

    def _turn(self, round_number: int) -> str:
        """Return the name of the explorer whose turn it is in a round, counted from 1."""
        return list(self.explorers)[(round_number - 1) % len(self.explorers)]


@dataclass(frozen=True)
class Team(Explorer):
    """An explorer whose critiques, or whose page of what is known, others write."""

    proposer: Explorer
    critic: Explorer
    historian: Explorer

    def identity(self) -> Mapping[str, str]:
        """Return the identities of all, with the role in front of the keys of those that do not propose."""
        identity = dict(self.proposer.identity())
        for role, explorer in (("critic", self.critic), ("historian", self.historian)):
            if explorer is not self.proposer:
                identity |= {f"{role} {key}": value for key, value in explorer.identity().items()}
        return identity

    def propose(self, brief: Brief, transcript: Transcript) -> Sequence[Proposal]:
        """Return the proposer's proposals."""
        return self.proposer.propose(brief, transcript)

    def critique(self, evidence: Evidence, transcript: Transcript) -> Critique:
        """Return the critic's critique."""
        return self.critic.critique(evidence, transcript)

    def consolidate(self, findings: Findings, transcript: Transcript) -> Consolidation | None:
        """Return the historian's changes of the page; None if it writes none."""
        return self.historian.consolidate(findings, transcript) if isinstance(self.historian, Historian) else None

    def check_run(self, pinned: Pinned) -> None:
        """Raise ExplorerError if one of them cannot take part in the run."""
        for explorer in (self.proposer, self.critic, self.historian):
            explorer.check_run(pinned)


def compose(
    explorers: Mapping[str, Explorer],
    critic: Explorer | None,
    historian: Explorer | None = None,
    *,
    allocate: str = TURNS,
) -> Explorer:
    """Return one explorer made of all that a run names.

    Args:
        explorers: By the specification given in `--explorer`.
        critic: Writes the critiques; None if the explorers write their own.
        historian: Consolidates what was learnt; None if the explorers do.
        allocate: Division of the rounds among several explorers, as in `--allocate`.

    Raises:
        ExplorerError: There is no explorer, only one to divide rounds among, or a historian that writes no page.
    """
    if not explorers:
        raise ExplorerError("there is no explorer; give --explorer NAME")
    if allocate != TURNS and len(explorers) < 2:
        raise ExplorerError(f"--allocate {allocate} needs two explorers or more; give --explorer again")
    if historian is not None and not isinstance(historian, Historian):
        raise ExplorerError("--historian: this explorer writes no page of what is known; name a model, or a folder")
    several = len(explorers) > 1
    proposing: Explorer = MultiExplorer(explorers, allocate) if several else next(iter(explorers.values()))
    return Team(proposing, critic or proposing, historian or proposing) if critic or historian else proposing


def _as_seen(tried: CandidateRecord, name: str) -> CandidateRecord:
    """Return a candidate with the notes of the explorer `name`, or without notes if another one proposed it."""
    notes: Mapping[str, Any] = tried.notes
    return replace(tried, notes=notes.get(NOTES_KEY, {}) if notes.get(AUTHOR_KEY) == name else {})


def _of(transcript: Transcript, name: str) -> Transcript:
    """Return the transcript with the explorer's name on everything that it records, so that each is accounted."""
    return replace(transcript, stamp={AUTHOR_KEY: name})


def _digest(source: str) -> str:
    return hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()


def _authors(transcript: Transcript, round_number: int) -> dict[str, str]:
    """Return the explorers' names by the digests of the sources that they proposed in a round."""
    events = [each for each in transcript.events() if each["event"] == EVENT and each["round"] == round_number]
    return {source: each["explorer"] for each in events for source in each["sources"]}

"""Mechanism families of candidates: whether they stop early, how they widen and allocate, and what weighs their votes.

Stopping, widening and allocation are measured in the episodes of the screening, the votes by names in the source
(`graph.critic.mechanisms`), so that the last part is a hint. A run keeps the best candidate of each family.
"""

import functools
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import product

import pyarrow as pa

from graph.critic.mechanisms import mechanisms
from graph.critic.syntax_worker import CONFIDENCE
from graph.critic.tree_distance import PqGramProfile, read_profiles
from graph.run.candidates import CandidateRecord

PARTS: Mapping[str, tuple[str, str]] = {
    "stopping": ("stops early", "never stops early"),
    "widening": ("adaptive width", "fixed width"),
    "allocation": ("in waves", "all at once"),
}
"""For each mechanism its name in a family: of candidates that have it, and of those that do not."""
VOTES: Mapping[str, str] = {
    "length": "votes by length",
    "trajectory": "votes by trajectory",
    "model_confidence": "votes by confidence",
    "other_signal": "votes by other signals",
}
"""Names in a family for the signals that may weigh votes, besides agreement."""
PLAIN, SEVERAL = "plain votes", "votes by several"
"""Names in a family for votes that no such signal weighs, and for those that several do."""

SPENDING: tuple[str, ...] = tuple(", ".join(parts) for parts in product(*PARTS.values()))
"""Names of all combinations of stopping, widening and allocation, those with most mechanisms first."""
BALLOTS: tuple[str, ...] = (PLAIN, *VOTES.values(), SEVERAL)
"""Names of all kinds of votes."""
RARE = "adaptive width, all at once"
"""A branch that is opened for what others showed begins later, so that hardly a controller is of these families."""


def _order(spending: str) -> tuple[bool, int]:
    return RARE in spending, sum(absent in spending for _, absent in PARTS.values())


FAMILIES: tuple[str, ...] = tuple(
    f"{spending}, {votes}" for spending in sorted(SPENDING, key=_order) for votes in BALLOTS
)
"""Names of all families, those with most mechanisms first, and those that are hardly possible last."""


def family(has: Mapping[str, bool], signals: Collection[str]) -> str:
    """Return the name of a family.

    Args:
        has: Whether a candidate has each of the mechanisms `PARTS`.
        signals: Voting signals in its source, from `graph.critic.mechanisms.SIGNALS`.
    """
    spending = ", ".join(present if has[part] else absent for part, (present, absent) in PARTS.items())
    weighing = [name for signal, name in VOTES.items() if signal in signals]
    votes = PLAIN if not weighing else weighing[0] if len(weighing) == 1 else SEVERAL
    return f"{spending}, {votes}"


@functools.lru_cache(maxsize=4)
def _profiles(sources: tuple[str, ...]) -> tuple[PqGramProfile | None, ...]:
    """Return the profiles of sources. Critic and historian ask for those of a round, each time a process of its own."""
    return tuple(read_profiles(sources))


def families(screening: pa.Table, sources: Mapping[str, str]) -> dict[str, str]:
    """Return the family of each candidate, by label; a candidate whose source cannot be parsed has none.

    Args:
        screening: Episodes of the screening, with the schema `sandbox.results.EPISODES`.
        sources: Sources of candidates that were played without failures, by label.
    """
    has = mechanisms(screening)
    profiles = _profiles(tuple(sources.values()))
    return {
        label: family(has[label], profile.signals)
        for label, profile in zip(sources, profiles, strict=True)
        if profile is not None
    }


def merit(record: CandidateRecord) -> tuple[bool, float]:
    """Return the key by which candidates are ranked: those evaluated in full first, then by their objective."""
    score = record.score if record.score is not None else record.screening
    return record.score is not None, float("-inf") if score is None else score


def best_of_each(history: Iterable[CandidateRecord]) -> dict[str, CandidateRecord]:
    """Return the best candidate of each family, the best families first; of equals the earlier one."""
    best: dict[str, CandidateRecord] = {}
    for record in history:
        if record.family and record.screening is not None:
            known = best.get(record.family)
            if known is None or merit(record) > merit(known):
                best[record.family] = record
    return dict(sorted(best.items(), key=lambda entry: merit(entry[1]), reverse=True))


def possible(signals: Collection[str]) -> list[str]:
    """Return the families that candidates can belong to, those with most mechanisms first.

    Args:
        signals: Names of the signals of the search grids; others cannot weigh votes.
    """
    confident = [name.endswith(CONFIDENCE) for name in signals]
    absent = {
        *([] if any(confident) else [VOTES["model_confidence"]]),
        *([] if not all(confident) else [VOTES["other_signal"]]),
    }
    return [name for name in FAMILIES if name.rpartition(", ")[2] not in absent]


def untried(history: Sequence[CandidateRecord], signals: Collection[str]) -> list[str]:
    """Return the possible families that no candidate of `history` belongs to, those with most mechanisms first."""
    tried = {record.family for record in history}
    return [name for name in possible(signals) if name not in tried]

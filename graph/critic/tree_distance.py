"""Distance between two sources as syntax trees.

It is the pq-gram distance (N. Augsten, M. Böhlen, J. Gamper: "Approximate Matching of Hierarchical Data Using
pq-Grams", VLDB 2005) with p = 2 and q = 3. A tree's profile is the bag of its pq-grams (a node, its parent, three
neighbouring children); the distance is 1 − 2 |common pq-grams| / |all pq-grams|, 0 for equal trees and 1 for trees
without a common pq-gram. It approximates the tree edit distance at a cost of n log n instead of a power of n. Names and
constants count; docstrings, comments, annotations and layout do not.

Sources are untrusted and are never parsed in this process (`graph.critic.syntax_worker`).
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from graph.critic import syntax_worker

WORKER = Path(syntax_worker.__file__)


@dataclass(frozen=True)
class PqGramProfile:
    """pq-gram profile of a source's syntax tree."""

    nodes: int
    """Number of nodes of the tree."""
    grams: Mapping[str, int]
    """Number of occurrences of each pq-gram, by its hash."""
    signals: tuple[str, ...]
    """Voting signals that names in the source indicate (`graph.critic.mechanisms.SIGNALS`)."""

    def distance(self, other: "PqGramProfile") -> float:
        """Return the pq-gram distance to another profile, in 0 … 1."""
        common = sum(min(count, other.grams.get(gram, 0)) for gram, count in self.grams.items())
        total = sum(self.grams.values()) + sum(other.grams.values())
        return 1 - 2 * common / total


def read_profiles(sources: Sequence[str]) -> list[PqGramProfile | None]:
    """Return the profiles of sources; None for one that cannot be parsed within 5 s of processor time and 1 GiB.

    Raises:
        subprocess.TimeoutExpired: The worker process takes longer than all its limits together.
        subprocess.CalledProcessError: The worker process failed.
    """
    if not sources:
        return []
    limit = 60 + (syntax_worker.CPU_SECONDS + 1) * len(sources)
    done = subprocess.run(
        [sys.executable, "-I", str(WORKER)], input=json.dumps(list(sources)).encode(), capture_output=True,
        env={}, timeout=limit, check=True,
    )  # fmt: skip
    return [_profile(line) for line in done.stdout.splitlines()]


def _profile(line: bytes) -> PqGramProfile | None:
    values = json.loads(line)
    return None if values is None else PqGramProfile(values["nodes"], values["grams"], tuple(values["signals"]))

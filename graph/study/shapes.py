"""How far apart two sources are, as syntax trees.

The distance is that of pq-grams (N. Augsten, M. Böhlen, J. Gamper: "Approximate Matching of Hierarchical Data Using
pq-Grams", VLDB 2005), with p = 2 and q = 3: the trees are cut into small pieces (a node, its parent, three neighbouring
children), and 1 − 2 |common pieces| / |all pieces| is taken: 0 for equal trees, 1 for trees without a piece in common.
It approximates the tree edit distance at a cost of n log n instead of a power of n. Names and constants
count; docstrings, comments, annotations and layout do not.

Sources are written by others and are never parsed in this process (`graph.study.reading`).
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from graph.study import reading

READER = Path(reading.__file__)


@dataclass(frozen=True)
class Shape:
    """A source's syntax tree, in pieces."""

    nodes: int
    grams: Mapping[str, int]
    """How often each piece occurs, by its hash."""
    signals: tuple[str, ...]
    """What answers are weighed by, as far as names show it."""

    def distance(self, other: "Shape") -> float:
        """In 0 … 1."""
        common = sum(min(count, other.grams.get(gram, 0)) for gram, count in self.grams.items())
        total = sum(self.grams.values()) + sum(other.grams.values())
        return 1 - 2 * common / total


def read_shapes(sources: Sequence[str]) -> list[Shape | None]:
    """The shapes of sources; None for one that cannot be parsed, or not within 5 s and 1 GiB."""
    if not sources:
        return []
    limit = 60 + (reading.CPU_SECONDS + 1) * len(sources)
    done = subprocess.run(
        [sys.executable, "-I", str(READER)], input=json.dumps(list(sources)).encode(), capture_output=True,
        env={}, timeout=limit, check=True,
    )  # fmt: skip
    return [_shape(line) for line in done.stdout.splitlines()]


def _shape(line: bytes) -> Shape | None:
    said = json.loads(line)
    return None if said is None else Shape(said["nodes"], said["grams"], tuple(said["signals"]))

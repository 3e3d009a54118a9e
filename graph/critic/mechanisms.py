"""Mechanisms of controllers, detected in the episodes of the screening, and voting signals, detected in their sources.

Detection in episodes does not depend on how the code is written. Signals are detected by names in the source, so they
are hints only.
"""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MECHANISMS: Mapping[str, str] = {
    "stopping": "some episode ends while a branch that it opened could go on",
    "widening": "how many branches are opened differs between questions of one β and repeat",
    "pruning": "some branch is pruned",
    "allocation": "branches are followed in turns or unevenly: some episode takes more sequential tokens than its "
    "longest branch has",
}
"""Mechanisms, each with its criterion on the episodes of the screening."""

SIGNALS: Mapping[str, str] = {
    "agreement": "calls majority, poll, Tally or Counter",
    "posterior": "calls confidence, or a Beta distribution",
    "model_confidence": "reads branch.confidence, or one of branch.signals that is named a confidence",
    "other_signal": "reads another of branch.signals, such as the scores of a judge or a verifier",
    "length": "reads how long a branch is",
    "trajectory": "reads a branch's earlier answers",
    "random": "draws random numbers",
}
"""Voting signals, each with its criterion on the names in a source."""


def mechanisms(episodes: pa.Table) -> dict[str, dict[str, bool]]:
    """Return which of `MECHANISMS` each controller has, by label.

    Args:
        episodes: Table with the schema `sandbox.results.EPISODES`.
    """
    names = episodes.column("controller").cast(pa.string())
    return {label: _of(episodes.filter(pc.equal(names, label))) for label in names.unique().to_pylist()}


def _of(own: pa.Table) -> dict[str, bool]:
    own = own.filter(pc.equal(own.column("status").cast(pa.string()), "ok"))
    columns = ("branches", "pruned", "finished", "sequential_tokens", "longest_branch")
    branches, pruned, finished, sequential, longest = (own.column(name).to_numpy() for name in columns)
    return {
        "stopping": bool((finished + pruned < branches).any()),
        "widening": _differs(own),
        "pruning": bool((pruned > 0).any()),
        "allocation": bool((sequential > longest).any()),
    }


def _differs(own: pa.Table) -> bool:
    spread = own.group_by(["grid", "beta", "repeat"]).aggregate([("branches", "min"), ("branches", "max")])
    least, most = (np.asarray(spread.column(f"branches_{end}").to_numpy()) for end in ("min", "max"))
    return bool((least < most).any())

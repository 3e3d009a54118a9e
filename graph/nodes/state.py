"""What is checkpointed between nodes: plain and small. Everything large is in the run's folder."""

from typing import TypedDict


class State(TypedDict, total=False):
    """Where a run stands."""

    round: int
    """The round in progress, from 1."""
    labels: list[str]
    """Its candidates, in the order of proposal."""
    finalists: list[str]
    """Those of them that were evaluated in full."""
    stopped: str
    """The cap that ended the search before its rounds were over."""
    selected: str
    """The label that the run ended with."""

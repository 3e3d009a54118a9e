"""Measurements as Markdown, for `critique.md` and explorers. No answer is spelt in it."""

from collections.abc import Sequence

from graph.critic.measurement import Measures
from graph.critic.measurements import FAILURES, measurements


def write_measures(measured: Sequence[Measures]) -> str:
    """Return all measurements but the failure digests: Markdown with one section a candidate, in the order given."""
    return _sections(measured, [name for name in _names() if name != FAILURES])


def write_failures(measured: Sequence[Measures]) -> str:
    """Return the failure digests, which are made from traces: Markdown with one section a candidate."""
    return _sections([each for each in measured if each.values[FAILURES]], [FAILURES])


def _sections(measured: Sequence[Measures], names: Sequence[str]) -> str:
    chosen = [each for each in measurements() if each.name in names]
    return "\n".join(
        line
        for one in measured
        for line in (f"### {one.label}", "", *(line for each in chosen for line in each.markdown(one.values)), "")
    ).rstrip("\n")


def _names() -> list[str]:
    return [each.name for each in measurements()]

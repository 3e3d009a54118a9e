"""Checks the hard limits of the host's own process (`ulimit -H`), which a worker's limits cannot exceed."""

import resource
from collections.abc import Mapping

from sandbox.backends.base import SandboxUnavailable

_LETTERS = {"as": "v", "cpu": "t", "nofile": "n", "fsize": "f", "core": "c", "nproc": "u"}
"""Option letters of the shell's `ulimit`, by the names of `Limits.for_worker`."""
_UNITS = {"as": (1024, "KiB of memory"), "cpu": (1, "seconds of processor time"), "nofile": (1, "open files")}
_MARGIN = {"cpu": 1}
"""Difference of a worker's hard limit and its soft one (`sandbox.inside.confinement`)."""


def check(wanted: Mapping[str, int]) -> None:
    """Raise SandboxUnavailable if workers cannot have these limits, given by the names of `Limits.for_worker`.

    Otherwise a worker that exceeded the host's lower limit would seem to have failed by itself.
    """
    for name, value in wanted.items():
        kind = getattr(resource, f"RLIMIT_{name.upper()}", None)
        if kind is None:
            continue
        _, hard = resource.getrlimit(kind)
        need = value + _MARGIN.get(name, 0)
        if hard != resource.RLIM_INFINITY and hard < need:
            unit, what = _UNITS.get(name, (1, name))
            letter = _LETTERS[name]
            raise SandboxUnavailable(
                f"this process may have no more than {hard // unit:,} {what} (ulimit -H{letter}), and a worker needs "
                f"{-(-need // unit):,}: raise the limit where it is set, or start from a shell without it"
            )

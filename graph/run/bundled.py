"""The grids of a run for which none are named: those that come with the package."""

from collections.abc import Sequence

from graph.run.files import RunError

BUNDLED = "bundled"


def grids_or_bundled(grids: Sequence[str], heldout: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the search and the held-out grids of a run: the bundled ones where no grid is named, or `bundled` alone.

    The bundled grids have names, not paths, so that a run on them can be read in another checkout. A search on other
    grids has nothing held out unless it is named too.

    Args:
        grids: Names or paths of the search grids, as given.
        heldout: The same of the held-out grids.

    Raises:
        RunError: Held-out grids are given alone.
    """
    if heldout and not grids:
        raise RunError("--heldout goes with --grid; name the grids to search on too")
    if grids and (tuple(grids) != (BUNDLED,) or heldout):
        return tuple(grids), tuple(heldout)
    return (f"{BUNDLED}/search",), (f"{BUNDLED}/heldout",)

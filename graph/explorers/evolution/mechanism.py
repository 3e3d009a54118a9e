"""A mechanism: one choice for a slot of the controllers that `evolution` writes."""

from dataclasses import dataclass

from graph.explorers.evolution.knobs import Knob


@dataclass(frozen=True)
class Mechanism:
    """One choice for a slot of a controller."""

    slot: str
    name: str
    idea: str
    """Description as a clause, for the controller's docstring; may be empty."""
    knobs: tuple[Knob, ...] = ()
    methods: str = ""
    """Source of the methods that it adds."""
    hook: str = ""
    """Source that it puts into its slot's place in the controller."""
    state: str = ""
    """Statement that prepares the controller for an episode."""
    probes: bool = False
    """Whether it uses answers of unfinished branches; without such a mechanism a controller's calls probe nothing."""
    asks: bool = False
    """Whether it probes by itself, although the calls of the controller do not."""
    signal: str = ""
    """Signal of the grids without which it does nothing; empty: it needs none."""
    needs: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Mechanisms that it requires in other slots: pairs of a slot and the names allowed there."""
    uses: tuple[str, ...] = ()
    """Names that it imports from the controller API, or `math`."""

    @property
    def needs_probes(self) -> bool:
        """Whether it does nothing where branches cannot be probed."""
        return self.probes or self.asks

"""What a mechanism of the family is."""

from dataclasses import dataclass

from graph.explorers.evolution.knobs import Knob


@dataclass(frozen=True)
class Mechanism:
    """One way to fill a slot."""

    slot: str
    name: str
    idea: str
    """What it does, as a clause that can stand in a list; empty if there is nothing to say."""
    knobs: tuple[Knob, ...] = ()
    methods: str = ""
    """Source of the methods that it adds."""
    hook: str = ""
    """Source of the place in the loop that is its slot's."""
    needs: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Which mechanisms other slots must have for it to make sense."""
    uses: tuple[str, ...] = ()
    """Names that it imports from `sandbox.tts`, or `math`."""

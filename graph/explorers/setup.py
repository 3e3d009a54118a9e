"""What an explorer may be configured with, besides the text after the colon of its name."""

from collections.abc import Callable
from dataclasses import dataclass, field

from graph.settings import Conduct, RunSettings
from sandbox.evaluate import Evaluator


@dataclass(frozen=True)
class Setup:
    """The run that an explorer is made for."""

    settings: RunSettings
    conduct: Conduct = field(default_factory=Conduct)
    evaluator: Evaluator | None = None
    """Plays drafts for explorers that may try them; None while a run is only being pinned."""
    say: Callable[[str], None] = lambda text: None
    """Tells whoever watches the run."""

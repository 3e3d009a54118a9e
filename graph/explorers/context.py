"""Context that an explorer is made in: the run's settings, the evaluator and a callback for messages."""

from collections.abc import Callable
from dataclasses import dataclass, field

from graph.run.settings import ModelCallSettings, RunSettings
from sandbox.evaluate import Evaluator


@dataclass(frozen=True)
class ExplorerContext:
    """The run that an explorer is made for.

    A factory of explorers gets it as its second argument, after the text behind the colon of the explorer's name
    (`graph.explorers.registry`).
    """

    settings: RunSettings
    """Settings of the run; `run.toml` pins them."""
    calls: ModelCallSettings = field(default_factory=ModelCallSettings)
    """Settings of model calls, which a resume may change."""
    evaluator: Evaluator | None = None
    """Evaluates drafts of explorers that test them; None while a new run is only pinned."""
    say: Callable[[str], None] = lambda text: None
    """Prints one line of text for the observers of the run."""

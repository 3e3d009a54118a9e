"""Default spending caps: a run with a paid model has a cap, and a cap on cost is enforceable."""

from collections.abc import Callable

from graph.explorers.models.factory import AGENT_EXPLORERS, MODEL_EXPLORERS, tariff
from graph.run.files import RunError
from graph.run.settings import RunSettings

DEFAULT_MAX_COST = 20.0
"""US dollars; the default if the prices of all paid models are known."""
DEFAULT_MAX_TOKENS = 2_000_000
"""Input and output tokens; the default if the price of a paid model is unknown."""


def with_default_caps(settings: RunSettings, say: Callable[[str], None]) -> RunSettings:
    """Return the settings, with a default cap if a paid model is used and no cap is set.

    Args:
        settings: Settings of the run.
        say: Called with a line that names the default cap.

    Raises:
        RunError: `max_cost` is set and the price of a model is unknown, so that the cap cannot be enforced.
    """
    specs = [*settings.explorers, *(each for each in (settings.critic, settings.historian) if each)]
    named = {spec: spec.partition(":") for spec in specs}
    asked = {spec: each for spec, each in named.items() if each[0] in (*MODEL_EXPLORERS, *AGENT_EXPLORERS)}
    models = {spec: tariff(name, argument, settings) for spec, (name, _, argument) in asked.items()}
    unknown = [spec for spec, known in models.items() if known.unknown]
    if settings.max_cost is not None and unknown:
        raise RunError(
            f"max_cost is {settings.max_cost:g}, but what {unknown[0]} costs is not known, so that nothing could hold "
            "it; give its price with --price IN,OUT (dollars for a million tokens), or limit --max-tokens instead"
        )
    if settings.max_cost is not None or settings.max_tokens is not None:
        return settings
    paid = [spec for spec, known in models.items() if known.paid]
    if not paid:
        return settings
    if unknown:
        say(
            f"{', '.join(paid)}: the price is unknown; model calls may take {DEFAULT_MAX_TOKENS:,} tokens all in all, "
            "unless --max-tokens, or --price and --max-cost, say otherwise"
        )
        return settings.replace(max_tokens=DEFAULT_MAX_TOKENS)
    say(f"{', '.join(paid)}: model calls may cost ${DEFAULT_MAX_COST:.2f} all in all, unless --max-cost says otherwise")
    return settings.replace(max_cost=DEFAULT_MAX_COST)

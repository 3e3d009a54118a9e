"""What is settled about money before a run begins: every cap can be kept, and a paid model has one."""

from collections.abc import Callable
from dataclasses import replace

from graph.explorers.models.making import AGENTS, NAMES, tariff
from graph.settings import RunError, RunSettings

DEFAULT_MAX_COST = 20.0
"""US dollars, where the prices of all models are known."""
DEFAULT_MAX_TOKENS = 2_000_000
"""Input and output, where a paid model's price is not."""


def settle_caps(settings: RunSettings, say: Callable[[str], None]) -> RunSettings:
    """The settings, with a cap if a model is paid for and none was given. Raises RunError if it could not be kept."""
    specs = [*settings.explorers, *([settings.critic] if settings.critic else [])]
    named = {spec: spec.partition(":") for spec in specs}
    asked = {spec: each for spec, each in named.items() if each[0] in (*NAMES, *AGENTS)}
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
        return replace(settings, max_tokens=DEFAULT_MAX_TOKENS)
    say(f"{', '.join(paid)}: model calls may cost ${DEFAULT_MAX_COST:.2f} all in all, unless --max-cost says otherwise")
    return replace(settings, max_cost=DEFAULT_MAX_COST)

"""Prices of model calls: given by the user, or listed (`graph.analysis.listed_prices`)."""

from dataclasses import dataclass
from typing import Protocol

from graph.accounting.usage import Usage
from graph.analysis.listed_prices import MILLION, listed_cost


class Price(Protocol):
    """Price of a model's calls."""

    def cost(self, usage: Usage) -> float:
        """Return the cost of a call in US dollars."""
        ...


@dataclass(frozen=True)
class GivenPrice:
    """Price given by the user, in US dollars for a million tokens; cached input costs as much as other input."""

    input: float
    output: float

    def cost(self, usage: Usage) -> float:
        """Return the cost of a call in US dollars."""
        return (usage.input * self.input + usage.output * self.output) / MILLION


@dataclass(frozen=True)
class ListedPrice:
    """Price of a model that is listed in genai-prices, found by its provider's id or URL."""

    model: str
    provider: str | None
    url: str | None = None

    def cost(self, usage: Usage) -> float:
        """Return the cost of a call in US dollars, with the provider's price for cached input.

        Raises:
            LookupError: genai-prices does not list the model.
            ValueError: genai-prices lists no price for a kind of token that was used.
        """
        return listed_cost(
            self.model, prompt=usage.input, cached=usage.cached, written=usage.written, decoded=usage.output,
            provider=self.provider, url=self.url,
        )  # fmt: skip


def price_of(model: str, *, provider: str | None, url: str | None, given: tuple[float, float] | None) -> Price | None:
    """Return the price of a model, or None if it is unknown.

    Args:
        model: Name of the model.
        provider: The provider's id in genai-prices.
        url: Base URL of the server, by which genai-prices finds the provider.
        given: The user's price: US dollars for a million input and output tokens. It takes precedence.
    """
    if given is not None:
        return GivenPrice(*given)
    if provider is None and url is None:
        return None
    listed = ListedPrice(model, provider, url)
    try:
        # A model may be listed without a price for some kind of token.
        listed.cost(Usage(input=3, cached=1, written=1, output=1))
    except (LookupError, ValueError):
        return None
    return listed


def cost_of(price: Price, usage: Usage) -> float:
    """Return the cost of a call in US dollars; without a price for a kind of input, all input costs the plain price."""
    try:
        return price.cost(usage)
    except (LookupError, ValueError):
        return price.cost(Usage(input=usage.input, output=usage.output))


def worst_cost(price: Price, worst_input: int, worst_output: int) -> float:
    """Return the highest cost of a call in US dollars: its input uncached, or all written into the provider's cache.

    Args:
        price: Price of the model.
        worst_input: Upper bound on the input tokens.
        worst_output: Upper bound on the output tokens.
    """
    plain = Usage(input=worst_input, output=worst_output)
    written = Usage(input=worst_input, written=worst_input, output=worst_output)
    return max(price.cost(plain), price.cost(written))

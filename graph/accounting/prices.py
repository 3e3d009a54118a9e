"""What calls cost: the user's own price, or that of the package genai-prices; unknown where neither has one."""

from dataclasses import dataclass
from typing import Protocol

from genai_prices import Usage as PricedUsage
from genai_prices import calc_price

from graph.accounting.usage import Usage

MILLION = 1e6


class Price(Protocol):
    """What a model's calls cost."""

    def cost(self, usage: Usage) -> float:
        """US dollars."""
        ...


@dataclass(frozen=True)
class Given:
    """US dollars for a million tokens; cached input costs as much as any other."""

    input: float
    output: float

    def cost(self, usage: Usage) -> float:
        """US dollars."""
        return (usage.input * self.input + usage.output * self.output) / MILLION


@dataclass(frozen=True)
class Listed:
    """A model that genai-prices knows."""

    model: str
    provider: str | None
    url: str | None = None

    def cost(self, usage: Usage) -> float:
        """US dollars, with the provider's own price for cached input."""
        tokens = PricedUsage(
            input_tokens=usage.input,
            cache_read_tokens=usage.cached,
            cache_write_tokens=usage.written,
            output_tokens=usage.output,
        )
        if self.url is not None:
            return float(calc_price(tokens, self.model, provider_api_url=self.url).total_price)
        return float(calc_price(tokens, self.model, provider_id=self.provider).total_price)


def price_of(model: str, *, provider: str | None, url: str | None, given: tuple[float, float] | None) -> Price | None:
    """The price of a model: the one given, or the listed one of its provider (or of who serves at `url`); else None."""
    if given is not None:
        return Given(*given)
    if provider is None and url is None:
        return None
    listed = Listed(model, provider, url)
    try:
        # A model may be listed without a price for something that it is asked for.
        listed.cost(Usage(input=3, cached=1, written=1, output=1))
    except (LookupError, ValueError):
        return None
    return listed


def worst_cost(price: Price, worst_input: int, worst_output: int) -> float:
    """What a call costs at most: nothing cached, or everything written into the cache, whichever is dearer."""
    plain = Usage(input=worst_input, output=worst_output)
    written = Usage(input=worst_input, written=worst_input, output=worst_output)
    return max(price.cost(plain), price.cost(written))

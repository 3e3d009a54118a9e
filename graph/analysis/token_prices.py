"""Prices of a served model's tokens, and the cost of episodes in US dollars."""

from dataclasses import dataclass
from math import isfinite

from graph.analysis.listed_prices import MILLION, prices_a_million


@dataclass(frozen=True)
class TokenPrices:
    """Prices in US dollars for a million tokens."""

    decoded: float
    prefill: float
    """Of prompt tokens that no prefix cache held."""
    cached: float
    """Of prompt tokens from a prefix cache."""

    def dollars(self, decoded: float, prompt: float, cached: float) -> float:
        """Return a cost in US dollars.

        Args:
            decoded: Tokens decoded, for traces and probes.
            prompt: Tokens of all prompts, those from a prefix cache included.
            cached: Those of them that came from a prefix cache; 0 where it is unknown, which charges all as prefill.
        """
        return (decoded * self.decoded + (prompt - cached) * self.prefill + cached * self.cached) / MILLION

    def __str__(self) -> str:
        """Return the prices as a reader compares them, as in `$0.6 decoded, $0.15 prefill, $0.075 cached`."""
        return f"${self.decoded:g} decoded, ${self.prefill:g} prefill, ${self.cached:g} cached"


@dataclass(frozen=True)
class LivePrices:
    """Prices of all tokens that a live episode pays for."""

    model: TokenPrices
    judge: TokenPrices | None = None
    """Of the judge's tokens; None where they are not known."""

    def __str__(self) -> str:
        """Return the prices as a reader compares them, with the unit."""
        judge = "" if self.judge is None else f", the judge's at {self.judge}"
        return f"at {self.model}{judge}, for a million tokens"


def parse_prices(text: str) -> TokenPrices:
    """Return the prices that a text gives: `DECODED,PREFILL,CACHED`, or the name of a model that genai-prices lists.

    A listed model has its prices for short prompts; cached tokens without a price of their own cost as much as others.

    Raises:
        ValueError: The numbers are not three of at least 0, or the model is not listed.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) == 1:
        listed = listed_prices(parts[0])
        if listed is None:
            raise ValueError(
                f"genai-prices lists no price of the model {parts[0]!r}; give DECODED,PREFILL,CACHED in dollars for a "
                "million tokens, as in 0.6,0.15,0.075"
            )
        return listed
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) != 3 or not all(isfinite(number) and number >= 0 for number in numbers):
        raise ValueError(
            f"{text!r} are no prices; give DECODED,PREFILL,CACHED in dollars for a million tokens, as in "
            "0.6,0.15,0.075, or the name of a model that genai-prices lists"
        )
    return TokenPrices(*numbers)


def listed_prices(model: str, url: str | None = None) -> TokenPrices | None:
    """Return the prices of a model as genai-prices lists them, None where it does not.

    Args:
        model: Name of the model.
        url: Base URL of the service that is asked; None takes the provider that the model's name tells.
    """
    try:
        return TokenPrices(*prices_a_million(model, url))
    except (LookupError, ValueError):
        return None


def in_dollars(amount: float) -> str:
    """Return an amount of US dollars as text, with three significant digits where it is less than a dollar."""
    return f"${amount:,.2f}" if amount >= 1 else f"${float(f'{amount:.3g}'):.10f}".rstrip("0").rstrip(".")

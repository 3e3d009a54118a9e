"""Prices of hosted models as the package genai-prices lists them; only this module looks them up."""

MILLION = 1e6
_SAMPLE = 1000
"""Tokens whose price is looked up: few, since some providers charge more for long prompts."""


def listed_cost(
    model: str,
    *,
    prompt: int = 0,
    cached: int = 0,
    written: int = 0,
    decoded: int = 0,
    provider: str | None = None,
    url: str | None = None,
) -> float:
    """Return the cost of a call in US dollars.

    Args:
        model: Name of the model.
        prompt: Tokens of the prompt, the next two included.
        cached: Those of them that were read from the provider's cache.
        written: Those of them that were written into the provider's cache.
        decoded: Tokens decoded.
        provider: The provider's id in genai-prices; None, without `url`, takes the one that the model's name tells.
        url: Base URL of the service, by which genai-prices finds the provider; it takes precedence.

    Raises:
        LookupError: The model is not listed.
        ValueError: It is listed without a price for a kind of token that was used.
    """
    # Imported here: few commands need the list.
    from genai_prices import Usage, calc_price

    tokens = Usage(input_tokens=prompt, cache_read_tokens=cached, cache_write_tokens=written, output_tokens=decoded)
    if url is not None:
        return float(calc_price(tokens, model, provider_api_url=url).total_price)
    return float(calc_price(tokens, model, provider_id=provider).total_price)


def prices_a_million(model: str, url: str | None = None) -> tuple[float, float, float]:
    """Return the prices of a million tokens in US dollars: decoded, of prompts, and of prompts from a cache.

    They are those for short prompts; cached tokens without a price of their own cost as much as others.

    Args:
        model: Name of the model.
        url: Base URL of the service that is asked; None takes the provider that the model's name tells.

    Raises:
        LookupError: The model is not listed, or no provider at this URL.
        ValueError: It is listed without a price of decoded tokens or of prompts.
    """
    scale = MILLION / _SAMPLE
    decoded = scale * listed_cost(model, decoded=_SAMPLE, url=url)
    prefill = scale * listed_cost(model, prompt=_SAMPLE, url=url)
    try:
        return decoded, prefill, scale * listed_cost(model, prompt=_SAMPLE, cached=_SAMPLE, url=url)
    except (LookupError, ValueError):
        return decoded, prefill, prefill

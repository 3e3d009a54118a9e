"""Prices of a served model's tokens, and amounts in dollars."""

import pytest

from graph.analysis.token_prices import TokenPrices, in_dollars, listed_prices, parse_prices


def test_given_prices_are_for_a_million_tokens() -> None:
    prices = parse_prices("0.6, 0.15,0.075")
    assert prices == TokenPrices(0.6, 0.15, 0.075)
    assert prices.dollars(1_000_000, 3_000_000, 2_000_000) == pytest.approx(0.6 + 0.15 + 2 * 0.075)


def test_a_model_has_the_prices_of_the_list() -> None:
    prices = parse_prices("gpt-4o-mini")
    assert prices.decoded > prices.prefill > prices.cached > 0


def test_a_service_has_its_own_prices_and_a_local_server_none() -> None:
    assert listed_prices("gpt-4o-mini", "https://api.openai.com/v1") == parse_prices("gpt-4o-mini")
    assert listed_prices("gpt-4o-mini", "http://127.0.0.1:8001/v1") is None


@pytest.mark.parametrize("text", ["1,2", "1,2,3,4", "1,-2,3", "1,nan,3", "1,inf,3", "a,b,c"])
def test_prices_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="are no prices; give DECODED,PREFILL,CACHED"):
        parse_prices(text)


def test_an_unlisted_model_is_refused() -> None:
    with pytest.raises(ValueError, match="lists no price of the model 'nobody/knows-it'"):
        parse_prices("nobody/knows-it")


@pytest.mark.parametrize(
    ("amount", "text"), [(0, "$0"), (12.5, "$12.50"), (0.0012345, "$0.00123"), (1.5e-9, "$0.0000000015")]
)
def test_small_amounts_keep_their_digits(amount: float, text: str) -> None:
    assert in_dollars(amount) == text

"""Options of the prices at which commands show costs in dollars."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from envdata.live.judge import Judge
from graph.analysis.token_prices import LivePrices, TokenPrices, listed_prices, parse_prices

Command = TypeVar("Command", bound=Callable[..., Any])


class Prices(click.ParamType[TokenPrices]):
    """Prices of tokens (`graph.analysis.token_prices.parse_prices`)."""

    name = "prices"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> TokenPrices:
        """Return the prices, or fail with the reason."""
        if isinstance(value, TokenPrices):
            return value
        try:
            return parse_prices(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def prices_option(command: Command) -> Command:
    """Add the option `--prices`."""
    return click.option(
        "--prices", type=Prices(), metavar="DECODED,PREFILL,CACHED|MODEL",
        help="Show costs in dollars too, at these prices for a million tokens, or at those that genai-prices lists for "
        "a model.",
    )(command)  # fmt: skip


def live_prices_options(command: Command) -> Command:
    """Add the options `--prices` and `--judge-prices`."""
    judge = click.option(
        "--judge-prices", type=Prices(), metavar="DECODED,PREFILL,CACHED|MODEL",
        help="With --prices: those of the judge's tokens.  [default: as genai-prices lists its model at its server]",
    )  # fmt: skip
    return prices_option(judge(command))


def make_live_prices(given: dict[str, Any], judge: Judge | None) -> LivePrices | None:
    """Return the prices that the options give, None without --prices. Raises click.UsageError."""
    own, of_judge = given["prices"], given["judge_prices"]
    if of_judge is not None and judge is None:
        raise click.UsageError("--judge-prices are for the tokens of a judge; name it with --judge")
    if of_judge is not None and own is None:
        raise click.UsageError("--judge-prices are added to --prices; give those of the model too")
    if own is None:
        return None
    if of_judge is None and judge is not None:
        of_judge = listed_prices(judge.spec.model, judge.client.url)
    return LivePrices(own, of_judge)

"""Options and values that several commands share."""

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

from envdata.episodes import MAX_BRANCHES, Terms
from envdata.orders import ORDERS
from sandbox.backends.base import Limits
from sandbox.constraints import Constraints
from sandbox.playing import Settings

NO_CEILING = 1 << 20
"""More branches than any grid has."""

Command = TypeVar("Command", bound=Callable[..., Any])


class Betas(click.ParamType[tuple[float, ...]]):
    """Values of β: `0,0.5,1`, or `0:1:0.1` for a range with both ends."""

    name = "betas"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """Ascending distinct values in 0 … 1."""
        if isinstance(value, tuple):
            return value
        try:
            betas = _range(value) if ":" in value else [float(part) for part in value.split(",")]
        except ValueError:
            self.fail(f"{value!r} is neither a list like 0,0.5,1 nor a range like 0:1:0.1", param, ctx)
        outside = [beta for beta in betas if not 0 <= beta <= 1]
        if outside:
            self.fail(f"{value!r}: β = {outside[0]:g} is outside 0 … 1", param, ctx)
        return tuple(sorted(set(betas)))


class ProbeCost(click.ParamType[int | None]):
    """κ_probe: a number of tokens, or `recorded` for the grid's own costs."""

    name = "tokens|recorded"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        """None stands for the recorded costs."""
        if value is None or isinstance(value, int):
            return value
        if value == "recorded":
            return None
        if not str(value).isdigit():
            self.fail(f"{value!r} is neither a whole number of tokens nor 'recorded'", param, ctx)
        return int(value)


def _range(value: str) -> list[float]:
    first, last, step = (float(part) for part in value.split(":"))
    if step <= 0 or last < first:
        raise ValueError
    count = round((last - first) / step)
    # Rounded, so that 0:1:0.1 holds 0.3 and not 0.30000000000000004.
    return [round(first + i * step, 10) for i in range(count + 1) if first + i * step <= last + 1e-9]


def evaluation_options(command: Command) -> Command:
    """The options that say on what terms, how often and where episodes are played."""
    for option in reversed(
        [
            click.option("--repeats", type=click.IntRange(1), default=100, show_default=True, help="Branch orders."),
            click.option("--seed", type=int, default=0, show_default=True, help="Repeat r uses the seed plus r."),
            click.option(
                "--order", type=click.Choice(list(ORDERS)), default="published", show_default=True,
                help="How branches are ordered; balanced: fewer repeats for the same precision.",
            ),
            click.option("--budget", type=click.IntRange(1), help="Tokens an episode may spend.  [default: no limit]"),
            click.option("--max-tokens", type=click.IntRange(1),
                         help="As --budget; a controller that breaks it answers with the vote so far, and has not "
                         "failed."),
            click.option("--min-branches", type=click.IntRange(0), default=0, show_default=True,
                         help="Branches that an answer rests on; missing ones are read to their ends, and all vote."),
            click.option(
                "--max-branches", type=click.IntRange(1), show_default=f"{MAX_BRANCHES}; with --api autotts all",
                help="Branches that an episode may open.",
            ),
            click.option(
                "--probe-cost", type=ProbeCost(), default="0", show_default=True, help="What a probe costs.",
            ),
            click.option(
                "--sandbox", default="auto", show_default=True, metavar="auto|docker|bubblewrap|process",
                help="How controllers are isolated.",
            ),
            click.option("--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, show_default="cores"),
            click.option(
                "--api", type=click.Choice(["native", "autotts"]), default="native", show_default=True,
                help="What controllers are written against; autotts: the public AutoTTS release.",
            ),
            click.option("--show-answers", is_flag=True, help="Let controllers see the answers' strings."),
        ]
    ):  # fmt: skip
        command = option(command)
    return command


def make_settings(
    *,
    seed: int,
    order: str,
    budget: int | None,
    max_branches: int | None,
    probe_cost: int | None,
    api: str,
    show_answers: bool,
    max_tokens: int | None = None,
    min_branches: int = 0,
) -> Settings:
    """Evaluation settings from what `evaluation_options` parsed.

    The release's controllers see answers as strings, have no branch ceiling, and may ask a finished branch again.
    Raises ValueError for what cannot be.
    """
    release = api == "autotts"
    constraints = Constraints(max_tokens, min_branches)
    if release and constraints != Constraints():
        raise ValueError("--max-tokens and --min-branches are for controllers of the native API; leave --api away")
    terms = Terms(
        max_branches=max_branches or (NO_CEILING if release else MAX_BRANCHES),
        budget=budget,
        probe_cost=probe_cost,
        repeats_last=release,
    )
    return Settings(
        terms=constraints.around(terms),
        limits=Limits(),
        seed=seed,
        order=order,
        api=api,
        show_answers=show_answers or release,
        constraints=constraints,
    )

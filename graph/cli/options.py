"""Options of the commands that evaluate controllers, and the evaluation settings made from them."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from envdata.episodes import MAX_BRANCHES, Terms
from graph.cli.setting_options import setting_option
from graph.run.settings import SETTINGS
from sandbox.backends.base import Limits
from sandbox.constraints import Constraints
from sandbox.executors import EXECUTORS
from sandbox.replay_player import EvaluationSettings
from sandbox.run_secret import load_secret, new_secret
from sandbox.trial import GIVE_UP_AFTER

NO_CEILING = 1 << 20
"""Limit on the branches of an episode that no grid reaches."""

Command = TypeVar("Command", bound=Callable[..., Any])


secret_option = click.option(
    "--secret", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Source of random numbers in controllers; created if it does not exist.  [default: a new one]",
)  # fmt: skip
give_up_option = click.option(
    "--give-up-after", type=click.IntRange(1), default=GIVE_UP_AFTER, show_default=True, metavar="FAILURES",
    help="Episodes of a trial, spread over β; if all fail on a grid, the controller's others there count as failed "
    "without being played.",
)  # fmt: skip
"""Number of episodes after which a controller that failed in all of them is given up."""

executor_option = click.option(
    "--executor", type=click.Choice(EXECUTORS), default="local", show_default=True,
    help="Where episodes are played: in --jobs processes here, or on a Ray cluster's nodes.",
)  # fmt: skip


def evaluation_options(command: Command) -> Command:
    """Add the options for grids, β, repeats, the terms of an episode, and the sandbox."""
    for option in reversed(
        [
            setting_option(SETTINGS["grids"], required=True, help="A replay grid; may be given again."),
            setting_option(SETTINGS["betas"]),
            setting_option(SETTINGS["repeats"], default=100, help="Branch orders."),
            setting_option(SETTINGS["seed"], help="Repeat r uses the seed plus r."),
            secret_option,
            setting_option(
                SETTINGS["order"], default="published",
                help="How branches are ordered; balanced: fewer repeats for the same precision.",
            ),
            setting_option(SETTINGS["budget"]),
            click.option("--max-tokens", type=click.IntRange(1),
                         help="As --budget; a controller that breaks it answers with the vote so far, and has not "
                         "failed."),
            click.option("--min-branches", type=click.IntRange(0), default=0, show_default=True,
                         help="Branches that an answer needs; missing ones are read to their ends, and all vote."),
            setting_option(
                SETTINGS["max_branches"], default=None, show_default=f"{MAX_BRANCHES}; with --api autotts all",
            ),
            setting_option(SETTINGS["probe_cost"]),
            setting_option(SETTINGS["prefill_weight"]),
            setting_option(SETTINGS["max_source"]),
            setting_option(SETTINGS["sandbox"]),
            click.option("--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, show_default="cores"),
            executor_option,
            click.option(
                "--api", type=click.Choice(["native", "autotts"]), default="native", show_default=True,
                help="The API of the controllers; autotts: the public AutoTTS release's.",
            ),
            click.option("--show-answers", is_flag=True, help="Let controllers see the answers' strings."),
        ]
    ):  # fmt: skip
        command = option(command)
    return command


def make_evaluation_settings(
    *,
    seed: int,
    order: str,
    budget: int | None,
    max_branches: int | None,
    probe_cost: int | None,
    prefill_weight: float,
    api: str,
    show_answers: bool,
    secret: Path | None = None,
    max_source: int = Limits.source_bytes,
    max_tokens: int | None = None,
    min_branches: int = 0,
) -> EvaluationSettings:
    """Return evaluation settings from the values that `evaluation_options` parsed.

    Controllers of the public release see answers as strings, may open every branch of a grid, and may ask a finished
    branch again.

    Raises:
        click.UsageError: a value is impossible, or one that the release's controllers do not have is given with `api`.
    """
    release = api == "autotts"
    constraints = Constraints(max_tokens, min_branches)
    if release and constraints != Constraints():
        raise click.UsageError(
            "--max-tokens and --min-branches are for controllers of the native API; leave --api away"
        )
    try:
        terms = Terms(
            max_branches=max_branches or (NO_CEILING if release else MAX_BRANCHES),
            budget=budget,
            probe_cost=probe_cost,
            prefill_weight=prefill_weight,
            repeats_last=release,
        )
        return EvaluationSettings(
            terms=constraints.around(terms),
            limits=Limits(source_bytes=max_source),
            seed=seed,
            secret=new_secret() if secret is None else load_secret(secret),
            order=order,
            api=api,
            show_answers=show_answers or release,
            constraints=constraints,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None

"""Options for the model's prompt, sampling, probes and answers: collecting grids and solving questions share them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from envdata.collect.answer_rules import ANSWER_RULES
from envdata.collect.engine import Sampling
from graph.cli.plugin_names import PluginName

Decorator = Callable[[Any], Any]

TEXT_CLOSING = r"\nAnswer:"
"""Default closing of a plain text, as it is typed in a shell."""
BOXED_CLOSING = r"\n\nThe final answer is \boxed{"
"""Default closing with a chat template or with thinking, likewise."""


def query_options(interval: Decorator, chat: Decorator) -> Decorator:
    """Return a decorator that adds the options of a model query to a command.

    Args:
        interval: The option `--interval`, which has another default in each command.
        chat: The option `--chat`, likewise.
    """

    def add(command: Any) -> Any:
        for option in reversed(
            [
                interval,
                click.option("--temperature", type=click.FloatRange(0),
                             help="Sampling temperature.  [default: the model's]"),
                click.option("--top-p", type=click.FloatRange(0, 1, min_open=True),
                             help="Probability mass of nucleus sampling.  [default: the model's]"),
                click.option("--top-k", type=click.IntRange(1),
                             help="Number of tokens that sampling chooses from.  [default: the model's]"),
                click.option("--min-p", type=click.FloatRange(0, 1),
                             help="Least probability relative to the likeliest token's.  [default: the model's]"),
                click.option("--max-tokens", default=Sampling.max_tokens, show_default=True, type=click.IntRange(1),
                             help="Longest trace."),
                click.option("--stop", multiple=True,
                             help=r"Text that ends a trace; \n is a line end. May be repeated."),
                click.option("--closing", help=rf"Text that makes a cut trace answer.  [default: {TEXT_CLOSING}, with "
                             rf"--chat {BOXED_CLOSING}]"),
                click.option("--marker", help="Text before an answer, where that is not the closing's last line."),
                click.option("--answers", type=PluginName(ANSWER_RULES), help="How answers are read and compared.  "
                             r"[default: math after \boxed{, else number]"),
                click.option("--probe-tokens", type=click.IntRange(1),
                             help=r"Longest probe.  [default: 8, after \boxed{ 32]"),
                click.option("--probe-stop", multiple=True, default=(r"\n",), show_default=True,
                             help="Text that ends a probe."),
                click.option("--template", type=click.Path(exists=True, dir_okay=False, path_type=Path),
                             help="Prompt, or with --chat the user's message, with {question} in it."),
                chat,
                click.option("--system", help="System prompt, with --chat."),
                click.option("--begin", default="",
                             help="Start of the model's reply, with --chat."),
                click.option("--chat-arg", "chat_args", multiple=True, metavar="NAME=VALUE",
                             help="A variable of the chat template, such as enable_thinking=true."),
                click.option("--chat-template", type=click.Path(exists=True, path_type=Path),
                             help="The chat template, where the server has none: a Jinja file, or a model's folder."),
                click.option("--think", nargs=2, metavar="START END", help="Tags around a reasoning model's "
                             "thinking, such as '<think>' '</think>': its answer follows END."),
            ]
        ):  # fmt: skip
            command = option(command)
        return command

    return add

"""Options of the commands in which a controller works on a live model, and the objects made from them."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, get_args

import click
from click.core import ParameterSource

from envdata.collect.chat_streams import ChatStreams
from envdata.collect.engine import CollectError, Engine
from envdata.collect.server_keys import ANTHROPIC_KEY, OPENAI_KEY
from envdata.episodes import Terms
from envdata.grid import Grid
from envdata.live.model import INTERVAL, LiveSettings
from graph.cli.collect import check_keys, make_collection_settings, parse_name_values, read_template
from graph.cli.foreign_text import echo
from graph.cli.query_options import query_options
from graph.cli.setting_options import setting_option
from graph.run.settings import SETTINGS
from sandbox.live import SolveError, Solver
from sandbox.live.api import ServerProtocol

Command = TypeVar("Command", bound=Callable[..., Any])

_file = click.Path(exists=True, dir_okay=False, path_type=Path)


def model_options(server: str, *, timeout: float = 300.0) -> Callable[[Command], Command]:
    """Return a decorator that adds the options of the model.

    Args:
        server: Flag for its URL, such as `--server`.
        timeout: Default of the time that a request may take, in seconds.
    """

    def add(command: Command) -> Command:
        for option in reversed(
            [
                click.option(server, "server", metavar="URL", help="An OpenAI-compatible server, as "
                             "http://127.0.0.1:8000/v1; its key is read from AUTOTTS_SERVER_KEY, else OPENAI_API_KEY, "
                             "which goes to OpenAI alone if it is OpenAI's."),
                click.option("--fallback", "fallbacks", multiple=True, metavar="URL",
                             help="A further server of the same model, which is asked when the one before does not "
                             "answer; may be repeated. Its key is read from AUTOTTS_FALLBACK_KEY, else it gets the "
                             "server's, unless that is a provider's own."),
                click.option("--protocol", type=click.Choice(get_args(ServerProtocol)), default="auto",
                             show_default=True, help="auto: continue partial answers where the server can, else stream "
                             "whole ones; chat: stream chat completions, without probes; anthropic: likewise, by "
                             "Anthropic's Messages API, with ANTHROPIC_API_KEY in place of OPENAI_API_KEY."),
                click.option("--vllm", is_flag=True, help="Run the model here instead, with vLLM in this process."),
                click.option("--model", required=True, help="The model's name there; for --vllm its name or folder."),
                click.option("--vllm-arg", "vllm_args", multiple=True, metavar="NAME=VALUE",
                             help="An argument of vLLM's LLM, such as max_model_len=8192."),
                click.option("--concurrency", default=256, show_default=True, type=click.IntRange(1),
                             help="Requests to the server at a time; others wait here, where their time does not count "
                             "yet."),
                click.option("--timeout", default=timeout, show_default=True, type=click.FloatRange(0.1),
                             help="Seconds that a request to the model may take, with its retries."),
                click.option("--retries", default=4, show_default=True, type=click.IntRange(0),
                             help="Retries of a request that a busy or broken server refused."),
            ]
        ):  # fmt: skip
            command = option(command)
        return command

    return add


def live_query_options(command: Command) -> Command:
    """Add the options for prompts, intervals, probes and answers, under the names of `autotts grid collect`."""
    for option in reversed(
        [
            click.option("--like", metavar="GRID", help="Ask as this grid was collected; excludes the options "
                         "below."),
            click.option("--family", help="With --like: one of the grid's several prompts.  [default: that of each "
                         "question's family]"),
            query_options(
                click.option("--interval", type=click.IntRange(1), help=f"Δ in tokens.  [default: {INTERVAL}]"),
                click.option("--chat/--no-chat", default=True, show_default=True,
                             help="Ask through the chat template."),
            ),
        ]
    ):  # fmt: skip
        command = option(command)
    return command


def episode_options(command: Command) -> Command:
    """Add the options for the terms of an episode and its sandbox."""
    for option in reversed(
        [
            setting_option(SETTINGS["budget"]),
            setting_option(SETTINGS["max_branches"]),
            setting_option(SETTINGS["probe_cost"], help="Cost of a probe; recorded: as the server counted it."),
            click.option("--seconds", type=click.FloatRange(0.1), help="Time limit per question."),
            setting_option(SETTINGS["sandbox"]),
        ]
    ):  # fmt: skip
        command = option(command)
    return command


def failure_option(command: Command) -> Command:
    """Add the option for the result of an episode that fails."""
    return click.option(
        "--on-failure", type=click.Choice(["raise", "majority"]), default="raise", show_default=True,
        help="If the model or the controller fails, or time runs out: an error, or the majority of the answers so far.",
    )(command)  # fmt: skip


def make_live_settings(given: dict[str, Any]) -> LiveSettings:
    """Return the live settings that the options give. Raises ClickException for options that cannot be combined."""
    if given["family"] and not given["like"]:
        raise click.UsageError("--family chooses among a grid's prompts; give the grid with --like")
    try:
        if given["like"]:
            _check_no_query_option()
            return LiveSettings.like(Grid.load(given["like"]).provenance, given["family"])
        settings = make_collection_settings(
            {**given, "probes": True, "branches": 1, "seed": 0, "text": True, "interval": given["interval"] or INTERVAL}
        )
        return LiveSettings.of(settings, read_template(given["template"]))
    except ValueError as error:
        raise click.ClickException(str(error)) from None


_QUERY_PARAMETERS = (
    "chat", "template", "system", "begin", "chat_args", "think", "interval", "temperature", "top_p", "top_k", "min_p",
    "max_tokens", "stop", "closing", "marker", "answers", "probe_tokens", "probe_stop",
)  # fmt: skip
"""Parameters of the options that --like excludes."""


def _check_no_query_option() -> None:
    """Raise UsageError if an option is given that --like takes from the grid."""
    context = click.get_current_context()
    for name in _QUERY_PARAMETERS:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            option = next(parameter for parameter in context.command.params if parameter.name == name)
            raise click.UsageError(f"{option.opts[0]} and --like both say how the model is asked; leave one out")


def make_engine(given: dict[str, Any]) -> Engine | ChatStreams:
    """Return the engine that the options name; it counts tokens per episode. Raises ClickException."""
    from envdata.collect.chat_template import ChatTemplate
    from sandbox.live.api import served

    if given["vllm"] and given["fallbacks"]:
        raise click.UsageError("--fallback is for a model that is served, not for --vllm")
    if bool(given["server"]) == given["vllm"]:
        raise click.UsageError("give the URL of a server for a model that is served, or --vllm to run it here")
    if given["protocol"] != "auto":
        ignored = [flag for flag, value in (("--vllm", given["vllm"]), ("--chat-template", given.get("chat_template")))
                   if value]  # fmt: skip
        if ignored:
            raise click.UsageError(
                f"--protocol {given['protocol']} has a server stream, and makes no use of {ignored[0]}"
            )
    try:
        template = ChatTemplate.load(given["chat_template"]) if given.get("chat_template") else None
    except CollectError as error:
        raise click.ClickException(str(error)) from None
    if given["vllm"]:
        from envdata.collect.vllm_engine import VLLMEngine
        from envdata.live.metering import count_per_episode

        engine = VLLMEngine(given["model"], parse_name_values(given["vllm_args"]), template=template)
        count_per_episode(engine)
        return engine
    if given["vllm_args"]:
        raise click.UsageError("--vllm-arg is for --vllm")
    if given["protocol"] == "anthropic" and given["fallbacks"]:
        raise click.UsageError("--fallback is for servers of the OpenAI API, not for --protocol anthropic")
    check_keys(ANTHROPIC_KEY if given["protocol"] == "anthropic" else OPENAI_KEY)
    return served(
        given["server"], given["model"], timeout=given["timeout"], retries=given["retries"],
        template=template, protocol=given["protocol"], concurrency=given["concurrency"], fallbacks=given["fallbacks"],
    )  # fmt: skip


def say_fallbacks(solver: Solver) -> None:
    """Print how many requests a fallback answered, if any."""
    if solver.fallback_requests:
        echo(f"{solver.fallback_requests:,} requests were answered by a server of --fallback", err=True)


def say_if_streams(solver: Solver) -> None:
    """Print which shipped controllers can run where the started model's server only streams."""
    if solver.model.streams is not None and not solver.model.probes:
        able = ", ".join(solver.runnable())
        echo(f"this server only streams answers, so nothing can be probed; controllers that can run: {able}", err=True)


def make_terms(given: dict[str, Any]) -> Terms:
    """Return the terms of an episode: its most branches, its budget and the cost of a probe, both in tokens."""
    return Terms(given["max_branches"], given["budget"], given["probe_cost"])


@contextlib.contextmanager
def live_errors() -> Iterator[None]:
    """Convert errors of the model, the controller and the settings into ClickException, with the tokens generated."""
    try:
        yield
    except SolveError as error:
        spent = error.solution.cost.generated
        raise click.ClickException(f"{error} ({spent:,} tokens were generated until then)") from None
    except (CollectError, ValueError) as error:
        raise click.ClickException(str(error)) from None

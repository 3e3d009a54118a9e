"""Options of the commands that let a controller work on a live model."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from envdata.collect.engine import CollectError, Engine
from envdata.episodes import MAX_BRANCHES, Terms
from envdata.grid import Grid
from envdata.live.model import INTERVAL, Asking
from graph.cli.collect import make_settings, pairs
from graph.cli.options import ProbeCost
from sandbox.solving import SolveError

Command = TypeVar("Command", bound=Callable[..., Any])

_file = click.Path(exists=True, dir_okay=False, path_type=Path)


def model_options(server: str) -> Callable[[Command], Command]:
    """Where the model is; `server` is what the option for its URL is called."""

    def add(command: Command) -> Command:
        for option in reversed(
            [
                click.option(server, "server", metavar="URL", help="An OpenAI-compatible server that can continue a "
                             "partial answer, as http://127.0.0.1:8000/v1; its key is read from OPENAI_API_KEY."),
                click.option("--vllm", is_flag=True, help="Run the model here instead, with vLLM in this process."),
                click.option("--model", required=True, help="The model's name there; for --vllm its name or folder."),
                click.option("--vllm-arg", "vllm_args", multiple=True, metavar="NAME=VALUE",
                             help="An argument of vLLM's LLM, such as max_model_len=8192."),
                click.option("--timeout", default=300.0, show_default=True, type=click.FloatRange(0.1),
                             help="Seconds a request to the model may take, with all that is made again."),
                click.option("--retries", default=4, show_default=True, type=click.IntRange(0),
                             help="How often a request that a busy or broken server refused is made again."),
            ]
        ):  # fmt: skip
            command = option(command)
        return command

    return add


def asking_options(command: Command) -> Command:
    """How the model is asked, cut, probed and read; the names are those of `autotts grid collect`."""
    for option in reversed(
        [
            click.option("--like", type=_file, metavar="GRID", help="Ask as this grid was collected; the options below "
                         "are then not given."),
            click.option("--family", help="With --like: which of the grid's several prompts."),
            click.option("--chat/--no-chat", default=True, show_default=True, help="Ask through the chat template."),
            click.option("--template", type=_file, help="User's message, with --no-chat the whole prompt, with "
                         "{question} in it."),
            click.option("--system", help="System prompt."),
            click.option("--begin", default="", help="Start of the answer, put into the model's mouth."),
            click.option("--chat-arg", "chat_args", multiple=True, metavar="NAME=VALUE",
                         help="A variable of the chat template, such as enable_thinking=true."),
            click.option("--chat-template", type=click.Path(exists=True, path_type=Path),
                         help="The chat template, where the server has none: a Jinja file, or a model's folder."),
            click.option("--think", nargs=2, metavar="START END", help="The tags that the model thinks between."),
            click.option("--interval", type=click.IntRange(1), help=f"Δ in tokens.  [default: {INTERVAL}]"),
            click.option("--temperature", type=click.FloatRange(0), help="The model's own unless given."),
            click.option("--top-p", type=click.FloatRange(0, 1, min_open=True), help="Likewise."),
            click.option("--top-k", type=click.IntRange(1), help="Likewise."),
            click.option("--min-p", type=click.FloatRange(0, 1), help="Likewise."),
            click.option("--max-tokens", default=2048, show_default=True, type=click.IntRange(1),
                         help="Longest trace."),
            click.option("--stop", multiple=True, help=r"Text that ends a trace; \n is a line end. May be repeated."),
            click.option("--closing", help="What makes a cut trace answer."),
            click.option("--marker", help="What an answer follows, where that is not the closing's last line."),
            click.option("--answers", type=click.Choice(["math", "number", "exact"]), help="How answers are compared."),
            click.option("--probe-tokens", type=click.IntRange(1), help="Longest probe."),
            click.option("--probe-stop", multiple=True, default=(r"\n",), show_default=True,
                         help="Text that ends a probe."),
        ]
    ):  # fmt: skip
        command = option(command)
    return command


def episode_options(command: Command) -> Command:
    """On what terms an episode is played, and what happens if it fails."""
    for option in reversed(
        [
            click.option("--budget", type=click.IntRange(1), help="Tokens an episode may spend.  [default: no limit]"),
            click.option("--max-branches", type=click.IntRange(1), default=MAX_BRANCHES, show_default=True,
                         help="Branches that an episode may open."),
            click.option("--probe-cost", type=ProbeCost(), default="0", show_default=True,
                         help="What a probe is charged; recorded: what the server counted."),
            click.option("--seconds", type=click.FloatRange(0.1), help="Longest time of a question."),
            click.option("--on-failure", type=click.Choice(["raise", "majority"]), default="raise", show_default=True,
                         help="If the model, the controller or the time fails: an error, or the majority of what there "
                         "is."),
            click.option("--sandbox", default="auto", show_default=True, metavar="auto|docker|bubblewrap|process",
                         help="How the controller is isolated."),
        ]
    ):  # fmt: skip
        command = option(command)
    return command


def make_asking(given: dict[str, Any]) -> Asking:
    """What the options say of asking; raises ClickException for what cannot be."""
    if given["family"] and not given["like"]:
        raise click.UsageError("--family chooses among a grid's prompts; give the grid with --like")
    try:
        if given["like"]:
            _check_alone()
            return Asking.like(Grid.load(given["like"]).provenance, given["family"])
        template: Path | None = given["template"]
        settings = make_settings(
            {**given, "probes": True, "branches": 1, "seed": 0, "text": True, "interval": given["interval"] or INTERVAL}
        )
        return Asking.of(settings, template.read_text("utf-8") if template else None)
    except ValueError as error:
        raise click.ClickException(str(error)) from None


_ASKED = (
    "chat", "template", "system", "begin", "chat_args", "think", "interval", "temperature", "top_p", "top_k", "min_p",
    "max_tokens", "stop", "closing", "marker", "answers", "probe_tokens", "probe_stop",
)  # fmt: skip


def _check_alone() -> None:
    """Raise UsageError where an option says what a grid says already."""
    context = click.get_current_context()
    for name in _ASKED:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            option = next(parameter for parameter in context.command.params if parameter.name == name)
            raise click.UsageError(f"{option.opts[0]} and --like both say how the model is asked; leave one out")


def make_engine(given: dict[str, Any]) -> Engine:
    """The model that the options name, counting for its episodes; raises ClickException."""
    from envdata.collect.chat_template import ChatTemplate
    from sandbox.solving.two_lines import served

    if bool(given["server"]) == given["vllm"]:
        raise click.UsageError("give the URL of a server for a model that is served, or --vllm to run it here")
    try:
        template = ChatTemplate.load(given["chat_template"]) if given.get("chat_template") else None
    except CollectError as error:
        raise click.ClickException(str(error)) from None
    if given["vllm"]:
        from envdata.collect.vllm_engine import VLLMEngine
        from envdata.live.metering import metered

        engine = VLLMEngine(given["model"], pairs(given["vllm_args"]), template=template)
        metered(engine)
        return engine
    if given["vllm_args"]:
        raise click.UsageError("--vllm-arg is for --vllm")
    return served(
        given["server"], given["model"], timeout=given["timeout"], retries=given["retries"], template=template
    )  # fmt: skip


def make_terms(given: dict[str, Any]) -> Terms:
    """Budget, branches and κ."""
    return Terms(given["max_branches"], given["budget"], given["probe_cost"])


@contextlib.contextmanager
def clear_errors() -> Iterator[None]:
    """What a user can mend ends in one line."""
    try:
        yield
    except SolveError as error:
        spent = error.solution.cost.generated
        raise click.ClickException(f"{error} ({spent:,} tokens were generated until then)") from None
    except (CollectError, ValueError) as error:
        raise click.ClickException(str(error)) from None

"""Options of `autotts discover` that say who explores, what that may cost, and which ablation is run."""

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click

from graph.settings import EFFORTS, THINKING, Conduct, RunSettings

Command = TypeVar("Command", bound=Callable[..., Any])


class Price(click.ParamType[tuple[float, float] | None]):
    """US dollars for a million tokens, in and out: `3,15`."""

    name = "in,out"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float] | None:
        """Two numbers, neither below 0."""
        if value is None or isinstance(value, tuple):
            return value
        try:
            into, out = (float(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is not two numbers, dollars for a million tokens in and out, as in 3,15", param, ctx)
        if not (0 <= into < float("inf") and 0 <= out < float("inf")):
            self.fail(f"{value!r}: a price is 0 or more", param, ctx)
        return into, out


class BaseUrl(click.ParamType[str | None]):
    """Where an OpenAI-compatible server answers: `http://127.0.0.1:8000/v1`."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str | None:
        """An http or https address without user, password or query: it is written into `run.toml`."""
        if value is None:
            return None
        try:
            parts = urlsplit(str(value))
            sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            sound = False
        if not sound:
            self.fail("give an address like http://127.0.0.1:8000/v1", param, ctx)
        if "@" in parts.netloc or parts.query or parts.fragment:
            # Not quoted: it may be a key.
            self.fail("leave user, password and query away; a key comes from OPENAI_API_KEY alone", param, ctx)
        return str(value).rstrip("/")


class Thinking(click.ParamType[int | str | None]):
    """Extended thinking: a number of tokens, `adaptive` or `off`."""

    name = "tokens|adaptive|off"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str | None:
        """A number above 0, or one of `THINKING`."""
        if value is None or value in THINKING:
            return None if value is None else str(value)
        try:
            tokens = int(value)
        except (TypeError, ValueError):
            tokens = 0
        if tokens < 1:
            self.fail(f"{value!r} is neither a number of tokens nor {' nor '.join(THINKING)}", param, ctx)
        return tokens


def _flag(name: str, text: str) -> Any:
    return click.option(name, is_flag=True, help=text)


def explorer_options(command: Command) -> Command:
    """Add the options; each is a field of `RunSettings` or of `Conduct` by its name."""
    positive = click.FloatRange(0, min_open=True)
    for option in reversed(
        [
            click.option(
                "--explorer", "explorers", multiple=True, default=RunSettings.explorers, show_default=True,
                metavar="NAME[:…]",
                help="Who writes controllers: evolution, anthropic:MODEL, openai:MODEL, langchain:PROVIDER:MODEL, "
                "vllm:PATH, folder:PATH, recorded:RUN …; several take turns.",
            ),
            _flag("--side-by-side", "Several explorers share each round instead of taking turns."),
            click.option("--critic", metavar="NAME[:…]", help="Who reasons on measurements.  [default: the explorer]"),
            click.option("--base-url", type=BaseUrl(), help="An OpenAI-compatible server for openai:MODEL."),
            click.option("--price", type=Price(), help="Dollars for a million tokens.  [default: looked up]"),
            click.option("--max-cost", type=positive, metavar="DOLLARS", help="What all model calls may cost."),
            click.option("--max-minutes", type=positive, metavar="MINUTES", help="How long the search may take."),
            click.option("--max-tokens", type=click.IntRange(1), help="What all model calls may take, in and out."),
            click.option("--brief-tokens", type=click.IntRange(1), default=RunSettings.brief_tokens, show_default=True,
                         help="What a prompt may have."),
            click.option("--max-output", type=click.IntRange(1), default=RunSettings.max_output, show_default=True,
                         help="Tokens that a reply may have, thinking included."),
            click.option("--thinking", type=Thinking(), help="Extended thinking.  [default: the model's]"),
            click.option("--effort", type=click.Choice(EFFORTS), help="How hard to think.  [default: the model's]"),
            click.option("--temperature", type=click.FloatRange(0), help="Of sampling.  [default: the model's]"),
            _flag("--no-feedback", "Independent samples: every round without history. To compare the search with."),
            _flag("--no-beta", "Ablation: free knobs instead of one β."),
            _flag("--no-traces", "Ablation: without the digest of traces."),
            _flag("--no-critic", "Ablation: briefs without measurements and diagnoses; nobody reasons on them."),
            _flag("--no-history", "Ablation: without what was tried before the last round's best."),
            click.option("--agent-tries", type=click.IntRange(0), default=RunSettings.agent_tries, show_default=True,
                         help="Drafts that a coding agent may have evaluated, a round."),
            click.option("--agent-minutes", type=positive, default=RunSettings.agent_minutes, show_default=True,
                         help="How long a coding agent may work, a round."),
            _flag("--approve", "Stop before each execution of candidates for a person."),
            click.option("--checkpoints", default=RunSettings.checkpoints, show_default=True, metavar="sqlite|URL",
                         help="A PostgreSQL URL keeps them there."),
            click.option("--timeout", type=positive, default=Conduct.timeout, show_default=True, metavar="SECONDS",
                         help="How long a model may be silent."),
            click.option("--retries", type=click.IntRange(0), default=Conduct.retries, show_default=True,
                         help="Of requests that failed for a passing reason."),
            click.option("--at-once", type=click.IntRange(1), default=Conduct.at_once, show_default=True,
                         help="Requests to a model at a time."),
        ]
    ):  # fmt: skip
        command = option(command)
    return command

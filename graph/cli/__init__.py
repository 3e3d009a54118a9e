"""The `autotts` command. Each subcommand's module is imported when it is called, so that `--help` is quick."""

import importlib
import sys
from collections.abc import Sequence
from typing import Any

import click

from graph.cli import streams
from graph.cli.errors import errors_as_click

COMMANDS = {
    "answers": ("graph.cli.answers", "answers_command"),
    "compare": ("graph.cli.compare", "compare_command"),
    "discover": ("graph.cli.discover", "discover_command"),
    "doctor": ("graph.cli.doctor", "doctor_command"),
    "evaluate": ("graph.cli.evaluate", "evaluate_command"),
    "evaluator": ("graph.cli.evaluator", "evaluator_command"),
    "explain": ("graph.cli.explain", "explain_command"),
    "grid": ("graph.cli.grid", "grid_group"),
    "init": ("graph.cli.init", "init_command"),
    "mcp": ("graph.cli.mcp", "mcp_command"),
    "report": ("graph.cli.report", "report_command"),
    "serve": ("graph.cli.serve", "serve_command"),
    "solve": ("graph.cli.solve", "solve_command"),
    "study": ("graph.cli.study", "study_command"),
    "submit": ("graph.cli.submit", "submit_command"),
    "ui": ("graph.cli.report", "ui_command"),
    "sandbox": ("graph.cli.sandbox", "sandbox_group"),
    "validate": ("graph.cli.validate", "validate_command"),
}
"""Module and attribute of each subcommand."""


class LazyGroup(click.Group):
    """Group that lists its commands by name and imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the subcommands, sorted."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a subcommand, importing its module; None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the subcommand that `args` name, with its defaults from `autotts.toml` and the environment set."""
        try:
            name, command, rest = super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            # Click suggests from the commands that were added to a group, and here none is.
            raise click.NoSuchCommand(error.command_name, possibilities=COMMANDS, ctx=ctx) from None
        if name is not None and command is not None:
            from graph.cli.config_file import configure

            configure(ctx, name, command)
        return name, command, rest

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error that a user can correct is printed on one line, without a traceback."""
        with errors_as_click():
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result

    def make_context(self, *arguments: Any, **more: Any) -> click.Context:
        """Parse the command line; `--help` prints during this call."""
        with errors_as_click():
            return super().make_context(*arguments, **more)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=lambda ctx, _, value: _version(ctx, value),
    help="Show the versions of autotts, of Python and of the extras that are installed, and exit.",
)  # fmt: skip
def cli() -> None:
    """Discover, evaluate and use controllers for test-time scaling."""


def _version(context: click.Context, wanted: bool) -> None:
    """Print the versions of the package, of Python and of the installed extras, and end the command."""
    if not wanted or context.resilient_parsing:
        return
    from platform import python_version

    from graph.cli.extras import extras, version

    click.echo(f"autotts, version {version()}\nPython {python_version()}")
    known = list(extras())
    for extra in known:
        if extra.installed:
            click.echo(f"extra {extra.name}: {extra}")
    if absent := [each.name for each in known if not each.installed]:
        click.echo(f"not installed: {', '.join(absent)} (pip install 'autotts[NAME]')")
    context.exit()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the `autotts` command.

    Args:
        arguments: Command line without the program's name; None: that of the process.
    """
    if not streams.prepare():
        print(f"Error: {streams.CLOSED}", file=sys.stderr)
        raise SystemExit(1)
    cli.main(args=None if arguments is None else list(arguments), prog_name="autotts")

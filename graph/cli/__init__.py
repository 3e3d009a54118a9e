"""The `autotts` command. Each subcommand's module is imported when it is called, so that `--help` is quick."""

import importlib
from collections.abc import Sequence
from typing import Any

import click

COMMANDS = {
    "compare": ("graph.cli.compare", "compare_command"),
    "discover": ("graph.cli.discover", "discover_command"),
    "evaluate": ("graph.cli.evaluate", "evaluate_command"),
    "explain": ("graph.cli.explain", "explain_command"),
    "grid": ("graph.cli.grid", "grid_group"),
    "report": ("graph.cli.report", "report_command"),
    "serve": ("graph.cli.serve", "serve_command"),
    "solve": ("graph.cli.solve", "solve_command"),
    "study": ("graph.cli.study", "study_command"),
    "submit": ("graph.cli.submit", "submit_command"),
    "ui": ("graph.cli.ui", "ui_command"),
    "sandbox": ("graph.cli.sandbox", "sandbox_group"),
    "validate": ("graph.cli.validate", "validate_command"),
}
"""Where each subcommand is: module and name."""


class LazyGroup(click.Group):
    """A group whose commands are listed by name and imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, sorted."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module."""
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments name, with its defaults from the file and the environment."""
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None and command is not None:
            from graph.configuration import configure

            configure(ctx, name, command)
        return name, command, rest

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what a user can mend ends in one line, not in a traceback."""
        from graph.cli.errors import USER_ERRORS

        try:
            return super().invoke(ctx)
        except USER_ERRORS as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="autotts")
def cli() -> None:
    """Discover, evaluate and use controllers for test-time scaling."""


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point of the `autotts` command."""
    cli.main(args=None if arguments is None else list(arguments), prog_name="autotts")

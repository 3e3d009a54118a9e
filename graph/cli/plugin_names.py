"""Option type for the name of a plug-in: a built-in one, which help lists, or one of another package."""

from typing import Any

import click

from envdata.plugins import PluginGroup


class PluginName(click.ParamType[str]):
    """Name of a plug-in, which is loaded when the option is parsed, so that a mistake is reported at once."""

    def __init__(self, group: PluginGroup) -> None:
        """Accept the names of `group`; other packages' plug-ins are not looked up before the option is used."""
        self.group, self.name = group, group.kind

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Return the built-in names for the help, followed by NAME for those of other packages."""
        return f"[{'|'.join(self.group.built_in)}|NAME]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name unchanged. Raises click.BadParameter if no plug-in can be loaded under it."""
        try:
            self.group.load(str(value))
        except self.group.error as error:
            self.fail(str(error), param, ctx)
        return str(value)

"""Defaults of the options of every command, from a configuration file and from environment variables.

Precedence: flags, then variables, then the file, then the built-in defaults. The file is `autotts.toml` in the current
folder, or the one that AUTOTTS_CONFIG names. It has a table for each command, with the names of its flags
(`[discover]`, `max_cost = 5`, `[grid.collect]`). The name of a variable is AUTOTTS_, the command and the flag:
AUTOTTS_DISCOVER_MAX_COST. An unknown name is an error: a misspelt cap would otherwise have no effect.

Keys of services are not settings. They are read from variables alone (`envdata.collect.server_keys`).
"""

import os
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from envdata.text_files import TextFileError, read_toml
from graph.run.setting_fields import ConfigurationError, nearest_name, unknown_name_error

PREFIX = "AUTOTTS_"
FILE = "autotts.toml"
CONFIG = "AUTOTTS_CONFIG"
NOT_OPTIONS = ("CONFIG", "CACHE", "STATE", "DOCKER_*", "LIMIT_*", "CGROUP", "SERVER_KEY", "FALLBACK_KEY", "JUDGE_KEY",
               "CI_*", "AGENTS", "PUBLISHED", "REAL_MODEL")  # fmt: skip
"""Variables without the prefix that set no option: of caches, notes on runs, limits of sandboxes, keys, and tests."""
FROM_VARIABLES = "autotts.from_variables"
"""Key of `click.Context.meta` for the names of the parameters that a variable set."""


def configure(context: click.Context, name: str, command: click.Command) -> None:
    """Set the defaults of a command from the file and the environment.

    Args:
        context: Context of the group, whose `default_map` and `meta` are changed.
        name: Name of the command in the group.
        command: The command that will run.

    Raises:
        ConfigurationError: the file or a variable has an unknown name or an impossible value.
    """
    group = context.command
    if not isinstance(group, click.Group):
        return
    path, tables = read_file(os.environ)
    _check_names(path, tables, group.list_commands(context))
    defaults = _defaults_from_file(str(path), name, tables.get(name, {}), command)
    set_by_variable: set[str] = set()
    for variable, value in _setting_variables(os.environ, group.list_commands(context)):
        _set_from_variable(defaults, set_by_variable, variable, value, name, command)
    context.meta[FROM_VARIABLES] = set_by_variable
    context.default_map = {**(context.default_map or {}), name: defaults}


def read_file(environment: Mapping[str, str]) -> tuple[Path, dict[str, Any]]:
    """Return the path and the tables of the configuration file; no tables if the default file does not exist.

    Raises:
        ConfigurationError: the file that AUTOTTS_CONFIG names does not exist, or a file cannot be read.
    """
    named = environment.get(CONFIG)
    path = Path(named or FILE)
    try:
        return path, read_toml(path)
    except FileNotFoundError:
        if named:
            raise ConfigurationError(f"{CONFIG} names {path}, and there is no such file") from None
        return path, {}
    except (OSError, TextFileError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from None


def _defaults_from_file(where: str, name: str, table: Any, command: click.Command) -> dict[str, Any]:
    """Return a table of the file as checked defaults by parameter. Raises ConfigurationError."""
    if not isinstance(table, dict):
        raise ConfigurationError(f"{where}: {name} is a command; give a table, [{name}]")
    defaults: dict[str, Any] = {}
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=name)
        for key, value in table.items():
            sub = command.get_command(context, key)
            if sub is None:
                raise unknown_name_error(f"{where}: [{name}.{key}]", key, command.list_commands(context), "command")
            defaults[key] = _defaults_from_file(where, f"{name}.{key}", value, sub)
        return defaults
    known = options(command)
    for key, value in table.items():
        option = known.get(key.replace("-", "_"))
        if option is None:
            raise unknown_name_error(f"{where}: {key} in [{name}]", key.replace("-", "_"), known, "setting")
        defaults[str(option.name)] = _cast(f"{where}: {key} in [{name}]", option, value, command)
    return defaults


def options(command: click.Command) -> dict[str, click.Option]:
    """Return the options of a command by their names in the file and in variables, which are made from the flags."""
    found = {}
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.name != "help":
            longest = max(parameter.opts, key=len)
            found[longest.lstrip("-").replace("-", "_")] = parameter
    return found


def _setting_variables(environment: Mapping[str, str], commands: Iterable[str]) -> list[tuple[str, str]]:
    """Return the variables that set an option of some command, with their values.

    Raises:
        ConfigurationError: a variable with the prefix names no command.
    """
    heads = {command.upper().replace("-", "_") for command in commands}
    found = []
    for variable, value in sorted(environment.items()):
        if not variable.startswith(PREFIX):
            continue
        rest = variable.removeprefix(PREFIX)
        if any(rest.startswith(other[:-1]) if other.endswith("*") else rest == other for other in NOT_OPTIONS):
            continue
        if not any(rest.startswith(f"{head}_") for head in heads):
            near = nearest_name(rest.partition("_")[0], heads)
            like = f"; did you mean {PREFIX}{near}_…?" if near else ""
            raise ConfigurationError(
                f"{variable} is no setting: settings are {PREFIX}COMMAND_FLAG, as in AUTOTTS_DISCOVER_MAX_COST{like}"
            )
        found.append((variable, value))
    return found


def _set_from_variable(
    defaults: dict[str, Any], names: set[str], variable: str, value: str, name: str, command: click.Command
) -> None:
    """Set the default that a variable gives, if it names an option of this command. Raises ConfigurationError.

    Args:
        defaults: Defaults by parameter, to which the value is added.
        names: Parameters that variables set, to which the option's is added.
        variable: Name of the variable.
        value: Its value.
        name: Name of the command.
        command: The command.
    """
    rest, head = variable.removeprefix(PREFIX), name.upper().replace("-", "_")
    if not rest.startswith(f"{head}_"):
        return
    rest = rest.removeprefix(f"{head}_")
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=name)
        commands = command.list_commands(context)
        for each in commands:
            sub = command.get_command(context, each)
            if sub is not None and rest.startswith(f"{each.upper().replace('-', '_')}_"):
                _set_from_variable(defaults.setdefault(each, {}), names, PREFIX + rest, value, each, sub)
                return
        raise unknown_name_error(variable, rest.partition("_")[0].lower(), commands, "command")
    known = options(command)
    option = known.get(rest.lower())
    if option is None:
        raise unknown_name_error(variable, rest.lower(), known, "setting")
    values: Any = shlex.split(value) if option.multiple else value
    defaults[str(option.name)] = _cast(variable, option, values, command)
    names.add(str(option.name))


def _check_names(path: Path, tables: Mapping[str, Any], commands: list[str]) -> None:
    """Raise ConfigurationError for a table that is named like no command."""
    for name in tables:
        if name not in commands:
            raise unknown_name_error(f"{path}: {name}", name, commands, "command")


def _cast(where: str, option: click.Option, value: Any, command: click.Command) -> Any:
    """Return a value as the type of an option parses it. Raises ConfigurationError, whose text starts with `where`."""
    if isinstance(value, list) and not option.multiple:
        value = ",".join(str(each) for each in value)
    elif option.multiple and not isinstance(value, list):
        value = [value]
    try:
        return option.type_cast_value(click.Context(command), value)
    except click.BadParameter as error:
        raise ConfigurationError(f"{where}: {error.message}") from None

"""Settings from a file and from the environment, for the options of every command.

Precedence: flags, then variables, then the file, then the defaults. The file is `autotts.toml` in the present folder,
or what AUTOTTS_CONFIG names; it has a table a command, with the names of its flags (`[discover]`, `max_cost = 5`,
`[grid.collect]`). Variables are called AUTOTTS_, the command, the flag: AUTOTTS_DISCOVER_MAX_COST. What is not known is
an error, not ignored: a cap that was misspelt would not hold.

Keys of services are no settings. They come from the variables that their SDKs read, and from nowhere else.
"""

import difflib
import os
import shlex
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

PREFIX = "AUTOTTS_"
FILE = "autotts.toml"
CONFIG = "AUTOTTS_CONFIG"
OTHERS = ("CONFIG", "CACHE", "DOCKER_*", "LIMIT_*", "CGROUP", "CI_*", "AGENTS", "PUBLISHED", "REAL_MODEL")
"""Variables that are no options: of the caches, of sandboxes' limits, of the tests."""
FROM_VARIABLES = "autotts.from_variables"
"""Where a command's context keeps the names of parameters that a variable set."""


class ConfigurationError(ValueError):
    """A file or a variable says what cannot be understood; the message names it, and the nearest that can."""


def configure(context: click.Context, name: str, command: click.Command) -> None:
    """Give a group's context the defaults of the command that is about to run. Raises ConfigurationError."""
    group = context.command
    if not isinstance(group, click.Group):
        return
    path, tables = read_file(os.environ)
    _check_names(path, tables, group.list_commands(context))
    said = from_file(str(path), name, tables.get(name, {}), command)
    set_by_variable: set[str] = set()
    for variable, value in _variables(os.environ, group.list_commands(context)):
        _place(said, set_by_variable, variable, value, name, command)
    context.meta[FROM_VARIABLES] = set_by_variable
    context.default_map = {**(context.default_map or {}), name: said}


def read_file(environment: Mapping[str, str]) -> tuple[Path, dict[str, Any]]:
    """The file's path and tables; none if there is no file and none was named. Raises ConfigurationError."""
    named = environment.get(CONFIG)
    path = Path(named or FILE)
    try:
        return path, tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if named:
            raise ConfigurationError(f"{CONFIG} names {path}, and there is no such file") from None
        return path, {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from None


def from_file(where: str, name: str, table: Any, command: click.Command) -> dict[str, Any]:
    """A table as defaults by parameter, checked. Raises ConfigurationError."""
    if not isinstance(table, dict):
        raise ConfigurationError(f"{where}: {name} is a command; give a table, [{name}]")
    said: dict[str, Any] = {}
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=name)
        for key, value in table.items():
            sub = command.get_command(context, key)
            if sub is None:
                raise _unknown(f"{where}: [{name}.{key}]", key, command.list_commands(context), "command")
            said[key] = from_file(where, f"{name}.{key}", value, sub)
        return said
    known = options(command)
    for key, value in table.items():
        option = known.get(key.replace("-", "_"))
        if option is None:
            raise _unknown(f"{where}: {key} in [{name}]", key.replace("-", "_"), known, "setting")
        said[str(option.name)] = _cast(f"{where}: {key} in [{name}]", option, value, command)
    return said


def options(command: click.Command) -> dict[str, click.Option]:
    """The options of a command by the names that files and variables have for them: those of the flags."""
    found = {}
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.name != "help":
            longest = max(parameter.opts, key=len)
            found[longest.lstrip("-").replace("-", "_")] = parameter
    return found


def _variables(environment: Mapping[str, str], commands: Iterable[str]) -> list[tuple[str, str]]:
    """Variables that are settings, and the words behind the prefix. Raises ConfigurationError for what is none."""
    heads = {command.upper().replace("-", "_") for command in commands}
    found = []
    for variable, value in sorted(environment.items()):
        if not variable.startswith(PREFIX):
            continue
        rest = variable.removeprefix(PREFIX)
        if any(rest.startswith(other[:-1]) if other.endswith("*") else rest == other for other in OTHERS):
            continue
        if not any(rest.startswith(f"{head}_") for head in heads):
            near = _nearest(rest.partition("_")[0], heads)
            like = f"; did you mean {PREFIX}{near}_…?" if near else ""
            raise ConfigurationError(
                f"{variable} is no setting: settings are {PREFIX}COMMAND_FLAG, as in AUTOTTS_DISCOVER_MAX_COST{like}"
            )
        found.append((variable, value))
    return found


def _place(said: dict[str, Any], names: set[str], variable: str, value: str, name: str, command: click.Command) -> None:
    """Put a variable's value where its option is, if it is one of this command's."""
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
                _place(said.setdefault(each, {}), names, PREFIX + rest, value, each, sub)
                return
        raise _unknown(variable, rest.partition("_")[0].lower(), commands, "command")
    known = options(command)
    option = known.get(rest.lower())
    if option is None:
        raise _unknown(variable, rest.lower(), known, "setting")
    given: Any = shlex.split(value) if option.multiple else value
    said[str(option.name)] = _cast(variable, option, given, command)
    names.add(str(option.name))


def _check_names(path: Path, tables: Mapping[str, Any], commands: list[str]) -> None:
    for name in tables:
        if name not in commands:
            raise _unknown(f"{path}: {name}", name, commands, "command")


def _cast(where: str, option: click.Option, value: Any, command: click.Command) -> Any:
    if isinstance(value, list) and not option.multiple:
        value = ",".join(str(each) for each in value)
    elif option.multiple and not isinstance(value, list):
        value = [value]
    try:
        return option.type_cast_value(click.Context(command), value)
    except click.BadParameter as error:
        raise ConfigurationError(f"{where}: {error.message}") from None


def _unknown(where: str, name: str, known: Iterable[str], what: str) -> ConfigurationError:
    """Without the value: what is misspelt may be a key."""
    names = sorted(known)
    near = _nearest(name, names)
    like = f"; did you mean {near}?" if near else f"; there are {', '.join(names)}"
    key = "; keys come from the environment alone, by the names that their services give them" if "key" in name else ""
    return ConfigurationError(f"{where} is no {what}{key or like}")


def _nearest(name: str, known: Iterable[str]) -> str | None:
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return found[0] if found else None

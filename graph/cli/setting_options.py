"""Command-line options, made from the fields of settings models."""

from collections.abc import Callable
from typing import Any, TypeVar

import click
from pydantic import AfterValidator, BaseModel, BeforeValidator

from graph.run.files import RunError
from graph.run.setting_fields import Setting, settings_of

Command = TypeVar("Command", bound=Callable[..., Any])
Decorator = Callable[[Command], Command]


class SettingType(click.ParamType[Any]):
    """Option type whose values are parsed by the validators of a setting."""

    def __init__(self, setting: Setting) -> None:
        """Parse values of `setting`."""
        self.name = "text"
        self._setting = setting

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the value as the settings model has it. Raises click.BadParameter."""
        try:
            return self._setting.check(value)
        except RunError as error:
            self.fail(str(error).removeprefix(f"{self._setting.key}: "), param, ctx)


def setting_options(*models: type[BaseModel]) -> Decorator[Any]:
    """Return a decorator that adds an option for every field of some models, in order, under the field's name."""
    settings = [setting for model in models for setting in settings_of(model).values()]

    def decorate(command: Command) -> Command:
        for setting in reversed(settings):
            command = setting_option(setting)(command)
        return command

    return decorate


def setting_option(setting: Setting, **changed: Any) -> Decorator[Any]:
    """Return the option of a setting as a decorator.

    Args:
        setting: The setting.
        **changed: Arguments of `click.option` in place of those that follow from the setting.
    """
    option, default = setting.option, None if setting.info.is_required() else setting.default
    arguments: dict[str, Any] = {"help": setting.help, "default": default, "show_default": bool(setting.default != ())}
    declaration = setting.flag
    if setting.kind is bool:
        arguments["is_flag"] = True
        if default:
            declaration = f"{setting.flag}/--no-{setting.flag.removeprefix('--')}"
        else:
            arguments["show_default"] = False
    elif setting.kind == tuple[str, ...]:
        arguments |= {"multiple": True, "metavar": option.metavar}
    else:
        arguments |= {"type": _option_type(setting), "metavar": option.metavar}
    arguments |= changed
    shown = option.default or (option.absent or "").removesuffix(" default")
    if shown and not {"default", "required"} & changed.keys() and (default is None or option.default):
        arguments["help"] += f"  [default: {shown}]"
        arguments["show_default"] = False
    return click.option(declaration, setting.name, **arguments)


def _option_type(setting: Setting) -> click.ParamType[Any]:
    """Return the click type with the choices, validators or limits of a setting."""
    if setting.option.choices:
        return click.Choice(setting.option.choices)
    if any(isinstance(each, AfterValidator | BeforeValidator) for each in setting.info.metadata):
        return SettingType(setting)
    least, above, most = (
        next((getattr(each, name) for each in setting.info.metadata if hasattr(each, name)), None)
        for name in ("ge", "gt", "le")
    )
    if setting.kind is int:
        return click.INT if least is None else click.IntRange(least, most)
    if setting.kind is float:
        return click.FloatRange(least if above is None else above, min_open=above is not None)
    return click.STRING

"""Models of settings: each setting is declared once; options, files, plans of studies and forms follow from it.

The docstring of a field is the help of its option, its limits are pydantic's, and `Option` holds the rest:

    max_cost: Annotated[float | None, Field(gt=0), Option(metavar="DOLLARS", absent="unlimited")] = None
    \"\"\"Limit on the cost of all model calls.\"\"\"
"""

import difflib
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from envdata.errors import UserError
from envdata.plain_text import whole
from graph.run.files import RunError


class ConfigurationError(UserError, ValueError):
    """A file or a variable has an unknown name or an impossible value; the message names it."""


@dataclass(frozen=True)
class Option:
    """Properties of a setting that pydantic does not have: its flag, its help, and its part in runs and studies."""

    flag: str | None = None
    """The flag, where it does not follow from the field's name; names in files and variables follow from the flag."""
    metavar: str | None = None
    """Unit or form of the value, for the help."""
    default: str | None = None
    """The default in the help, where the value itself would not do."""
    absent: str | None = None
    """Spelling of None in `run.toml`, since TOML has no null."""
    choices: tuple[str, ...] = ()
    """The values allowed; empty: any."""
    help: str | None = None
    """The help, where it is computed; None: the field's docstring."""
    later: bool = False
    """Whether runs of earlier versions lack it; they have its default, or `earlier`."""
    earlier: Any = None
    """Value that runs of earlier versions have, where their behaviour was not that of the default."""
    entrusted: bool = False
    """Whether it decides where keys are sent, what is spent or how code is isolated."""
    ablation: bool = False
    """Whether it switches a part of the loop off."""
    scores: bool = True
    """Whether the figures of a given candidate depend on it."""
    in_study: str | None = None
    """Place of the setting in a study's plan; None: among the settings of all runs."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return the field's schema, with a check of the choices."""
        schema = handler(source)
        return core_schema.no_info_after_validator_function(self._check, schema) if self.choices else schema

    def _check(self, value: Any) -> Any:
        """Return a value that is None or a choice. Raises PydanticCustomError, which pydantic collects."""
        if value is not None and value not in self.choices:
            raise PydanticCustomError("choice", "give one of {choices}", {"choices": ", ".join(self.choices)})
        return value

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the JSON schema of the field in a form, with the choices."""
        field = dict(handler(schema))
        return {**field, "enum": [*self.choices, *([None] if self.absent else [])]} if self.choices else field


@dataclass(frozen=True)
class Setting:
    """A field of a settings model, with its names and its option."""

    name: str
    """Name of the field."""
    info: FieldInfo
    """Type, default and limits, as pydantic has them."""
    option: Option
    """Its flag, help and further properties."""

    @property
    def flag(self) -> str:
        """Name on the command line, as in `--max-cost`."""
        return self.option.flag or f"--{self.name.replace('_', '-')}"

    @property
    def key(self) -> str:
        """Name in `autotts.toml`, in a study's plan and behind the prefix of a variable, as in `max_cost`."""
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def default(self) -> Any:
        """Default value; PydanticUndefined for a required setting."""
        return self.info.default

    @property
    def help(self) -> str:
        """Help of the option, a sentence."""
        return self.option.help or self.info.description or ""

    @property
    def kind(self) -> Any:
        """Type of the values other than None; `object` if there are several types."""
        if get_origin(self.info.annotation) is not types.UnionType:
            return self.info.annotation
        parts = [part for part in get_args(self.info.annotation) if part is not types.NoneType]
        return parts[0] if len(parts) == 1 else object

    def check(self, value: Any) -> Any:
        """Return the value as the model has it; text is parsed as on the command line. Raises RunError."""
        try:
            adapter: TypeAdapter[Any] = TypeAdapter(Annotated[self.info.annotation, *self.info.metadata])  # type: ignore[arg-type]
            return adapter.validate_python(value)
        except ValidationError as error:
            raise RunError(_describe_error(error, self.key)) from None


class SettingsModel(BaseModel):
    """A frozen group of settings; impossible values raise RunError, with a message of one sentence."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    def __init__(self, **values: Any) -> None:
        """Validate settings by field name; those left out have their defaults. Raises RunError."""
        for name, value in values.items():
            _check_utf8(name, value)
        try:
            super().__init__(**values)
        except ValidationError as error:
            wrong = next((each for each in values if each not in type(self).model_fields), None)
            if wrong is not None:
                raise RunError(str(unknown_name_error(wrong, wrong, type(self).model_fields, "setting"))) from None
            raise RunError(_describe_error(error)) from None

    @classmethod
    def values_in(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return those of the given values that are settings of this model, by field name."""
        return {name: value for name, value in given.items() if name in cls.model_fields}

    def replace(self, **changed: Any) -> Self:
        """Return a copy with some settings changed, validated. Raises RunError."""
        return type(self)(**{**dict(self), **changed})


def settings_of(model: type[BaseModel]) -> dict[str, Setting]:
    """Return the settings of a model by field name, in order of declaration."""
    settings = {}
    for name, info in model.model_fields.items():
        options = [each for each in info.metadata if isinstance(each, Option)]
        settings[name] = Setting(name, info, options[0] if options else Option())
    return settings


def read_table(path: Path, name: str, table: Any, models: Sequence[type[SettingsModel]]) -> dict[str, Any]:
    """Return the settings in a table of a TOML file, checked, by field name.

    Args:
        path: The file, for errors.
        name: Name of the table; empty: the top level of the file.
        table: The table's content.
        models: Settings models whose fields the table may have.

    Raises:
        ConfigurationError: the table is none, or has an unknown name or an impossible value.
    """
    if not isinstance(table, Mapping):
        raise ConfigurationError(f"{path}: {name} is {table!r}; give a table, [{name}]")
    in_table = f" in [{name}]" if name else ""
    known = {setting.key: setting for model in models for setting in settings_of(model).values()}
    values = {}
    for key, value in table.items():
        setting = known.get(key.replace("-", "_"))
        if setting is None:
            raise unknown_name_error(f"{path}: {key}{in_table}", key.replace("-", "_"), known, "setting")
        try:
            values[setting.name] = setting.check(value)
        except RunError as error:
            raise ConfigurationError(f"{path}: {f'[{name}] ' if name else ''}{error}") from None
    return values


def unknown_name_error(where: str, name: str, known: Iterable[str], kind: str) -> ConfigurationError:
    """Return the error for an unknown name; it never quotes the value, which may be a misplaced key.

    Args:
        where: Place of the name, for the message.
        name: The unknown name.
        known: The known names, of which the nearest is suggested.
        kind: What the name should be: `setting` or `command`.
    """
    names = sorted(known)
    near = nearest_name(name, names)
    like = f"; did you mean {near}?" if near else f"; there are {', '.join(names)}"
    key = "; keys come from the environment alone, by the names that their services give them" if "key" in name else ""
    return ConfigurationError(f"{where} is no {kind}{key or like}")


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most similar to `name`, None if none is similar."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return matches[0] if matches else None


def _check_utf8(name: str, value: object) -> None:
    """Raise RunError for a text, or a list of them, that the run's files cannot hold: a path of other bytes."""
    for text in value if isinstance(value, list | tuple) else (value,):
        if isinstance(text, str) and whole(text) != text:
            raise RunError(
                f"{name} is {text!a}, which holds bytes that are not UTF-8, and run.toml holds UTF-8 alone; rename "
                "the file, or give another text"
            )


def _describe_error(error: ValidationError, name: str = "") -> str:
    """Return the first failed check as a sentence: the value, the limit, and a valid value."""
    first = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in first["loc"] if isinstance(part, str)) or name
    limits, value, message = first.get("ctx", {}), first["input"], first["msg"]
    match first["type"]:
        case "value_error":
            # The validator's own sentence, which leaves the value out where it may hold a key.
            return f"{name}: {limits['error']}" if name else str(limits["error"])
        case "missing":
            return f"{name} is missing; give a value"
        case "greater_than_equal":
            return f"{name} is {value!r}; give {limits['ge']:g} or more"
        case "less_than_equal":
            return f"{name} is {value!r}; give {limits['le']:g} or less"
        case "greater_than":
            return f"{name} is {value!r}; give more than {limits['gt']:g}"
        case kind:
            return f"{name} is {value!r}; {_ADVICE.get(kind.partition('_')[0], message)}"


_ADVICE = {
    "int": "give a whole number",
    "float": "give a number",
    "bool": "give true or false",
    "string": "give text",
    "tuple": "give a list",
    "too": "give one or more",
}
"""Advice by the first word of pydantic's error type."""

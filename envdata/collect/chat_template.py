"""A model's chat template, applied here where its server does not apply it.

The template is the Jinja text that comes with a model: `chat_template.jinja` or the entry `chat_template` of its
`tokenizer_config.json`. It is a program of other people, so it runs in Jinja's sandbox.
"""

import datetime
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from envdata.collect.engine import CollectError, Conversation
from envdata.json_text import parse
from envdata.text_files import read_text


@dataclass(frozen=True)
class ChatTemplate:
    """A chat template and the special tokens that it may use."""

    source: str
    """The template, in Jinja's language."""
    start: str = ""
    """The model's start token as text; empty if unknown."""
    end: str = ""
    """The model's end token as text; empty if unknown."""

    @classmethod
    def load(cls, path: Path) -> "ChatTemplate":
        """Load a Jinja file, a `tokenizer_config.json`, or a model's folder with either. Raises CollectError."""
        try:
            if not path.is_dir():
                return cls._from_config(path) if path.suffix == ".json" else cls(read_text(path))
            config, beside = path / "tokenizer_config.json", path / "chat_template.jinja"
            if not beside.is_file():
                return cls._from_config(config)
            entries = parse(config.read_bytes()) if config.is_file() else {}
            return cls(read_text(beside), _token(entries, "bos_token"), _token(entries, "eos_token"))
        except (OSError, ValueError) as error:
            raise CollectError(
                f"{path}: no chat template can be read there ({error}); give a Jinja file, a tokenizer_config.json, or "
                "the folder of a model that has one"
            ) from None

    @classmethod
    def _from_config(cls, path: Path) -> "ChatTemplate":
        """Load a `tokenizer_config.json`. Raises ValueError if it holds no template."""
        entries = parse(path.read_bytes())
        source = entries.get("chat_template") if isinstance(entries, dict) else None
        if not isinstance(source, str):
            raise ValueError(f"{path.name} has no chat_template")
        return cls(source, _token(entries, "bos_token"), _token(entries, "eos_token"))

    def render(self, asked: Conversation) -> str:
        """Return the conversation as the template writes it, up to the start of the answer. Raises CollectError."""
        # As in transformers, which templates are written for.
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.filters["tojson"] = lambda value, **_: json.dumps(value, ensure_ascii=False)
        environment.globals["raise_exception"] = _refuse
        environment.globals["strftime_now"] = lambda form: datetime.datetime.now().strftime(form)
        try:
            text = environment.from_string(self.source).render(
                messages=asked.messages(),
                add_generation_prompt=True,
                bos_token=self.start,
                eos_token=self.end,
                **asked.options,
            )
        except (jinja2.TemplateError, TypeError) as error:
            raise CollectError(
                f"the chat template cannot be applied ({error}); give another with --chat-template"
            ) from None
        return text + asked.begun

    @property
    def writes_start(self) -> bool:
        """Whether the template writes the start token, so that no other may precede it."""
        return bool(self.start) and "bos_token" in self.source


def _token(entries: Any, name: str) -> str:
    """Return the text of a special token, empty where there is none."""
    value = entries.get(name) if isinstance(entries, dict) else None
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) else ""


def _refuse(message: str) -> None:
    """Raise an error, for templates that call `raise_exception`."""
    raise jinja2.TemplateError(message)

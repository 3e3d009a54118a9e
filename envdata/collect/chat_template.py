"""A model's chat template, applied here where its server does not apply it.

The template is the Jinja text that comes with a model: `chat_template.jinja` or the entry `chat_template` of its
`tokenizer_config.json`. It is somebody else's program, so it runs in Jinja's sandbox.
"""

import datetime
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from envdata.collect.engine import CollectError, Conversation


@dataclass(frozen=True)
class ChatTemplate:
    """A template and the special tokens that it may write."""

    source: str
    start: str = ""
    """The model's start token as text; empty if unknown."""
    end: str = ""
    """The model's end token, likewise."""

    @classmethod
    def load(cls, path: Path) -> "ChatTemplate":
        """Read a Jinja file, a `tokenizer_config.json`, or a model's folder with either; raises CollectError."""
        try:
            if not path.is_dir():
                return cls._from_config(path) if path.suffix == ".json" else cls(path.read_text("utf-8"))
            config, beside = path / "tokenizer_config.json", path / "chat_template.jinja"
            if not beside.is_file():
                return cls._from_config(config)
            entries = json.loads(config.read_text("utf-8")) if config.is_file() else {}
            return cls(beside.read_text("utf-8"), _token(entries, "bos_token"), _token(entries, "eos_token"))
        except (OSError, ValueError) as error:
            raise CollectError(
                f"{path}: no chat template can be read there ({error}); give a Jinja file, a tokenizer_config.json, or "
                "the folder of a model that has one"
            ) from None

    @classmethod
    def _from_config(cls, path: Path) -> "ChatTemplate":
        entries = json.loads(path.read_text("utf-8"))
        source = entries.get("chat_template") if isinstance(entries, dict) else None
        if not isinstance(source, str):
            raise ValueError(f"{path.name} has no chat_template")
        return cls(source, _token(entries, "bos_token"), _token(entries, "eos_token"))

    def render(self, asked: Conversation) -> str:
        """Write the conversation out, up to the start of the answer; raises CollectError."""
        # As transformers sets it up, which templates are written for.
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
        """Whether the template writes the start token, so that no other may be put in front."""
        return bool(self.start) and "bos_token" in self.source


def _token(entries: dict[str, Any], name: str) -> str:
    value = entries.get(name)
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) else ""


def _refuse(message: str) -> None:
    raise jinja2.TemplateError(message)

"""The prompts' texts: Jinja templates in `texts/`, each with a version."""

import hashlib
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

_VERSION = re.compile(r"\{#-? version (\d+) #\}")


@cache
def _environment() -> Environment:
    # Prompts are no pages: nothing is escaped for HTML. What is foreign in them goes through graph.prompts.foreign.
    return Environment(  # noqa: S701
        loader=PackageLoader("graph.prompts", "texts"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def fill(name: str, **values: Any) -> str:
    """The text of a template, without blank lines around it."""
    return _environment().get_template(name).render(values).strip("\n")


def _versions() -> dict[str, str]:
    versions = {}
    for file in sorted(files("graph.prompts").joinpath("texts").iterdir(), key=lambda file: file.name):
        text = file.read_text(encoding="utf-8")
        numbered = _VERSION.match(text)
        if numbered is None:
            raise ValueError(f"{file.name}: a template begins with its version, as in {{# version 1 #}}")
        versions[file.name] = f"{numbered[1]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    return versions


PROMPTS: Mapping[str, str] = MappingProxyType(_versions())
"""Versions by template: its number, and the beginning of its SHA-256, so that no change goes unnoticed."""


def version() -> str:
    """One version for all the templates together: what a prompt is recorded with."""
    return hashlib.sha256(repr(sorted(PROMPTS.items())).encode()).hexdigest()[:12]

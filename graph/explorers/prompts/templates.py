"""Templates of the prompts: Jinja files in `texts/`, each with a version."""

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
    # No HTML escaping: prompts are plain text. Untrusted text goes through sandbox.sanitize.
    return Environment(  # noqa: S701
        loader=PackageLoader("graph.explorers.prompts", "texts"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def fill(name: str, **values: Any) -> str:
    """Return the rendered text of a template, without blank lines around it."""
    return _environment().get_template(name).render(values).strip("\n")


def _versions() -> dict[str, str]:
    versions = {}
    for file in sorted(files("graph.explorers.prompts").joinpath("texts").iterdir(), key=lambda file: file.name):
        text = file.read_text(encoding="utf-8")
        numbered = _VERSION.match(text)
        if numbered is None:
            raise ValueError(f"{file.name}: a template begins with its version, as in {{# version 1 #}}")
        versions[file.name] = f"{numbered[1]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    return versions


PROMPTS: Mapping[str, str] = MappingProxyType(_versions())
"""Version of each template: its number and the start of its SHA-256, so that every change is detected."""


def version() -> str:
    """Return one version for all templates together, with which prompts are recorded."""
    return hashlib.sha256(repr(sorted(PROMPTS.items())).encode()).hexdigest()[:12]

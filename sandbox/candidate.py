"""Controllers to evaluate: a file, or a shipped one by name, with settings that override its schedule."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

SHIPPED = ("sc", "asc", "esc", "answer_consistency", "st_bon", "parallel_probe", "cmc")
"""Controllers that come with the project, in `sandbox/controllers/`."""

MAX_SOURCE = 1 << 20
"""Bytes of source that a candidate may have."""


class CandidateError(ValueError):
    """A candidate cannot be found or read; the message says what forms there are."""


@dataclass(frozen=True)
class Candidate:
    """A controller's source, and the settings it is run with."""

    label: str
    """How results name it: as it was asked for."""
    source: str
    settings: tuple[tuple[str, float], ...] = ()
    """Knobs that are fixed, whatever the schedule says."""

    @property
    def content_hash(self) -> str:
        """SHA-256 of source and settings, in hexadecimal."""
        return hashlib.sha256(repr((self.source, self.settings)).encode()).hexdigest()

    @classmethod
    def parse(cls, spec: str) -> "Candidate":
        """Find the candidate that `NAME_OR_FILE[:knob=value,…]` names; raises CandidateError."""
        name, colon, listed = spec.partition(":")
        return cls(spec, _source(name, spec), _settings(listed, spec) if colon else ())


def shipped(name: str) -> Path:
    """The file of a shipped controller."""
    return Path(__file__).parent / "controllers" / f"{name}.py"


def _source(name: str, spec: str) -> str:
    path = shipped(name) if name in SHIPPED else Path(name)
    try:
        data = path.read_bytes()
    except OSError as error:
        known = ", ".join(SHIPPED)
        raise CandidateError(
            f"{spec!r}: no such controller ({error.strerror}); give a file or one of {known}"
        ) from None
    if len(data) > MAX_SOURCE:
        raise CandidateError(f"{spec!r}: {len(data)} bytes of source; the limit is {MAX_SOURCE}")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CandidateError(f"{spec!r}: is not UTF-8 text ({error.reason} at byte {error.start})") from None


def _settings(listed: str, spec: str) -> tuple[tuple[str, float], ...]:
    settings: dict[str, float] = {}
    for part in listed.split(","):
        name, equals, raw = part.partition("=")
        try:
            value = float(raw)
        except ValueError:
            equals = ""
        if not (equals and name.isidentifier()) or value != value or abs(value) == float("inf"):
            raise CandidateError(f"{spec!r}: {part!r} is not knob=number, as in asc:max_branches=64,threshold=0.95")
        if name in settings:
            raise CandidateError(f"{spec!r}: {name!r} is set twice")
        settings[name] = int(value) if value == int(value) and "." not in raw else value
    return tuple(settings.items())

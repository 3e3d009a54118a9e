"""Controllers to evaluate: a file, or a shipped one by name, with settings that override its schedule."""

import ast
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from envdata.errors import UserError
from envdata.plain_text import whole
from envdata.plugins import PluginGroup
from envdata.text_files import TextFileError, decode
from sandbox.inside.errors import MODULE

PAPER_BASELINES = ("sc", "asc", "esc", "answer_consistency", "st_bon", "parallel_probe", "cmc")
"""The seven methods of the paper (arXiv 2605.08083)."""

SHIPPED = (*PAPER_BASELINES, "first_finished", "consol", "deepconf", "surge", "hindsight", "photo_finish",
           "purse", "best_of")  # fmt: skip
"""Shipped controllers, in `sandbox/controllers/`: the paper's, later ones, four that were discovered, and best of n."""

USUAL_BASELINES = tuple(name for name in SHIPPED if name != "best_of")
"""Shipped controllers that a search is compared with unless it names others: few grids have a judge's scores."""

MAX_SOURCE = 1 << 20
"""Largest size of a candidate's file in bytes."""


_SIGNAL_READ = re.compile(r"""\.signals\[\s*["'](\w{1,40})["']\s*\]""")


class CandidateError(UserError, ValueError):
    """A candidate cannot be found or read; the message names the accepted forms."""


CONTROLLERS = PluginGroup(
    "autotts.controllers", "controller", {name: f"sandbox.controllers.{name}" for name in SHIPPED}, CandidateError
)
"""Controllers by name. An entry point names a module, whose file is read and never executed outside a sandbox."""


@dataclass(frozen=True)
class Candidate:
    """A controller's source, and the settings it is run with."""

    label: str
    """Its name in results: the specification it was made from, with U+FFFD for bytes of a path that are not UTF-8."""
    source: str
    settings: tuple[tuple[str, float], ...] = ()
    """Knobs that override the schedule."""

    @property
    def content_hash(self) -> str:
        """Return the SHA-256 of source and settings, in hexadecimal."""
        return hashlib.sha256(repr((self.source, self.settings)).encode()).hexdigest()

    @property
    def reads_signals(self) -> bool:
        """Whether its source mentions signals at all; where it does not, a live model need not give them."""
        return "signals" in self.source

    @property
    def signals(self) -> frozenset[str]:
        """Names of the signals that its source reads by a literal name, as in `branch.signals["token_confidence"]`."""
        return frozenset(_SIGNAL_READ.findall(self.source))

    def reads_other_signals(self, name: str) -> bool:
        """Return whether its source may read another signal than `name`; signals whose name it computes are others."""
        literal: list[str] = _SIGNAL_READ.findall(self.source)
        return self.source.count("signals") != literal.count(name)

    @property
    def asks_probes(self) -> bool:
        """Whether its source probes branches that go on, and does not reckon with `NoProbe`.

        `branch` and `advance` probe unless they are called with `probe=False`; `probe` always does.
        """
        try:
            tree = ast.parse(self.source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
        return "NoProbe" not in self.source and any(map(_probes, calls))

    @property
    def shipped(self) -> bool:
        """Whether its source is that of a shipped controller, with any settings."""
        return any(self.source == shipped(name).read_text(encoding="utf-8") for name in SHIPPED)

    @classmethod
    def parse(cls, spec: str) -> "Candidate":
        """Return the candidate that `NAME_OR_FILE[:knob=value,…]` names. Raises CandidateError if there is none."""
        name, colon, listed = spec.partition(":")
        return cls(whole(spec), _source(name, spec), _settings(listed, spec) if colon else ())


def shipped(name: str) -> Path:
    """Return the file of a shipped controller."""
    return Path(__file__).parent / "controllers" / f"{name}.py"


def in_own_name(why: str, label: str) -> str:
    """An error of a controller under the name of its file, which is `controller.py` inside the sandbox.

    `label` is what was asked for, as `mine.py:width=4`.
    """
    name = label if Path(label).exists() else label.partition(":")[0]
    own = CONTROLLERS.file(name).name if name in CONTROLLERS.names() else Path(name).name
    return why.replace(f"{MODULE}.py", own)


def _probes(call: ast.Call) -> bool:
    """Return whether a call of a method probes, as far as its text tells."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    given = [keyword.value for keyword in call.keywords if keyword.arg == "probe"]
    declined = any(isinstance(value, ast.Constant) and value.value is False for value in given)
    return name == "probe" or (name in ("branch", "advance") and not declined)


def without_probes() -> list[str]:
    """Return the names of the shipped controllers that never probe."""
    return [name for name in SHIPPED if not Candidate.parse(name).asks_probes]


def _source(name: str, spec: str) -> str:
    path = CONTROLLERS.file(name) if name in SHIPPED or name in CONTROLLERS.registered() else Path(name)
    try:
        data = path.read_bytes()
    except OSError as error:
        known = ", ".join(CONTROLLERS.names())
        raise CandidateError(
            f"{spec!r}: no such controller ({error.strerror}); give a file or one of {known}"
        ) from None
    if len(data) > MAX_SOURCE:
        raise CandidateError(f"{spec!r}: {len(data)} bytes of source; the limit is {MAX_SOURCE}")
    try:
        return decode(data)
    except TextFileError as error:
        raise CandidateError(f"{spec!r}: {error}") from None


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

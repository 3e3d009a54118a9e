"""Optional dependencies of the package: which are installed, in which versions, and what each is for."""

from dataclasses import dataclass
from importlib import metadata

from packaging.requirements import Requirement

NAME = "autotts"
PURPOSES = {
    "agents": "--explorer claude-code with the program of Anthropic's SDK",
    "docs": "the documentation site: make docs",
    "gepa": "--explorer gepa",
    "gym": "questions of reasoning-gym",
    "inspect": "inspect eval autotts/discover",
    "langchain": "--explorer langchain",
    "mcp": "autotts mcp: tools for a coding agent",
    "mlflow": "--mlflow: a mirror of a run",
    "openevolve": "--explorer openevolve",
    "postgres": "checkpoints in PostgreSQL",
    "questions": "questions of the Hugging Face hub, and answers as mathematics",
    "ray": "--executor ray: episodes on a cluster",
    "searches": "gepa and openevolve together",
    "serve": "metrics of autotts serve",
    "studio": "langgraph dev",
    "tracing": "traces of a run by OpenTelemetry",
    "vllm": "a model in this process",
}
"""What an extra is needed for, by its name. Extras of the package that are not here are listed without a purpose."""
DEVELOPERS = "dev"
"""The extra with the tools of the project's developers."""


@dataclass(frozen=True)
class Extra:
    """One optional dependency group."""

    name: str
    versions: dict[str, str | None]
    """Installed version by package; None where the package is missing or its version is too old."""

    @property
    def installed(self) -> bool:
        """Whether every package of it is installed."""
        return None not in self.versions.values()

    @property
    def purpose(self) -> str:
        """What it is needed for; empty if this is not known."""
        return PURPOSES.get(self.name, "")

    def __str__(self) -> str:
        """Return the packages with their versions."""
        return ", ".join(f"{name} {version or 'missing'}" for name, version in self.versions.items())


def extras() -> list[Extra]:
    """Return the extras of the installed package, sorted by name; none in a checkout that was not installed."""
    try:
        names = metadata.metadata(NAME).get_all("Provides-Extra") or []
        requirements = [Requirement(text) for text in metadata.requires(NAME) or []]
    except metadata.PackageNotFoundError:
        return []
    found = (Extra(name, _versions(name, requirements)) for name in names if name != DEVELOPERS)
    return sorted(found, key=lambda each: each.name)


def version() -> str:
    """Return the version of the installed package; `unknown` in a checkout that was not installed."""
    try:
        return metadata.version(NAME)
    except metadata.PackageNotFoundError:
        return "unknown"


def _versions(extra: str, requirements: list[Requirement]) -> dict[str, str | None]:
    """Return the installed versions of an extra's packages; extras that it names count as their packages."""
    versions: dict[str, str | None] = {}
    for one in requirements:
        environment = {"extra": extra}
        if one.marker is None or not one.marker.evaluate(environment) or one.marker.evaluate({"extra": ""}):
            continue
        if one.name == NAME:
            for other in sorted(one.extras):
                versions |= _versions(other, requirements)
        else:
            versions[one.name] = _installed(one)
    return versions


def _installed(requirement: Requirement) -> str | None:
    try:
        found = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return None
    return found if requirement.specifier.contains(found, prereleases=True) else None

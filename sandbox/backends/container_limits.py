"""Limits of a whole sandbox, all its workers together, and its container runtime, read from the environment."""

import os
from dataclasses import dataclass

from sandbox.backends.base import SandboxUnavailable

VARIABLES = {
    "memory_mb": "AUTOTTS_LIMIT_MEMORY_MB",
    "cpus": "AUTOTTS_LIMIT_CPUS",
    "processes": "AUTOTTS_LIMIT_PROCESSES",
    "runtime": "AUTOTTS_DOCKER_RUNTIME",
}
"""Names of the environment variables, by field."""


@dataclass(frozen=True)
class ContainerLimits:
    """Limits of a container or control group. Each worker also has its own (`sandbox.backends.base.Limits`)."""

    memory_mb: int = 512
    cpus: float = 1.0
    processes: int = 64
    runtime: str | None = None
    """Docker's name of another runtime, such as `runsc` for gVisor."""

    def __post_init__(self) -> None:
        """Raise SandboxUnavailable for a limit that is too low."""
        least = {"memory_mb": 128, "cpus": 0.01, "processes": 16}
        for name, most in least.items():
            value = getattr(self, name)
            if not value >= most:
                raise SandboxUnavailable(f"{VARIABLES[name]} is {value}; a sandbox needs {most} or more")

    @classmethod
    def from_environment(cls) -> "ContainerLimits":
        """Return the limits from the environment, defaults for the rest.

        Raises SandboxUnavailable for an unknown variable, or a value that is no number or too low.
        """
        unknown = sorted(
            name for name in os.environ if name.startswith("AUTOTTS_LIMIT_") and name not in VARIABLES.values()
        )
        if unknown:
            raise SandboxUnavailable(f"{unknown[0]} is no setting; there are {', '.join(VARIABLES.values())}")
        given = {name: os.environ.get(variable, "").strip() for name, variable in VARIABLES.items()}
        return cls(
            memory_mb=int(_number("memory_mb", given, cls.memory_mb, int)),
            cpus=float(_number("cpus", given, cls.cpus, float)),
            processes=int(_number("processes", given, cls.processes, int)),
            runtime=given["runtime"] or None,
        )


def _number(name: str, given: dict[str, str], default: float, kind: type[int] | type[float]) -> float:
    if not given[name]:
        return default
    try:
        return kind(given[name])
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise SandboxUnavailable(f"{VARIABLES[name]} is {given[name]!r}; give {what}") from None

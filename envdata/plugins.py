"""Plug-ins: implementations by name, the project's own and those that other packages register.

A package registers one through an entry point: the group names the interface, the name is the one that users give, and
the value names the implementation as `module:attribute`. The project's own are written in the same form and loaded in
the same way; they stand in a table, not in the metadata of the installed distribution, which may be older than the
source. `docs/extending.md` has an example for each group.

Another package cannot take a name that the project uses: installing a package never changes the meaning of such a name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class PluginGroup:
    """The implementations of one interface, by name."""

    name: str
    """The group of entry points, such as `autotts.explorers`."""
    kind: str
    """Name of a member in messages, such as `explorer`."""
    built_in: Mapping[str, str]
    """The project's own: `module:attribute` by name, in the order of listing."""
    error: type[Exception]
    """Raised with a message for an unknown name and for an implementation that cannot be loaded."""

    def names(self) -> list[str]:
        """Return all names: the project's own in their order, then those of other packages, sorted."""
        return [*self.built_in, *self.registered()]

    def registered(self) -> list[str]:
        """Return the names that other packages registered, sorted, without those that the project uses."""
        return sorted(entry_points(group=self.name).names - self.built_in.keys())

    def check(self, name: str) -> None:
        """Raise `error`, which lists all names, if nothing is registered under `name`."""
        self._entry(name)

    def load(self, name: str) -> Any:
        """Return the implementation called `name`. Raises `error` if there is none or two, or if an import fails."""
        entry = self._entry(name)
        try:
            return entry.load()
        except Exception as error:
            raise self.failure(name, "cannot be loaded", error) from error

    def make(
        self, name: str, interface: Any, lacks: str, *arguments: Any, passed: tuple[type[Exception], ...] = ()
    ) -> Any:
        """Call the implementation called `name` and return its object. Raises `error` if that is none of `interface`.

        Args:
            name: The implementation's name.
            interface: Class, or runtime-checkable protocol, of the object.
            lacks: What an object of another class lacks, and the way out, for the message.
            arguments: Arguments of the call.
            passed: Exceptions of the call that are raised as they are; others become `error`.
        """
        factory = self.load(name)
        try:
            made = factory(*arguments)
        except passed:
            raise
        except Exception as error:
            raise self.failure(name, "cannot be made", error) from error
        if not isinstance(made, interface):
            raise self.failure(name, f"gave an object of the class {type(made).__name__}, which lacks {lacks}")
        return made

    def file(self, name: str) -> Path:
        """Return the source file of the module that an entry point names, without executing it. Raises `error`.

        Packages around the module are imported, since they decide where it lies.
        """
        entry = self._entry(name)
        try:
            found = find_spec(entry.module)
        except Exception as error:
            raise self.failure(name, "cannot be found", error) from error
        if found is None or found.origin is None or not Path(found.origin).is_file():
            raise self.failure(name, f"cannot be found: there is no file of a module {entry.module!r}")
        return Path(found.origin)

    def origin(self, name: str) -> str | None:
        """Return the distribution that registered `name`, as `package version`; None for the project's own."""
        entry = self._entry(name)
        return None if entry.dist is None else f"{entry.dist.name or 'a package without a name'} {entry.dist.version}"

    def failure(self, name: str, what: str, error: Exception | None = None) -> Exception:
        """Return the exception for an implementation that fails.

        Args:
            name: The implementation's name.
            what: The rest of the sentence that begins with the implementation, such as "cannot be loaded".
            error: The cause, if there is one.
        """
        entry = self._entry(name)
        source = f"{entry.value} of {self.origin(name)}" if entry.dist is not None else entry.value
        reason = "" if error is None else f": {type(error).__name__}: {error}"
        return self.error(f"the {self.kind} {name!r} ({source}) {what}{reason}")

    def _entry(self, name: str) -> EntryPoint:
        """Return the entry point called `name`. Raises `error`."""
        if name in self.built_in:
            return EntryPoint(name, self.built_in[name], self.name)
        found = list(entry_points(group=self.name, name=name))
        if not found:
            raise self.error(
                f"there is no {self.kind} {name!r}; there are {', '.join(self.names())} (packages add others through "
                f"entry points of the group {self.name})"
            )
        if len(found) > 1:
            packages = " and ".join(sorted(str(each.dist.name) for each in found if each.dist is not None))
            raise self.error(f"the {self.kind} {name!r} is registered {len(found)} times, by {packages}; remove one")
        return found[0]

"""Extracts the source of a controller class from a notebook, a script or a module, as a file of its own."""

import ast
import builtins
import importlib
import linecache
import symtable
import sys
import textwrap
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from sandbox import tts
from sandbox.candidate import Candidate, CandidateError


def candidate_of(controller: "str | Path | Candidate | type[tts.Controller]") -> Candidate:
    """Return the candidate for a name, a file, a class, or a candidate itself.

    Args:
        controller: A shipped controller's name or a file, with settings or without (`asc:max_branches=64`); a subclass
            of Controller; or a candidate.

    Raises:
        CandidateError: There is no such controller, or its source is not known.
    """
    if isinstance(controller, Candidate):
        return controller
    if isinstance(controller, str | Path):
        return Candidate.parse(str(controller))
    if isinstance(controller, type) and issubclass(controller, tts.Controller):
        return Candidate(controller.__name__, class_source(controller))
    raise CandidateError(
        f"{controller!r} is no controller; give a name, a file, a Candidate or a subclass of autotts.Controller"
    )


def class_source(controller: type[tts.Controller]) -> str:
    """Return the source of a file that defines `controller` and everything of its module that it uses.

    A sandbox has no access to the process that the class was defined in. Global names in the source are resolved:
    imported names are imported again, constants of plain Python values are written out, and functions and classes of
    the same module are copied.

    Raises CandidateError for any other global name, for a variable of an enclosing function, and for a class whose
    source is not known, such as one typed into `python`; write the controller into a file then.
    """
    parts = _Parts(controller.__name__)
    parts.add(controller.__name__, controller)
    return parts.text()


class _Parts:
    """The imports, constants and definitions of the file, each after those that it uses."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._imports: dict[str, list[str]] = {}
        """Imported names by module; whole `import` statements have no names."""
        self._rest: dict[str, str] = {}
        self._values: dict[str, Any] = {}
        """Value of each name, also of those whose definitions are still being resolved."""

    def text(self) -> str:
        imports = "\n".join(
            f"from {home} import {', '.join(sorted(names))}" if names else home
            for home, names in sorted(self._imports.items())
        )
        return "\n\n\n".join(part for part in (imports, *self._rest.values()) if part) + "\n"

    def add(self, name: str, value: Any) -> None:
        """Add the import, constant or definition of `name`, whose value in the controller's module is `value`."""
        if name in self._values:
            if self._values[name] is not value:
                raise CandidateError(f"{self._label} uses two different {name} of two modules; give one another name")
            return
        self._values[name] = value
        if isinstance(value, ModuleType) and _is_inside(value.__name__):
            self._imports[f"import {value.__name__}" + ("" if value.__name__ == name else f" as {name}")] = []
        elif (home := _imported_from(value)) is not None:
            own = value.__name__
            self._imports.setdefault(home, []).append(own if own == name else f"{own} as {name}")
        elif isinstance(value, type | FunctionType) and value.__name__ == name:
            self._define(name, value)
        elif _is_plain(value):
            self._rest[name] = f"{name} = {value!r}"
        else:
            what = f"module {value.__name__}" if isinstance(value, ModuleType) else f"a {type(value).__name__}"
            raise CandidateError(
                f"{self._label} uses {name}, {what}, which a sandbox cannot be given; make it a plain value of Python, "
                "or write the controller into a file"
            )

    def _define(self, name: str, value: Any) -> None:
        function = value if isinstance(value, FunctionType) else _a_function(value)
        source = _definition(name, function, self._label)
        known = function.__globals__
        for each in _globals_of(source):
            if each in known:
                self.add(each, known[each])
            elif each != name and not hasattr(builtins, each):
                raise CandidateError(
                    f"{self._label} uses {each}, which its module does not define (perhaps a variable of an enclosing "
                    "function); define it beside the class, or write the controller into a file"
                )
        self._rest[name] = source


def _imported_from(value: Any) -> str | None:
    """Return the module that a value can be imported from in a sandbox; None if there is none."""
    name = getattr(value, "__name__", None)
    if not isinstance(name, str):
        return None
    if getattr(tts, name, None) is value and name in tts.__all__:
        return "autotts"
    home = getattr(value, "__module__", None)
    if not isinstance(home, str) or not _is_inside(home):
        return None
    module = importlib.import_module(home)
    return home if getattr(module, name, None) is value else None


_INSIDE = {*sys.stdlib_module_names, "numpy", "scipy"} - {"__main__"}
"""Modules and packages that a controller can import in a sandbox."""


def _is_inside(module: str) -> bool:
    return module.partition(".")[0] in _INSIDE


def _is_plain(value: Any) -> bool:
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError, TypeError, RecursionError):
        return False


def _a_function(value: type) -> FunctionType:
    """Return a function of a class's body, by which its file is found. Raises CandidateError if there is none."""
    for each in vars(value).values():
        function = getattr(each, "__func__", getattr(each, "fget", each))
        if isinstance(function, FunctionType) and linecache.getlines(function.__code__.co_filename):
            return function
    raise CandidateError(f"{value.__name__} has no method, and so no source that is known; write it into a file")


def _globals_of(source: str) -> list[str]:
    """Return the global and built-in names that a definition uses, sorted."""
    found: set[str] = set()
    tables = [symtable.symtable(source, "definition", "exec")]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        outside = table.get_type() == "module"
        found |= {
            each.get_name()
            for each in table.get_symbols()
            if each.is_referenced() and (each.is_global() or (outside and not each.is_assigned()))
        }
    return sorted(found)


def _definition(name: str, function: FunctionType, label: str) -> str:
    """Return the source of the statement that defines `name`: the function, or a class that holds the function."""
    code = function.__code__
    lines = linecache.getlines(code.co_filename, function.__globals__)
    found = None
    try:
        for node in ast.walk(ast.parse("".join(lines))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
                first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
                if first <= code.co_firstlineno <= (node.end_lineno or 0):
                    found = textwrap.dedent("".join(lines[first - 1 : node.end_lineno])).rstrip()
    except SyntaxError:
        found = None
    if found is None:
        raise CandidateError(f"{label}: the source of {name} is not known; write the controller into a file")
    return found

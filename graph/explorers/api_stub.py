"""The controller API as a stub file, for authors of controllers who do not have the package installed."""

import ast
import re
from functools import cache
from pathlib import Path

from sandbox import action_errors, branch, tts, voting

HEAD = '"""The API that controllers are written against: `from autotts import …`. Signatures and their contracts."""\n'


@cache
def api_stub() -> str:
    """Return the public names of `sandbox.tts` as a stub file (`.pyi`): signatures and docstrings, without bodies."""
    definitions: dict[str, ast.stmt] = {}
    imports: list[ast.Import | ast.ImportFrom] = []
    for module in (voting, action_errors, branch, tts):
        path = module.__file__
        assert path is not None  # noqa: S101 - plain modules
        for node in ast.parse(Path(path).read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                definitions[node.name] = node
            elif isinstance(node, ast.Import | ast.ImportFrom) and not _is_internal(node):
                imports.append(node)
    public = [_without_code(node) for name, node in definitions.items() if name in tts.__all__]
    text = "\n\n".join(ast.unparse(node) for node in public)
    used = set(re.findall(r"\w+", text))
    lines: dict[str, None] = {}
    for node in imports:
        node.names = [alias for alias in node.names if alias.name in used]
        if node.names:
            lines[ast.unparse(node)] = None
    return HEAD + "\n".join(lines) + "\n\n" + text + "\n"


def _is_internal(node: ast.Import | ast.ImportFrom) -> bool:
    """Whether an import is from this project: the stub has those names itself."""
    return isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("envdata", "sandbox")


def _without_code(node: ast.stmt) -> ast.stmt:
    """Return a class or function without private members, function bodies and assignments."""
    if isinstance(node, ast.FunctionDef):
        node.body = [*_docstring(node), ast.Expr(ast.Constant(...))]
        # Decorators that are called, such as `lru_cache(…)`, are no part of the API.
        node.decorator_list = [each for each in node.decorator_list if isinstance(each, ast.Name)]
    elif isinstance(node, ast.ClassDef):
        body: list[ast.stmt] = []
        for each in node.body:
            if isinstance(each, ast.FunctionDef):
                if not each.name.startswith("_"):
                    body.append(_without_code(each))
                elif each.name == "__init__":
                    # Attributes that are set and documented there are public.
                    body += _fields(each)
            else:
                body.append(each)
        node.body = [each for each in body if not isinstance(each, ast.Assign)] or [ast.Expr(ast.Constant(...))]
    return node


def _fields(init: ast.FunctionDef) -> list[ast.stmt]:
    """Return the public attributes that `__init__` sets, as `name: type`, each with its docstring."""
    fields: list[ast.stmt] = []
    types = {argument.arg: argument.annotation for argument in init.args.args}
    public = False
    for each in init.body:
        target = each.target if isinstance(each, ast.AnnAssign) else None
        if isinstance(each, ast.Assign):
            target = each.targets[0] if isinstance(each.targets[0], ast.Attribute) else None
        if isinstance(target, ast.Attribute) and isinstance(each, ast.Assign | ast.AnnAssign):
            kind = each.annotation if isinstance(each, ast.AnnAssign) else _type_of(each.value, types)
            public = not target.attr.startswith("_")
            if public:
                fields.append(ast.AnnAssign(ast.Name(target.attr), kind, None, 1))
        elif public and isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant):
            fields.append(each)
        else:
            public = False
    return fields


def _type_of(value: ast.expr, types: dict[str, ast.expr | None]) -> ast.expr:
    """Return the type of an assigned value: that of an argument (`types`), a constant or a constructor; else Any."""
    if isinstance(value, ast.Name) and types.get(value.id) is not None:
        return types[value.id] or ast.Name("Any")
    if isinstance(value, ast.Constant):
        return ast.Name(type(value.value).__name__)
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        return ast.Name(value.func.id)
    return ast.Name("Any")


def _docstring(node: ast.FunctionDef) -> list[ast.stmt]:
    return node.body[:1] if ast.get_docstring(node) is not None else []

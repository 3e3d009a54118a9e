"""The controller API as its signatures and docstrings alone: for whoever writes controllers without our packages."""

import ast
from functools import cache
from pathlib import Path

from sandbox import branch, refused, tts, voting

HEAD = (
    '"""The API that controllers are written against: `from sandbox.tts import …`. Signatures and their contracts."""\n'
)


@cache
def api_stub() -> str:
    """The public part of `sandbox.tts` and of what it hands on, as a stub file (`.pyi`) with docstrings."""
    found: dict[str, ast.stmt] = {}
    imports: list[ast.stmt] = []
    for module in (voting, refused, branch, tts):
        path = module.__file__
        assert path is not None  # noqa: S101 - plain modules
        for node in ast.parse(Path(path).read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                found[node.name] = node
            elif module is tts and isinstance(node, ast.Import | ast.ImportFrom) and not _ours(node):
                imports.append(node)
    kept = [_bare(node) for name, node in found.items() if name in tts.__all__]
    lines = dict.fromkeys(ast.unparse(node) for node in imports)
    return HEAD + "\n".join(lines) + "\n\n" + "\n\n".join(ast.unparse(node) for node in kept) + "\n"


def _ours(node: ast.Import | ast.ImportFrom) -> bool:
    return isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("envdata", "sandbox")


def _bare(node: ast.stmt) -> ast.stmt:
    """A class or function without private members and without anything that runs."""
    if isinstance(node, ast.FunctionDef):
        node.body = [*_docstring(node), ast.Expr(ast.Constant(...))]
        # `lru_cache` and its like are how it is done, not what it is.
        node.decorator_list = [each for each in node.decorator_list if isinstance(each, ast.Name)]
    elif isinstance(node, ast.ClassDef):
        body: list[ast.stmt] = []
        for each in node.body:
            if isinstance(each, ast.FunctionDef):
                if not each.name.startswith("_"):
                    body.append(_bare(each))
                elif each.name == "__init__":
                    # What is set and documented there is the class's public data.
                    body += _fields(each)
            else:
                body.append(each)
        node.body = [each for each in body if not isinstance(each, ast.Assign)] or [ast.Expr(ast.Constant(...))]
    return node


def _fields(init: ast.FunctionDef) -> list[ast.stmt]:
    """`self.name: type = …` of an initialiser as `name: type`, with the strings that explain them."""
    fields: list[ast.stmt] = []
    types = {argument.arg: argument.annotation for argument in init.args.args}
    explaining = False
    for each in init.body:
        target = each.target if isinstance(each, ast.AnnAssign) else None
        if isinstance(each, ast.Assign):
            target = each.targets[0] if isinstance(each.targets[0], ast.Attribute) else None
        if isinstance(target, ast.Attribute) and isinstance(each, ast.Assign | ast.AnnAssign):
            kind = each.annotation if isinstance(each, ast.AnnAssign) else _kind(each.value, types)
            explaining = not target.attr.startswith("_")
            if explaining:
                fields.append(ast.AnnAssign(ast.Name(target.attr), kind, None, 1))
        elif explaining and isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant):
            fields.append(each)
        else:
            explaining = False
    return fields


def _kind(value: ast.expr, types: dict[str, ast.expr | None]) -> ast.expr:
    if isinstance(value, ast.Name) and types.get(value.id) is not None:
        return types[value.id] or ast.Name("Any")
    if isinstance(value, ast.Constant):
        return ast.Name(type(value.value).__name__)
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        return ast.Name(value.func.id)
    return ast.Name("Any")


def _docstring(node: ast.FunctionDef) -> list[ast.stmt]:
    return node.body[:1] if ast.get_docstring(node) is not None else []

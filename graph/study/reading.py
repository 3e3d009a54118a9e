"""Reads the syntax trees of candidates' sources. Run as a script, in a process of its own: see `graph.study.shapes`.

Nothing of a source is executed, but parsing hostile text alone can crash an interpreter or eat its memory. So each
source is parsed in a forked child with hard limits; one that dies of it costs its own reading and nothing else.
Python's standard library alone is used here.
"""

import ast
import hashlib
import json
import os
import resource
import sys
from collections import Counter
from typing import Any

CPU_SECONDS, MEMORY, MAX_NODES, MAX_SAID = 5, 1 << 30, 100_000, 1 << 24
STEM, BASE = 2, 3
"""p and q of the pq-grams."""

NAMES = {
    "agreement": {"majority", "poll", "Poll", "Tally", "Counter"},
    "posterior": {"confidence", "betainc", "betaincc", "betaln", "lgamma", "comb"},
    "random": {"rng"},
}
"""Names whose use shows a voting signal."""
ATTRIBUTES = {"model_confidence": {"confidence"}, "length": {"depth", "tokens"}, "trajectory": {"answers"}}
"""Attributes, likewise; of a branch, most likely. `tokens` counts where it is no attribute of the episode."""


def shape(source: str) -> dict[str, Any]:
    """pq-grams by hash, number of nodes, and signals of a source. Raises what `ast.parse` raises, MemoryError."""
    tree = ast.parse(source)
    grams: Counter[str] = Counter()
    count = 0
    # The anchor with its ancestors, topmost first; walked without recursion, for trees are as deep as one likes.
    waiting: list[tuple[ast.AST, tuple[str, ...]]] = [(tree, ("*",) * (STEM - 1))]
    while waiting:
        node, above = waiting.pop()
        count += 1
        if count > MAX_NODES:
            raise MemoryError
        stem = (*above, _label(node))
        children = _children(node)
        padded = (
            ["*"] * (BASE - 1) + [_label(child) for child in children] + ["*"] * (BASE - 1)
            if children
            else ["*"] * BASE
        )
        for place in range(len(padded) - BASE + 1):
            grams[_hash((*stem, *padded[place : place + BASE]))] += 1
        waiting += [(child, stem[1:]) for child in children]
    return {"nodes": count, "grams": grams, "signals": signals(tree)}


def signals(tree: ast.AST) -> list[str]:
    """What answers are weighed by, as far as names show it."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            # `stats.beta.cdf(…)` too.
            if called in NAMES["posterior"] or (called in ("cdf", "sf") and "beta" in ast.dump(node.func)[:400]):
                found.add("posterior")
            if called in NAMES["agreement"]:
                found.add("agreement")
        elif isinstance(node, ast.Attribute):
            owner = getattr(node.value, "id", "")
            if node.attr in NAMES["random"]:
                found.add("random")
            for signal, names in ATTRIBUTES.items():
                if node.attr in names and owner != "episode":
                    found.add(signal)
    return sorted(found)


def _children(node: ast.AST) -> list[ast.AST]:
    """Those that say something: neither whether a name is read or written, nor docstrings and annotations."""
    kept: list[ast.AST] = []
    for name, value in ast.iter_fields(node):
        if name in ("ctx", "annotation", "returns", "type_params", "type_ignores"):
            continue
        parts = value if isinstance(value, list) else [value]
        children = [part for part in parts if isinstance(part, ast.AST)]
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if name == "body" and documented and children and _is_text(children[0]):
            children = children[1:]
        kept += children
    return kept


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _label(node: ast.AST) -> str:
    said = [type(node).__name__]
    for name in ("id", "attr", "arg", "name", "module", "value"):
        value = getattr(node, name, None)
        if isinstance(value, str | bytes | int | float | complex | bool):
            # A long number takes long to spell.
            short = (
                f"{value.bit_length()} bits" if isinstance(value, int) and abs(value) > 1 << 64 else repr(value)[:80]
            )
            said.append(short)
    return " ".join(said)


def _hash(labels: tuple[str, ...]) -> str:
    return hashlib.blake2b("\n".join(labels).encode("utf-8", "replace"), digest_size=6).hexdigest()


def guarded(source: str) -> bytes:
    """`shape` as JSON, from a child that may die of it; `null` then."""
    inward, outward = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(inward)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            said = json.dumps(shape(source)).encode()
            with os.fdopen(outward, "wb") as stream:
                stream.write(said)
            status = 0
        finally:
            os._exit(status)
    os.close(outward)
    with os.fdopen(inward, "rb") as stream:
        said = stream.read(MAX_SAID)
    _, status = os.waitpid(child, 0)
    return said if status == 0 else b"null"


def main() -> None:
    """Sources as a JSON list on standard input; a JSON value a line on standard output."""
    # What a parser complains of is not for anybody's terminal.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    for source in json.load(sys.stdin):
        sys.stdout.buffer.write(guarded(source) + b"\n")


if __name__ == "__main__":
    main()

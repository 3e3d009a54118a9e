"""Script that computes pq-gram profiles of candidates' sources; `graph.critic.tree_distance` runs it in a process.

Sources are not executed, but parsing hostile text can crash an interpreter or exhaust its memory. So each source is
parsed in a forked child with hard limits; a crash loses that source's profile only. The script uses the standard
library only.
"""

import ast
import hashlib
import json
import os
import resource
import sys
from collections import Counter
from typing import Any

CPU_SECONDS, MEMORY, MAX_NODES, MAX_OUTPUT = 5, 1 << 30, 100_000, 1 << 24
"""Limits of a child: processor time, bytes of memory, nodes of a tree, bytes of output."""
STEM, BASE = 2, 3
"""p and q of the pq-grams: the length of the stem (ancestors) and of the base (children)."""

NAMES = {
    "agreement": {"majority", "poll", "Poll", "Tally", "Counter"},
    "posterior": {"confidence", "betainc", "betaincc", "betaln", "lgamma", "comb"},
    "random": {"rng"},
}
"""Names whose use indicates a voting signal."""
ATTRIBUTES = {"model_confidence": {"confidence"}, "length": {"depth", "tokens"}, "trajectory": {"answers"}}
"""Attributes whose use indicates a voting signal, unless they are attributes of `episode`."""
CONFIDENCE = "confidence"
"""End of the names of the grids' signals that are the model's own confidence."""


def profile(source: str) -> dict[str, Any]:
    """Return the counts of pq-grams by hash, the number of nodes, and the signals of a source.

    Raises:
        MemoryError: The tree has more than `MAX_NODES` nodes.
        Exception: What `ast.parse` raises.
    """
    tree = ast.parse(source)
    grams: Counter[str] = Counter()
    count = 0
    # Each node with its ancestors, topmost first. No recursion: a hostile tree may be arbitrarily deep.
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
    """Return the voting signals that names and attributes in a syntax tree indicate, sorted."""
    detected = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            # `stats.beta.cdf(…)` counts too.
            if called in NAMES["posterior"] or (called in ("cdf", "sf") and "beta" in ast.dump(node.func)[:400]):
                detected.add("posterior")
            if called in NAMES["agreement"]:
                detected.add("agreement")
        elif isinstance(node, ast.Attribute):
            if node.attr in NAMES["random"]:
                detected.add("random")
            for signal, names in ATTRIBUTES.items():
                if node.attr in names and _is_branch(node):
                    detected.add(signal)
    return sorted(detected | _signals_read(tree))


def _signals_read(tree: ast.AST) -> set[str]:
    """Return `model_confidence`, `other_signal`, both or neither, by the names of the grids' signals that a tree reads.

    A name that is not written where `branch.signals` is read is looked for among all strings of the tree.
    """
    nodes = list(ast.walk(tree))
    reads = [node for node in nodes if _reads_signals(node)]
    keys = [node.slice for node in nodes if isinstance(node, ast.Subscript) and _reads_signals(node.value)]
    names = _strings(keys)
    if len(names) < len(reads):
        names += [text for text in _strings(nodes) if text.endswith(CONFIDENCE)] or ["unknown"]
    return {"model_confidence" if name.endswith(CONFIDENCE) else "other_signal" for name in names}


def _strings(nodes: list[Any]) -> list[str]:
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def _reads_signals(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "signals" and _is_branch(node)


def _is_branch(node: ast.Attribute) -> bool:
    """Return whether what an attribute is read from may be a branch."""
    return getattr(node.value, "id", "") != "episode"


def _children(node: ast.AST) -> list[ast.AST]:
    """Return the children of a node without contexts (load or store), docstrings and annotations."""
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
    parts = [type(node).__name__]
    for name in ("id", "attr", "arg", "name", "module", "value"):
        value = getattr(node, name, None)
        if isinstance(value, str | bytes | int | float | complex | bool):
            # Converting a huge integer to text is slow.
            short = (
                f"{value.bit_length()} bits" if isinstance(value, int) and abs(value) > 1 << 64 else repr(value)[:80]
            )
            parts.append(short)
    return " ".join(parts)


def _hash(labels: tuple[str, ...]) -> str:
    return hashlib.blake2b("\n".join(labels).encode("utf-8", "replace"), digest_size=6).hexdigest()


def profile_in_child(source: str) -> bytes:
    """Return `profile` as JSON, computed in a limited child process; `null` if the child fails."""
    inward, outward = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(inward)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            encoded = json.dumps(profile(source)).encode()
            with os.fdopen(outward, "wb") as stream:
                stream.write(encoded)
            status = 0
        finally:
            os._exit(status)
    os.close(outward)
    with os.fdopen(inward, "rb") as stream:
        output = stream.read(MAX_OUTPUT)
    _, status = os.waitpid(child, 0)
    return output if status == 0 else b"null"


def main() -> None:
    """Read sources as a JSON list from standard input; write one JSON value a line to standard output."""
    # The parser's warnings must not reach the terminal.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    for source in json.load(sys.stdin):
        sys.stdout.buffer.write(profile_in_child(source) + b"\n")


if __name__ == "__main__":
    main()

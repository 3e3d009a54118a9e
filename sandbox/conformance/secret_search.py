"""Python source that cases share: search for a secret in all objects, and a walk through all files."""

SEARCH = '''
import gc, re, sys

# A pattern, so that the search does not find itself.
SECRET = re.compile("CANARY-(?:gold|answer|question)-[0-9a-f]{16}")
SECRET_BYTES = re.compile(SECRET.pattern.encode())


def hit(value):
    if isinstance(value, (bytes, bytearray, memoryview)):
        return SECRET_BYTES.search(value)
    return isinstance(value, str) and SECRET.search(value)


def search(roots):
    """Everything that can be reached from `roots`; raises if a secret is among it."""
    seen, waiting = set(), list(roots)
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if hit(one):
            raise RuntimeError(f"LEAK: found {one!r:.200}")
        waiting += gc.get_referents(one)
    return len(seen)
'''


PLACES = """
import os, sys

def places():
    \"\"\"Every folder that can be listed; below / perhaps none can.\"\"\"
    for top in ["/", *sys.path, *map(os.path.dirname, sys.path), "/usr", "/usr/lib", "/lib", "/lib64", "/etc", "/root"]:
        yield from os.walk(top)
"""

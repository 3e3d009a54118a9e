"""Isolated execution: the controller API, the worker that runs a controller, the isolation backends, and evaluation.

`sandbox.solve` and `sandbox.asolve` play a controller live. They are imported on first access, because a controller's
own process imports this package too and must not load them.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    """Import `solve` or `asolve` on first access. Raises AttributeError for any other name."""
    if name not in ("solve", "asolve"):
        raise AttributeError(f"module 'sandbox' has no attribute {name!r}")
    from sandbox import live

    return getattr(live, name)

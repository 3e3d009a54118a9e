"""The body: the API a controller is written against, the worker it runs in, the isolation backends, evaluation.

`sandbox.solve` and `sandbox.asolve` play a controller live; they are imported when they are asked for, because this
package is also what a controller's own process imports.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    if name not in ("solve", "asolve"):
        raise AttributeError(f"module 'sandbox' has no attribute {name!r}")
    from sandbox import solving

    return getattr(solving, name)

"""The `process` backend: limits and filters within the process, nothing around it. Asked for by name."""

from sandbox.backends import payload
from sandbox.backends.base import PYTHON_FLAGS, Limits, Running, clean_environment
from sandbox.backends.local import LocalRunning


def limits_are() -> str:
    """What limits it, in a line."""
    return "rlimits of each worker alone; nothing is around it: for development only"


class ProcessBackend:
    """Runs the zygote as a plain child process with an empty environment.

    On Linux workers have the same resource limits, file rules and system-call filter as everywhere, but these are then
    all there is: a kernel without Landlock lets them read every file that this user can read, grids with their gold
    answers included. Elsewhere there are resource limits only.
    """

    name = "process"

    def __init__(self, without: frozenset[str] = frozenset()) -> None:
        """`without` names defences to leave out, for the tests that show what each is good for."""
        self._without = without

    def launch(self, limits: Limits) -> Running:
        """Start a sandbox that is none."""
        del limits
        root = str(payload.INSIDE.parent)
        paths = {root, *(str(folder.parent) for folder in payload.packages().values())}
        start = f"import sys; sys.path[:0] = {sorted(paths)!r}; from sandbox.inside.zygote import main; main()"
        interpreter = str(payload.executable())
        arguments = [f"--without={','.join(sorted(self._without))}"] if self._without else []
        return LocalRunning([interpreter, *PYTHON_FLAGS, "-c", start, *arguments], clean_environment())

    def close(self) -> None:
        """There is nothing to release."""

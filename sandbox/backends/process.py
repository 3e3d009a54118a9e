"""The `process` backend: limits and filters within the workers, no isolation around them. Used only if named."""

from sandbox.backends import host_limits, payload
from sandbox.backends.base import PYTHON_FLAGS, Backend, Limits, RunningSandbox, clean_environment
from sandbox.backends.local import LocalRunning


class ProcessBackend(Backend):
    """Runs the zygote as a plain child process with an empty environment.

    On Linux, workers have the same resource limits, Landlock rules and system-call filter as in other backends, but no
    further isolation: on a kernel without Landlock they can read every file that this user can read, grids with gold
    answers included. On other systems there are resource limits only.
    """

    name = "process"

    def __init__(self, without: frozenset[str] = frozenset()) -> None:
        """Prepare a backend; `without` names defences to leave out, for tests that show the effect of each."""
        self._without = without

    def limits_are(self) -> str:
        """Return one line on the limits."""
        return "rlimits of each worker alone; nothing is around it: for development only"

    def launch(self, limits: Limits) -> RunningSandbox:
        """Start the zygote. Raises SandboxUnavailable if the host's own hard limits are lower than a worker's."""
        host_limits.check(limits.for_worker())
        root = str(payload.INSIDE.parent)
        paths = {root, *(str(folder.parent) for folder in payload.packages().values())}
        start = f"import sys; sys.path[:0] = {sorted(paths)!r}; from sandbox.inside.zygote import main; main()"
        python = payload.interpreter()
        arguments = [f"--without={','.join(sorted(self._without))}"] if self._without else []
        command = [str(python.executable), *PYTHON_FLAGS, "-c", start, python.library_option, *arguments]
        return LocalRunning(command, clean_environment())

    def close(self) -> None:
        """Do nothing: there is nothing to release."""

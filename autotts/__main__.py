"""Entry point of `python -m autotts` and of the console script `autotts`."""

import os
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command with `arguments`; None: those of the process, which Ctrl-C then ends in one line."""
    if arguments is not None:
        from graph.cli import main as command

        command(arguments)
        return
    try:
        from envdata import interrupts

        interrupts.watch()
        try:
            from graph.cli import main as command

            command()
        except SystemExit as ended:
            interrupts.end(interrupted=ended.code == interrupts.EXIT_CODE)
            raise
        except BaseException as error:
            # Whatever an interrupt became on its way here, such as a failed import.
            interrupts.end(interrupted=interrupts.received())
            if not interrupts.received():
                raise
            raise KeyboardInterrupt from error
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        raise SystemExit(130) from None


def _remove_current_folder() -> None:
    """Remove the current folder, which `python -m` puts first, from the import path.

    A user's `graph.py` or `sandbox/` there would be imported in place of our packages. A folder that holds these,
    such as a checkout, stays.
    """
    current = os.getcwd()
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if not sys.flags.safe_path and sys.path[:1] == [current] and own != current:
        del sys.path[0]


if __name__ == "__main__":
    _remove_current_folder()
    main()

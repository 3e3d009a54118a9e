"""What is kept of a local sandbox's output, and how its end is explained."""

import select
import sys

from sandbox.backends.local import KEPT_OUTPUT, LocalRunning


def test_the_last_words_are_the_last() -> None:
    script = f"import os; os.write(2, b'first ' + b'x' * {2 * KEPT_OUTPUT} + b' the reason'); raise SystemExit(3)"
    running = LocalRunning([sys.executable, "-c", script], {})
    _, output = running.sources
    while select.select([output], [], []) and not running.receive(output).closed:
        pass
    running.kill()
    said = running.explain()
    assert said.startswith("exit status 3")
    assert said.endswith("the reason")

"""The real model behind a real vLLM server, for tests marked `vllm`; prepared by tools/real-model/prepare.sh."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SERVE = Path(__file__).parents[1] / "tools" / "real-model" / "serve.sh"
MODEL = "gemma"
SECONDS_TO_START = 300


@contextmanager
def serving(log: Path) -> Iterator[str]:
    """Serve the model prepared in $AUTOTTS_REAL_MODEL; yields the API's URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with log.open("wb") as output:
        server = subprocess.Popen(
            [SERVE, os.environ["AUTOTTS_REAL_MODEL"], str(port)],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait(server, f"http://127.0.0.1:{port}/v1/models", log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            # The engine is a process of its own, and would stay behind with its memory.
            os.killpg(server.pid, signal.SIGTERM)
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()


def _wait(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except (urllib.error.URLError, OSError):
            time.sleep(1)
        else:
            return
    raise RuntimeError(f"the server did not start; its log ends with:\n{log.read_text(errors='replace')[-3000:]}")

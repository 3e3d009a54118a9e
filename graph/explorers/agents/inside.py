"""What runs beside an agent in its confinement. Standard library alone; nothing of the project is imported.

    inside.py run PORT PROGRAM …     relays 127.0.0.1:PORT to the model's socket, runs the program, ends as it ends
    inside.py evaluate FILE          has the host play a draft, and prints the figures

There is no network in there: the two sockets in /run/autotts are all that leads out.
"""

import contextlib
import json
import resource
import socket
import subprocess
import sys
import threading
from pathlib import Path

DOORS = Path("/run/autotts")
MODEL, EVALUATE = DOORS / "model.sock", DOORS / "evaluate.sock"
MAX_FILE = 256 << 20
"""Bytes that one file of an agent's may have, its output included."""


def run(port: int, command: list[str]) -> int:
    """Run the agent with the relay beside it; returns its exit code."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE, MAX_FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if MODEL.exists():
        listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=_accept, args=(listener,), daemon=True).start()
    return subprocess.run(command, check=False).returncode


def evaluate(file: str) -> int:
    """Ask the host for a draft's figures; 0 if it was played."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.connect(str(EVALUATE))
        link.sendall(json.dumps({"source": Path(file).read_text(encoding="utf-8")}).encode() + b"\n")
        said = json.loads(b"".join(iter(lambda: link.recv(1 << 16), b"")))
    print(json.dumps(said, indent=2))
    return 0 if said.get("status") == "ok" else 1


def _accept(listener: socket.socket) -> None:
    while True:
        near, _ = listener.accept()
        far = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            far.connect(str(MODEL))
        except OSError:
            near.close()
            continue
        for pair in ((near, far), (far, near)):
            threading.Thread(target=_pump, args=pair, daemon=True).start()


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(1 << 16):
            target.sendall(data)
    except OSError:
        pass
    finally:
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        sys.exit(run(int(sys.argv[2]), sys.argv[3:]))
    if sys.argv[1:2] == ["evaluate"] and len(sys.argv) == 3:
        sys.exit(evaluate(sys.argv[2]))
    sys.exit("evaluate FILE: the controller to try")

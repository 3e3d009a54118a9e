"""Program that runs beside an agent in its confinement. Standard library only; it imports nothing of the project.

    socket_relay.py run PORT PROGRAM …     relay 127.0.0.1:PORT to the model's socket, run the program, return its code
    socket_relay.py evaluate FILE          ask the host to evaluate a draft, and print the figures

The confinement has no network: the two sockets in /run/autotts are its only connections.
"""

import contextlib
import json
import resource
import socket
import subprocess
import sys
import threading
from pathlib import Path

SOCKETS = Path("/run/autotts")
MODEL, EVALUATE = SOCKETS / "model.sock", SOCKETS / "evaluate.sock"
MAX_FILE = 256 << 20
"""Limit of a file that an agent writes, its output included, in bytes."""


def run(port: int, command: list[str]) -> int:
    """Run the agent, with the relay if there is a model's socket, and return its exit code.

    Args:
        port: Port on the loopback that is relayed to the model's socket.
        command: The agent's command line.
    """
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE, MAX_FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if MODEL.exists():
        listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=_accept, args=(listener,), daemon=True).start()
    return subprocess.run(command, check=False).returncode


def evaluate(file: str) -> int:
    """Print the host's figures for the draft in `file`, and return 0 if its status is `ok`, otherwise 1."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.connect(str(EVALUATE))
        link.sendall(json.dumps({"source": Path(file).read_text(encoding="utf-8-sig")}).encode() + b"\n")
        figures = json.loads(b"".join(iter(lambda: link.recv(1 << 16), b"")))
    print(json.dumps(figures, indent=2))
    return 0 if figures.get("status") == "ok" else 1


def _accept(listener: socket.socket) -> None:
    """Connect each client of the listener to the model's socket, with a thread for each direction."""
    while True:
        client, _ = listener.accept()
        model = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            model.connect(str(MODEL))
        except OSError:
            client.close()
            continue
        for pair in ((client, model), (model, client)):
            threading.Thread(target=_copy, args=pair, daemon=True).start()


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Copy bytes until the source ends or either side fails, then end the target's input."""
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

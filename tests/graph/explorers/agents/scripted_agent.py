"""An agent without a model, run exactly where a real one would be: it looks for all that it must not see.

It tries a draft three times, writes what it saw to `seen.json` in its workspace, and leaves a controller. Arguments:
the canaries to look for, spelt backwards so that the command line does not hold them, and a port of the host.
"""

import http.client
import json
import os
import socket
import subprocess
import sys
from pathlib import Path


def every_file() -> list[str]:
    return [os.path.join(folder, name) for folder, _, names in os.walk("/") for name in names]


def hunt(files: list[str], wanted: list[bytes]) -> list[list[str]]:
    """For each canary, given backwards, the files that hold it: all but the system's programs and kernel pages."""
    found: list[list[str]] = [[] for _ in wanted]
    for path in files:
        if path.startswith(("/usr", "/sys", "/proc/sys")) or "/lib/python3" in path or not os.path.isfile(path):
            continue
        try:
            with open(path, "rb") as stream:
                data = stream.read(4 << 20)
        except OSError:
            continue
        for place, word in enumerate(wanted):
            if word[::-1] in data:
                found[place].append(path)
    return found


def reaches(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=2).close()
    except OSError:
        return False
    return True


def asks(path: str) -> object:
    link = http.client.HTTPConnection("127.0.0.1", 8080, timeout=20)
    try:
        given = {"authorization": "Bearer mine", "x-api-key": "mine", "openai-organization": "mine"}
        link.request("POST", path, b'{"model": "m", "messages": []}', given)
        reply = link.getresponse()
        return json.load(reply) if reply.status == 200 else reply.status
    except OSError as error:
        return type(error).__name__
    finally:
        link.close()


def main() -> None:
    tries = []
    for _ in range(3):
        Path("draft.py").write_text(DRAFT)
        done = subprocess.run(["evaluate", "draft.py"], capture_output=True, text=True)
        tries.append(json.loads(done.stdout))
    port, files = int(sys.argv[2]), every_file()
    seen = {
        "tries": tries,
        "canaries": hunt(files, sys.argv[1].encode().split(b",")),
        "grids": [path for path in files if path.endswith((".parquet", ".arrow"))],
        "runs": [path for path in files if path.endswith(("run.toml", ".jsonl", ".sqlite"))],
        "environment": dict(os.environ),
        "processes": [name for name in os.listdir("/proc") if name.isdigit()],
        "port of the host": reaches(("127.0.0.1", port)),
        "elsewhere": reaches(("192.0.2.1", 80)),
        "abstract": [line.split()[-1] for line in Path("/proc/net/unix").read_text().splitlines()[1:] if "@" in line],
        "model": asks("/chat/completions"),
        "way out": asks("/../../secret"),
        "other host": asks("http://example.com/chat/completions"),
        "writable": [place for place in ("/", "/usr", "/run/autotts", "/autotts") if os.access(place, os.W_OK)],
        "brief": Path("brief.md").read_text(),
        "history": sorted(str(path) for path in Path("history").rglob("*")),
    }
    Path("seen.json").write_text(json.dumps(seen))
    Path("idea.md").write_text("what the script is told to try")
    Path("controller.py").write_text(DRAFT)


DRAFT = '''
from autotts import Answer, Controller, Episode, majority


class Reads(Controller):
    """Reads some branches and votes."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        return {"width": round(1 + 7 * beta)}

    def solve(self, episode: Episode) -> Answer | None:
        branches = episode.read(int(self.knobs["width"]))
        return majority(branch.answer for branch in branches)
'''

if __name__ == "__main__":
    main()

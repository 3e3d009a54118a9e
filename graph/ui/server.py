"""The server behind `autotts ui`: this machine's own, and nobody else's.

It listens on loopback alone, and answers only requests that were made to it by a loopback name: a page elsewhere that
points a name of its own here (DNS rebinding) is refused. What it is asked with GET changes nothing. A replay takes a
POST with a header that other origins cannot send without asking, and they are never allowed to.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from envdata.grid import GridError
from graph.folder import RunFolder
from graph.page.render import index, waiting
from graph.settings import RunError
from graph.ui.replays import ReplayError, Replays
from graph.ui.runs import Pages, find, state_of
from sandbox.backends.base import SandboxUnavailable
from sandbox.host import CandidateFailed, InfrastructureError

LOOPBACK = "127.0.0.1"
MAX_BODY = 4096
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Besides the policy that each page carries."""


class Refused(Exception):
    """A request that is not answered; says the status and why."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class Server(ThreadingHTTPServer):
    """Serves the runs of a folder until it is closed."""

    daemon_threads = True

    def __init__(self, runs: Path, *, port: int = 0, sandbox: str | None = None) -> None:
        """Listen on loopback; port 0 takes a free one. Raises RunError if there is no run, OSError for a taken port."""
        find(runs)
        super().__init__((LOOPBACK, port), _Handler)
        self.runs, self.sandbox = runs, sandbox
        self.pages = Pages()
        self._replays: dict[str, Replays] = {}

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{LOOPBACK}:{self.server_address[1]}/"

    def run(self, name: str) -> RunFolder:
        """The run of that name. Raises Refused."""
        found = find(self.runs).get(name)
        if found is None:
            raise Refused(HTTPStatus.NOT_FOUND, "there is no such run")
        return found

    def replays(self, name: str) -> Replays:
        """The replays of a run."""
        return self._replays.setdefault(name, Replays(self.run(name), self.sandbox))


class _Handler(BaseHTTPRequestHandler):
    server: Server
    server_version = "autotts"
    sys_version = ""
    timeout = 60

    def do_GET(self) -> None:
        """A page, or how far a run is."""
        self._answer(self._get)

    def do_POST(self) -> None:
        """A replay."""
        self._answer(self._post)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the terminal is the user's."""

    def _get(self, parts: list[str]) -> tuple[str, str]:
        match parts:
            case [""]:
                states = [state_of(name, run) for name, run in find(self.server.runs).items()]
                return "text/html", index(states)
            case ["runs", name, ""]:
                run = self.server.run(name)
                try:
                    return "text/html", self.server.pages.page(name, run)
                except RunError as error:
                    return "text/html", waiting(name, str(error))
            case ["runs", name, "state"]:
                return "application/json", json.dumps(asdict(state_of(name, self.server.run(name))))
        raise Refused(HTTPStatus.NOT_FOUND, "there is nothing here")

    def _post(self, parts: list[str]) -> tuple[str, str]:
        if len(parts) != 3 or parts[0] != "runs" or parts[2] != "replay":
            raise Refused(HTTPStatus.NOT_FOUND, "there is nothing here")
        if self.headers.get("X-Autotts") != "replay" or self.headers.get_content_type() != "application/json":
            raise Refused(HTTPStatus.FORBIDDEN, "a replay is asked for by a page of this server")
        origin = self.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != self.headers.get("Host"):
            raise Refused(HTTPStatus.FORBIDDEN, "a replay is asked for by a page of this server")
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MAX_BODY:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the limit is {MAX_BODY} bytes")
        try:
            said = json.loads(self.rfile.read(int(length)))
        except ValueError:
            raise Refused(HTTPStatus.BAD_REQUEST, "this is not JSON") from None
        return "application/json", json.dumps(self.server.replays(parts[1]).replay(said))

    def _answer(self, act: Callable[[list[str]], tuple[str, str]]) -> None:
        try:
            self._check_host()
            kind, body = act([unquote(part) for part in urlsplit(self.path).path.split("/")[1:]])
            self._send(HTTPStatus.OK, kind, body)
        except Refused as refused:
            self._refuse(refused.status, str(refused))
        except (ReplayError, CandidateFailed) as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        except (RunError, GridError, SandboxUnavailable, InfrastructureError) as error:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _check_host(self) -> None:
        port = self.server.server_address[1]
        if self.headers.get("Host") not in {f"{name}:{port}" for name in (LOOPBACK, "localhost")}:
            raise Refused(HTTPStatus.FORBIDDEN, f"this server is {self.server.url}, and goes by no other name")

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self._send(status, "application/json", json.dumps({"error": why}))

    def _send(self, status: HTTPStatus, kind: str, body: str) -> None:
        data = body.encode("utf-8", "replace")
        self.send_response(status)
        headers: dict[str, Any] = {"Content-Type": f"{kind}; charset=utf-8", "Content-Length": len(data), **HEADERS}
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(data)

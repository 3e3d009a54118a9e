"""The server behind `autotts ui`: the runs of a folder, on loopback only.

It answers requests whose Host is a loopback name, so that a page elsewhere that points a name of its own here (DNS
rebinding) is refused. GET changes nothing. A replay takes a POST with a header that other origins cannot send without
asking, which they are never allowed to.
"""

import json
import socket
from dataclasses import asdict
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from envdata.grid import GridError
from graph.report.page.render import index, waiting
from graph.report.ui.cards import Cards
from graph.report.ui.papers import TYPES, Papers
from graph.report.ui.replays import ReplayError, Replays
from graph.report.ui.runs import Pages, find, state_of
from graph.run.files import RunError
from graph.run.paths import RunFolder
from graph.web.access import LOOPBACK, Access
from graph.web.body import RequestError, parse_json, read_body
from graph.web.connections import Bounds, Config
from sandbox.backends.base import SandboxUnavailable
from sandbox.host import CandidateFailed, InfrastructureError

MAX_BODY = 4096
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Sent with every response; each page carries its own policy besides."""
STATUSES: dict[type[Exception], int] = {
    ReplayError: 400, CandidateFailed: 400,
    RunError: 500, GridError: 500, SandboxUnavailable: 500, InfrastructureError: 500,
}  # fmt: skip
"""The status with which an error's message is sent."""


class Server:
    """Serves the runs of a folder. A context manager: the port is free again after the block."""

    def __init__(self, runs: Path, *, port: int = 0, sandbox: str = "auto") -> None:
        """Listen on loopback; port 0 takes a free one. Raises RunError if there is no run, OSError for a taken port."""
        find(runs)
        self._listener = socket.create_server((LOOPBACK[0], port))
        self._runs, self._sandbox = runs, sandbox
        self._pages, self._cards, self._papers = Pages(), Cards(), Papers()
        self._replays: dict[str, Replays] = {}
        application = Starlette(
            routes=[
                Route("/", self._index),
                Route("/cards", self._card_list),
                Route("/runs/{name}/", self._page),
                Route("/runs/{name}/state", self._state),
                Route("/runs/{name}/paper/{file}", self._paper),
                Route("/runs/{name}/replay", self._replay, methods=["POST"]),
            ],
            middleware=[Middleware(Access, names=LOOPBACK, refusal=lambda why: _error(403, why))],
            exception_handlers=dict.fromkeys((HTTPException, RequestError, *STATUSES), _explain),
        )
        application.router.redirect_slashes = False
        config = Config(
            application, Bounds(), lifespan="off", log_config=None, log_level="error", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    @property
    def url(self) -> str:
        """The address of the list of runs."""
        return f"http://{LOOPBACK[0]}:{self._listener.getsockname()[1]}/"

    def serve(self) -> None:
        """Answer requests until `stop` is called, or Ctrl-C is pressed, which raises KeyboardInterrupt."""
        self._server.run([self._listener])

    def stop(self) -> None:
        """End `serve`, from any thread."""
        self._server.should_exit = True

    def replays(self, name: str) -> Replays:
        """The replays of a run. Raises RequestError."""
        return self._replays.setdefault(name, Replays(self._run(name), self._sandbox))

    def _run(self, name: str) -> RunFolder:
        found = find(self._runs).get(name)
        if found is None:
            raise RequestError(404, "there is no such run")
        return found

    def _index(self, _: Request) -> Response:
        return _html(index(self._cards.all(find(self._runs)), self._runs.resolve().name))

    def _card_list(self, _: Request) -> Response:
        return _json(self._cards.all(find(self._runs)))

    def _page(self, request: Request) -> Response:
        name = request.path_params["name"]
        run = self._run(name)
        try:
            return _html(self._pages.page(name, run))
        except RunError as error:
            return _html(waiting(name, str(error)))

    def _state(self, request: Request) -> Response:
        name = request.path_params["name"]
        return _json(asdict(state_of(name, self._run(name))))

    def _paper(self, request: Request) -> Response:
        name, file = request.path_params["name"], request.path_params["file"]
        content = self._papers.file(name, self._run(name), file)
        if content is None:
            raise RequestError(404, "the run has no such file for a paper")
        saved = {"Content-Disposition": f'attachment; filename="{file}"'}
        return Response(content, 200, {**HEADERS, **saved}, TYPES[Path(file).suffix])

    async def _replay(self, request: Request) -> Response:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if request.headers.get("x-autotts") != "replay" or kind != "application/json":
            raise RequestError(403, "a replay is asked for by a page of this server")
        wanted = parse_json(await read_body(request, MAX_BODY))
        name = request.path_params["name"]
        return _json(await run_in_threadpool(lambda: self.replays(name).replay(wanted)))


def _html(page: str) -> Response:
    return Response(page.encode("utf-8", "replace"), 200, HEADERS, "text/html; charset=utf-8")


def _json(value: Any, status: int = 200, **headers: str) -> Response:
    # In ASCII, so that half a surrogate pair in a run's own text can be sent too.
    return Response(json.dumps(value), status, {**HEADERS, **headers}, "application/json")


def _error(status: int, why: str) -> Response:
    # The rest of a body that was refused is not waited for.
    return _json({"error": why}, status, Connection="close")


def _explain(_: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        return _error(error.status_code, error.detail)
    if isinstance(error, RequestError):
        return _error(error.status, str(error))
    return _error(next(status for kind, status in STATUSES.items() if isinstance(error, kind)), str(error))

"""The endpoint: /v1/chat/completions, /v1/models, /health and /metrics."""

import asyncio
import contextlib
import hmac
import logging
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from envdata.collect.engine import CollectError
from envdata.episodes import Terms
from envdata.live.episode import LiveEpisode
from envdata.live.model import Asking
from graph.serve.asked import ChatRequest, Offer, read_request
from graph.serve.gate import Gate
from graph.serve.metrics import Metrics
from graph.serve.problems import Problem, of_error
from graph.serve.replies import Reply, event
from sandbox.solving import Solution, SolveError, Solver

LOOK_SECONDS = 0.25
"""How often it is looked whether a client is still there."""
BEAT_SECONDS = 5.0
"""How often a stream says that work goes on, for whatever stands between here and the client."""
HEALTH_SECONDS = 5.0

_log = logging.getLogger("autotts.serve")


@dataclass(frozen=True)
class Terminal:
    """What an endpoint holds its clients to."""

    key: str | None = None
    """What clients must show; None lets everybody in."""
    at_once: int = 4
    queue: int = 64
    budget: int | None = None
    """Tokens generated for all questions together."""


class Endpoint:
    """Answers requests with a running solver."""

    def __init__(self, solver: Solver, offer: Offer, asking: Asking, terms: Terms, terminal: Terminal) -> None:
        """The solver is started and closed with the application."""
        self._solver, self._offer, self._asking, self._terms = solver, offer, asking, terms
        self._key = terminal.key
        self.gate = Gate(terminal.at_once, terminal.queue, terminal.budget)
        self.metrics = Metrics()
        self.application = Starlette(
            routes=[
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
                Route("/v1/models", self._models),
                Route("/v1/models/{name:path}", self._one_model),
                Route("/health", self._health),
                Route("/metrics", self._page),
            ],
            exception_handlers={Problem: _say, HTTPException: _say_plain},
            lifespan=self._lifespan,
        )

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        if self._solver.facts is not None:
            # Whoever started it closes it.
            yield
            return
        async with self._solver:
            yield

    def _check_key(self, request: Request) -> None:
        shown = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self._key is not None and not hmac.compare_digest(shown.encode(), self._key.encode()):
            raise Problem(
                401, "Incorrect API key provided.", kind="invalid_request_error", code="invalid_api_key"
            )  # fmt: skip

    async def _models(self, request: Request) -> Response:
        self._check_key(request)
        return JSONResponse({"object": "list", "data": [_model(name) for name in self._offer.names()]})

    async def _one_model(self, request: Request) -> Response:
        self._check_key(request)
        name = request.path_params["name"]
        self._offer.find(name, {})
        return JSONResponse(_model(name))

    async def _health(self, _: Request) -> Response:
        try:
            async with asyncio.timeout(HEALTH_SECONDS):
                await self._solver.model.engine.context()
        except (CollectError, TimeoutError) as error:
            return JSONResponse({"status": "upstream is gone", "why": str(error)}, 503)
        return JSONResponse({"status": "ok", "running": self._solver.running})

    async def _page(self, request: Request) -> Response:
        self._check_key(request)
        return Response(self.metrics.page(self._solver, self.gate.inside), media_type=CONTENT_TYPE_LATEST)

    async def _chat(self, request: Request) -> Response:
        self._check_key(request)
        asked = read_request(await request.body(), self._offer)
        self.gate.check()
        reply = Reply(uuid.uuid4().hex, asked)
        if asked.stream:
            headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
            return StreamingResponse(self._stream(request, asked, reply), 200, headers, "text/event-stream")
        working = asyncio.ensure_future(self._solve(asked))
        try:
            while not working.done():
                await asyncio.wait([working], timeout=LOOK_SECONDS)
                if not working.done() and await request.is_disconnected():
                    self.metrics.request(asked.controller, "gone")
                    return Response(status_code=499)
            solution = await working
        except Exception as error:
            raise self._problem(asked, error) from None
        finally:
            await _end(working)
        self.metrics.request(asked.controller, "ok")
        return JSONResponse(reply.whole(solution, self._asking.settings))

    async def _stream(self, request: Request, asked: ChatRequest, reply: Reply) -> AsyncIterator[bytes]:
        working = asyncio.ensure_future(self._solve(asked))
        status = "gone"
        try:
            yield reply.begin()
            silent = 0.0
            while not working.done():
                await asyncio.wait([working], timeout=LOOK_SECONDS)
                if not working.done() and await request.is_disconnected():
                    return
                silent += LOOK_SECONDS
                if silent >= BEAT_SECONDS:
                    silent = 0.0
                    yield b": working\n\n"
            try:
                solution = await working
            except Exception as error:
                status = ""
                yield event(self._problem(asked, error).as_object())
                return
            status = "ok"
            for chunk in reply.rest(solution, self._asking.settings):
                yield chunk
        finally:
            if status:
                self.metrics.request(asked.controller, status)
            await _end(working)

    async def _solve(self, asked: ChatRequest) -> Solution:
        asking, terms = self._asking, self._terms
        changes = dict(asked.sampling)
        if "max_tokens" in changes:
            changes["max_tokens"] = min(changes["max_tokens"], asking.settings.sampling.max_tokens)
        if "stop" in changes:
            changes["stop"] = (*asking.settings.sampling.stop, *changes["stop"])
        asking = asking.with_sampling(**changes)
        if asked.budget is not None:
            budget = asked.budget if terms.budget is None else min(asked.budget, terms.budget)
            terms = Terms(terms.max_branches, budget, terms.probe_cost)
        async with self.gate.place():
            met: list[LiveEpisode] = []
            try:
                solution = await self._solver.solve(
                    asked.turns,
                    self._offer.controllers[asked.controller],
                    asked.beta,
                    seed=asked.seed,
                    asking=asking,
                    terms=terms,
                    watch=lambda episode: met.append(episode) if not met else None,
                )
            except asyncio.CancelledError:
                for one in met:
                    self.gate.generated += one.world.traces.decoded + one.world.probes.decoded
                    self.metrics.left(asked.controller, one)
                raise
            except SolveError as error:
                self._count(asked, error.solution)
                raise
            self._count(asked, solution)
            return solution

    def _count(self, asked: ChatRequest, solution: Solution) -> None:
        self.gate.generated += solution.cost.generated
        self.metrics.solved(asked.controller, solution)

    def _problem(self, asked: ChatRequest, error: Exception) -> Problem:
        problem = of_error(error)
        if problem.status == 500 and not isinstance(error, SolveError):
            _log.error("a request failed", exc_info=error)
        self.metrics.request(asked.controller, str(problem.status))
        return problem


async def _end(working: "asyncio.Future[Solution]") -> None:
    """Stop what nobody waits for any more, and wait until it has stopped."""
    if not working.done():
        working.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await working


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "autotts"}


async def _say(_: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)  # noqa: S101 - it is registered for these
    headers = {"Retry-After": "5"} if problem.code == "rate_limit_exceeded" else None
    return JSONResponse(problem.as_object(), problem.status, headers)


async def _say_plain(request: Request, error: Exception) -> Response:
    """Paths and methods that do not exist, in the API's form too."""
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for these
    message = f"{error.detail}: {request.method} {request.url.path}"
    return await _say(request, Problem(error.status_code, message, kind="invalid_request_error"))

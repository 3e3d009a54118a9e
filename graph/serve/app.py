"""The endpoint's application: /v1/chat/completions, /v1/responses, /v1/models, /health and /metrics."""

import asyncio
import contextlib
import hmac
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from envdata.collect.engine import CollectError
from envdata.episodes import Terms
from envdata.live.episode import LiveEpisode
from envdata.live.model import LiveSettings
from graph.accounting.usage import Usage
from graph.analysis.token_prices import LivePrices
from graph.serve.admission import AdmissionControl
from graph.serve.errors import Problem, of_error
from graph.serve.metrics import Metrics
from graph.serve.passthrough import HEADER, Passthrough
from graph.serve.replies import ChatReply, Reply
from graph.serve.requests import (
    ChatRequest,
    ServedControllers,
    find_controller,
    read_chat,
    read_object,
    unsupported_in_chat,
)
from graph.serve.responses_api import ResponseReply, read_response, unsupported_in_responses
from graph.web.access import LOOPBACK, Access
from graph.web.body import RequestError, read_body
from sandbox.live import Solution, SolveError, Solver

MAX_BODY = 4 << 20
"""Bytes of a question."""
MAX_PASSED_BODY = 16 << 20
"""Bytes of a request that is handed on, which may have images in it."""
LOOK_SECONDS = 0.25
"""Seconds between checks whether the client has disconnected."""
BEAT_SECONDS = 5.0
"""Seconds between comments in a silent stream, which keep proxies from closing it."""
HEALTH_SECONDS = 5.0
HINT = "; its operator can add one with --allow-host"

_log = logging.getLogger("autotts.serve")


@dataclass(frozen=True)
class EndpointSettings:
    """Access and limits of an endpoint."""

    key: str | None = None
    """API key that clients must send; None admits everybody."""
    at_once: int = 4
    """Questions that are solved at the same time, at most."""
    queue: int = 64
    """Questions that wait, at most."""
    budget: int | None = None
    """Tokens generated for all questions together, at most; None is unlimited."""
    hosts: tuple[str, ...] = LOOPBACK
    """Host names that clients may use, besides the address that the endpoint listens at."""
    origins: tuple[str, ...] = ()
    """Origins of other web pages that may use the endpoint, such as https://pages.example."""
    prices: LivePrices | None = None
    """Prices of the upstream's tokens and the judge's, for dollars in metrics and replies."""


@dataclass(frozen=True)
class Api:
    """One of the API's two ways to ask: how a request is read and its reply written."""

    path: str
    """Path below /v1."""
    unsupported: Callable[[Mapping[str, Any]], list[str]]
    """Names the fields that make a request something else than a question for a controller."""
    read: Callable[[Mapping[str, Any], ServedControllers], ChatRequest]
    reply: Callable[[str, ChatRequest, LivePrices | None], Reply]
    """Starts the reply, from a unique id, the request and the prices of tokens."""


APIS = (
    Api("/chat/completions", unsupported_in_chat, read_chat, ChatReply),
    Api("/responses", unsupported_in_responses, read_response, ResponseReply),
)


class Endpoint:
    """Answers requests by solving them with a controller over a live model."""

    def __init__(
        self,
        solver: Solver,
        offer: ServedControllers,
        live_settings: LiveSettings,
        terms: Terms,
        settings: EndpointSettings,
        passthrough: Passthrough | None = None,
    ) -> None:
        """Build the application, which starts and closes the solver.

        Args:
            solver: Solver over the upstream model.
            offer: Controllers that are served.
            live_settings: Default prompt and sampling of the model.
            terms: Default terms of episodes.
            settings: Access and limits.
            passthrough: The server that requests are handed on to which are no questions for a controller; None
                refuses them. It is closed with the solver.
        """
        self._solver, self._offer, self._live_settings, self._terms = solver, offer, live_settings, terms
        self._key, self._passthrough = settings.key, passthrough
        self.gate = AdmissionControl(settings.at_once, settings.queue, settings.budget)
        self._prices, self.metrics = settings.prices, Metrics(settings.prices)
        self.application = Starlette(
            routes=[
                *(Route(f"/v1{api.path}", partial(self._answer, api=api), methods=["POST"]) for api in APIS),
                Route("/v1/models", self._models),
                Route("/v1/models/{name:path}", self._one_model),
                Route("/health", self._health),
                Route("/metrics", self._page),
            ],
            middleware=[
                Middleware(Access, names=settings.hosts, refusal=_forbidden, hint=HINT, origins=settings.origins),
                *_cross_origin(settings.origins),
            ],
            exception_handlers={
                Problem: _problem_response,
                RequestError: _body_error_response,
                HTTPException: _http_error_response,
            },
            lifespan=self._lifespan,
        )

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        if self._solver.facts is not None:
            # A solver that runs already is closed by its owner.
            yield
            return
        try:
            async with self._solver:
                yield
        finally:
            if self._passthrough is not None:
                await self._passthrough.aclose()

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
                await self._solver.model.server.context()
        except (CollectError, TimeoutError) as error:
            return JSONResponse({"status": "upstream is gone", "why": str(error)}, 503)
        return JSONResponse({"status": "ok", "running": self._solver.running})

    async def _page(self, request: Request) -> Response:
        self._check_key(request)
        passed = 0 if self._passthrough is None else self._passthrough.fallback_requests
        return Response(self.metrics.page(self._solver, self.gate.inside, passed), media_type=CONTENT_TYPE_LATEST)

    async def _answer(self, request: Request, api: Api) -> Response:
        self._check_key(request)
        if self._passthrough is None:
            self.gate.check()
        else:
            # The body tells whether the request needs a place.
            self.gate.check_budget()
        body = await read_body(request, MAX_BODY if self._passthrough is None else MAX_PASSED_BODY)
        given = read_object(body)
        fields = api.unsupported(given)
        if fields and self._passthrough is not None:
            find_controller(given, self._offer)
            return self._passthrough.pass_on(api.path, body, given, fields, self._passed)
        if len(body) > MAX_BODY:
            raise RequestError(413, f"the question has more than {MAX_BODY} bytes, which is the limit; send less")
        asked = api.read(given, self._offer)
        self.gate.check()
        reply = api.reply(uuid.uuid4().hex, asked, self._prices)
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
        return JSONResponse(reply.whole(solution, self._live_settings.settings))

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
                yield reply.failed(self._problem(asked, error))
                return
            status = "ok"
            for chunk in reply.rest(solution, self._live_settings.settings):
                yield chunk
        finally:
            if status:
                self.metrics.request(asked.controller, status)
            await _end(working)

    async def _solve(self, asked: ChatRequest) -> Solution:
        live_settings, terms = self._live_settings, self._terms
        changes = dict(asked.sampling)
        if "max_tokens" in changes:
            changes["max_tokens"] = min(changes["max_tokens"], live_settings.settings.sampling.max_tokens)
        if "stop" in changes:
            changes["stop"] = (*live_settings.settings.sampling.stop, *changes["stop"])
        live_settings = live_settings.with_sampling(**changes)
        if asked.budget is not None:
            budget = asked.budget if terms.budget is None else min(asked.budget, terms.budget)
            terms = Terms(terms.max_branches, budget, terms.probe_cost)
        async with self.gate.place():
            episodes: list[LiveEpisode] = []
            try:
                solution = await self._solver.solve(
                    asked.turns,
                    self._offer.controllers[asked.controller],
                    asked.beta,
                    seed=asked.seed,
                    live_settings=live_settings,
                    terms=terms,
                    watch=lambda episode: episodes.append(episode) if not episodes else None,
                )
            except asyncio.CancelledError:
                for episode in episodes:
                    self.gate.generated += episode.source.traces.decoded + episode.source.probes.decoded
                    self.metrics.abandoned(asked.controller, episode)
                raise
            except SolveError as error:
                self._count(asked, error.solution)
                raise
            self._count(asked, solution)
            return solution

    def _passed(self, status: str, usage: Usage | None, estimated: bool) -> None:
        self.gate.generated += 0 if usage is None else usage.output
        self.metrics.passed(status, usage, estimated)

    def _count(self, asked: ChatRequest, solution: Solution) -> None:
        self.gate.generated += solution.cost.generated
        self.metrics.solved(asked.controller, solution)

    def _problem(self, asked: ChatRequest, error: Exception) -> Problem:
        problem = of_error(error)
        if problem.status == 500 and not isinstance(error, SolveError):
            _log.error("a request failed", exc_info=error)
        self.metrics.request(asked.controller, str(problem.status))
        return problem


def _cross_origin(origins: tuple[str, ...]) -> list[Middleware]:
    """Return what tells browsers that pages of these origins may read the replies; nothing without any."""
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware, allow_origins=origins, allow_methods=["GET", "POST"], allow_headers=["*"],
            expose_headers=[HEADER, "Retry-After"], allow_private_network=True,
        )
    ]  # fmt: skip


async def _end(working: "asyncio.Future[Solution]") -> None:
    """Cancel a solution that is no longer needed, and wait until it has stopped."""
    if not working.done():
        working.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await working


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "autotts"}


async def _problem_response(_: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)  # noqa: S101 - it is registered for these
    headers = {"Retry-After": "5"} if problem.code == "rate_limit_exceeded" else None
    return JSONResponse(problem.as_object(), problem.status, headers)


def _forbidden(why: str) -> Response:
    problem = Problem(403, why, kind="invalid_request_error", code="forbidden")
    return JSONResponse(problem.as_object(), 403, {"Connection": "close"})


async def _body_error_response(_: Request, error: Exception) -> Response:
    """Return a body that was refused while it was read as an error of the API; its rest is not awaited."""
    assert isinstance(error, RequestError)  # noqa: S101 - it is registered for these
    problem = Problem(error.status, str(error), kind="invalid_request_error")
    return JSONResponse(problem.as_object(), problem.status, {"Connection": "close"})


async def _http_error_response(request: Request, error: Exception) -> Response:
    """Return an unknown path or method as an error of the API."""
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for these
    message = f"{error.detail}: {request.method} {request.url.path}"
    return await _problem_response(request, Problem(error.status_code, message, kind="invalid_request_error"))

"""`autotts serve`: serves controllers behind an OpenAI-compatible endpoint."""

import asyncio
import contextlib
import ipaddress
from pathlib import Path
from socket import socket
from typing import Any
from urllib.parse import urlsplit

import click

from envdata.collect.server_keys import fallback_keys, server_key
from envdata.text_files import TextFileError, read_text
from graph.cli.judge_options import judge_options, make_judge
from graph.cli.live_options import (
    episode_options,
    failure_option,
    live_errors,
    live_query_options,
    make_engine,
    make_live_settings,
    make_terms,
    model_options,
    say_if_streams,
)
from graph.cli.prices_option import live_prices_options, make_live_prices
from sandbox.backends.choose import make_backend
from sandbox.candidate import Candidate
from sandbox.live import Solver


@click.command("serve")
@click.option("--controller", "controllers", multiple=True, required=True, metavar="FILE|NAME",
              help="May be repeated; the first is the default. NAME=FILE gives another name.")  # fmt: skip
@click.option(
    "--beta", type=click.FloatRange(0, 1), default=0.5, show_default=True, help="β of a request that gives none."
)
@model_options("--upstream")
@live_query_options
@episode_options
@failure_option
@judge_options
@click.option("--passthrough/--no-passthrough", default=None, help="Hand requests that are no questions for a "
              "controller (tools, formats, images, n above 1, log-probabilities) to the upstream, or refuse them.  "
              "[default: hand them on, unless --vllm]")  # fmt: skip
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8300, show_default=True, help="0 takes a free one.")
@click.option("--key-file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="A file with the key that clients must send.  [default: none, on loopback only]")  # fmt: skip
@click.option("--allow-host", "hosts", multiple=True, metavar="NAME",
              help="A host name that clients may use, as behind a proxy; may be repeated.  [default: loopback's, and "
              "the address it listens at]")  # fmt: skip
@click.option("--cors", "origins", multiple=True, metavar="ORIGIN", help="An origin whose web pages may use the "
              "endpoint, as https://pages.example; may be repeated.  [default: only its own]")  # fmt: skip
@click.option("--at-once", type=click.IntRange(1, 256), default=4, show_default=True, help="Questions solved at once.")
@click.option("--queue", type=click.IntRange(0), default=64, show_default=True, help="Questions that may wait.")
@click.option("--total-budget", type=click.IntRange(1), help="Tokens generated for all questions together.")
@live_prices_options
def serve_command(
    controllers: tuple[str, ...],
    beta: float,
    passthrough: bool | None,
    host: str,
    port: int,
    key_file: Path | None,
    hosts: tuple[str, ...],
    origins: tuple[str, ...],
    at_once: int,
    queue: int,
    total_budget: int | None,
    **given: Any,
) -> None:
    """Serve controllers as models: /v1/chat/completions, /v1/responses, /v1/models, /health, /metrics.

    A model is called NAME, NAME@β or NAME-UPSTREAMMODEL; extra_body={"autotts": {"controller": …, "beta": …}} has the
    same effect. If a client disconnects, its branches stop.
    """
    try:
        import uvicorn

        from graph.serve.app import Endpoint, EndpointSettings
        from graph.serve.passthrough import Passthrough
        from graph.serve.requests import ServedControllers
        from graph.web.access import LOOPBACK
        from graph.web.connections import Bounds, Config
    except ImportError as error:
        raise click.ClickException(f"{error}; pip install 'autotts[serve]'") from None
    key = _read_key(key_file)
    if key is None and not _is_loopback(host):
        raise click.UsageError(f"{host} can be reached from elsewhere: give clients a key with --key-file")
    speaks = not given["vllm"] and given["protocol"] != "anthropic"
    if passthrough and not speaks:
        raise click.UsageError("--passthrough needs a server of the OpenAI API to hand requests to")
    candidates = _parse_controllers(controllers)
    served = ServedControllers(candidates, beta, given["model"])
    live_settings, terms = make_live_settings(given), make_terms(given)
    engine, judge = make_engine(given), make_judge(given)
    solver = Solver(
        engine,
        live_settings,
        sandbox=given["sandbox"],
        terms=terms,
        on_failure=given["on_failure"],
        seconds=given["seconds"],
        judge=judge,
    )
    for origin in origins:
        _check_origin(origin)
    prices = make_live_prices(given, judge)
    endpoint_settings = EndpointSettings(key, at_once, queue, total_budget, (*LOOPBACK, host, *hosts), origins, prices)
    # None, where neither is given, hands requests on as well.
    hands_on = passthrough is not False and speaks
    beyond = None
    if hands_on:
        url, own = given["server"], server_key(given["server"])
        fallbacks = fallback_keys(given["fallbacks"], url, own)
        beyond = Passthrough(url, given["model"], key=own, fallbacks=fallbacks, timeout=given["timeout"])
    endpoint = Endpoint(solver, served, live_settings, terms, endpoint_settings, beyond)
    config = Config(
        endpoint.application, Bounds(connections=1024), host=host, port=port, log_level="info", lifespan="off",
        timeout_graceful_shutdown=10,
    )  # fmt: skip

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket] | None = None) -> None:
            """Listen, and say so: the model has been tried and questions are answered from now on."""
            await super().startup(sockets)
            if self.started:
                own, taken = self.servers[0].sockets[0].getsockname()[:2]
                place = f"[{own}]" if ":" in own else own
                click.echo(f"ready: http://{place}:{taken}/v1 has the models {', '.join(served.names())}", err=True)

    async def run() -> None:
        async with solver, contextlib.AsyncExitStack() as closing:
            if beyond is not None:
                closing.push_async_callback(beyond.aclose)
            say_if_streams(solver)
            for candidate in candidates.values():
                solver.check(candidate)
            # A sandbox that does not work here is told now, not with the first question.
            await asyncio.to_thread(make_backend, given["sandbox"])
            await Server(config).serve()

    click.echo(f"starting: tries what {given['server'] or given['model']} can do …", err=True)
    with live_errors():
        asyncio.run(run())


def _check_origin(origin: str) -> None:
    """Raise click.UsageError for what no browser names as an origin."""
    parts = urlsplit(origin)
    if parts.scheme not in ("http", "https") or origin != f"{parts.scheme}://{parts.netloc}" or not parts.hostname:
        raise click.UsageError(
            f"--cors {origin} is no origin; name each as http://HOST[:PORT] or https://HOST[:PORT], without a path"
        )


def _read_key(path: Path | None) -> str | None:
    """Return the key in a file, None without a file. Raises click.UsageError."""
    if path is None:
        return None
    try:
        key = read_text(path).strip()
    except TextFileError as error:
        raise click.UsageError(f"{path} {error}") from None
    if not key:
        raise click.UsageError(f"{path} is empty; write the key into it")
    return key


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _parse_controllers(specs: tuple[str, ...]) -> dict[str, Candidate]:
    """Return controllers by name: the NAME given, a shipped controller's name, or a file's without its suffix.

    Raises:
        click.UsageError: two controllers have the same name.
    """
    candidates: dict[str, Candidate] = {}
    for spec in specs:
        name, equals, rest = spec.partition("=")
        if equals and name.isidentifier() and ":" not in name:
            candidate = Candidate.parse(rest)
        else:
            candidate, name = Candidate.parse(spec), Path(spec.partition(":")[0]).stem
        if name in candidates:
            raise click.UsageError(f"two controllers are called {name}; give one another name with NAME=FILE")
        candidates[name] = candidate
    return candidates

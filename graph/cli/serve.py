"""`autotts serve`: controllers behind an OpenAI-compatible endpoint."""

import asyncio
import ipaddress
from pathlib import Path
from typing import Any

import click

from graph.cli.live_options import (
    asking_options,
    clear_errors,
    episode_options,
    make_asking,
    make_engine,
    make_terms,
    model_options,
)
from sandbox.candidate import Candidate
from sandbox.solving import Solver


@click.command("serve")
@click.option("--controller", "controllers", multiple=True, required=True, metavar="FILE|NAME",
              help="May be repeated; the first is the default. NAME=FILE gives another name.")  # fmt: skip
@click.option("--beta", type=click.FloatRange(0, 1), default=0.5, show_default=True, help="Where a request says none.")
@model_options("--upstream")
@asking_options
@episode_options
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8300, show_default=True, help="0 takes a free one.")
@click.option("--key-file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="A file with the key that clients must show.  [default: none, on loopback only]")  # fmt: skip
@click.option("--at-once", type=click.IntRange(1, 256), default=4, show_default=True, help="Questions solved at once.")
@click.option("--queue", type=click.IntRange(0), default=64, show_default=True, help="Questions that may wait.")
@click.option("--total-budget", type=click.IntRange(1), help="Tokens generated for all questions together.")
def serve_command(
    controllers: tuple[str, ...],
    beta: float,
    host: str,
    port: int,
    key_file: Path | None,
    at_once: int,
    queue: int,
    total_budget: int | None,
    **given: Any,
) -> None:
    """Serve controllers as models: /v1/chat/completions, /v1/models, /health, /metrics.

    A model is called NAME, NAME@β or NAME-UPSTREAMMODEL; extra_body={"autotts": {"controller": …, "beta": …}} says the
    same. A client that goes away stops its branches.
    """
    try:
        import uvicorn

        from graph.serve.app import Endpoint, Terminal
        from graph.serve.asked import Offer
    except ImportError as error:
        raise click.ClickException(f"{error}; pip install 'autotts[serve]'") from None
    key = _key(key_file)
    if key is None and not _is_loopback(host):
        raise click.UsageError(f"{host} can be reached from elsewhere: give clients a key with --key-file")
    offer = Offer(_named(controllers), beta, given["model"])
    asking, terms = make_asking(given), make_terms(given)
    engine = make_engine(given)
    solver = Solver(
        engine, asking, sandbox=given["sandbox"], terms=terms, on_failure=given["on_failure"], seconds=given["seconds"]
    )
    endpoint = Endpoint(solver, offer, asking, terms, Terminal(key, at_once, queue, total_budget))
    config = uvicorn.Config(
        endpoint.application, host=host, port=port, log_level="info", lifespan="off", timeout_graceful_shutdown=10
    )
    server = uvicorn.Server(config)
    click.echo(f"models: {', '.join(offer.names())}", err=True)

    async def run() -> None:
        async with solver:
            await server.serve()

    with clear_errors():
        asyncio.run(run())


def _key(path: Path | None) -> str | None:
    if path is None:
        return None
    key = path.read_text("utf-8").strip()
    if not key:
        raise click.UsageError(f"{path} is empty; write the key into it")
    return key


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _named(specs: tuple[str, ...]) -> dict[str, Candidate]:
    """Controllers by name: a shipped one's own, a file's without its ending, or the one that is given."""
    found: dict[str, Candidate] = {}
    for spec in specs:
        name, equals, rest = spec.partition("=")
        if equals and name.isidentifier() and ":" not in name:
            candidate = Candidate.parse(rest)
        else:
            candidate, name = Candidate.parse(spec), Path(spec.partition(":")[0]).stem
        if name in found:
            raise click.UsageError(f"two controllers are called {name}; give one another name with NAME=FILE")
        found[name] = candidate
    return found

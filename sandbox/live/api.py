"""Functions that solve one question with a controller and a model server.

from autotts import solve
print(solve("What is 12 * 34?", controller="cmc", server="http://127.0.0.1:8000/v1", model="Qwen/Qwen3-8B").answer)
"""

from collections.abc import Sequence
from typing import Any, Literal

from envdata.collect.chat_streams import ChatStreams
from envdata.collect.engine import Engine
from envdata.collect.server_keys import ANTHROPIC_KEY, ServerKey, fallback_keys, server_key
from envdata.event_loops import run_coroutine
from envdata.live.model import LiveSettings, chat_settings
from sandbox.live.solution import Solution
from sandbox.live.solver import Solver

ServerProtocol = Literal["auto", "chat", "anthropic"]
"""Ways to use a server."""

CONCURRENCY = 256
"""Largest number of concurrent requests, traces and probes each: a server queues better than a client."""


async def asolve(
    question: str,
    *,
    controller: str,
    beta: float = 0.5,
    server: str,
    model: str,
    api_key: str | None = None,
    live_settings: LiveSettings | None = None,
    timeout: float = 300.0,
    retries: int = 4,
    seed: int | None = None,
    fallbacks: Sequence[str] = (),
    protocol: ServerProtocol = "auto",
    **solver: Any,
) -> Solution:
    r"""Let a controller solve a question with a served model, and return the solution.

    For many questions, keep a `Solver`.

    Args:
        question: Text of the question.
        controller: File, or name of a shipped controller, with settings or without: `NAME_OR_FILE[:knob=value,…]`.
        beta: β in [0, 1].
        server: URL of an OpenAI-compatible server; controllers that probe need one that continues a partial answer.
        model: The model's name at the server.
        api_key: Key of the server; if None that of `envdata.collect.server_keys.server_key`.
        live_settings: How the question is put and the answer read; None for a chat whose answer is in \boxed{}.
        timeout: Seconds per request, retries included.
        retries: Times that a request is made again if the server is busy or fails.
        seed: Seed of the branches; drawn anew if None.
        fallbacks: URLs of further servers of the same model (`served`).
        protocol: How the server is used (`served`).
        solver: Further arguments of `Solver`: `on_failure`, `terms`, `seconds`, `sandbox`, …

    Raises:
        SolveError: The episode failed; and the other errors of `Solver.solve`.
    """
    engine = served(
        server, model, api_key=api_key, timeout=timeout, retries=retries, fallbacks=fallbacks, protocol=protocol
    )
    async with Solver(engine, live_settings or LiveSettings.of(chat_settings()), **solver) as solving:
        return await solving.solve(question, controller, beta, seed=seed)


def solve(question: str, **arguments: Any) -> Solution:
    """Return what `asolve` returns, and wait for it; an event loop may be running, as in a notebook."""
    return run_coroutine(asolve(question, **arguments))


def served(
    server: str,
    model: str,
    *,
    api_key: str | None = None,
    timeout: float = 300.0,
    retries: int = 4,
    template: Any = None,
    concurrency: int = CONCURRENCY,
    fallbacks: Sequence[str] = (),
    protocol: ServerProtocol = "auto",
) -> Engine | ChatStreams:
    """Return an engine for a server's URL that counts the requests of each episode.

    Args:
        server: URL of an OpenAI-compatible server.
        model: The model's name at the server.
        api_key: Key of the server; if None AUTOTTS_SERVER_KEY, else OPENAI_API_KEY, with the protocol `anthropic`
            ANTHROPIC_API_KEY, where it may be sent to this host (`envdata.collect.server_keys`).
        timeout: Seconds per request, retries included.
        retries: Times that a request is made again if the server is busy or fails.
        template: Chat template in place of the server's.
        concurrency: Largest number of concurrent requests, traces and probes each.
        fallbacks: URLs of further servers of the same model, each asked when the one before it does not answer. Their
            key is AUTOTTS_FALLBACK_KEY, else the server's, unless that is a provider's own.
        protocol: `auto`: partial answers are continued where the server can, and else answers are streamed; `chat`:
            they are streamed; `anthropic`: likewise, by Anthropic's Messages API.
    """
    # Imported here: the SDKs take a second to load.
    if protocol == "anthropic":
        if fallbacks:
            raise ValueError("fallbacks are for servers of the OpenAI API; leave them out with the protocol anthropic")
        from envdata.collect.anthropic_streams import AnthropicStreams

        key = ServerKey(api_key) if api_key else server_key(server, ANTHROPIC_KEY)
        return AnthropicStreams(server, model, key=key, concurrency=concurrency, timeout=timeout, retries=retries)
    from envdata.collect.openai_client import Client
    from envdata.collect.openai_server import OpenAIServer
    from envdata.live.metering import count_per_episode

    key = ServerKey(api_key) if api_key else server_key(server)
    # A request that timed out is not made again, because a user waits for the answer.
    client = Client(
        server, model, key=key, concurrency=concurrency, timeout=timeout, retries=retries, patience=timeout,
        fallbacks=fallback_keys(fallbacks, server, key),
    )  # fmt: skip
    count_per_episode(client)
    engine = OpenAIServer(client, template=template)
    return engine.chat_streams() if protocol == "chat" else engine

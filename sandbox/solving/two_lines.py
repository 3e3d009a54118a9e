"""The two-line API: a question, a controller and a server.

from sandbox import solve
print(solve("What is 12 * 34?", controller="cmc", server="http://127.0.0.1:8000/v1", model="Qwen/Qwen3-8B").answer)
"""

import asyncio
import os
from typing import Any

from envdata.collect.engine import Engine
from envdata.live.model import Asking, chat_settings
from sandbox.solving.solution import Solution
from sandbox.solving.solver import Solver

CONCURRENCY = 256
"""Requests under way at once, of traces and of probes: a server queues better than a client."""


async def asolve(
    question: str,
    *,
    controller: str,
    beta: float = 0.5,
    server: str,
    model: str,
    api_key: str | None = None,
    asking: Asking | None = None,
    timeout: float = 300.0,
    retries: int = 4,
    seed: int | None = None,
    **solver: Any,
) -> Solution:
    """Let `controller` solve `question` with the model that `server` serves.

    `server` is the URL of an OpenAI-compatible server that can continue a partial answer; its key is read from
    OPENAI_API_KEY unless given. `asking` says how the question is put and the answer read; by default as a chat whose
    answer is in \\boxed{}. `timeout` is in seconds a request, and one that a busy or broken server refuses is made
    `retries` times more within them. Further arguments go to `Solver`: on_failure, terms, seconds, sandbox, … For many
    questions, keep a `Solver`. Raises as `Solver.solve`.
    """
    engine = served(server, model, api_key=api_key, timeout=timeout, retries=retries)
    async with Solver(engine, asking or Asking.of(chat_settings()), **solver) as solving:
        return await solving.solve(question, controller, beta, seed=seed)


def solve(question: str, **arguments: Any) -> Solution:
    """`asolve` where no event loop is running."""
    return asyncio.run(asolve(question, **arguments))


def served(
    server: str,
    model: str,
    *,
    api_key: str | None = None,
    timeout: float = 300.0,
    retries: int = 4,
    template: Any = None,
) -> Engine:
    """An engine behind a server's URL, whose requests are counted for the episodes that make them."""
    # Imported here: the SDK takes a second to load.
    from envdata.collect.openai_client import Client
    from envdata.collect.openai_server import OpenAIServer
    from envdata.live.metering import metered

    key = api_key or os.environ.get("OPENAI_API_KEY") or "none"
    # A request that was too slow once is not made again: somebody waits for the answer.
    client = Client(
        server, model, api_key=key, concurrency=CONCURRENCY, timeout=timeout, retries=retries, patience=timeout
    )  # fmt: skip
    metered(client)
    return OpenAIServer(client, template=template)

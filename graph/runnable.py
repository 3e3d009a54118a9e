"""A controller over a live model as a LangChain Runnable.

from graph.runnable import TestTimeScaling
model = TestTimeScaling(controller="cmc", beta=0.5, server="http://127.0.0.1:8000/v1", model="Qwen/Qwen3-8B")
chain = prompt | model | parser
"""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, convert_to_messages, convert_to_openai_messages
from langchain_core.prompt_values import PromptValue
from langchain_core.runnables import Runnable, RunnableConfig

from envdata.live.model import Asking, chat_settings
from sandbox.candidate import Candidate
from sandbox.solving import Solution, Solver
from sandbox.solving.two_lines import served

Input = str | PromptValue | Sequence[Any]
"""What LangChain's chat models take: a text, messages, or a prompt."""


class TestTimeScaling(Runnable[Input, AIMessage]):
    """Answers like a chat model; each question is one episode of the controller.

    The message's text is the reasoning of a branch that came to the answer. `response_metadata` has the answer itself
    and what it cost, `usage_metadata` the tokens of all requests. Raises `sandbox.solving.SolveError`, and CollectError
    where the model cannot be asked. Close it, or use it in a `with`, to let go of the connections.
    """

    __test__ = False  # No test, whatever its name begins with.

    def __init__(
        self,
        *,
        controller: str,
        beta: float = 0.5,
        server: str,
        model: str,
        api_key: str | None = None,
        asking: Asking | None = None,
        timeout: float = 300.0,
        retries: int = 4,
        **solver: Any,
    ) -> None:
        """As `sandbox.asolve`; nothing is asked before the first question. Raises CandidateError."""
        self._candidate, self._beta = Candidate.parse(controller), beta
        self._asking = asking or Asking.of(chat_settings())
        self._connect = partial(served, server, model, api_key=api_key, timeout=timeout, retries=retries)
        self._more = solver
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._solver: Solver | None = None
        self._starting: asyncio.Task[Solver] | None = None

    def __enter__(self) -> "TestTimeScaling":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def invoke(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        """Solve a question. `seed=` repeats a draw, `beta=` replaces the usual one."""

        def solve(given: Input) -> AIMessage:
            future = asyncio.run_coroutine_threadsafe(self._solve(given, **kwargs), self._running())
            try:
                return future.result()
            except BaseException:
                future.cancel()
                raise

        return self._call_with_config(solve, input, config)

    async def ainvoke(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        """The same, in any event loop; cancelled, it ends its branches."""

        async def solve(given: Input) -> AIMessage:
            future = asyncio.run_coroutine_threadsafe(self._solve(given, **kwargs), self._running())
            return await asyncio.wrap_future(future)

        return await self._acall_with_config(solve, input, config)

    def close(self) -> None:
        """Let go of the model's connections; another question takes them up again."""
        with self._lock:
            loop, self._loop = self._loop, None
            solver, self._solver, self._starting = self._solver, None, None
        if loop is None:
            return
        if solver is not None:
            asyncio.run_coroutine_threadsafe(solver.close(), loop).result()
        loop.call_soon_threadsafe(loop.stop)

    def _running(self) -> asyncio.AbstractEventLoop:
        """The event loop of the model's connections, in a thread of its own: callers come from any loop, or none."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="test-time scaling", daemon=True).start()
            return self._loop

    async def _started(self) -> Solver:
        if self._starting is None or (self._starting.done() and self._starting.exception() is not None):
            self._starting = asyncio.ensure_future(self._start())
        return await asyncio.shield(self._starting)

    async def _start(self) -> Solver:
        solver = Solver(self._connect(), self._asking, **self._more)
        self._solver = await solver.__aenter__()
        return solver

    async def _solve(self, given: Input, *, seed: int | None = None, beta: float | None = None) -> AIMessage:
        solver = await self._started()
        solution = await solver.solve(
            _turns(given), self._candidate, self._beta if beta is None else beta, seed=seed
        )  # fmt: skip
        return as_message(solution)


def as_message(solution: Solution) -> AIMessage:
    """A solution as a chat model's message."""
    cost = solution.cost
    return AIMessage(
        content=solution.text.strip(),
        response_metadata={
            "answer": solution.answer,
            "failed_by": solution.failed_by,
            "branches": len(solution.branches),
            "wasted_tokens": cost.wasted,
            "seconds": cost.seconds,
            "self_consistency_tokens": solution.self_consistency.tokens,
        },
        usage_metadata={
            "input_tokens": cost.prompt_tokens,
            "output_tokens": cost.generated,
            "total_tokens": cost.prompt_tokens + cost.generated,
            "input_token_details": {"cache_read": cost.cached_tokens},
        },
    )


def _turns(given: Input) -> list[Mapping[str, str]]:
    """Messages as the OpenAI API writes them; raises ValueError for what is not text."""
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    messages: list[BaseMessage] = given.to_messages() if isinstance(given, PromptValue) else convert_to_messages(given)
    turns: list[Mapping[str, str]] = []
    for message in convert_to_openai_messages(messages, text_format="string"):
        if not isinstance(message, dict) or not isinstance(message.get("content"), str):
            raise ValueError("a message is more than text; only text can be put to a controller")
        turns.append({"role": str(message["role"]), "content": str(message["content"])})
    return turns

"""A controller over a live model as a LangChain Runnable.

from graph.serve.langchain import TestTimeScaling

model = TestTimeScaling(controller="cmc", beta=0.5, server="http://127.0.0.1:8000/v1", model="Qwen/Qwen3-8B")
chain = prompt | model | parser
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    convert_to_messages,
    convert_to_openai_messages,
)
from langchain_core.prompt_values import PromptValue
from langchain_core.runnables import Runnable, RunnableConfig

from envdata.collect.settings import CollectionSettings
from envdata.live.model import LiveSettings, chat_settings
from envdata.plain_text import whole
from graph.serve.replies import finish_reason, message_of
from sandbox.candidate import Candidate
from sandbox.live import Solution, Solver
from sandbox.live.api import ServerProtocol, served

Input = str | PromptValue | Sequence[Any]
"""Input of LangChain's chat models: a text, messages, or a prompt."""


class TestTimeScaling(Runnable[Input, AIMessage]):
    """Chat model that answers each question by one episode of a controller.

    The content of a message is the text that the endpoint would reply with (`graph.serve.replies.message_of`);
    `response_metadata` has the answer and its cost, `usage_metadata` the tokens of all requests. All methods raise
    `sandbox.live.SolveError` if the episode fails, and CollectError if the model cannot be reached. Close it, or use it
    as a context manager, to close its connections.
    """

    __test__ = False  # pytest would collect it by its name.

    def __init__(
        self,
        *,
        controller: str,
        beta: float = 0.5,
        server: str,
        model: str,
        api_key: str | None = None,
        live_settings: LiveSettings | None = None,
        timeout: float = 300.0,
        retries: int = 4,
        fallbacks: Sequence[str] = (),
        protocol: ServerProtocol = "auto",
        **solver: Any,
    ) -> None:
        """Prepare the model; no request is sent before the first question.

        Args:
            controller: Name of a shipped controller, or path of a source file.
            beta: Default β, in 0 … 1.
            server: Base URL of the model's server.
            model: Name of the model.
            api_key: Key of the server; if None that of `sandbox.live.api.served`.
            live_settings: Prompt and sampling; by default those of a chat.
            timeout: Seconds until a request is given up.
            retries: Repetitions of a failed request, at most.
            fallbacks: URLs of further servers of the same model, each asked when the one before it does not answer.
            protocol: How the server is used (`sandbox.live.api.served`).
            **solver: Further arguments of `sandbox.live.Solver`.

        Raises:
            CandidateError: The controller cannot be read.
        """
        self._candidate, self._beta = Candidate.parse(controller), beta
        self._live_settings = live_settings or LiveSettings.of(chat_settings())
        self._connect = partial(
            served, server, model, api_key=api_key, timeout=timeout, retries=retries, fallbacks=fallbacks,
            protocol=protocol,
        )  # fmt: skip
        self._more = solver
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._solver: Solver | None = None
        self._starting: asyncio.Task[Solver] | None = None

    def __enter__(self) -> "TestTimeScaling":
        """Return the model itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the model."""
        self.close()

    def invoke(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        """Solve a question.

        Args:
            input: A text, messages, or a prompt.
            config: LangChain's configuration.
            **kwargs: `seed=` makes sampling repeatable, `beta=` replaces the default β.
        """

        def solve(given: Input) -> AIMessage:
            future = asyncio.run_coroutine_threadsafe(self._solve(given, **kwargs), self._running())
            try:
                return future.result()
            except BaseException:
                future.cancel()
                raise

        return self._call_with_config(solve, input, config)

    async def ainvoke(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        """Solve a question as `invoke` does, in any event loop. Cancelling it stops its branches."""

        async def solve(given: Input) -> AIMessage:
            future = asyncio.run_coroutine_threadsafe(self._solve(given, **kwargs), self._running())
            return await asyncio.wrap_future(future)

        return await self._acall_with_config(solve, input, config)

    def stream(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[AIMessage]:
        """Solve a question as `invoke` does, and yield the message in chunks that add up to it.

        The first, which is empty, comes when the question is put. The others come when the answer is found: before
        that, it is not known which branch the text comes from. Closing the iterator stops the branches.
        """

        def solve(given: Iterator[Input]) -> Iterator[AIMessage]:
            for each in given:
                future = asyncio.run_coroutine_threadsafe(self._solve(each, **kwargs), self._running())
                try:
                    yield AIMessageChunk(content="")
                    yield from as_chunks(future.result())
                finally:
                    future.cancel()

        yield from self._transform_stream_with_config(iter([input]), solve, config)

    async def astream(
        self, input: Input, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[AIMessage]:
        """Solve a question and yield the message in chunks, as `stream` does, in any event loop."""

        async def solve(given: AsyncIterator[Input]) -> AsyncIterator[AIMessage]:
            async for each in given:
                future = asyncio.run_coroutine_threadsafe(self._solve(each, **kwargs), self._running())
                try:
                    yield AIMessageChunk(content="")
                    for chunk in as_chunks(await asyncio.wrap_future(future)):
                        yield chunk
                finally:
                    future.cancel()

        async def only() -> AsyncIterator[Input]:
            yield input

        async for chunk in self._atransform_stream_with_config(only(), solve, config):
            yield chunk

    def close(self) -> None:
        """Close the connections; a later question opens them again."""
        with self._lock:
            loop, self._loop = self._loop, None
            solver, self._solver, self._starting = self._solver, None, None
        if loop is None:
            return
        if solver is not None:
            asyncio.run_coroutine_threadsafe(solver.close(), loop).result()
        loop.call_soon_threadsafe(loop.stop)

    def _running(self) -> asyncio.AbstractEventLoop:
        """Return the event loop of the connections; it has its own thread, as callers may have any loop or none."""
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
        solver = Solver(self._connect(), self._live_settings, **self._more)
        self._solver = await solver.__aenter__()
        return solver

    async def _solve(self, given: Input, *, seed: int | None = None, beta: float | None = None) -> AIMessage:
        solver = await self._started()
        solution = await solver.solve(
            _turns(given), self._candidate, self._beta if beta is None else beta, seed=seed
        )  # fmt: skip
        return as_message(solution, self._live_settings.settings)


def as_message(solution: Solution, settings: CollectionSettings) -> AIMessage:
    """Return a solution as a chat model's message."""
    cost, said = solution.cost, message_of(solution, settings)
    return AIMessage(
        content=said.pop("content"),
        # The thinking, where it is told apart.
        additional_kwargs=said,
        response_metadata={
            "finish_reason": finish_reason(solution),
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


def as_chunks(message: AIMessage) -> Iterator[AIMessageChunk]:
    """Yield a message in two chunks: the text, and everything that is known at its end."""
    yield AIMessageChunk(content=message.content, additional_kwargs=message.additional_kwargs)
    yield AIMessageChunk(
        content="",
        response_metadata=message.response_metadata,
        usage_metadata=message.usage_metadata,
        chunk_position="last",
    )


def _turns(given: Input) -> list[Mapping[str, str]]:
    """Return messages in the format of the OpenAI API. Raises ValueError for content other than text."""
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    messages: list[BaseMessage] = given.to_messages() if isinstance(given, PromptValue) else convert_to_messages(given)
    turns: list[Mapping[str, str]] = []
    for message in convert_to_openai_messages(messages, text_format="string"):
        if not isinstance(message, dict) or not isinstance(message.get("content"), str):
            raise ValueError("a message is more than text; only text can be put to a controller")
        turns.append({"role": str(message["role"]), "content": whole(str(message["content"]))})
    return turns

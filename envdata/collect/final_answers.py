"""Sampler of whole traces from any server, also from one that cannot continue a partial answer.

It gives final answers only, and nothing to probe. Each trace is a request of its own, because only then does the
server's count of tokens belong to one trace. The count includes thinking that a hosted model does not show.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import openai

from envdata.collect.answer_reader import Thinking
from envdata.collect.concurrency import numbered
from envdata.collect.engine import (
    Asked,
    CannotContinueError,
    CollectError,
    Continuation,
    Conversation,
    EngineFacts,
    EngineGoneError,
    QuestionFailedError,
    Sampling,
    Usage,
)
from envdata.collect.openai_client import Client
from envdata.collect.openai_replies import content_of, token_count, whole


class FinalAnswerSampler:
    """An `envdata.collect.engine.Sampler` over completions, or over chat completions for conversations."""

    def __init__(self, client: Client, *, chat: bool, thinking: Thinking | None = None) -> None:
        """Store the client; nothing is requested yet.

        Args:
            client: The server's client.
            chat: Whether questions are conversations.
            thinking: The tags to put around reasoning that a server sends apart from the answer.
        """
        self._client, self._chat, self._thinking = client, chat, thinking
        self._limit = "max_tokens"
        self._streams = False

    @property
    def usage(self) -> Usage:
        """Tokens read and written, trials included."""
        return self._client.usage

    async def establish(self) -> EngineFacts:
        """Check with a short answer that the server counts tokens. Raises CollectError."""
        if self._chat:
            await self._name_of_limit()
        trial: Asked = Conversation("Say yes.") if self._chat else "Say yes."
        try:
            await self._one(trial, Sampling(max_tokens=16), 1)
        except QuestionFailedError as error:
            raise CollectError(f"a test request failed: {error}") from None
        self._streams = True
        try:
            # Streaming serves only to count tokens while they are decoded.
            await self._one(trial, Sampling(max_tokens=16), 1)
        except (CannotContinueError, EngineGoneError, QuestionFailedError):
            self._streams = False
        name, version = await self._client.identity()
        return EngineFacts(name, version, None)

    async def sample(
        self, asked: Asked, count: int, sampling: Sampling, seed: int
    ) -> AsyncIterator[list[tuple[int, Continuation]]]:
        """Draw traces, a request each; arguments as of `envdata.collect.engine.Sampler.sample`."""
        async with aclosing(numbered(self._one(asked, sampling, seed + at) for at in range(count))) as traces:
            async for trace in traces:
                yield trace

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _one(self, asked: Asked, sampling: Sampling, seed: int) -> Continuation:
        """Draw one trace."""
        extra = {"top_k": sampling.top_k, "min_p": sampling.min_p}
        arguments: dict[str, Any] = {
            "temperature": openai.omit if sampling.temperature is None else sampling.temperature,
            "top_p": openai.omit if sampling.top_p is None else sampling.top_p,
            "stop": list(sampling.stop) or openai.omit,
            "seed": seed,
            "streamed": self._streams,
            "extra_body": {name: value for name, value in extra.items() if value is not None},
        }
        choices: list[tuple[str, str | None]]
        if isinstance(asked, str):
            completion = await self._client.complete(prompt=asked, max_tokens=sampling.max_tokens, **arguments)
            choices = [(choice.text, choice.finish_reason) for choice in completion.choices]
            usage = completion.usage
        else:
            if asked.options:
                arguments["extra_body"]["chat_template_kwargs"] = dict(asked.options)
            arguments[self._limit] = sampling.max_tokens
            answer = await self._client.chat(messages=asked.messages(), **arguments)
            choices = [(self._written(choice.message), choice.finish_reason) for choice in answer.choices]
            usage = answer.usage
        if len(choices) != 1:
            raise QuestionFailedError(f"{self._client.url} sent {len(choices)} answers to one request")
        text, reason = whole(choices[0][0]), choices[0][1]
        tokens = token_count(getattr(usage, "completion_tokens", None))
        if not tokens:
            raise CannotContinueError(
                f"{self._client.url} does not say how many tokens an answer took (usage.completion_tokens), and a grid "
                "cannot do without; use a server that does"
            )
        return Continuation((), (), text, text, reason, tokens)

    def _written(self, message: Any) -> str:
        """Return a message's text, with reasoning that a server sends apart put between its tags again."""
        content, thinking = content_of(getattr(message, "content", None))
        apart = getattr(message, "model_extra", None) or {}
        reasoning = thinking or apart.get("reasoning_content") or apart.get("reasoning")
        if self._thinking is None or not isinstance(reasoning, str):
            return content
        return self._thinking.before(reasoning, content)

    async def _name_of_limit(self) -> None:
        """Find out whether the server calls the limit max_tokens, as most do, or by the OpenAI API's newer name."""
        try:
            await self._client.chat(messages=Conversation("Say yes.").messages(), max_tokens=16)
        except QuestionFailedError as error:
            if "max_completion_tokens" not in str(error):
                raise CollectError(f"a test request failed: {error}") from None
            self._limit = "max_completion_tokens"

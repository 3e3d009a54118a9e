"""Whole traces from any server, also one that cannot continue a partial answer: final answers, and nothing to probe.

One request a trace, because only then does the server's count of tokens belong to one trace. It includes what a hosted
model thinks without showing it.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import openai

from envdata.collect.engine import (
    Asked,
    CannotContinueError,
    CollectError,
    Conversation,
    Decoded,
    EngineFacts,
    EngineGoneError,
    QuestionFailedError,
    Sampling,
    Usage,
)
from envdata.collect.openai_client import Client
from envdata.collect.reading import Thinking


class FinalAnswers:
    """An `envdata.collect.engine.Sampler` over completions, or over chat completions for conversations."""

    def __init__(self, client: Client, *, chat: bool, thinking: Thinking | None = None) -> None:
        """`thinking` names the tags to put around what a server sends apart from the answer as its reasoning."""
        self._client, self._chat, self._thinking = client, chat, thinking
        self._limit = "max_tokens"
        self._streams = False

    @property
    def usage(self) -> Usage:
        """What was read and written, trials included."""
        return self._client.usage

    async def establish(self) -> EngineFacts:
        """Ask for one short answer, and see that it comes with a count of its tokens."""
        if self._chat:
            await self._name_of_limit()
        trial: Asked = Conversation("Say yes.") if self._chat else "Say yes."
        try:
            await self._one(trial, Sampling(max_tokens=16), 1)
        except QuestionFailedError as error:
            raise CollectError(f"a test request failed: {error}") from None
        self._streams = True
        try:
            # Streaming serves to count tokens while they are written, and nothing else.
            await self._one(trial, Sampling(max_tokens=16), 1)
        except (CannotContinueError, EngineGoneError, QuestionFailedError):
            self._streams = False
        name, version = await self._client.identity()
        return EngineFacts(name, version, None)

    async def sample(
        self, asked: Asked, count: int, sampling: Sampling, seed: int
    ) -> AsyncIterator[list[tuple[int, Decoded]]]:
        """Draw `count` traces, a request each."""
        requests = [asyncio.ensure_future(self._numbered(number, asked, sampling, seed)) for number in range(count)]
        try:
            for finished in asyncio.as_completed(requests):
                yield [await finished]
        finally:
            for request in requests:
                request.cancel()
            await asyncio.gather(*requests, return_exceptions=True)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _numbered(self, number: int, asked: Asked, sampling: Sampling, seed: int) -> tuple[int, Decoded]:
        return number, await self._one(asked, sampling, seed + number)

    async def _one(self, asked: Asked, sampling: Sampling, seed: int) -> Decoded:
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
        text, reason = choices[0]
        if usage is None or not usage.completion_tokens:
            raise CannotContinueError(
                f"{self._client.url} does not say how many tokens an answer took (usage.completion_tokens), and a grid "
                "cannot do without; use a server that does"
            )
        return Decoded((), (), text, text, reason, usage.completion_tokens)

    def _written(self, message: Any) -> str:
        """Give what a message says, with the reasoning that some servers send apart put between its tags again."""
        content = message.content or ""
        apart = message.model_extra or {}
        reasoning = apart.get("reasoning_content") or apart.get("reasoning")
        if self._thinking is None or not isinstance(reasoning, str):
            return str(content)
        return (
            f"{self._thinking.start}{reasoning}{self._thinking.end}{content}"
            if content
            else (f"{self._thinking.start}{reasoning}")
        )

    async def _name_of_limit(self) -> None:
        """Find out whether the server calls the limit max_tokens, as most do, or by the OpenAI API's newer name."""
        try:
            await self._client.chat(messages=Conversation("Say yes.").messages(), max_tokens=16)
        except QuestionFailedError as error:
            if "max_completion_tokens" not in str(error):
                raise CollectError(f"a test request failed: {error}") from None
            self._limit = "max_completion_tokens"

"""Streamed answers of any server of the OpenAI chat completions API.

Servers differ in the fields that they take. `establish` asks for a trial answer with all of them, and leaves out those
that the server refuses.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

import openai

from envdata.collect.chat_streams import TRIAL, Counting, ListedToken, StreamEvent, StreamUsage, counting_of, usage_of
from envdata.collect.engine import (
    CollectError,
    Conversation,
    EngineFacts,
    QuestionFailedError,
    Sampling,
    UnknownPathError,
    Usage,
)
from envdata.collect.openai_client import Client
from envdata.collect.openai_replies import content_of, logprob, token_count, whole
from envdata.collect.openai_streams import CutError, ServerSentError
from envdata.collect.token_confidence import token_confidence

TOPS = (20, 5)
"""Numbers of most probable tokens that are tried on a server; 20 is the most that the API gives."""

TRIAL_TOKENS = 64
"""Longest trial answer."""

OPTIONAL = ("continuous_usage_stats", "seed", "include_usage")
"""Fields that some servers refuse, in the order in which they are given up where a refusal names none."""


class OpenAIChatStreams:
    """An `envdata.collect.chat_streams.ChatStreams` behind a URL such as https://api.openai.com/v1."""

    def __init__(self, client: Client) -> None:
        """Store the client; nothing is requested before `establish`."""
        self._client = client
        self.counting = Counting()
        self._limit = "max_tokens"
        self._known = set(OPTIONAL)
        """The optional fields that the server takes."""
        self._top = 0

    @property
    def usage(self) -> Usage:
        """Tokens read and written, trials included."""
        return self._client.usage

    async def establish(self) -> EngineFacts:
        """Find out with a few trial answers which fields the server takes. Raises CollectError if it cannot stream."""
        events = await self._find_form()
        self.counting = counting_of(events)
        for top in TOPS:
            try:
                listed = await self._trial(Sampling(max_tokens=TRIAL_TOKENS, top_logprobs=top), top)
            except (CutError, QuestionFailedError):
                continue
            if any(token.confidence is not None for event in listed for token in event.tokens):
                self._top = top
                break
        name, version = await self._client.identity()
        return EngineFacts(name, version, None, top_logprobs=self._top)

    async def stream(self, asked: Conversation, sampling: Sampling, seed: int) -> AsyncIterator[StreamEvent]:
        """Yield the events of one answer; see `envdata.collect.chat_streams.ChatStreams.stream`."""
        top = min(sampling.top_logprobs, self._top)
        async with aclosing(self._events(asked, sampling, seed, top)) as events:
            async for event in events:
                yield event

    async def prompt_tokens(self, asked: Conversation) -> int:
        """Return the tokens of a conversation's prompt as vLLM's /tokenize counts them; 0 for other servers."""
        reply = await self._client.post("/tokenize", {"model": self._client.model, **asked.template_request()})
        return token_count((reply or {}).get("count")) or 0

    async def context(self) -> int | None:
        """Return the model's context where the server lists it, as vLLM's does; None where it lists no models."""
        try:
            return await self._client.context()
        except (QuestionFailedError, UnknownPathError):
            return None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _find_form(self) -> list[StreamEvent]:
        """Ask for a trial answer, without the fields that the server refuses; return its events."""
        while True:
            try:
                return await self._trial(Sampling(max_tokens=TRIAL_TOKENS), 0)
            except CutError as error:
                raise CollectError(f"{self._client.url} breaks a streamed trial off: {error}") from None
            except QuestionFailedError as error:
                refused = self._refused(str(error))
                if refused is None:
                    raise CollectError(f"a test request failed: {error}") from None

    def _refused(self, why: str) -> str | None:
        """Give up a field that a refusal names, else the first optional one; return it, None where none is left."""
        if self._limit in why and "max_completion_tokens" in why and self._limit != "max_completion_tokens":
            self._limit = "max_completion_tokens"
            return "max_tokens"
        left = [name for name in OPTIONAL if name in self._known]
        named = [name for name in left if name in why or (name == "include_usage" and "stream_options" in why)]
        refused = next(iter(named or left), None)
        self._known.discard(refused or "")
        return refused

    async def _trial(self, sampling: Sampling, top: int) -> list[StreamEvent]:
        """Return the events of a trial answer, whose tokens are counted as the engine's."""
        async with aclosing(self._events(TRIAL, sampling, 1, top)) as streamed:
            events = [event async for event in streamed]
        told = usage_of(events)
        self.usage.add(told.prompt, told.cached, told.decoded or 0)
        return events

    async def _events(
        self, asked: Conversation, sampling: Sampling, seed: int, top: int
    ) -> AsyncGenerator[StreamEvent, None]:
        """Yield the events of one answer. Raises CutError where its end is missing."""
        extra = {"top_k": sampling.top_k, "min_p": sampling.min_p}
        body: dict[str, Any] = {name: value for name, value in extra.items() if value is not None}
        if asked.options:
            body["chat_template_kwargs"] = dict(asked.options)
        arguments: dict[str, Any] = {
            "messages": asked.messages(),
            self._limit: sampling.max_tokens,
            "temperature": openai.omit if sampling.temperature is None else sampling.temperature,
            "top_p": openai.omit if sampling.top_p is None else sampling.top_p,
            "stop": list(sampling.stop) or openai.omit,
            "extra_body": body,
        }
        if "seed" in self._known:
            arguments["seed"] = seed
        if told := {name: True for name in ("include_usage", "continuous_usage_stats") if name in self._known}:
            arguments["stream_options"] = told
        if top:
            arguments |= {"logprobs": True, "top_logprobs": top}
        ended = False
        async with aclosing(self._client.chat_events(**arguments)) as received:
            async for event in received:
                read = read_event(event, top)
                ended = ended or read.end is not None
                yield read
        if not ended:
            raise CutError("its end is missing")


def read_event(event: Mapping[str, Any], top: int = 0) -> StreamEvent:
    """Return an event of a stream of chat completions; k = `top` of its tokens' confidences.

    Raises ServerSentError for an error that the server sent as an event.
    """
    if error := event.get("error"):
        raise ServerSentError(error)
    usage = _usage(event.get("usage"))
    choices = event.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    delta = choice.get("delta")
    delta = delta if isinstance(delta, Mapping) else {}
    reason = choice.get("finish_reason")
    content, thinking = content_of(delta.get("content"))
    return StreamEvent(
        content=content or whole(delta.get("refusal")),
        reasoning=thinking or whole(delta.get("reasoning_content") or delta.get("reasoning")),
        tokens=_tokens(choice.get("logprobs"), top),
        usage=usage,
        end=None if not reason else "length" if reason == "length" else "stop",
    )


def _usage(given: object) -> StreamUsage | None:
    """Return the usage of an event; None where it has none that says how much was written."""
    if not isinstance(given, Mapping) or (decoded := token_count(given.get("completion_tokens"))) is None:
        return None
    prompt, cached = token_count(given.get("prompt_tokens")), _detail(given, "prompt_tokens_details", "cached_tokens")
    thinking = _detail(given, "completion_tokens_details", "reasoning_tokens") or 0
    return StreamUsage(prompt or 0, cached, decoded, thinking)


def _detail(usage: Mapping[str, Any], group: str, name: str) -> int | None:
    """Return a count among the details of a usage; None where the server does not tell it."""
    details = usage.get(group)
    return token_count(details.get(name)) if isinstance(details, Mapping) else None


def _tokens(logprobs: object, top: int) -> tuple[ListedToken, ...]:
    """Return the tokens that an event lists."""
    content = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    if not isinstance(content, list) or not all(isinstance(entry, Mapping) for entry in content):
        return ()
    tokens = []
    for entry in content:
        tops = entry.get("top_logprobs")
        values = [logprob(each.get("logprob")) for each in tops or () if isinstance(each, Mapping)]
        confidence = token_confidence(values, top) if top else None
        tokens.append(ListedToken(whole(entry.get("token")), logprob(entry.get("logprob")), confidence))
    return tuple(tokens)

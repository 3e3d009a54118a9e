"""Any server that speaks the OpenAI completions API and can continue from token ids, vLLM's above all.

Cutting a trace by the model's own tokens and continuing from exactly that cut needs two things beyond the plain API:
prompts given as token ids and `return_token_ids`. vLLM has both. `establish` tries them on a sentence before anything
is collected, because a server that lacks one rarely says so: it ignores the field, or counts ids as text.
"""

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

import openai
from openai.types import Completion, CompletionChoice

from envdata.collect.engine import (
    CannotContinueError,
    CollectError,
    Decoded,
    EngineFacts,
    EngineGoneError,
    QuestionFailedError,
    Sampling,
)
from envdata.collect.extraction import Token

TRIAL = "Problem: What is 2 + 2?\nAnswer:"

_FINAL_STATUSES = {401: "refuses the key", 403: "forbids the request", 404: "does not know the model or the path"}


class OpenAIServer:
    """An `envdata.collect.engine.Engine` behind a URL such as http://127.0.0.1:8000/v1."""

    def __init__(
        self,
        url: str,
        model: str,
        *,
        api_key: str = "none",
        concurrency: int = 4,
        timeout: float = 900.0,
        retries: int = 4,
    ) -> None:
        """At most `concurrency` requests are under way; each may take `timeout` seconds, and `retries` more."""
        self.url, self.model, self.timeout = url, model, timeout
        self._client = openai.AsyncOpenAI(base_url=url, api_key=api_key, timeout=timeout, max_retries=retries)
        self._slots = asyncio.Semaphore(concurrency)
        self._encoded: dict[tuple[str, bool], tuple[int, ...]] = {}

    async def establish(self) -> EngineFacts:
        """Continue a sentence from the ids of its first token and compare what comes back with what was sent."""
        why = "cannot continue from token ids with log-probabilities, which probing needs"
        out = "use a server that can, such as vLLM's"
        try:
            first = await self._complete(prompt=TRIAL, max_tokens=2, temperature=0, logprobs=0)
            begun = [*_extra(first.choices[0], "prompt_token_ids"), *_extra(first.choices[0], "token_ids")[:1]]
            second = await self._complete(prompt=begun, max_tokens=2, temperature=0, logprobs=0)
            back = _extra(second.choices[0], "prompt_token_ids")
            _decoded(second.choices[0])
        except (LookupError, QuestionFailedError) as error:
            raise CannotContinueError(f"{self.url} {why} ({error}); {out}") from None
        if list(back) != begun:
            raise CannotContinueError(f"{self.url} {why} (it read a prompt of ids as another text); {out}")
        return await self._facts()

    async def encode(self, text: str, *, start: bool) -> tuple[int, ...]:
        """Let the server tokenise `text`: one token is decoded and thrown away."""
        if (text, start) not in self._encoded:
            reply = await self._complete(prompt=text, max_tokens=1, temperature=0, extra={"add_special_tokens": start})
            self._encoded[text, start] = tuple(_extra(reply.choices[0], "prompt_token_ids"))
        return self._encoded[text, start]

    async def sample(self, prompt: Sequence[int], count: int, sampling: Sampling, seed: int) -> list[Decoded]:
        """Draw `count` traces, in as many requests as the server makes of it."""
        drawn: list[Decoded] = []
        while len(drawn) < count:
            # Some servers give one completion whatever n says; the seed moves on, or all of them would be the same.
            reply = await self._complete(
                prompt=list(prompt),
                n=count - len(drawn),
                seed=seed + len(drawn),
                temperature=sampling.temperature,
                top_p=openai.omit if sampling.top_p is None else sampling.top_p,
                max_tokens=sampling.max_tokens,
                stop=list(sampling.stop) or openai.omit,
                logprobs=0,
            )
            if not reply.choices:
                raise QuestionFailedError(f"{self.url} sent a reply without a completion")
            drawn.extend(map(self._read, reply.choices))
        return drawn[:count]

    async def answer(self, prompts: Sequence[Sequence[int]], max_tokens: int, stop: Sequence[str]) -> list[Decoded]:
        """Continue all prompts in one request."""
        if not prompts:
            return []
        reply = await self._complete(
            prompt=[list(prompt) for prompt in prompts],
            temperature=0,
            max_tokens=max_tokens,
            stop=list(stop) or openai.omit,
            logprobs=0,
        )
        choices = sorted(reply.choices, key=lambda choice: choice.index)
        if [choice.index for choice in choices] != list(range(len(prompts))):
            raise QuestionFailedError(f"{self.url} sent {len(choices)} completions for {len(prompts)} prompts")
        return [self._read(choice) for choice in choices]

    def _read(self, choice: CompletionChoice) -> Decoded:
        try:
            return _decoded(choice)
        except LookupError as error:
            raise QuestionFailedError(f"{self.url} sent a reply that cannot be used: {error}") from None

    async def _complete(self, *, extra: dict[str, Any] | None = None, **arguments: Any) -> Completion:
        extended = {"return_token_ids": True, **(extra or {})}
        try:
            async with self._slots:
                reply: Completion = await self._client.completions.create(
                    model=self.model, extra_body=extended, **arguments
                )
                return reply
        except openai.APITimeoutError:
            raise EngineGoneError(
                f"{self.url} did not answer within {self.timeout:g} s; look at the server's log"
            ) from None
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            raise EngineGoneError(f"{self.url} cannot be reached ({cause}); start the server and try again") from None
        except openai.APIStatusError as error:
            reason = _FINAL_STATUSES.get(error.status_code)
            if reason:
                raise CollectError(f"{self.url} {reason} ({error.status_code}: {error.message})") from None
            raise QuestionFailedError(f"{self.url} answered {error.status_code}: {error.message}") from None
        except openai.APIError as error:
            raise QuestionFailedError(f"{self.url} sent what is not a completion: {error.message}") from None

    async def _facts(self) -> EngineFacts:
        try:
            models = await self._client.models.list()
            owner = next((model.owned_by for model in models.data if model.id == self.model), None)
            if owner != "vllm":
                return EngineFacts(owner or "OpenAI-compatible server", None)
            root = str(self._client.base_url).rstrip("/").removesuffix("/v1")
            reply = await self._client.get(f"{root}/version", cast_to=dict[str, str])
            return EngineFacts("vllm", reply.get("version"))
        except openai.APIError:
            # Neither is needed to collect; a server without them is told apart by its URL alone.
            return EngineFacts("OpenAI-compatible server", None)


def _extra(choice: CompletionChoice, name: str) -> list[int]:
    """Give one of vLLM's own fields of a choice; raises LookupError where the server does not send it."""
    value = (choice.model_extra or {}).get(name)
    if not isinstance(value, list):
        raise LookupError(f"its replies have no {name}")
    return value


def _decoded(choice: CompletionChoice) -> Decoded:
    token_ids = _extra(choice, "token_ids")
    if not token_ids:
        return Decoded((), (), choice.text, choice.text, choice.finish_reason)
    given = choice.logprobs
    if given is None or not given.token_logprobs or not given.tokens:
        raise LookupError("its replies have no log-probabilities")
    if not len(token_ids) == len(given.token_logprobs) == len(given.tokens):
        raise LookupError(f"a reply has {len(token_ids)} token ids and {len(given.token_logprobs)} log-probabilities")
    starts = given.text_offset or _running(given.tokens)
    # An offset counts from the start of the continuation; the last token ends where its own text does.
    ends = [*starts[1:], starts[-1] + len(given.tokens[-1])]
    tokens = tuple(Token(*place) for place in zip(starts, ends, given.token_logprobs, strict=True))
    written = "".join(given.tokens)
    if not written.startswith(choice.text):
        # Tokens that are parts of a character have no text of their own; then only the whole text is right.
        written = choice.text
    return Decoded(tuple(token_ids), tokens, written, choice.text, choice.finish_reason)


def _running(texts: Sequence[str]) -> list[int]:
    return list(itertools.accumulate((len(text) for text in texts[:-1]), initial=0))

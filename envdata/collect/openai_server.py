"""Any server that speaks the OpenAI completions API and can continue a partial answer, vLLM's above all.

A trace is cut by the model's own tokens and continued from exactly that cut. vLLM's server takes prompts as token ids
and returns ids, so that a cut is exact. Others (llama.cpp's) return the text of each token: the cut is a text there,
which the server reads into tokens anew. `establish` finds out which it is on a few sentences before anything is
collected, because a server that lacks something rarely says so: it ignores the field, or counts ids as text.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import openai
from openai.types import CompletionChoice

from envdata.collect.chat_template import ChatTemplate
from envdata.collect.engine import (
    Asked,
    CannotContinueError,
    CollectError,
    Conversation,
    Decoded,
    EngineFacts,
    EngineGoneError,
    Prompt,
    QuestionFailedError,
    Sampling,
    Usage,
)
from envdata.collect.openai_client import Client
from envdata.collect.openai_replies import decoded, ids_of, unplaced

TRIALS = (
    "The days of the week are Monday, Tuesday, Wednesday, Thursday, Friday, Saturday and Sunday. "
    "The days of the week are Monday, Tuesday,",
    "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20. 1, 2, 3, 4, 5, 6,",
    "A, B, C, D, E, F, G, H, I, J, K, L, M, N. A, B, C, D, E, F,",
)
"""Texts that every model goes on with in one way only, and each longer than a block of a prefix cache."""

TRACES_A_REQUEST = 16
"""Where a server can draw several at once: few enough that the first ones are probed while others are drawn."""

MAX_ENCODED = 4096
"""Texts whose tokens are kept: those of one collection all fit, and an endpoint that runs for months stays small."""


class OpenAIServer:
    """An `envdata.collect.engine.Engine` behind a URL such as http://127.0.0.1:8000/v1."""

    def __init__(self, client: Client, *, template: ChatTemplate | None = None) -> None:
        """Ask through `client`; conversations are written out by `template`, or else by the server."""
        self._client = client
        self._template = template
        self._by_ids = True
        self._tokenizes = False
        self._several = True
        self._streams = False
        self._logprobs = 0
        self._encoded: dict[tuple[str, bool], Prompt] = {}

    @property
    def usage(self) -> Usage:
        """What was read and written, trials included."""
        return self._client.usage

    async def establish(self) -> EngineFacts:
        """Continue a sentence from its first token and compare what comes back with what was sent."""
        why = f"{self._client.url} cannot continue a partial answer with log-probabilities, which probing needs"
        out = "use a server that can, such as vLLM's or llama.cpp's"
        try:
            if not await self._continues_ids():
                self._by_ids = False
                await self._continues_text()
        except (LookupError, QuestionFailedError) as error:
            raise CannotContinueError(f"{why} ({error}); {out}") from None
        self._several = await self._draws_several()
        self._streams = await self._draws_in_a_stream()
        name, version = await self._client.identity()
        return EngineFacts(name, version, "token ids" if self._by_ids else "text")

    async def _continues_ids(self) -> bool:
        try:
            first = await self._ask(prompt=TRIALS[0], max_tokens=2)
            begun = [*ids_of(first, "prompt_token_ids"), *ids_of(first, "token_ids")[:1]]
        except (LookupError, QuestionFailedError):
            # Without the field, or refusing it.
            return False
        second = await self._ask(prompt=begun, max_tokens=2)
        if ids_of(second, "prompt_token_ids") != begun:
            raise LookupError("it read a prompt of ids as another text")
        decoded(second, by_ids=True)
        self._tokenizes = await self._tokens_of(TRIALS[0], start=True) == tuple(begun[:-1])
        return True

    async def _continues_text(self) -> None:
        """Raise LookupError unless a text cut after a token goes on with the token that came next."""
        for trial in TRIALS:
            try:
                whole = decoded(await self._ask(prompt=trial, max_tokens=4), by_ids=False)
            except LookupError:
                # Some servers take 0 for none at all.
                self._logprobs = 1
                whole = decoded(await self._ask(prompt=trial, max_tokens=4), by_ids=False)
            if len(whole.pieces) < 3:
                raise LookupError("its replies do not tell the tokens of a text")
            cut = trial + "".join(map(str, whole.pieces[:2]))
            rest = decoded(await self._ask(prompt=cut, max_tokens=1), by_ids=False)
            # A tie between two tokens may fall either way, and tokens may be joined anew: one trial in three is enough.
            if rest.pieces and rest.pieces[0] == whole.pieces[2]:
                return
        raise LookupError("a text that was cut did not go on as the whole one had")

    async def _draws_several(self) -> bool:
        reply = await self._client.complete(prompt=TRIALS[0], n=2, max_tokens=1, temperature=1.0, seed=1)
        return len(reply.choices) == 2

    async def _draws_in_a_stream(self) -> bool:
        """Whether a trace may be streamed, which serves to count its tokens while it is written and nothing else."""
        try:
            prompt = await self._tokenised(TRIALS[0], start=True)
            drawn = await self._draw(prompt, 0, 2, Sampling(1.0, max_tokens=4), seed=1, streamed=True)
        except (QuestionFailedError, EngineGoneError):
            return False
        return len(drawn) == 2

    async def prompt(self, asked: Asked) -> Prompt:
        """Let the server write out and tokenise what is asked, as far as it can."""
        if isinstance(asked, str):
            return await self._tokenised(asked, start=True)
        if self._template is not None:
            text = self._template.render(asked)
            return await self._tokenised(text, start=not self._template.writes_start)
        return await self._by_server(asked)

    async def encode(self, text: str) -> Prompt:
        """Let the server tokenise `text`."""
        return await self._tokenised(text, start=False)

    async def sample(
        self, asked: Asked, count: int, sampling: Sampling, seed: int
    ) -> AsyncIterator[list[tuple[int, Decoded]]]:
        """Draw `count` traces, a few a request where the server draws several at once."""
        prompt = await self.prompt(asked)
        most = TRACES_A_REQUEST if self._several else 1
        requests = [
            asyncio.ensure_future(
                self._draw(prompt, first, min(most, count - first), sampling, seed, streamed=self._streams)
            )
            for first in range(0, count, most)
        ]
        try:
            for finished in asyncio.as_completed(requests):
                yield await finished
        finally:
            for request in requests:
                request.cancel()
            await asyncio.gather(*requests, return_exceptions=True)

    async def extend(self, prompt: Prompt, sampling: Sampling, seed: int, *, placed: bool = True) -> Decoded:
        """Draw one continuation, in a request of its own."""
        # A text is known to be whole tokens by their texts alone.
        ((_, drawn),) = await self._draw(prompt, 0, 1, sampling, seed, placed=placed or not self._by_ids)
        return drawn

    async def context(self) -> int | None:
        """What vLLM's server says of its model."""
        return await self._client.context()

    async def answer(self, prompts: Sequence[Prompt], max_tokens: int, stop: Sequence[str]) -> list[Decoded]:
        """Continue all prompts in one request; one by one where prompts are texts."""
        if not prompts:
            return []
        arguments: dict[str, Any] = {
            "temperature": 0,
            "max_tokens": max_tokens,
            "stop": list(stop) or openai.omit,
            "logprobs": self._logprobs,
            "probing": True,
        }
        if not self._by_ids:
            # llama.cpp's servers take one prompt a request, or answer lists of them in an order of their own.
            replies = await asyncio.gather(
                *(self._client.complete(prompt=_text(prompt), **arguments) for prompt in prompts)
            )
            return [self._read(_only(reply.choices, self._client.url)) for reply in replies]
        reply = await self._client.complete(
            prompt=[list(prompt) for prompt in prompts], extra_body={"return_token_ids": True}, **arguments
        )
        choices = sorted(reply.choices, key=lambda choice: choice.index)
        if [choice.index for choice in choices] != list(range(len(prompts))):
            raise QuestionFailedError(f"{self._client.url} sent {len(choices)} completions for {len(prompts)} prompts")
        return [self._read(choice) for choice in choices]

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _draw(
        self,
        prompt: Prompt,
        first: int,
        count: int,
        sampling: Sampling,
        seed: int,
        *,
        streamed: bool = False,
        placed: bool = True,
    ) -> list[tuple[int, Decoded]]:
        """Draw traces number `first` to `first + count - 1`, in as many requests as the server makes of it."""
        drawn: list[Decoded] = []
        extra = {"top_k": sampling.top_k, "min_p": sampling.min_p}
        while len(drawn) < count:
            # Some servers give one completion whatever n says; the seed moves on, or all of them would be the same.
            reply = await self._client.complete(
                prompt=list(prompt) if self._by_ids else _text(prompt),
                n=count - len(drawn),
                seed=seed + first + len(drawn),
                temperature=openai.omit if sampling.temperature is None else sampling.temperature,
                top_p=openai.omit if sampling.top_p is None else sampling.top_p,
                max_tokens=sampling.max_tokens,
                stop=list(sampling.stop) or openai.omit,
                logprobs=self._logprobs if placed else openai.omit,
                streamed=streamed,
                extra_body={
                    **({"return_token_ids": True, "skip_special_tokens": False} if self._by_ids else {}),
                    **{name: value for name, value in extra.items() if value is not None},
                },
            )
            if not reply.choices:
                raise QuestionFailedError(f"{self._client.url} sent a reply without a completion")
            drawn.extend(self._read(choice, placed=placed) for choice in reply.choices)
        return list(enumerate(drawn[:count], start=first))

    async def _by_server(self, asked: Conversation) -> Prompt:
        """Let the server apply the model's own template: vLLM's gives token ids, llama.cpp's a text."""
        options = {"chat_template_kwargs": dict(asked.options)} if asked.options else {}
        body = {"model": self._client.model, "messages": asked.messages(), "add_generation_prompt": True, **options}
        if self._by_ids:
            reply = await self._client.post("/tokenize", body) or {}
            if isinstance(tokens := reply.get("tokens"), list):
                return (*tokens, *await self._tokenised(asked.begun, start=False))
        else:
            reply = await self._client.post("/apply-template", body) or {}
            if isinstance(text := reply.get("prompt"), str):
                return (text + asked.begun,)
        raise CollectError(
            f"{self._client.url} does not apply the model's chat template for others to continue; give the template "
            "with --chat-template, or whole prompts with --template and no --chat"
        )

    async def _tokenised(self, text: str, *, start: bool) -> Prompt:
        if not text or not self._by_ids:
            return (text,) if text else ()
        if (text, start) not in self._encoded:
            if len(self._encoded) >= MAX_ENCODED:
                self._encoded.clear()
            tokens = await self._tokens_of(text, start=start) if self._tokenizes else None
            if tokens is None:
                # One token is decoded and thrown away.
                reply = await self._ask(prompt=text, max_tokens=1, add_special_tokens=start)
                tokens = tuple(ids_of(reply, "prompt_token_ids"))
            self._encoded[text, start] = tokens
        return self._encoded[text, start]

    async def _tokens_of(self, text: str, *, start: bool) -> Prompt | None:
        """What vLLM's /tokenize says; None where there is no such thing."""
        body = {"model": self._client.model, "prompt": text, "add_special_tokens": start}
        tokens = (await self._client.post("/tokenize", body) or {}).get("tokens")
        return tuple(tokens) if isinstance(tokens, list) and all(isinstance(token, int) for token in tokens) else None

    async def _ask(self, *, prompt: str | list[int], max_tokens: int, **extra: Any) -> CompletionChoice:
        """Ask for one greedy completion."""
        reply = await self._client.complete(
            prompt=prompt,
            max_tokens=max_tokens,
            temperature=0,
            logprobs=self._logprobs,
            extra_body={**({"return_token_ids": True} if self._by_ids else {}), **extra},
            probing=True,
        )
        return _only(reply.choices, self._client.url)

    def _read(self, choice: CompletionChoice, *, placed: bool = True) -> Decoded:
        try:
            if placed:
                return decoded(choice, by_ids=self._by_ids)
            stop_reason = (choice.model_extra or {}).get("stop_reason")
            return unplaced(ids_of(choice, "token_ids"), choice.text, stop_reason, choice.finish_reason)
        except LookupError as error:
            raise QuestionFailedError(f"{self._client.url} sent a reply that cannot be used: {error}") from None


def _only(choices: Sequence[CompletionChoice], url: str) -> CompletionChoice:
    if len(choices) != 1:
        raise QuestionFailedError(f"{url} sent {len(choices)} completions for one prompt")
    return choices[0]


def _text(prompt: Prompt) -> str:
    return "".join(map(str, prompt))

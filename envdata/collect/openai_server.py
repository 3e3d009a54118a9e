"""Engine behind any server of the OpenAI completions API that can continue a partial answer, vLLM's above all.

A trace is cut between the model's own tokens and continued from exactly that cut. vLLM's server takes and returns token
ids, so that a cut is exact. Others (llama.cpp's) return the text of each token: there the cut is a text, which the
server tokenises again. `establish` finds out which on a few sentences before anything is collected, because a server
that lacks a feature rarely reports it: it ignores the field, or reads ids as text.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import openai
from openai.types import CompletionChoice

from envdata.collect.chat_template import ChatTemplate
from envdata.collect.concurrency import as_finished
from envdata.collect.engine import (
    Asked,
    CannotContinueError,
    CollectError,
    Continuation,
    Conversation,
    EngineFacts,
    EngineGoneError,
    Prompt,
    QuestionFailedError,
    Sampling,
    Usage,
)
from envdata.collect.openai_chat_streams import OpenAIChatStreams
from envdata.collect.openai_client import Client, prompt_and_cached
from envdata.collect.openai_replies import decoded, ids_of, top_logprobs, unplaced

TRIALS = (
    "The days of the week are Monday, Tuesday, Wednesday, Thursday, Friday, Saturday and Sunday. "
    "The days of the week are Monday, Tuesday,",
    "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20. 1, 2, 3, 4, 5, 6,",
    "A, B, C, D, E, F, G, H, I, J, K, L, M, N. A, B, C, D, E, F,",
)
"""Texts that every model continues in one way only, each longer than a block of a prefix cache."""

TOPS = (20, 10, 5, 1)
"""Numbers of most probable tokens that are tried on a server, from the most that vLLM gives by default."""

PROBES_AT_ONCE = 16
"""Simultaneous probes for each simultaneous request of traces, where a probe is a request of its own."""

TRACES_A_REQUEST = 16
"""Traces in one request, if a server can draw several: few, so that the first are probed while others are drawn."""

MAX_ENCODED = 4096
"""Texts whose tokens are kept: enough for all of one collection, and a bound for an endpoint that runs for months."""


class OpenAIServer:
    """An `envdata.collect.engine.Engine` behind a URL such as http://127.0.0.1:8000/v1."""

    def __init__(self, client: Client, *, template: ChatTemplate | None = None) -> None:
        """Store the client; nothing is requested before `establish`.

        Args:
            client: The server's client.
            template: The chat template for conversations; None leaves it to the server.
        """
        self._client = client
        self._template = template
        self._by_ids = True
        self._tokenizes = False
        self._several = True
        self._streams = False
        self._logprobs = 0
        self._top = 0
        self._tells_cache = False
        self._encoded: dict[tuple[str, bool], Prompt] = {}

    def chat_streams(self) -> OpenAIChatStreams:
        """Return the streams of the same server and model (`envdata.collect.chat_streams.HasChatStreams`)."""
        return OpenAIChatStreams(self._client)

    @property
    def usage(self) -> Usage:
        """Tokens read and written, trials included."""
        return self._client.usage

    async def establish(self) -> EngineFacts:
        """Continue a sentence from its first token and compare the reply with the request.

        Raises:
            CannotContinueError: The server cannot continue a partial answer with log-probabilities.
            CollectError: The server does not answer.
        """
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
        self._top = await self._tops()
        # The trials had prompts in common, so a server that tells has told by now.
        self._tells_cache = self.usage.cached is not None
        if self._tells_cache and self._by_ids:
            self._client.admit_probes(PROBES_AT_ONCE * self._client.concurrency)
        name, version = await self._client.identity()
        continues = "token ids" if self._by_ids else "text"
        return EngineFacts(name, version, continues, top_logprobs=self._top, prefill=self._tells_cache)

    async def _continues_ids(self) -> bool:
        """Return whether the server takes and returns token ids. Raises LookupError if it does so wrongly."""
        try:
            first = await self._ask(prompt=TRIALS[0], max_tokens=2)
            begun = [*ids_of(first, "prompt_token_ids"), *ids_of(first, "token_ids")[:1]]
        except (LookupError, QuestionFailedError):
            # The server lacks the field, or refuses it.
            return False
        second = await self._ask(prompt=begun, max_tokens=2)
        if ids_of(second, "prompt_token_ids") != begun:
            raise LookupError("it read a prompt of ids as another text")
        decoded(second, by_ids=True)
        self._tokenizes = await self._tokens_of(TRIALS[0], start=True) == tuple(begun[:-1])
        return True

    async def _continues_text(self) -> None:
        """Raise LookupError unless a text that was cut after a token goes on with the next token."""
        for trial in TRIALS:
            try:
                whole = decoded(await self._ask(prompt=trial, max_tokens=4), by_ids=False)
            except LookupError:
                # Some servers read 0 as no log-probabilities at all.
                self._logprobs = 1
                whole = decoded(await self._ask(prompt=trial, max_tokens=4), by_ids=False)
            if len(whole.pieces) < 3:
                raise LookupError("its replies do not tell the tokens of a text")
            cut = trial + "".join(map(str, whole.pieces[:2]))
            rest = decoded(await self._ask(prompt=cut, max_tokens=1), by_ids=False)
            # Ties between tokens and other cuts into tokens may change a reply: one equal trial of three is enough.
            if rest.pieces and rest.pieces[0] == whole.pieces[2]:
                return
        raise LookupError("a text that was cut did not go on as the whole one had")

    async def _draws_several(self) -> bool:
        """Return whether one request can draw several completions."""
        reply = await self._client.complete(prompt=TRIALS[0], n=2, max_tokens=1, temperature=1.0, seed=1)
        return len(reply.choices) == 2

    async def _draws_in_a_stream(self) -> bool:
        """Return whether traces can be streamed, to count their tokens while they are decoded."""
        try:
            prompt = await self._tokenised(TRIALS[0], start=True)
            drawn = await self._draw(prompt, 0, 2, Sampling(1.0, max_tokens=4), seed=1, streamed=True)
        except (QuestionFailedError, EngineGoneError):
            return False
        return len(drawn) == 2

    async def _tops(self) -> int:
        """Return the largest number of `TOPS` that the server gives log-probabilities for; 0 if none."""
        for top in TOPS:
            try:
                reply = await self._client.complete(prompt=TRIALS[0], max_tokens=1, temperature=0, logprobs=top)
                given = top_logprobs(_only(reply.choices, self._client.url))
            except QuestionFailedError:
                continue
            # Two tokens of one spelling are one entry, so that one may be missing.
            if given and len(given[0]) >= max(1, top - 1):
                return top
        return 0

    async def prompt(self, asked: Asked) -> Prompt:
        """Return the prompt for a question, written out and tokenised by the server as far as it can."""
        if isinstance(asked, str):
            return await self._tokenised(asked, start=True)
        if self._template is not None:
            text = self._template.render(asked)
            return await self._tokenised(text, start=not self._template.writes_start)
        return await self._by_server(asked)

    async def encode(self, text: str) -> Prompt:
        """Return the pieces of a text, tokenised by the server."""
        return await self._tokenised(text, start=False)

    async def sample(
        self, asked: Asked, count: int, sampling: Sampling, seed: int
    ) -> AsyncIterator[list[tuple[int, Continuation]]]:
        """Draw traces, a few a request where the server can; see `envdata.collect.engine.Sampler.sample`."""
        prompt = await self.prompt(asked)
        most = TRACES_A_REQUEST if self._several else 1
        requests = (
            self._draw(prompt, first, min(most, count - first), sampling, seed, streamed=self._streams)
            for first in range(0, count, most)
        )
        async with aclosing(as_finished(requests)) as finished:
            async for traces in finished:
                yield traces

    async def extend(self, prompt: Prompt, sampling: Sampling, seed: int, *, placed: bool = True) -> Continuation:
        """Draw one continuation in a request of its own; see `envdata.collect.engine.Engine.extend`."""
        # Where prompts are texts, only the texts of tokens show where they end.
        ((_, drawn),) = await self._draw(prompt, 0, 1, sampling, seed, placed=placed or not self._by_ids)
        return drawn

    async def context(self) -> int | None:
        """Return the model's context as vLLM's server reports it, in tokens; None for other servers."""
        return await self._client.context()

    async def answer(self, prompts: Sequence[Prompt], max_tokens: int, stop: Sequence[str]) -> list[Continuation]:
        """Continue all prompts in one request; one by one where they are texts, or where that tells their prefill.

        Of a request with several prompts vLLM's server tells the cached tokens of the last one alone.
        """
        if not prompts:
            return []
        arguments: dict[str, Any] = {
            "temperature": 0,
            "max_tokens": max_tokens,
            "stop": list(stop) or openai.omit,
            "logprobs": self._logprobs,
            "probing": True,
        }
        if self._by_ids:
            arguments["extra_body"] = {"return_token_ids": True}
        if self._tells_cache or not self._by_ids:
            # llama.cpp's servers take one prompt a request, or answer lists of them in another order.
            return list(await asyncio.gather(*(self._answer_one(prompt, arguments) for prompt in prompts)))
        reply = await self._client.complete(prompt=[list(prompt) for prompt in prompts], **arguments)
        choices = sorted(reply.choices, key=lambda choice: choice.index)
        if [choice.index for choice in choices] != list(range(len(prompts))):
            raise QuestionFailedError(f"{self._client.url} sent {len(choices)} completions for {len(prompts)} prompts")
        return [self._read(choice) for choice in choices]

    async def _answer_one(self, prompt: Prompt, arguments: Mapping[str, Any]) -> Continuation:
        """Continue one prompt in a request of its own."""
        reply = await self._client.complete(prompt=list(prompt) if self._by_ids else _text(prompt), **arguments)
        read, cached = prompt_and_cached(reply.usage)
        prefill = None
        if self._tells_cache:
            # Some servers leave the count out where it is 0.
            prefill = max(0, (len(prompt) if self._by_ids else read or 0) - (cached or 0))
        return self._read(_only(reply.choices, self._client.url), prefill=prefill)

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
    ) -> list[tuple[int, Continuation]]:
        """Draw traces number `first` to `first + count - 1`, in as many requests as the server needs for them."""
        drawn: list[Continuation] = []
        extra = {"top_k": sampling.top_k, "min_p": sampling.min_p}
        top = min(sampling.top_logprobs, self._top)
        while len(drawn) < count:
            # Some servers give one completion whatever n is; the seed changes, or all completions would be equal.
            reply = await self._client.complete(
                prompt=list(prompt) if self._by_ids else _text(prompt),
                n=count - len(drawn),
                seed=seed + first + len(drawn),
                temperature=openai.omit if sampling.temperature is None else sampling.temperature,
                top_p=openai.omit if sampling.top_p is None else sampling.top_p,
                max_tokens=sampling.max_tokens,
                stop=list(sampling.stop) or openai.omit,
                logprobs=max(self._logprobs, top) if placed else openai.omit,
                streamed=streamed,
                extra_body={
                    **({"return_token_ids": True, "skip_special_tokens": False} if self._by_ids else {}),
                    **{name: value for name, value in extra.items() if value is not None},
                },
            )
            if not reply.choices:
                raise QuestionFailedError(f"{self._client.url} sent a reply without a completion")
            drawn.extend(self._read(choice, placed=placed, top=top) for choice in reply.choices)
        return list(enumerate(drawn[:count], start=first))

    async def _by_server(self, asked: Conversation) -> Prompt:
        """Return a conversation's prompt by the model's own template: vLLM's gives token ids, llama.cpp's a text."""
        body = {"model": self._client.model, **asked.template_request()}
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
            "with --chat-template, or whole prompts with --template and no --chat; or have whole answers streamed with "
            "--protocol chat"
        )

    async def _tokenised(self, text: str, *, start: bool) -> Prompt:
        """Return the pieces of a text, with the start token if `start`."""
        if not text or not self._by_ids:
            return (text,) if text else ()
        if (text, start) not in self._encoded:
            if len(self._encoded) >= MAX_ENCODED:
                self._encoded.clear()
            tokens = await self._tokens_of(text, start=start) if self._tokenizes else None
            if tokens is None:
                # The one token that is decoded is dropped.
                reply = await self._ask(prompt=text, max_tokens=1, add_special_tokens=start)
                tokens = tuple(ids_of(reply, "prompt_token_ids"))
            self._encoded[text, start] = tokens
        return self._encoded[text, start]

    async def _tokens_of(self, text: str, *, start: bool) -> Prompt | None:
        """Return the token ids that vLLM's /tokenize gives; None where there is no such path."""
        body = {"model": self._client.model, "prompt": text, "add_special_tokens": start}
        tokens = (await self._client.post("/tokenize", body) or {}).get("tokens")
        return tuple(tokens) if isinstance(tokens, list) and all(isinstance(token, int) for token in tokens) else None

    async def _ask(self, *, prompt: str | list[int], max_tokens: int, **extra: Any) -> CompletionChoice:
        """Request one greedy completion."""
        reply = await self._client.complete(
            prompt=prompt,
            max_tokens=max_tokens,
            temperature=0,
            logprobs=self._logprobs,
            extra_body={**({"return_token_ids": True} if self._by_ids else {}), **extra},
            probing=True,
        )
        return _only(reply.choices, self._client.url)

    def _read(
        self, choice: CompletionChoice, *, placed: bool = True, top: int = 0, prefill: int | None = None
    ) -> Continuation:
        """Convert a completion. Raises QuestionFailedError if it lacks something."""
        try:
            if placed:
                return decoded(choice, by_ids=self._by_ids, top=top, prefill=prefill)
            stop_reason = (choice.model_extra or {}).get("stop_reason")
            return unplaced(ids_of(choice, "token_ids"), choice.text, stop_reason, choice.finish_reason)
        except LookupError as error:
            raise QuestionFailedError(f"{self._client.url} sent a reply that cannot be used: {error}") from None


def _only(choices: Sequence[CompletionChoice], url: str) -> CompletionChoice:
    """Return the only completion. Raises QuestionFailedError if there are several."""
    if len(choices) != 1:
        raise QuestionFailedError(f"{url} sent {len(choices)} completions for one prompt")
    return choices[0]


def _text(prompt: Prompt) -> str:
    """Return a prompt as text."""
    return "".join(map(str, prompt))

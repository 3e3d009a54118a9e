"""Engine that runs the model in this process, with vLLM.

All traces and probes of all unfinished questions are one batch to vLLM, which it fills up at every step: a thread takes
requests and steps the engine, while the event loop reads, cuts and stores finished ones. No more traces are handed over
than run together, so that the probes of a finished trace are next in line, while its prefix is still in the cache.

vLLM is imported when the engine is established, and not before.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from envdata.collect.chat_template import ChatTemplate
from envdata.collect.concurrency import as_finished
from envdata.collect.engine import (
    Asked,
    CollectError,
    Continuation,
    EngineFacts,
    EngineGoneError,
    Prompt,
    QuestionFailedError,
    Sampling,
    Usage,
)
from envdata.collect.openai_replies import logprob, put_together, unplaced
from envdata.collect.orphans import OrphanWatcher
from envdata.collect.token_confidence import TOP_LOGPROBS, token_confidence
from envdata.collect.vllm_arguments import Request, caching, params_of, under_way
from envdata.collect.vllm_engine_calls import EngineQueue
from envdata.printable import first_line

SECONDS_BETWEEN_COUNTS = 1.0
"""Seconds between counts of the tokens of unfinished requests."""


class VLLMEngine:
    """An `envdata.collect.engine.Engine` in this process."""

    def __init__(
        self,
        model: str,
        arguments: Mapping[str, Any],
        *,
        template: ChatTemplate | None = None,
        scored: bool = True,
    ) -> None:
        """Store the model's name; nothing is loaded before `establish`.

        Args:
            model: A model's name or folder.
            arguments: Further arguments of vLLM's `LLM` (tensor_parallel_size, …).
            template: The chat template for conversations; None takes the model's own.
            scored: Whether traces come with places and log-probabilities of their tokens, which take time and which
                only probing needs.
        """
        self.usage = Usage()
        self._scored = scored
        self._model, self._template = model, template
        self._arguments = dict(arguments)
        self._queue = EngineQueue()
        self._thread: threading.Thread | None = None
        self._llm: Any = None
        self._orphans = OrphanWatcher()
        self._top = 0
        self._own: Mapping[str, Any] = {}
        self._slots = asyncio.Semaphore(1)
        self._encoded: dict[tuple[str, bool], Prompt] = {}

    async def establish(self) -> EngineFacts:
        """Load the model. Raises CollectError with vLLM's own message if that fails."""
        loop = asyncio.get_running_loop()
        loaded: asyncio.Future[EngineFacts] = loop.create_future()
        self._thread = threading.Thread(target=self._run, args=(loop, loaded), name="vllm", daemon=True)
        self._thread.start()
        facts = await loaded
        self._slots = asyncio.Semaphore(self.width)
        return facts

    @property
    def width(self) -> int:
        """Number of sequences that run together."""
        return int(self._llm.llm_engine.vllm_config.scheduler_config.max_num_seqs)

    async def prompt(self, asked: Asked) -> Prompt:
        """Tokenise a text with the model's start token, or a conversation as the model's chat template writes it."""
        if isinstance(asked, str):
            return await self._tokenised(asked, special=True)
        if self._template is not None:
            text = self._template.render(asked)
            return await self._tokenised(text, special=not self._template.writes_start)

        def apply(llm: Any) -> str:
            return str(
                llm.get_tokenizer().apply_chat_template(
                    asked.messages(), tokenize=False, add_generation_prompt=True, **asked.options
                )
            )

        try:
            text = await self.with_model(apply)
        except Exception as error:  # The tokenizer and its template can raise anything.
            raise CollectError(
                f"the chat template of {self._model} cannot be applied ({error}); give one with --chat-template"
            ) from None
        return await self._tokenised(text + asked.begun, special=False)

    async def encode(self, text: str) -> Prompt:
        """Tokenise a text without the start token."""
        return await self._tokenised(text, special=False)

    async def sample(
        self, asked: Asked, count: int, sampling: Sampling, seed: int
    ) -> AsyncIterator[list[tuple[int, Continuation]]]:
        """Draw traces, each a request with its own seed; see `envdata.collect.engine.Sampler.sample`."""
        prompt = await self.prompt(asked)
        params = self._params(sampling, placed=self._scored)

        async def draw(number: int) -> tuple[int, Continuation]:
            async with self._slots:
                return number, await self._decode(prompt, {**params, "seed": seed + number}, sampling.top_logprobs)

        async with aclosing(as_finished(draw(number) for number in range(count))) as finished:
            async for trace in finished:
                yield [trace]

    async def extend(self, prompt: Prompt, sampling: Sampling, seed: int, *, placed: bool = True) -> Continuation:
        """Draw one continuation; see `envdata.collect.engine.Engine.extend`."""
        params = {**self._params(sampling, placed=placed), "seed": seed}
        return await self._decode(prompt, params, sampling.top_logprobs)

    async def context(self) -> int | None:
        """Return the model's context, in tokens."""
        return int(self._llm.model_config.max_model_len)

    async def answer(self, prompts: Sequence[Prompt], max_tokens: int, stop: Sequence[str]) -> list[Continuation]:
        """Continue all prompts in one batch; see `envdata.collect.engine.Engine.answer`."""
        params = {"temperature": 0.0, "max_tokens": max_tokens, "stop": list(stop), "logprobs": 0}
        return list(await asyncio.gather(*(self._decode(prompt, params) for prompt in prompts)))

    async def with_model(self, call: Callable[[Any], Any]) -> Any:
        """Call a function with vLLM's `LLM`, in the engine's thread between two steps; `LLM` serves one thread only."""
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[Any] = loop.create_future()

        def order() -> None:
            try:
                result = call(self._llm)
            except Exception as error:  # Raised again where it is awaited.
                loop.call_soon_threadsafe(_fail, reply, error)
            else:
                loop.call_soon_threadsafe(_settle, reply, result)

        self._queue.put(order)
        return await reply

    async def close(self) -> None:
        """Stop the thread after the step in progress, and release the model."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            await asyncio.to_thread(thread.join, 60)
        self._llm = None
        await asyncio.to_thread(self._orphans.close)

    async def _tokenised(self, text: str, *, special: bool) -> Prompt:
        """Return the token ids of a text, with special tokens if `special`."""
        if not text:
            return ()
        if (text, special) not in self._encoded:

            def encode(llm: Any) -> Prompt:
                return tuple(llm.get_tokenizer().encode(text, add_special_tokens=special))

            self._encoded[text, special] = await self.with_model(encode)
        return self._encoded[text, special]

    def _params(self, sampling: Sampling, *, placed: bool) -> dict[str, Any]:
        """Return the parameters of traces; without log-probabilities unless tokens are to be `placed`."""
        params = params_of(sampling)
        return {**params, "logprobs": min(params["logprobs"], self._top) if placed else None}

    async def _decode(self, prompt: Prompt, params: Mapping[str, Any], top: int = 0) -> Continuation:
        """Decode one request; `top` is k of the tokens' confidences, 0 for none."""
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queue.put(Request(prompt, params, reply))
        output = await reply
        completion = output.outputs[0]
        ids = tuple(completion.token_ids)
        self.usage.add(len(prompt), output.num_cached_tokens, len(ids))
        prefill = len(prompt) - (output.num_cached_tokens or 0)
        if completion.logprobs is None:
            return unplaced(ids, completion.text, completion.stop_reason, completion.finish_reason)
        chosen = [entry[token] for token, entry in zip(ids, completion.logprobs, strict=True)]
        texts = [entry.decoded_token or "" for entry in chosen]
        logprobs = [logprob(entry.logprob) for entry in chosen]
        top = min(top, self._top)
        sure = (
            [token_confidence((logprob(each.logprob) for each in entry.values()), top) for entry in completion.logprobs]
            if top
            else []
        )
        return put_together(
            ids, texts, logprobs, completion.text, completion.finish_reason, confidences=sure, prefill=prefill
        )

    # ---- the engine's own thread ----------------------------------------------------------------------------------

    def _run(self, loop: asyncio.AbstractEventLoop, loaded: "asyncio.Future[EngineFacts]") -> None:
        """Load the model and serve requests until the end; runs in the engine's thread."""
        try:
            import vllm

            with self._orphans.loading():
                self._llm = vllm.LLM(model=self._model, **{**caching(vllm.EngineArgs), **self._arguments})
        except ImportError as error:
            why = f"vLLM cannot be imported ({error}); install it with pip install 'autotts[vllm]', or use --server"
            loop.call_soon_threadsafe(_fail, loaded, CollectError(why))
            return
        except Exception as error:  # vLLM has no common class of errors for arguments and machines.
            why = f"vLLM cannot run {self._model}: {first_line(error)}"
            if int(self._arguments.get("data_parallel_size", 1)) > 1:
                why += "; serve the model with vLLM's own server and --data-parallel-size, and use --server"
            loop.call_soon_threadsafe(_fail, loaded, CollectError(why))
            return
        # Kept, because vLLM reads the model's files at each call.
        self._own = self._llm.model_config.get_diff_sampling_param()
        most = int(self._llm.model_config.max_logprobs)
        self._top = TOP_LOGPROBS if most < 0 else most
        facts = EngineFacts("vllm", vllm.__version__, "token ids", self._own, top_logprobs=self._top, prefill=True)
        loop.call_soon_threadsafe(_settle, loaded, facts)
        waiting: dict[str, asyncio.Future[Any]] = {}
        try:
            self._serve(loop, waiting)
        except Exception as error:  # The engine is lost, and with it everything that waits for it.
            gone = EngineGoneError(f"vLLM stopped: {first_line(error)}; start the same command again")
            for reply in waiting.values():
                loop.call_soon_threadsafe(_fail, reply, gone)
            self._refuse_until_closed(loop, gone)

    def _serve(self, loop: asyncio.AbstractEventLoop, waiting: dict[str, "asyncio.Future[Any]"]) -> None:
        """Take calls and step the engine, until the call to end. `waiting` holds replies by the request's name."""
        engine = self._llm.llm_engine
        number, counted, few = 0, 0.0, False
        while True:
            for order in self._queue.before_a_step(loop, idle=not waiting, few=few):
                if order is None:
                    engine.abort_request(list(waiting))
                    return
                if isinstance(order, Request):
                    number += 1
                    self._add(engine, str(number), order, loop, waiting)
                else:
                    # It sees the engine without requests that were cancelled before it was asked for.
                    _abort_cancelled(engine, waiting)
                    order()
            _abort_cancelled(engine, waiting)
            before = len(waiting)
            for output in engine.step() if waiting else ():
                if output.finished and output.request_id in waiting:
                    loop.call_soon_threadsafe(_settle, waiting.pop(output.request_id), output)
            few = len(waiting) < before and len(waiting) <= self.width // 2
            if time.monotonic() - counted >= SECONDS_BETWEEN_COUNTS or not waiting:
                counted = time.monotonic()
                self.usage.under_way = under_way(engine)

    def _add(
        self,
        engine: Any,
        name: str,
        request: Request,
        loop: asyncio.AbstractEventLoop,
        waiting: dict[str, "asyncio.Future[Any]"],
    ) -> None:
        """Hand a request to the engine."""
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        if request.reply.cancelled():
            return
        try:
            # The model's own settings hold where a request has none, as with vLLM's server.
            params = SamplingParams(**{**self._own, **request.params}, output_kind=RequestOutputKind.FINAL_ONLY)
            engine.add_request(name, {"prompt_token_ids": list(request.prompt)}, params)
        except (ValueError, TypeError) as error:
            # Such as a prompt longer than the context; another question may be shorter.
            refused = QuestionFailedError(f"vLLM refuses the request: {first_line(error)}")
            loop.call_soon_threadsafe(_fail, request.reply, refused)
            return
        waiting[name] = request.reply

    def _refuse_until_closed(self, loop: asyncio.AbstractEventLoop, gone: Exception) -> None:
        """Fail every request with the error that ended the engine."""
        while (order := self._queue.get()) is not None:
            if isinstance(order, Request):
                loop.call_soon_threadsafe(_fail, order.reply, gone)
            else:
                # It fails at the lost model, and its error is raised where it is awaited.
                order()


def _abort_cancelled(engine: Any, waiting: dict[str, "asyncio.Future[Any]"]) -> None:
    """Take the requests out of the engine that nobody waits for any more."""
    cancelled = [name for name, reply in waiting.items() if reply.cancelled()]
    if cancelled:
        engine.abort_request(cancelled)
    for name in cancelled:
        del waiting[name]


def _settle(reply: "asyncio.Future[Any]", result: object) -> None:
    """Set a reply's result unless it was cancelled."""
    if not reply.done():
        reply.set_result(result)


def _fail(reply: "asyncio.Future[Any]", error: Exception) -> None:
    """Set a reply's error unless it was cancelled."""
    if not reply.done():
        reply.set_exception(error)

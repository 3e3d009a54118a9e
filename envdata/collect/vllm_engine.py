"""The model in this process, run by vLLM.

All traces and probes of all questions under way are one batch to vLLM, which it fills up at every step: a thread of its
own takes requests in and steps the engine, while the event loop reads, cuts and keeps what has finished. Only so many
traces are handed over as run together, so that the probes of a finished one are next in line, while its prefix is still
in the cache.

vLLM is imported when the engine is established, and not before.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from envdata.collect.chat_template import ChatTemplate
from envdata.collect.engine import (
    Asked,
    CollectError,
    Decoded,
    EngineFacts,
    EngineGoneError,
    Prompt,
    QuestionFailedError,
    Sampling,
    Usage,
)
from envdata.collect.openai_replies import put_together, unplaced
from envdata.collect.vllm_orders import Orders
from envdata.collect.vllm_words import Request, caching, params_of, under_way

SECONDS_BETWEEN_COUNTS = 1.0
"""Of the tokens of unfinished requests."""


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
        """Run `model`, a name or a folder; `arguments` go to vLLM's `LLM` as they are (tensor_parallel_size, …).

        Traces that are not `scored` come without places and log-probabilities of their tokens, which take their time
        and which only probing needs.
        """
        self.usage = Usage()
        self._scored = scored
        self._model, self._template = model, template
        self._arguments = dict(arguments)
        self._orders = Orders()
        self._thread: threading.Thread | None = None
        self._llm: Any = None
        self._own: Mapping[str, Any] = {}
        self._slots = asyncio.Semaphore(1)
        self._encoded: dict[tuple[str, bool], Prompt] = {}

    async def establish(self) -> EngineFacts:
        """Load the model; raises CollectError with vLLM's own words if it cannot be."""
        loop = asyncio.get_running_loop()
        loaded: asyncio.Future[EngineFacts] = loop.create_future()
        self._thread = threading.Thread(target=self._run, args=(loop, loaded), name="vllm", daemon=True)
        self._thread.start()
        facts = await loaded
        self._slots = asyncio.Semaphore(self.width)
        return facts

    @property
    def width(self) -> int:
        """How many sequences run together."""
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
        except Exception as error:  # Whatever the tokenizer or its template raises.
            raise CollectError(
                f"the chat template of {self._model} cannot be applied ({error}); give one with --chat-template"
            ) from None
        return await self._tokenised(text + asked.begun, special=False)

    async def encode(self, text: str) -> Prompt:
        """Tokenise a text without the start token."""
        return await self._tokenised(text, special=False)

    async def sample(
        self, asked: Asked, count: int, sampling: Sampling, seed: int
    ) -> AsyncIterator[list[tuple[int, Decoded]]]:
        """Draw `count` traces, each a request of its own with a seed of its own."""
        prompt = await self.prompt(asked)
        params = params_of(sampling) if self._scored else {**params_of(sampling), "logprobs": None}

        async def draw(number: int) -> tuple[int, Decoded]:
            async with self._slots:
                return number, await self._decode(prompt, {**params, "seed": seed + number})

        drawing = [asyncio.ensure_future(draw(number)) for number in range(count)]
        try:
            for finished in asyncio.as_completed(drawing):
                yield [await finished]
        finally:
            for one in drawing:
                one.cancel()
            await asyncio.gather(*drawing, return_exceptions=True)

    async def extend(self, prompt: Prompt, sampling: Sampling, seed: int, *, placed: bool = True) -> Decoded:
        """Draw one continuation."""
        params = {**params_of(sampling), "seed": seed}
        return await self._decode(prompt, params if placed else {**params, "logprobs": None})

    async def context(self) -> int | None:
        """The model's context, in tokens."""
        return int(self._llm.model_config.max_model_len)

    async def answer(self, prompts: Sequence[Prompt], max_tokens: int, stop: Sequence[str]) -> list[Decoded]:
        """Continue all prompts in one batch."""
        params = {"temperature": 0.0, "max_tokens": max_tokens, "stop": list(stop), "logprobs": 0}
        return list(await asyncio.gather(*(self._decode(prompt, params) for prompt in prompts)))

    async def with_model(self, call: Callable[[Any], Any]) -> Any:
        """Call with vLLM's `LLM`, in the engine's thread and between two steps; nothing there is to be used by two."""
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[Any] = loop.create_future()

        def order() -> None:
            try:
                result = call(self._llm)
            except Exception as error:  # Raised again where it is awaited.
                loop.call_soon_threadsafe(_fail, reply, error)
            else:
                loop.call_soon_threadsafe(_settle, reply, result)

        self._orders.put(order)
        return await reply

    async def close(self) -> None:
        """Stop the thread after the step in progress, and let go of the model."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._orders.put(None)
            await asyncio.to_thread(thread.join, 60)
        self._llm = None

    async def _tokenised(self, text: str, *, special: bool) -> Prompt:
        if not text:
            return ()
        if (text, special) not in self._encoded:

            def encode(llm: Any) -> Prompt:
                return tuple(llm.get_tokenizer().encode(text, add_special_tokens=special))

            self._encoded[text, special] = await self.with_model(encode)
        return self._encoded[text, special]

    async def _decode(self, prompt: Prompt, params: Mapping[str, Any]) -> Decoded:
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._orders.put(Request(prompt, params, reply))
        output = await reply
        only = output.outputs[0]
        ids = tuple(only.token_ids)
        self.usage.add(len(prompt), output.num_cached_tokens, len(ids))
        if only.logprobs is None:
            return unplaced(ids, only.text, only.stop_reason, only.finish_reason)
        chosen = [entry[token] for token, entry in zip(ids, only.logprobs, strict=True)]
        texts = [entry.decoded_token or "" for entry in chosen]
        logprobs = [entry.logprob for entry in chosen]
        return put_together(ids, texts, logprobs, only.text, only.finish_reason)

    # ---- the engine's own thread ----------------------------------------------------------------------------------

    def _run(self, loop: asyncio.AbstractEventLoop, loaded: "asyncio.Future[EngineFacts]") -> None:
        """Load the model and serve requests until told to end."""
        try:
            import vllm

            self._llm = vllm.LLM(model=self._model, **{**caching(vllm.EngineArgs), **self._arguments})
        except ImportError as error:
            why = f"vLLM cannot be imported ({error}); install it with pip install 'autotts[vllm]', or use --server"
            loop.call_soon_threadsafe(_fail, loaded, CollectError(why))
            return
        except Exception as error:  # Whatever vLLM refuses its arguments or the machine with.
            why = f"vLLM cannot run {self._model}: {_first_line(error)}"
            if int(self._arguments.get("data_parallel_size", 1)) > 1:
                why += "; serve the model with vLLM's own server and --data-parallel-size, and use --server"
            loop.call_soon_threadsafe(_fail, loaded, CollectError(why))
            return
        # Kept: vLLM reads the model's files anew each time it is asked.
        self._own = self._llm.model_config.get_diff_sampling_param()
        facts = EngineFacts("vllm", vllm.__version__, "token ids", self._own)
        loop.call_soon_threadsafe(_settle, loaded, facts)
        waiting: dict[str, asyncio.Future[Any]] = {}
        try:
            self._serve(loop, waiting)
        except Exception as error:  # The engine is lost, and with it everything that waits for it.
            gone = EngineGoneError(f"vLLM stopped: {_first_line(error)}; start the same command again")
            for reply in waiting.values():
                loop.call_soon_threadsafe(_fail, reply, gone)
            self._refuse_until_closed(loop, gone)

    def _serve(self, loop: asyncio.AbstractEventLoop, waiting: dict[str, "asyncio.Future[Any]"]) -> None:
        engine = self._llm.llm_engine
        number, counted, few = 0, 0.0, False
        while True:
            for order in self._orders.before_a_step(loop, idle=not waiting, few=few):
                if order is None:
                    engine.abort_request(list(waiting))
                    return
                if isinstance(order, Request):
                    number += 1
                    self._add(engine, str(number), order, loop, waiting)
                else:
                    order()
            # What nobody waits for any more is not decoded any further.
            for name in [name for name, reply in waiting.items() if reply.cancelled()]:
                engine.abort_request([name])
                del waiting[name]
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
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        if request.reply.cancelled():
            return
        try:
            # The settings that come with the model count where nothing else is said, as with vLLM's server.
            params = SamplingParams(**{**self._own, **request.params}, output_kind=RequestOutputKind.FINAL_ONLY)
            engine.add_request(name, {"prompt_token_ids": list(request.prompt)}, params)
        except (ValueError, TypeError) as error:
            # Longer than the model reads, say: another question may be shorter.
            refused = QuestionFailedError(f"vLLM refuses the request: {_first_line(error)}")
            loop.call_soon_threadsafe(_fail, request.reply, refused)
            return
        waiting[name] = request.reply

    def _refuse_until_closed(self, loop: asyncio.AbstractEventLoop, gone: Exception) -> None:
        while (order := self._orders.get()) is not None:
            if isinstance(order, Request):
                loop.call_soon_threadsafe(_fail, order.reply, gone)
            else:
                # It fails at the model that is gone, and says so where it is awaited.
                order()


def _settle(reply: "asyncio.Future[Any]", result: object) -> None:
    if not reply.done():
        reply.set_result(result)


def _fail(reply: "asyncio.Future[Any]", error: Exception) -> None:
    if not reply.done():
        reply.set_exception(error)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]

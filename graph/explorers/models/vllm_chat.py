"""A model that vLLM runs in this process: `vllm:PATH`, or a name on the Hugging Face hub. Needs the extra `vllm`.

Arguments of vLLM's `LLM` follow the path: `vllm:models/gemma,max_model_len=8192,dtype=bfloat16`. The value of
`chat_template` is a file, for a model without a template of its own.
"""

import asyncio
import json
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envdata.text_files import TextFileError, read_text
from graph.accounting.usage import Usage
from graph.explorers.base import ExplorerError
from graph.explorers.models.chat import ModelCallError, ModelReply, OtherForm, texts_of
from graph.explorers.prompts import Prompt

BATCH_WINDOW = 0.02
"""Seconds for which a call waits for others, to be generated with them in one batch."""


@dataclass
class _WaitingCall:
    """A call that waits for the next batch."""

    messages: list[dict[str, str]]
    max_output: int
    schema: Mapping[str, Any] | None
    future: "asyncio.Future[Any]"


class VllmChat:
    """A model in this process; it is loaded at the first call and kept."""

    def __init__(self, model: str, *, thinking: int | str | None, temperature: float | None) -> None:
        """Check the settings; the model is loaded at the first call.

        Args:
            model: The model's folder or name, and arguments of vLLM's `LLM` after commas.
            thinking: Must be None: vLLM has no budget of thinking tokens.
            temperature: Sampling temperature; None for the model's default.

        Raises:
            ExplorerError: The model or vLLM is missing, an argument cannot be read, or `thinking` is given.
        """
        if not model:
            raise ExplorerError("vllm: give a model's folder or name, as in vllm:models/gemma")
        if thinking is not None:
            raise ExplorerError("--thinking: vLLM takes no number of tokens for it; leave it away")
        try:
            import vllm  # noqa: F401
        except ImportError:
            raise ExplorerError(
                f"vllm:{model} needs a package that is not installed: pip install 'autotts[vllm]'; or serve the model "
                "elsewhere, and give openai:MODEL --base-url URL"
            ) from None
        self.model, self._engine = _split_arguments(model)
        template = self._engine.pop("chat_template", None)
        self._template = None if template is None else _read_template(Path(str(template)))
        self._temperature = temperature
        self._llm: Any = None
        self._waiting: list[_WaitingCall] = []
        self._running = asyncio.Lock()

    async def complete(
        self, prompt: Prompt, *, max_output: int, schema: Mapping[str, Any] | None, forms: Set[OtherForm] = frozenset()
    ) -> ModelReply:
        """Generate one reply, in a batch with the calls made within `BATCH_WINDOW`. See `ChatModel.complete`."""
        system, content = texts_of(prompt, forms)
        messages = [*([{"role": "system", "content": system}] if system else []), {"role": "user", "content": content}]
        call = _WaitingCall(messages, max_output, schema, asyncio.get_running_loop().create_future())
        self._waiting.append(call)
        await asyncio.sleep(BATCH_WINDOW)
        async with self._running:
            batch, self._waiting = self._waiting, []
            if batch:
                await self._run(batch)
        output = await call.future
        (generated,) = output.outputs
        return ModelReply(
            generated.text,
            Usage(
                input=len(output.prompt_token_ids),
                cached=output.num_cached_tokens or 0,
                output=len(generated.token_ids),
            ),
            self.model,
            "end" if generated.finish_reason == "stop" else str(generated.finish_reason),
            output.request_id,
        )

    async def close(self) -> None:
        """Keep the model loaded for the next node."""
        # A lock belongs to an event loop, and each node has its own.
        self._running = asyncio.Lock()

    async def _run(self, batch: list[_WaitingCall]) -> None:
        """Generate a batch and set the result, or the error, of each call."""
        try:
            outputs = await asyncio.to_thread(self._generate, batch)
        except Exception as error:
            for each in batch:
                each.future.set_exception(_generation_error(self.model, error))
            return
        for each, output in zip(batch, outputs, strict=True):
            each.future.set_result(output)

    def _generate(self, batch: list[_WaitingCall]) -> Any:
        """Load the model if it is not loaded, and return vLLM's outputs in the order of the batch."""
        from vllm import LLM, SamplingParams
        from vllm.sampling_params import StructuredOutputsParams

        if self._llm is None:
            self._llm = LLM(self.model, **self._engine)
        sampling: dict[str, Any] = {} if self._temperature is None else {"temperature": self._temperature}
        parameters = [
            SamplingParams(
                max_tokens=each.max_output,
                structured_outputs=None if each.schema is None else StructuredOutputsParams(json=dict(each.schema)),
                **sampling,
            )
            for each in batch
        ]
        return self._llm.chat(
            [each.messages for each in batch], parameters, use_tqdm=False, chat_template=self._template
        )


def _split_arguments(argument: str) -> tuple[str, dict[str, Any]]:
    """Return the model and the arguments after it; a value that is no JSON is a text. Raises ExplorerError."""
    model, *settings = argument.split(",")
    engine: dict[str, Any] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name.isidentifier():
            raise ExplorerError(
                f"vllm:{argument}: {setting!r} is no argument; give NAME=VALUE, as in max_model_len=8192"
            )
        try:
            engine[name] = json.loads(value)
        except ValueError:
            engine[name] = value
    return model, engine


def _read_template(path: Path) -> str:
    try:
        return read_text(path)
    except (OSError, TextFileError) as error:
        raise ExplorerError(f"vllm: the chat template {path} cannot be read: {error}") from None


def _generation_error(model: str, error: Exception) -> ModelCallError:
    text = f"{type(error).__name__}: {error}"
    too_long = "longer than" in text or "max_model_len" in text or "context length" in text
    advice = "; lower --brief-tokens or --max-output" if too_long else ""
    # Templates of some models, such as Gemma's, take no system role.
    form = OtherForm.WITHOUT_SYSTEM if "system role" in text.lower() else None
    return ModelCallError(f"vllm:{model}: {text}{advice}", prompt_too_long=too_long, other_form=form)

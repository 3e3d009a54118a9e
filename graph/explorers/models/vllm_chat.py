"""A model in this very process, by vLLM: `vllm:PATH` or a name on the hub. Needs the extra `vllm`.

Arguments of vLLM's `LLM` follow the path: `vllm:models/gemma,max_model_len=8192,dtype=bfloat16`. `chat_template` among
them is a file, for a model that has none of its own.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graph.accounting.usage import Usage
from graph.explorers.base import ExplorerError
from graph.explorers.models.chat import CallFailed, Reply
from graph.prompts import Prompt

GATHERING = 0.02
"""Seconds in which calls that come together are put into one batch: what vLLM is quick at."""


@dataclass
class _Waiting:
    messages: list[dict[str, str]]
    max_output: int
    schema: Mapping[str, Any] | None
    future: "asyncio.Future[Any]"


class VllmChat:
    """Loads the model at the first call, and keeps it."""

    def __init__(self, model: str, *, thinking: int | str | None, temperature: float | None) -> None:
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
        self.model, self._engine = _read(model)
        template = self._engine.pop("chat_template", None)
        self._template = None if template is None else _text(Path(str(template)))
        self._temperature = temperature
        self._llm: Any = None
        self._waiting: list[_Waiting] = []
        self._running = asyncio.Lock()

    async def complete(self, prompt: Prompt, *, max_output: int, schema: Mapping[str, Any] | None) -> Reply:
        """One reply, generated in a batch with the calls that come at the same time."""
        asked = "\n\n".join(part for part in (prompt.stable, prompt.changing) if part)
        messages = [{"role": "system", "content": prompt.system}, {"role": "user", "content": asked}]
        mine = _Waiting(messages, max_output, schema, asyncio.get_running_loop().create_future())
        self._waiting.append(mine)
        await asyncio.sleep(GATHERING)
        async with self._running:
            batch, self._waiting = self._waiting, []
            if batch:
                await self._run(batch)
        output = await mine.future
        (said,) = output.outputs
        return Reply(
            said.text,
            Usage(
                input=len(output.prompt_token_ids),
                cached=output.num_cached_tokens or 0,
                output=len(said.token_ids),
            ),
            self.model,
            "end" if said.finish_reason == "stop" else str(said.finish_reason),
            output.request_id,
        )

    async def close(self) -> None:
        """Nothing: the model stays loaded for the next node."""
        # Bound to an event loop; each node has its own.
        self._running = asyncio.Lock()

    async def _run(self, batch: list[_Waiting]) -> None:
        try:
            outputs = await asyncio.to_thread(self._generate, batch)
        except Exception as error:
            for each in batch:
                each.future.set_exception(_failed(self.model, error))
            return
        for each, output in zip(batch, outputs, strict=True):
            each.future.set_result(output)

    def _generate(self, batch: list[_Waiting]) -> Any:
        from vllm import LLM, SamplingParams
        from vllm.sampling_params import StructuredOutputsParams

        if self._llm is None:
            self._llm = LLM(self.model, **self._engine)
        more: dict[str, Any] = {} if self._temperature is None else {"temperature": self._temperature}
        parameters = [
            SamplingParams(
                max_tokens=each.max_output,
                structured_outputs=None if each.schema is None else StructuredOutputsParams(json=dict(each.schema)),
                **more,
            )
            for each in batch
        ]
        return self._llm.chat(
            [each.messages for each in batch], parameters, use_tqdm=False, chat_template=self._template
        )


def _read(argument: str) -> tuple[str, dict[str, Any]]:
    """The model, and the arguments behind it: numbers, true and false, and else text."""
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


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ExplorerError(f"vllm: the chat template {path} cannot be read: {error}") from None


def _failed(model: str, error: Exception) -> CallFailed:
    text = f"{type(error).__name__}: {error}"
    too_long = "longer than" in text or "max_model_len" in text or "context length" in text
    advice = "; lower --brief-tokens or --max-output" if too_long else ""
    return CallFailed(f"vllm:{model}: {text}{advice}", too_long=too_long)

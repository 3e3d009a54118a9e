"""OpenAI's chat completions through its own SDK, streamed; and every server that speaks the same (`base_url`)."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2
import openai
from openai.types.chat import ChatCompletionChunk
from openai.types.completion_usage import CompletionUsage

from graph.accounting.usage import Usage
from graph.explorers.base import ExplorerError
from graph.explorers.models.chat import CallFailed, Reply
from graph.explorers.models.failing import Service, broken, no_key, read_status, silent
from graph.prompts import Prompt, estimate

KEY = "OPENAI_API_KEY"
CONNECT = 20.0
"""Seconds to connect."""


class OpenAIChat:
    """A model of OpenAI's, or one that is served at `base_url` by vLLM, OpenRouter, Ollama, llama.cpp …"""

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None,
        thinking: int | str | None,
        effort: str | None,
        temperature: float | None,
        timeout: float,
    ) -> None:
        if not model:
            raise ExplorerError("openai: give a model, as in openai:gpt-5")
        if thinking is not None:
            raise ExplorerError("--thinking: the chat completions API has no such thing; give --effort instead")
        self.model = model
        self.base_url = base_url or os.environ.get("OPENAI_BASE_URL") or None
        self._temperature, self._effort = temperature, effort
        self._timeout = timeout
        self._service = Service(self.base_url or "OpenAI", KEY, model)
        if not os.environ.get(KEY) and self.base_url is None:
            raise no_key(self._service, f"openai:{model}")
        self._client: openai.AsyncOpenAI | None = None

    async def complete(self, prompt: Prompt, *, max_output: int, schema: Mapping[str, Any] | None) -> Reply:
        """One streamed chat completion."""
        if self._client is None:
            self._client = openai.AsyncOpenAI(
                # A server of one's own often wants none, but the SDK does.
                api_key=os.environ.get(KEY) or "none",
                base_url=self.base_url,
                timeout=openai.Timeout(self._timeout, connect=min(CONNECT, self._timeout)),
                max_retries=0,
            )
        # OpenAI's own models know the new name only, other servers often the old one only.
        options: dict[str, Any] = {"max_completion_tokens" if self.base_url is None else "max_tokens": max_output}
        if self._temperature is not None:
            options["temperature"] = self._temperature
        if self._effort is not None:
            options["reasoning_effort"] = self._effort
        if schema is not None:
            options["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "reply", "strict": True, "schema": dict(schema)},
            }
        gathered = _Gathered()
        try:
            stream = await self._client.chat.completions.create(
                model=self.model,
                messages=[
                    {"role": "system", "content": prompt.system},
                    {"role": "user", "content": "\n\n".join(part for part in (prompt.stable, prompt.changing) if part)},
                ],
                stream=True,
                stream_options={"include_usage": True},
                **options,
            )
            request_id = stream.response.headers.get("x-request-id")
            async with stream:
                async for chunk in stream:
                    gathered.add(chunk)
        except openai.APIStatusError as error:
            raise read_status(error, self._service) from error
        except (openai.APITimeoutError, httpx2.TimeoutException) as error:
            raise silent(self._service, self._timeout, "said nothing") from error
        except (openai.APIConnectionError, httpx2.HTTPError) as error:
            raise broken(error, self._service, begun=gathered.begun) from error
        except (openai.OpenAIError, ValueError, AttributeError, TypeError) as error:
            # What is no chunk at all: an error within the stream, broken JSON.
            raise broken(error, self._service, begun=True) from error
        if gathered.finish is None:
            raise CallFailed(f"{self._service.name} broke its reply off before its end", passing=True, billed=True)
        return gathered.reply(prompt, self.model, request_id)

    async def close(self) -> None:
        """Close connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None


@dataclass
class _Gathered:
    """What the chunks of one stream add up to."""

    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    finish: str | None = None
    usage: CompletionUsage | None = None
    model: str = ""
    begun: bool = False

    def add(self, chunk: ChatCompletionChunk) -> None:
        self.begun = True
        self.model = chunk.model or self.model
        self.usage = chunk.usage or self.usage
        for choice in chunk.choices or ():
            self.finish = choice.finish_reason or self.finish
            delta = choice.delta
            self.texts.append(delta.content or "")
            self.refusals.append(delta.refusal or "")
            # vLLM's and DeepSeek's name for thinking, and OpenRouter's.
            more = delta.model_extra or {}
            self.thoughts.append(str(more.get("reasoning_content") or more.get("reasoning") or ""))

    def reply(self, prompt: Prompt, asked: str, request_id: str | None) -> Reply:
        refusal = "".join(self.refusals)
        text, thinking = "".join(self.texts), "".join(self.thoughts)
        stop = {"stop": "end", "content_filter": "refusal"}.get(str(self.finish), str(self.finish))
        usage = _usage(self.usage)
        counted = Usage(input=prompt.tokens, output=estimate(text) + estimate(thinking), thinking=estimate(thinking))
        return Reply(
            text=text or refusal,
            usage=usage or counted,
            model=self.model or asked,
            stop_reason="refusal" if refusal and not text else stop,
            request_id=request_id,
            thinking=thinking,
            estimated=usage is None,
        )


def _usage(said: CompletionUsage | None) -> Usage | None:
    if said is None:
        return None
    into, out = said.prompt_tokens_details, said.completion_tokens_details
    return Usage(
        input=said.prompt_tokens or 0,
        cached=(into.cached_tokens if into is not None else 0) or 0,
        written=(into.cache_write_tokens if into is not None else 0) or 0,
        output=said.completion_tokens or 0,
        thinking=(out.reasoning_tokens if out is not None else 0) or 0,
    )

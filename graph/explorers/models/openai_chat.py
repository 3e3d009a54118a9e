"""The chat completions API of OpenAI and of compatible servers (`base_url`), through OpenAI's SDK."""

import os
from collections.abc import Mapping, Set
from typing import Any

import httpx2
import openai

from graph.explorers.base import ExplorerError
from graph.explorers.models.chat import ModelCallError, ModelReply, OtherForm, texts_of
from graph.explorers.models.chat_completions import read_chat
from graph.explorers.models.connection_settings import service_key
from graph.explorers.models.http_errors import ModelService, interrupted, missing_key, status_error
from graph.explorers.models.reply_body import Received
from graph.explorers.models.service_reply import Asked, read_reply
from graph.explorers.prompts import Prompt

KEY = "OPENAI_API_KEY"
CONNECT_TIMEOUT = 20.0
"""Seconds to connect."""
FORMS = frozenset(OtherForm) - {OtherForm.WITHOUT_CACHE_MARKS}
"""Other forms that a request can be sent in."""


class OpenAIChat:
    """A model of OpenAI, or of a compatible server at `base_url`: vLLM, OpenRouter, Ollama, llama.cpp and others."""

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
        """Check the settings and the key; the client is made at the first call.

        Args:
            model: The model's name.
            base_url: The server's address; None for OPENAI_BASE_URL, or OpenAI's own service if that is not set.
            thinking: Must be None: the API has no budget of thinking tokens.
            effort: The API's reasoning effort; None for its default.
            temperature: Sampling temperature; None for the model's default.
            timeout: Seconds that the model may be silent.

        Raises:
            ExplorerError: The model or the key is missing, or `thinking` is given.
        """
        if not model:
            raise ExplorerError("openai: give a model, as in openai:gpt-5")
        if thinking is not None:
            raise ExplorerError("--thinking: the chat completions API has no such thing; give --effort instead")
        self.model = model
        self.base_url = base_url or os.environ.get("OPENAI_BASE_URL") or None
        self._temperature, self._effort = temperature, effort
        self._timeout = timeout
        flags = {"--temperature": temperature, "--effort": effort}
        given = frozenset(flag for flag, value in flags.items() if value is not None)
        self._service = ModelService(self.base_url or "OpenAI", KEY, model, given, FORMS)
        if service_key(KEY) is None and self.base_url is None:
            raise missing_key(self._service, f"openai:{model}")
        self._client: openai.AsyncOpenAI | None = None

    async def complete(
        self, prompt: Prompt, *, max_output: int, schema: Mapping[str, Any] | None, forms: Set[OtherForm] = frozenset()
    ) -> ModelReply:
        """Receive one chat completion and return it. See `ChatModel.complete`."""
        if self._client is None:
            self._client = openai.AsyncOpenAI(
                # The SDK requires a key; many compatible servers need none.
                api_key=os.environ.get(KEY) or "none",
                base_url=self.base_url,
                timeout=openai.Timeout(self._timeout, connect=min(CONNECT_TIMEOUT, self._timeout)),
                max_retries=0,
            )
        received = Received()
        request_id = None
        failed: ModelCallError | None = None
        try:
            request = self._request(prompt, max_output, schema, forms)
            # The SDK's own objects are left: it fails on much of what compatible servers send.
            async with self._client.chat.completions.with_streaming_response.create(**request) as response:
                request_id = response.headers.get("x-request-id")
                await received.read(response.iter_bytes())
        except openai.APIStatusError as error:
            raise status_error(error, self._service) from error
        except (openai.APIConnectionError, httpx2.HTTPError, openai.OpenAIError, ValueError) as error:
            # A reply that is complete all the same is used.
            failed = interrupted(error, self._service, self._timeout, received.text)
        return read_reply(received.text, read_chat, Asked(prompt, self._service, request_id), failed)

    def _request(
        self, prompt: Prompt, max_output: int, schema: Mapping[str, Any] | None, forms: Set[OtherForm]
    ) -> dict[str, Any]:
        """Return the arguments of a request."""
        system, message = texts_of(prompt, forms)
        # OpenAI's models accept only the new name, many compatible servers only the old one.
        names = ["max_completion_tokens", "max_tokens"]
        request: dict[str, Any] = {
            "model": self.model,
            "messages": [
                *([{"role": "system", "content": system}] if system else []),
                {"role": "user", "content": message},
            ],
            "stream": OtherForm.IN_ONE_PIECE not in forms,
            names[(self.base_url is not None) != (OtherForm.RENAMED_LIMIT in forms)]: max_output,
        }
        if not forms & {OtherForm.IN_ONE_PIECE, OtherForm.WITHOUT_STREAM_OPTIONS}:
            request["stream_options"] = {"include_usage": True}
        if self._temperature is not None:
            request["temperature"] = self._temperature
        if self._effort is not None:
            request["reasoning_effort"] = self._effort
        if schema is not None and OtherForm.WITHOUT_SCHEMA not in forms:
            request["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "reply", "strict": True, "schema": dict(schema)},
            }
        return request

    async def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        if self._client is not None:
            await self._client.close()
            self._client = None

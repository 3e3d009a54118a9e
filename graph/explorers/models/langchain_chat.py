"""Every chat model of LangChain, by `langchain:PROVIDER:MODEL`.

Needs the extra `langchain`, and the provider's own package.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from graph.accounting.usage import Usage
from graph.explorers.base import ExplorerError
from graph.explorers.models.chat import CallFailed, Reply
from graph.explorers.models.failing import Service, broken, read_status
from graph.prompts import Prompt, estimate
from graph.secrets import redacted

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessageChunk

TELL_THE_END = {"anthropic", "deepseek", "google_genai", "groq", "mistralai", "ollama", "openai", "xai"}
"""Providers whose streams end with a reason or with usage: one without was cut."""


class LangChainChat:
    """A chat model that `init_chat_model` makes; keys come from the variables that its package reads."""

    def __init__(
        self,
        argument: str,
        *,
        base_url: str | None,
        thinking: int | str | None,
        temperature: float | None,
        timeout: float,
        max_output: int,
    ) -> None:
        provider, _, name = argument.partition(":")
        if not provider or not name:
            raise ExplorerError(
                f"langchain:{argument}: give provider and model, as in langchain:mistralai:mistral-large"
            )
        if thinking is not None:
            raise ExplorerError(
                "--thinking: LangChain has no common name for it; use anthropic:MODEL, or leave it away"
            )
        self.model = argument
        self._service = Service(f"LangChain's {provider}", f"the key of {provider}", name)
        options: dict[str, Any] = {"max_tokens": max_output, "timeout": timeout, "max_retries": 0}
        if temperature is not None:
            options["temperature"] = temperature
        if base_url is not None:
            options["base_url"] = base_url
        self._chat = _make(argument, options)

    async def complete(self, prompt: Prompt, *, max_output: int, schema: Mapping[str, Any] | None) -> Reply:
        """One streamed reply. LangChain's structured outputs are another kind of reply: the schema is left out."""
        from langchain_core.messages import HumanMessage, SystemMessage

        whole: BaseMessageChunk | None = None
        asked = "\n\n".join(part for part in (prompt.stable, prompt.changing) if part)
        try:
            async for chunk in self._chat.astream([SystemMessage(prompt.system), HumanMessage(asked)]):
                whole = chunk if whole is None else whole + chunk
        except Exception as error:
            # The errors are those of the provider's own package: those with a status say what they mean.
            if getattr(error, "status_code", None) is not None and getattr(error, "response", None) is not None:
                raise read_status(error, self._service) from error
            raise broken(error, self._service, begun=whole is not None) from error
        if whole is None:
            raise CallFailed(f"{self._service.name} sent nothing", passing=True, billed=True)
        return _reply(whole, prompt, self.model)

    async def close(self) -> None:
        """LangChain's models close themselves."""


def _make(argument: str, options: dict[str, Any]) -> "BaseChatModel":
    try:
        from langchain.chat_models import init_chat_model
    except ImportError:
        raise ExplorerError(
            f"langchain:{argument} needs a package that is not installed: pip install 'autotts[langchain]'"
        ) from None
    try:
        chat: BaseChatModel = init_chat_model(argument, **options)
    except ImportError as error:
        raise ExplorerError(f"langchain:{argument}: {error}") from None
    except Exception as error:
        raise ExplorerError(f"langchain:{argument} cannot be had: {redacted(str(error))}") from None
    return chat


def _reply(whole: Any, prompt: Prompt, asked: str) -> Reply:
    text = whole.text if isinstance(whole.text, str) else whole.text()
    told = getattr(whole, "usage_metadata", None)
    about = whole.response_metadata
    said = about.get("finish_reason") or about.get("stop_reason") or about.get("done_reason")
    if said is None and told is None and asked.partition(":")[0] in TELL_THE_END:
        raise CallFailed(f"LangChain's {asked} broke its reply off before its end", passing=True, billed=True)
    finish = str(said or "stop").lower()
    stop = {"stop": "end", "end_turn": "end", "max_tokens": "length", "content_filter": "refusal"}.get(finish, finish)
    if told is None:
        usage = Usage(input=prompt.tokens, output=estimate(text))
    else:
        into, out = told.get("input_token_details") or {}, told.get("output_token_details") or {}
        usage = Usage(
            input=told["input_tokens"],
            cached=into.get("cache_read") or 0,
            written=into.get("cache_creation") or 0,
            output=told["output_tokens"],
            thinking=out.get("reasoning") or 0,
        )
    name = about.get("model_name") or about.get("model") or asked
    return Reply(text, usage, str(name), stop, getattr(whole, "id", None), estimated=told is None)

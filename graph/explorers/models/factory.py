"""Makes the model explorers that a run names, and looks up their prices before the first call."""

import os
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from graph.accounting.caps import Caps
from graph.accounting.prices import GivenPrice, Price, price_of
from graph.explorers.base import ExplorerError
from graph.explorers.context import ExplorerContext
from graph.explorers.models.chat import ChatModel
from graph.explorers.models.connection_settings import check_connection
from graph.explorers.models.explorer import ModelExplorer, ModelExplorerSettings
from graph.explorers.models.logins import claude_login, codex_login
from graph.run.settings import RunSettings

MODEL_EXPLORERS = ("anthropic", "openai", "langchain", "vllm")
SEARCH_EXPLORERS = ("openevolve", "gepa", "shinka")
AGENT_EXPLORERS = ("claude-code", "codex", "agent-command", *SEARCH_EXPLORERS)
"""Names of the explorers that call models and therefore cost money."""
_PROVIDERS = {"google_genai": "google", "google_vertexai": "google", "mistralai": "mistral", "azure_openai": "azure"}
"""Providers whose names differ between LangChain (keys) and genai-prices (values)."""


@dataclass(frozen=True)
class Tariff:
    """The price of an explorer's model calls, as known before the first one."""

    price: Price | None
    """None if it is unknown."""
    paid: bool
    """Whether the calls are likely to be billed."""
    by_call: bool = False
    """Whether the price is looked up at each call, since agents choose among their provider's models themselves."""

    @property
    def unknown(self) -> bool:
        """Whether a cap on money could not be enforced."""
        return self.price is None and not self.by_call


def make_model_explorer(name: str, argument: str, context: ExplorerContext) -> ModelExplorer:
    """Return the explorer `name:argument`.

    Args:
        name: One of `MODEL_EXPLORERS`.
        argument: The model, as the explorer takes it after its colon.
        context: The run's settings.

    Raises:
        ExplorerError: The model's name, its key or its package is missing, or a setting does not apply to it.
    """
    settings = context.settings
    chat = _chat_model(name, argument, context)
    parameters = {
        "max_output": settings.max_output,
        "brief_tokens": settings.brief_tokens,
        "thinking": settings.thinking,
        "effort": settings.effort,
        "temperature": settings.temperature,
        "base_url": getattr(chat, "base_url", None),
    }
    explorer_settings = ModelExplorerSettings(
        brief_tokens=settings.brief_tokens,
        max_output=settings.max_output,
        calls=context.calls,
        caps=caps_of(settings),
        parameters=parameters,
    )
    return ModelExplorer(name, chat, tariff(name, argument, settings).price, explorer_settings, context.say)


make_anthropic = partial(make_model_explorer, "anthropic")
make_langchain = partial(make_model_explorer, "langchain")
make_openai = partial(make_model_explorer, "openai")
make_vllm = partial(make_model_explorer, "vllm")


def caps_of(settings: RunSettings) -> Caps:
    """Return the run's limits on money, minutes, tokens and calls."""
    return Caps(settings.max_cost, settings.max_minutes, settings.max_tokens, settings.max_calls)


def tariff(name: str, argument: str, settings: RunSettings) -> Tariff:
    """Return the price of the explorer `name:argument`; 0 for an explorer that calls no model.

    Args:
        name: The explorer's name in `--explorer`.
        argument: The model, as the explorer takes it after its colon.
        settings: Has the price, if the user gave one, and the address of the service.
    """
    given = settings.price
    free = given == (0.0, 0.0)
    url = settings.base_url or os.environ.get("OPENAI_BASE_URL") or None
    match name:
        case "anthropic":
            return Tariff(price_of(argument, provider="anthropic", url=None, given=given), not free)
        case "openai":
            if url is None:
                return Tariff(price_of(argument, provider="openai", url=None, given=given), not free)
            price = price_of(argument, provider=None, url=url, given=given)
            return Tariff(price, not free and (price is not None or not is_private_address(url)))
        case "langchain":
            provider, _, model = argument.partition(":")
            provider = _PROVIDERS.get(provider, provider)
            price = price_of(model, provider=provider, url=None, given=given)
            return Tariff(price, not free and provider not in ("ollama", "huggingface", "llamacpp"))
        case "claude-code":
            priced = claude_login() is None
            return Tariff(GivenPrice(*given) if given is not None else None, not free, by_call=priced)
        case "codex" | "agent-command" | "openevolve" | "gepa" | "shinka":
            if name == "agent-command" and settings.base_url is None:
                # Without an address the agent reaches no model.
                return Tariff(GivenPrice(0.0, 0.0), False)
            paid = not free and (url is None or not is_private_address(url))
            priced = url is None and (name != "codex" or codex_login(None) is None)
            return Tariff(GivenPrice(*given) if given is not None else None, paid, by_call=priced)
        case _:
            # A model in this process, or no model: nothing is billed.
            return Tariff(GivenPrice(*given) if given is not None else GivenPrice(0.0, 0.0), False)


def is_private_address(url: str) -> bool:
    """Whether a URL points to this machine or into a private network."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_private
    except ValueError:
        return host == "localhost" or host.endswith((".local", ".internal", ".localhost"))


def _chat_model(name: str, argument: str, context: ExplorerContext) -> ChatModel:
    settings = context.settings
    if name != "vllm":
        check_connection(name, argument.partition(":")[0] if name == "langchain" else "")
    common: dict[str, Any] = {"temperature": settings.temperature}
    if name in ("anthropic", "openai"):
        common["effort"] = settings.effort
    elif settings.effort is not None:
        raise ExplorerError(f"--effort: {name}:… has no common name for it; leave it away")
    common["thinking"] = settings.thinking
    match name:
        case "anthropic":
            from graph.explorers.models.anthropic_chat import AnthropicChat

            return AnthropicChat(argument, timeout=context.calls.timeout, **common)
        case "openai":
            from graph.explorers.models.openai_chat import OpenAIChat

            return OpenAIChat(argument, base_url=settings.base_url, timeout=context.calls.timeout, **common)
        case "langchain":
            from graph.explorers.models.langchain_chat import LangChainChat

            return LangChainChat(
                argument,
                base_url=settings.base_url,
                timeout=context.calls.timeout,
                max_output=settings.max_output,
                **common,
            )
        case _:
            from graph.explorers.models.vllm_chat import VllmChat

            return VllmChat(argument, **common)

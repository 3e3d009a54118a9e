"""Model explorers from what a run asks for, and what is known of their prices before anything is asked."""

import os
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from graph.accounting.caps import Caps
from graph.accounting.prices import Given, Price, price_of
from graph.explorers.base import ExplorerError
from graph.explorers.models.chat import Chat
from graph.explorers.models.explorer import Manner, ModelExplorer
from graph.explorers.setup import Setup
from graph.settings import RunSettings

NAMES = ("anthropic", "openai", "langchain", "vllm")
AGENTS = ("claude-code", "codex", "agent-command")
_PROVIDERS = {"google_genai": "google", "google_vertexai": "google", "mistralai": "mistral", "azure_openai": "azure"}
"""genai-prices' names of LangChain's providers, where they differ."""


@dataclass(frozen=True)
class Tariff:
    """What a model's calls cost."""

    price: Price | None
    """None: unknown."""
    paid: bool
    """Whether somebody is likely to send a bill."""
    by_call: bool = False
    """The price is looked up with each call: agents choose among their provider's models themselves."""

    @property
    def unknown(self) -> bool:
        """Whether nothing could hold a limit on money."""
        return self.price is None and not self.by_call


def make_model_explorer(name: str, argument: str, setup: Setup) -> ModelExplorer:
    """The explorer `name:argument`; `name` is one of `NAMES`. Raises ExplorerError: no key, no package, no model."""
    settings, conduct = setup.settings, setup.conduct
    chat = _chat(name, argument, setup)
    parameters = {
        "max_output": settings.max_output,
        "brief_tokens": settings.brief_tokens,
        "thinking": settings.thinking,
        "effort": settings.effort,
        "temperature": settings.temperature,
        "base_url": getattr(chat, "base_url", None),
    }
    manner = Manner(
        brief_tokens=settings.brief_tokens,
        max_output=settings.max_output,
        retries=conduct.retries,
        timeout=conduct.timeout,
        at_once=conduct.at_once,
        caps=caps_of(settings),
        parameters=parameters,
    )
    return ModelExplorer(name, chat, tariff(name, argument, settings).price, manner, setup.say)


def caps_of(settings: RunSettings) -> Caps:
    """The limits that a run was given."""
    return Caps(settings.max_cost, settings.max_minutes, settings.max_tokens)


def tariff(name: str, argument: str, settings: RunSettings) -> Tariff:
    """What `name:argument` costs; explorers that are no model cost nothing here."""
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
            return Tariff(price, not free and (price is not None or not is_near(url)))
        case "langchain":
            provider, _, model = argument.partition(":")
            provider = _PROVIDERS.get(provider, provider)
            price = price_of(model, provider=provider, url=None, given=given)
            return Tariff(price, not free and provider not in ("ollama", "huggingface", "llamacpp"))
        case "claude-code":
            return Tariff(Given(*given) if given is not None else None, not free, by_call=True)
        case "codex" | "agent-command":
            if name == "agent-command" and settings.base_url is None:
                # It reaches no model.
                return Tariff(Given(0.0, 0.0), False)
            paid = not free and (url is None or not is_near(url))
            return Tariff(Given(*given) if given is not None else None, paid, by_call=url is None)
        case _:
            # In this process, or no model at all: nobody sends a bill.
            return Tariff(Given(*given) if given is not None else Given(0.0, 0.0), False)


def is_near(url: str) -> bool:
    """Whether an address is on this machine or in a private network."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_private
    except ValueError:
        return host == "localhost" or host.endswith((".local", ".internal", ".localhost"))


def _chat(name: str, argument: str, setup: Setup) -> Chat:
    settings = setup.settings
    common: dict[str, Any] = {"temperature": settings.temperature}
    if name in ("anthropic", "openai"):
        common["effort"] = settings.effort
    elif settings.effort is not None:
        raise ExplorerError(f"--effort: {name}:… has no common name for it; leave it away")
    common["thinking"] = settings.thinking
    match name:
        case "anthropic":
            from graph.explorers.models.anthropic_chat import AnthropicChat

            return AnthropicChat(argument, timeout=setup.conduct.timeout, **common)
        case "openai":
            from graph.explorers.models.openai_chat import OpenAIChat

            return OpenAIChat(argument, base_url=settings.base_url, timeout=setup.conduct.timeout, **common)
        case "langchain":
            from graph.explorers.models.langchain_chat import LangChainChat

            return LangChainChat(
                argument,
                base_url=settings.base_url,
                timeout=setup.conduct.timeout,
                max_output=settings.max_output,
                **common,
            )
        case _:
            from graph.explorers.models.vllm_chat import VllmChat

            return VllmChat(argument, **common)

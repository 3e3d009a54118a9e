"""Chat models of LangChain, as `langchain:PROVIDER:MODEL`.

Needs the extra `langchain` and the provider's own package.
"""

from collections.abc import Mapping, Set
from typing import TYPE_CHECKING, Any

from graph.accounting.reported_usage import read_usage
from graph.accounting.usage import Usage
from graph.explorers.base import ExplorerError
from graph.explorers.models.chat import ModelCallError, ModelReply, OtherForm, texts_of
from graph.explorers.models.http_errors import ModelService, connection_error, status_error
from graph.explorers.models.service_reply import STOPS, is_text, is_thinking, text_of
from graph.explorers.prompts import Prompt, estimate
from graph.run.redaction import redacted

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage

REPORT_END = {"anthropic", "deepseek", "google_genai", "groq", "mistralai", "ollama", "openai", "xai"}
"""Providers whose streams end with a finish reason or with usage; a stream without either was cut."""
FORMS = frozenset({OtherForm.IN_ONE_PIECE, OtherForm.WITHOUT_SYSTEM})
"""Other forms that a request can be sent in."""


class LangChainChat:
    """A model made by LangChain's `init_chat_model`; its package reads the key from its own variables."""

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
        """Check the settings and make LangChain's model.

        Args:
            argument: `PROVIDER:MODEL`.
            base_url: The server's address; None for the provider's own.
            thinking: Must be None: LangChain has no common parameter for it.
            temperature: Sampling temperature; None for the model's default.
            timeout: Seconds, passed to the provider's package.
            max_output: Limit of a reply in tokens, for all calls.

        Raises:
            ExplorerError: The argument or a package is missing, `thinking` is given, or LangChain refuses the model.
        """
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
        given = frozenset(["--temperature"] if temperature is not None else [])
        self._service = ModelService(f"LangChain's {provider}", f"the key of {provider}", name, given, FORMS)
        options: dict[str, Any] = {"max_tokens": max_output, "timeout": timeout, "max_retries": 0}
        if temperature is not None:
            options["temperature"] = temperature
        if base_url is not None:
            options["base_url"] = base_url
        self._chat = _make(argument, options)

    async def complete(
        self, prompt: Prompt, *, max_output: int, schema: Mapping[str, Any] | None, forms: Set[OtherForm] = frozenset()
    ) -> ModelReply:
        """Stream one reply and return it whole. See `ChatModel.complete`.

        `schema` is ignored, since LangChain's structured outputs return another kind of reply, and so is `max_output`,
        since the model was made with a limit.
        """
        from langchain_core.messages import HumanMessage, SystemMessage

        whole: BaseMessage | None = None
        system, message = texts_of(prompt, forms)
        messages = [*([SystemMessage(system)] if system else []), HumanMessage(message)]
        try:
            if OtherForm.IN_ONE_PIECE in forms:
                whole = await self._chat.ainvoke(messages)
            else:
                async for chunk in self._chat.astream(messages):
                    whole = chunk if whole is None else whole + chunk  # type: ignore[assignment]
            if whole is None:
                raise ModelCallError(f"{self._service.name} sent nothing", transient=True, billed=True)
            return _reply(whole, prompt, self.model)
        except ModelCallError:
            raise
        except Exception as error:
            # Exceptions belong to the provider's package; those with a status and a response can be read.
            if getattr(error, "status_code", None) is not None and getattr(error, "response", None) is not None:
                raise status_error(error, self._service) from error
            if isinstance(error, RuntimeError) and "loop is closed" in str(error):
                # Its packages keep connections for all models, and each node has an event loop of its own.
                raise ModelCallError("LangChain kept a closed connection", transient=True, retry_after=0.0) from error
            raw = "" if whole is None else str(whole.content)
            raise connection_error(error, self._service, raw=raw) from error

    async def close(self) -> None:
        """Do nothing: LangChain's models close their connections themselves."""


def _make(argument: str, options: dict[str, Any]) -> "BaseChatModel":
    """Return the model that `PROVIDER:MODEL` names. Raises ExplorerError."""
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
        raise ExplorerError(f"langchain:{argument} cannot be made: {redacted(str(error))}") from None
    return chat


def _reply(whole: Any, prompt: Prompt, asked: str) -> ModelReply:
    """Convert a message, or the joined chunks of a stream. Raises ModelCallError if the stream was cut."""
    text, thinking = text_of(whole.content, is_text), text_of(whole.content, is_thinking)
    thinking = thinking or text_of(whole.additional_kwargs.get("reasoning_content"), lambda kind: True)
    usage = getattr(whole, "usage_metadata", None)
    metadata = whole.response_metadata
    finish_reason = metadata.get("finish_reason") or metadata.get("stop_reason") or metadata.get("done_reason")
    if finish_reason is None and usage is None and asked.partition(":")[0] in REPORT_END:
        raise ModelCallError(f"LangChain's {asked} broke its reply off before its end", transient=True, billed=True)
    finish = str(finish_reason or "stop").lower()
    reported = read_usage(usage)
    estimated = Usage(input=prompt.tokens, output=estimate(text) + estimate(thinking), thinking=estimate(thinking))
    name = metadata.get("model_name") or metadata.get("model") or asked
    return ModelReply(
        text=text,
        usage=reported.or_estimate(estimated),
        model=str(name),
        stop_reason=STOPS.get(finish, finish),
        request_id=getattr(whole, "id", None),
        thinking=thinking,
        estimated=not reported.sound,
    )

"""A model's reply as either wire format has it, before it becomes a `ModelReply` or an error.

Whatever a service sends gives one of the two. A response that cannot be understood is kept with the reply or the error,
and goes into the transcript.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graph.accounting.reported_usage import read_usage
from graph.accounting.usage import Usage
from graph.explorers.models.chat import ModelCallError, ModelReply
from graph.explorers.models.http_errors import ModelService, broken_off, no_reply, sent_error
from graph.explorers.models.reply_body import ReplyBody, read_body
from graph.explorers.prompts import Prompt, estimate

STOPS = {
    "stop": "end", "end_turn": "end", "stop_sequence": "end", "eos": "end", "eos_token": "end", "completed": "end",
    "length": "length", "max_tokens": "length", "max_output_tokens": "length", "model_length": "length",
    "model_context_window_exceeded": "length", "content_filter": "refusal", "safety": "refusal",
}  # fmt: skip
"""Services' words for the end of a reply, in lower case, and those of `ModelReply.stop_reason`."""
MAX_DEPTH = 8
"""Depth to which parts of a content are followed."""


@dataclass
class ServiceReply:
    """The parts of a reply that a response holds."""

    text: str = ""
    thinking: str = ""
    refusal: str = ""
    stop: str | None = None
    """The service's word for the end of the reply; None if it gave none."""
    ended: bool = False
    """Whether nothing of the reply is missing."""
    usage: Mapping[str, Any] = field(default_factory=dict)
    """As the service reported it."""
    cache_beside: bool = False
    """Whether cached tokens are counted beside the input."""
    model: str = ""
    error: Any = None
    """An error that stands in the response instead of the reply, or ends it."""


@dataclass(frozen=True)
class Asked:
    """What a reply answers."""

    prompt: Prompt
    service: ModelService
    request_id: str | None = None


def read_reply(
    text: str, read: Callable[[ReplyBody], ServiceReply], asked: Asked, failed: ModelCallError | None = None
) -> ModelReply:
    """Return the reply in a response.

    Args:
        text: The response, as far as it was received.
        read: Reads the wire format.
        asked: The request.
        failed: How the connection failed; None if the response came to its end.

    Raises:
        ModelCallError: The response has no reply, breaks off, or is an error; the message says which.
    """
    body = read_body(text)
    try:
        return _read(body, text, read, asked, failed)
    except ModelCallError:
        raise
    except Exception:
        # Services send what nobody expects. It was paid for, is kept in the transcript, and can be asked for again.
        return _model_reply(ServiceReply(ended=True), body, text, asked)


def _read(
    body: ReplyBody,
    text: str,
    read: Callable[[ReplyBody], ServiceReply],
    asked: Asked,
    failed: ModelCallError | None,
) -> ModelReply:
    """Return the reply in a body; arguments and errors as of `read_reply`."""
    reply = read(body)
    written = bool(reply.text or reply.thinking or reply.refusal)
    service = asked.service
    whole = written and reply.stop is not None and reply.stop.lower() != "error"
    if reply.error is not None and not whole:
        raise sent_error(reply.error, service, text, begun=written)
    if failed is not None and not reply.ended:
        raise failed
    if not reply.ended:
        begun = written or body.streamed or not text.strip()
        raise broken_off(service, text) if begun or _is_cut_json(text, body) else no_reply(service, text)
    return _model_reply(reply, body, text, asked)


def _is_cut_json(text: str, body: ReplyBody) -> bool:
    """Whether a response begins as JSON does and cannot be read as such."""
    return not body.events and text.lstrip().startswith(("{", "["))


def _model_reply(reply: ServiceReply, body: ReplyBody, text: str, asked: Asked) -> ModelReply:
    thought = estimate(reply.thinking)
    reported = read_usage(reply.usage, cache_beside=reply.cache_beside)
    estimated = Usage(input=asked.prompt.tokens, output=estimate(reply.text) + thought, thinking=thought)
    word = "stop" if reply.stop is None else reply.stop.lower()
    if body.rest or not reply.text:
        raw = text
    else:
        raw = "" if reported.sound else json.dumps({"usage": reply.usage}, ensure_ascii=False, default=str)
    stop = "refusal" if reply.refusal and not reply.text else STOPS.get(word, word)
    return ModelReply(
        text=reply.text or reply.refusal,
        usage=reported.or_estimate(estimated),
        model=reply.model or asked.service.model,
        stop_reason=stop,
        request_id=asked.request_id,
        thinking=reply.thinking,
        estimated=not reported.sound,
        raw=raw,
    )


def text_of(content: Any, kinds: Callable[[str], bool], depth: int = MAX_DEPTH) -> str:
    """Return the text of a content: a text, a part, or a list of them.

    Args:
        content: What the service sent.
        kinds: Whether parts of a kind (`type`, lower case; empty without one) are wanted.
        depth: Depth to which lists and parts are followed.
    """
    if isinstance(content, str):
        return content if kinds("") else ""
    if depth == 0:
        return ""
    if isinstance(content, list):
        return "".join(text_of(each, kinds, depth - 1) for each in content)
    if not isinstance(content, dict):
        return ""
    if not kinds(str(content.get("type") or "").lower()):
        return ""
    inner = (content.get(name) for name in ("text", "thinking", "reasoning", "content", "summary", "value", "refusal"))
    return next((found for each in inner if (found := text_of(each, lambda kind: True, depth - 1))), "")


def is_thinking(kind: str) -> bool:
    """Whether a part of this kind is thinking."""
    return "thinking" in kind or "reasoning" in kind


def is_text(kind: str) -> bool:
    """Whether a part of this kind belongs to the text."""
    return not is_thinking(kind) and not any(each in kind for each in ("refusal", "tool", "image", "audio", "citation"))

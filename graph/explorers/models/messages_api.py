"""Reads replies in the format of Anthropic's Messages API, streamed or whole, also of compatible servers.

https://docs.anthropic.com/en/docs/build-with-claude/streaming
"""

from collections.abc import Mapping
from typing import Any

from graph.explorers.models.reply_body import ReplyBody
from graph.explorers.models.service_reply import ServiceReply, is_text, is_thinking, text_of


def read_message(body: ReplyBody) -> ServiceReply:
    """Return what a response holds of a reply."""
    whole = not body.streamed and any("content" in event for event in body.events)
    reply = ServiceReply(cache_beside=True, ended=body.done or whole)
    for event in body.events:
        if event.get("type") == "error" or event.get("error"):
            reply.error = event.get("error") or event
        for message in (event, event.get("message")):
            if isinstance(message, Mapping):
                _add(reply, message)
        for name in ("content_block", "delta"):
            part = event.get(name)
            if isinstance(part, Mapping):
                kind = str(part.get("type") or "")
                known = {**part, "type": kind.removesuffix("_delta")}
                reply.text += text_of(known, is_text) if kind else ""
                reply.thinking += text_of(known, is_thinking)
                _end(reply, part)
    return reply


def _add(reply: ServiceReply, message: Mapping[str, Any]) -> None:
    """Add the fields that a message, or an event of a stream, has."""
    model, usage = message.get("model"), message.get("usage")
    reply.model = model if isinstance(model, str) and model else reply.model
    reply.text += text_of(message.get("content"), is_text)
    reply.thinking += text_of(message.get("content"), is_thinking)
    if isinstance(usage, Mapping):
        # A stream begins with a first count and ends with the last; either may lack, or have as 0, what the other has.
        reply.usage = {**reply.usage, **{name: value for name, value in usage.items() if value}}
    _end(reply, message)


def _end(reply: ServiceReply, fields: Mapping[str, Any]) -> None:
    stop = fields.get("stop_reason")
    if stop:
        reply.stop, reply.ended = str(stop), True

"""Reads replies in the format of OpenAI's chat completions, and what compatible servers make of it.

https://platform.openai.com/docs/api-reference/chat-streaming
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graph.explorers.models.reply_body import ReplyBody
from graph.explorers.models.service_reply import ServiceReply, is_text, is_thinking, text_of

_THINKING = ("reasoning_content", "reasoning", "thinking", "reasoning_details")
"""Fields for thinking: of vLLM and DeepSeek, of OpenRouter, of Ollama, and OpenRouter's parts; one has it all."""


@dataclass
class _Choice:
    """One of the replies so far; all but the first with a text are left."""

    text: str = ""
    thinking: str = ""
    refusal: str = ""
    calls: str = ""
    """Arguments of tool calls: no tools are offered, but servers take what looks like a call out of the text."""
    stop: str | None = None

    @property
    def is_written(self) -> bool:
        return bool(self.text or self.thinking or self.refusal or self.calls)

    def add(self, message: Any) -> None:
        """Append the texts of a `delta` or a `message`."""
        if isinstance(message, str):
            self.text += message
        if not isinstance(message, Mapping):
            return
        content = message.get("content")
        self.text += text_of(content, is_text)
        self.refusal += text_of(message.get("refusal"), lambda kind: True)
        self.refusal += text_of(content, lambda kind: "refusal" in kind)
        fields = (text_of(message.get(name), lambda kind: True) for name in _THINKING)
        self.thinking += next((each for each in fields if each), "") or text_of(content, is_thinking)
        self.calls += "".join(map(_arguments, _objects(message.get("tool_calls"))))
        self.calls += "".join(map(_arguments, _objects(message.get("function_call"))))


def read_chat(body: ReplyBody) -> ServiceReply:
    """Return what a response holds of a reply: its first choice with a text."""
    reply = ServiceReply()
    choices: dict[int, _Choice] = {}
    messages: dict[int, Any] = {}
    """By index: the latest `message`, which some streams repeat whole beside or after the pieces."""
    listed = False
    for event in body.events:
        reply.error = _error(event) or reply.error
        reply.usage = _usage(event) or reply.usage
        model = event.get("model")
        reply.model = model if isinstance(model, str) and model else reply.model
        listed = listed or "choices" in event
        for given in _objects(event.get("choices")):
            index = given.get("index")
            index = index if type(index) is int else 0
            choice = choices.setdefault(index, _Choice())
            reply.usage = _usage(given) or reply.usage
            stop = given.get("finish_reason") or given.get("stop_reason")
            choice.stop = str(stop) if stop else choice.stop
            if given.get("delta") is not None:
                choice.add(given["delta"])
            elif "message" not in given:
                choice.add(given.get("text"))
            if given.get("message") is not None:
                messages[index] = given["message"]
    for index, message in messages.items():
        if not choices[index].is_written:
            choices[index].add(message)
    ordered = [choices[index] for index in sorted(choices)]
    chosen = next((each for each in ordered if each.text), next(iter(ordered), _Choice()))
    chosen.text = chosen.text or chosen.calls
    reply.text, reply.thinking, reply.refusal, reply.stop = chosen.text, chosen.thinking, chosen.refusal, chosen.stop
    reply.ended = listed and _has_ended(chosen, body, bool(reply.usage))
    return reply


def _arguments(call: Mapping[str, Any]) -> str:
    """Return the arguments of a tool call, or the piece of them in a delta, as text."""
    function = call.get("function")
    given = (function if isinstance(function, Mapping) else call).get("arguments")
    return given if isinstance(given, str) else json.dumps(given) if given else ""


def _has_ended(choice: _Choice, body: ReplyBody, counted: bool) -> bool:
    """Whether a choice is complete; `counted` says whether the response has usage, which comes last."""
    if choice.stop is not None:
        return choice.stop.lower() != "error"
    # Some servers never give a reason.
    return not body.streamed or (choice.is_written and (body.done or counted))


def _error(event: Mapping[str, Any]) -> Any:
    """Return the error that an event is or has; None without one."""
    if event.get("error"):
        return event["error"]
    # vLLM's older form, FastChat's, and events that are named an error.
    return event if "error" in (event.get("object"), event.get("type")) else None


def _usage(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the usage of an event or, as Moonshot has it, of a choice; Groq's is in a field of its own."""
    groq = fields.get("x_groq")
    places = (fields.get("usage"), groq.get("usage") if isinstance(groq, Mapping) else None)
    return next((each for each in places if isinstance(each, Mapping)), {})


def _objects(value: Any) -> list[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        return [value]
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []

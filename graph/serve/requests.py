"""Parsing of chat requests: messages, sampling, controller and β; and the fields that no controller can honour."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from graph.serve.errors import Problem, bad_request
from graph.web.body import RequestError, parse_json
from sandbox.candidate import Candidate
from sandbox.sanitize import quoted

MAX_SHOWN = 80
"""Characters of an invalid value that an error repeats."""

ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
"""Roles of messages that may be put to a controller, and what they are to the model."""
_UNSUPPORTED: dict[str, tuple[Any, ...]] = {
    "n": (None, 1),
    "tools": (None, []),
    "functions": (None, []),
    "logprobs": (None, False),
    "response_format": (None, {"type": "text"}),
    "modalities": (None, ["text"]),
    "audio": (None,),
    "presence_penalty": (None, 0, 0.0),
    "frequency_penalty": (None, 0, 0.0),
    "logit_bias": (None, {}),
}
"""Fields that are not supported, with the values that have no effect and are accepted."""
_TOOL_ROLES = ("tool", "function")


@dataclass(frozen=True)
class ServedControllers:
    """Controllers of an endpoint, and the names by which clients choose them."""

    controllers: Mapping[str, Candidate]
    """Controllers by name; the first is the default for requests that name only the upstream's model."""
    beta: float
    """Default β."""
    upstream: str
    """Name of the upstream's model."""

    def names(self) -> list[str]:
        """Return the model names that the endpoint lists."""
        return [name for own in self.controllers for name in (own, f"{own}-{self.upstream}")]

    def find(self, model: str, extra: Mapping[str, Any]) -> tuple[str, float]:
        """Return the controller and β of a request.

        Args:
            model: Model name: NAME, NAME@β, NAME-UPSTREAM or NAME@β-UPSTREAM.
            extra: The body's `autotts` object (`extra_body` in the SDK), which takes precedence:
                {"controller": NAME, "beta": β}.

        Raises:
            Problem: The controller does not exist, or β is not a number in 0 … 1.
        """
        named = model.removesuffix(f"-{self.upstream}")
        name, at, raw = named.partition("@")
        if named == self.upstream:
            name, at = next(iter(self.controllers)), ""
        given = extra.get("controller", name)
        if not isinstance(given, str):
            raise bad_request(f"the controller is {_shown(given)}; give a name", "autotts.controller")
        if given not in self.controllers:
            known = ", ".join(self.controllers)
            raise Problem(
                404,
                f"The model {_shown(model)} does not exist here; there are the controllers {known}, alone or as in "
                f"{next(iter(self.controllers))}@0.5 or {self.names()[1]}",
                kind="invalid_request_error",
                param="model",
                code="model_not_found",
            )
        if "beta" in extra:
            beta = number(extra, "beta", float, 0, 1, "autotts.beta")
            if beta is None:
                raise bad_request("β is null; give a number from 0 to 1", "autotts.beta")
            return given, beta
        try:
            beta = float(raw) if at else self.beta
        except ValueError:
            beta = -1.0
        if not 0 <= beta <= 1:
            raise bad_request(f"β is {_shown(raw)}; give a number from 0 to 1", "model")
        return given, beta


@dataclass(frozen=True)
class ChatRequest:
    """A valid chat request."""

    model: str
    """Model name as the client gave it."""
    controller: str
    beta: float
    turns: tuple[dict[str, str], ...]
    """Messages: role and content."""
    sampling: Mapping[str, Any]
    """Temperature, top_p, max_tokens and stop, as far as given."""
    seed: int | None
    stream: bool
    include_usage: bool
    """Whether the stream ends with a chunk of usage."""
    budget: int | None
    """Budget of the episode in tokens, if given."""
    given: Mapping[str, Any]
    """The body of the request."""


def read_object(body: bytes) -> dict[str, Any]:
    """Return the body of a request, a JSON object. Raises Problem."""
    try:
        return parse_json(body)
    except RequestError as error:
        raise bad_request(str(error)) from None


def find_controller(given: Mapping[str, Any], offer: ServedControllers) -> tuple[str, str, float]:
    """Return the model name, the controller and β of a request. Raises Problem that names the invalid field."""
    model = given.get("model")
    if not isinstance(model, str):
        raise bad_request("model is missing: name a controller", "model")
    extra = given.get("autotts", {})
    if not isinstance(extra, dict) or not extra.keys() <= {"controller", "beta", "budget"}:
        raise bad_request("autotts is an object with controller, beta and budget", "autotts")
    return model, *offer.find(model, extra)


def unsupported_in_chat(given: Mapping[str, Any]) -> list[str]:
    """Return the fields of a chat request that make it something else than a question for a controller.

    Those are tools (unless none may be called), formats, several choices, log-probabilities, penalties, and messages
    with images or results of tools. Messages of a form that the API does not have are not among them.
    """
    names = without_effect(given, _UNSUPPORTED)
    if given.get("tool_choice") == "none" and "tools" in names:
        names.remove("tools")
    if given.get("function_call") == "none" and "functions" in names:
        names.remove("functions")
    messages = given.get("messages")
    if isinstance(messages, list) and any(_is_more_than_text(message) for message in messages):
        names.append("messages")
    return names


def without_effect(given: Mapping[str, Any], known: Mapping[str, tuple[Any, ...]]) -> list[str]:
    """Return the names in `known` whose value in a request is none of those without an effect."""
    return [
        name
        for name, nothing in known.items()
        if not any(type(value) is type(given.get(name)) and value == given.get(name) for value in nothing)
    ]


def refuse(names: Iterable[str], but: str) -> None:
    """Raise Problem that names the first of the unsupported fields; `but` is read, and refused with its own reason."""
    for name in names:
        if name != but:
            raise bad_request(f"{name} is not supported by this endpoint; leave it out", name, "unsupported_parameter")


def _is_more_than_text(message: Any) -> bool:
    """Return whether a message calls a tool, has a tool's result, or has parts that are not text."""
    if not isinstance(message, dict):
        return False
    content = message.get("content")
    kinds = [part.get("type") for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    return (
        message.get("role") in _TOOL_ROLES
        or bool(message.get("tool_calls") or message.get("function_call"))
        or any(isinstance(kind, str) and kind != "text" for kind in kinds)
    )


def read_chat(given: Mapping[str, Any], offer: ServedControllers) -> ChatRequest:
    """Return the request that a body of /v1/chat/completions makes. Raises Problem that names the invalid field."""
    model, controller, beta = find_controller(given, offer)
    refuse(unsupported_in_chat(given), but="messages")
    options = given.get("stream_options")
    if options is not None and not isinstance(options, dict):
        raise bad_request("stream_options is an object", "stream_options")
    longest = [number(given, name, int, 1, 1 << 30) for name in ("max_completion_tokens", "max_tokens")]
    return ChatRequest(
        model=model,
        controller=controller,
        beta=beta,
        turns=_turns(given.get("messages")),
        sampling=sampling_of(given, longest[0] or longest[1]),
        seed=number(given, "seed", int, -(1 << 63), 1 << 63),
        stream=flag(given, "stream"),
        include_usage=flag(options or {}, "include_usage"),
        budget=number(given.get("autotts", {}), "budget", int, 1, 1 << 40),
        given=given,
    )


def _turns(messages: Any) -> tuple[dict[str, str], ...]:
    if not isinstance(messages, list) or not messages:
        raise bad_request("messages is empty or missing; give at least one of the user", "messages")
    turns = []
    for number, message in enumerate(messages):
        where = f"messages[{number}]"
        role = message.get("role") if isinstance(message, dict) else None
        if not isinstance(role, str) or role not in ROLES:
            raise bad_request(f"{where}: the role is one of {', '.join(ROLES)}", f"{where}.role")
        turns.append({"role": ROLES[role], "content": _content(message.get("content"), where)})
    if turns[-1]["role"] != "user":
        raise bad_request("the last message is not the user's; there is nothing to answer", "messages")
    return tuple(turns)


def _content(content: Any, where: str) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [None]
    texts = [part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None for part in parts]
    if not all(isinstance(text, str) for text in texts):
        raise bad_request(f"{where}: the content is text, or a list of parts of type text", f"{where}.content")
    return "".join(str(text) for text in texts)


def sampling_of(given: Mapping[str, Any], longest: int | None) -> dict[str, Any]:
    """Return the sampling settings that a request gives; `longest` is its largest length in tokens."""
    sampling: dict[str, Any] = {
        "temperature": number(given, "temperature", float, 0, 2),
        "top_p": number(given, "top_p", float, 0, 1),
        "max_tokens": longest,
    }
    stop = given.get("stop")
    if stop is not None:
        listed = [stop] if isinstance(stop, str) else stop
        if not isinstance(listed, list) or not all(isinstance(each, str) and each for each in listed):
            raise bad_request("stop is a text, or a list of texts", "stop")
        sampling["stop"] = tuple(listed) or None
    return {name: value for name, value in sampling.items() if value is not None}


def flag(given: Mapping[str, Any], name: str) -> bool:
    """Return a truth value, False if absent. Raises Problem."""
    value = given.get(name)
    if value is not None and not isinstance(value, bool):
        raise bad_request(f"{name} is {_shown(value)}; give true or false", name)
    return bool(value)


def number(
    given: Mapping[str, Any], name: str, kind: type[Any], low: float, high: float, where: str | None = None
) -> Any:
    """Return a number of a type within limits, or None if absent. Raises Problem, which names the field `where`."""
    value = given.get(name)
    if value is None:
        return None
    whole = kind is not int or (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))
    if isinstance(value, bool) or not isinstance(value, int | float) or not whole or not low <= value <= high:
        raise bad_request(f"{name} is {_shown(value)}; give a number from {low:g} to {high:g}", where or name)
    return kind(value)


def _shown(value: Any) -> str:
    """Return the beginning of an invalid value, quoted."""
    try:
        return quoted(repr(value), MAX_SHOWN)
    except RecursionError:
        return "nested deeply"

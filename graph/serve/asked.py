"""Chat requests as they come in: what is asked, of which controller, at which β."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graph.serve.problems import Problem, bad_request
from sandbox.candidate import Candidate

MAX_BODY = 4 << 20
"""Bytes of a request."""

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
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
"""Fields that would change the answer and have no meaning here, with the values that ask for nothing."""


@dataclass(frozen=True)
class Offer:
    """The controllers that are served, by name, and what they stand on."""

    controllers: Mapping[str, Candidate]
    """The first one is meant where a request names the upstream's model alone."""
    beta: float
    upstream: str
    """The upstream's name of its model."""

    def names(self) -> list[str]:
        """The model names that are listed."""
        return [name for own in self.controllers for name in (own, f"{own}-{self.upstream}")]

    def find(self, model: str, extra: Mapping[str, Any]) -> tuple[str, float]:
        """The controller and β of a request; raises Problem.

        A model is called NAME, NAME@β, NAME-UPSTREAM or NAME@β-UPSTREAM; the body's `autotts` object, as of the SDK's
        extra_body, comes first: {"controller": NAME, "beta": β}.
        """
        named = model.removesuffix(f"-{self.upstream}")
        name, at, raw = named.partition("@")
        if named == self.upstream:
            name, at = next(iter(self.controllers)), ""
        given = extra.get("controller", name)
        if given not in self.controllers:
            known = ", ".join(self.controllers)
            raise Problem(
                404,
                f"The model {model!r} does not exist here; there are the controllers {known}, alone or as in "
                f"{next(iter(self.controllers))}@0.5 or {self.names()[1]}",
                kind="invalid_request_error",
                param="model",
                code="model_not_found",
            )
        beta = extra.get("beta", raw if at else self.beta)
        try:
            value = float(beta)
        except (TypeError, ValueError):
            value = -1.0
        if isinstance(beta, bool) or not 0 <= value <= 1:
            raise bad_request(
                f"β is {beta!r}; give a number from 0 to 1", "autotts.beta" if "beta" in extra else "model"
            )
        return str(given), value


@dataclass(frozen=True)
class ChatRequest:
    """A request that makes sense."""

    model: str
    """As the client named it."""
    controller: str
    beta: float
    turns: tuple[dict[str, str], ...]
    sampling: Mapping[str, Any]
    """What the client said of temperature, top_p, max_tokens and stop."""
    seed: int | None
    stream: bool
    include_usage: bool
    budget: int | None
    """Tokens that it may spend, where it said."""


def read_request(body: bytes, offer: Offer) -> ChatRequest:
    """Read a body of /v1/chat/completions; raises Problem that names what is wrong."""
    if len(body) > MAX_BODY:
        raise bad_request(f"the body has {len(body)} bytes; the limit is {MAX_BODY}")
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        raise bad_request("the body is not JSON") from None
    if not isinstance(given, dict):
        raise bad_request("the body is not a JSON object")
    model = given.get("model")
    if not isinstance(model, str):
        raise bad_request("model is missing: name a controller", "model")
    for name, nothing in _UNSUPPORTED.items():
        if given.get(name) not in nothing:
            raise bad_request(f"{name} is not supported by this endpoint; leave it out", name, "unsupported_parameter")
    extra = given.get("autotts", {})
    if not isinstance(extra, dict) or not extra.keys() <= {"controller", "beta", "budget"}:
        raise bad_request("autotts is an object with controller, beta and budget", "autotts")
    controller, beta = offer.find(model, extra)
    options = given.get("stream_options") or {}
    return ChatRequest(
        model=model,
        controller=controller,
        beta=beta,
        turns=_turns(given.get("messages")),
        sampling=_sampling(given),
        seed=_number(given, "seed", int, -(1 << 63), 1 << 63),
        stream=bool(given.get("stream")),
        include_usage=isinstance(options, dict) and bool(options.get("include_usage")),
        budget=_number(extra, "budget", int, 1, 1 << 40),
    )


def _turns(messages: Any) -> tuple[dict[str, str], ...]:
    if not isinstance(messages, list) or not messages:
        raise bad_request("messages is empty or missing; give at least one of the user", "messages")
    turns = []
    for number, message in enumerate(messages):
        where = f"messages[{number}]"
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            raise bad_request(f"{where}: the role is one of {', '.join(_ROLES)}", f"{where}.role")
        turns.append({"role": _ROLES[message["role"]], "content": _content(message.get("content"), where)})
    if turns[-1]["role"] != "user":
        raise bad_request("the last message is not the user's; there is nothing to answer", "messages")
    return tuple(turns)


def _content(content: Any, where: str) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list) and all(isinstance(part, dict) and part.get("type") == "text" for part in content):
        return "".join(str(part.get("text", "")) for part in content)
    raise bad_request(f"{where}: the content is text, or a list of parts of type text", f"{where}.content")


def _sampling(given: Mapping[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {
        "temperature": _number(given, "temperature", float, 0, 2),
        "top_p": _number(given, "top_p", float, 0, 1),
        "max_tokens": _number(given, "max_completion_tokens", int, 1, 1 << 30)
        or _number(given, "max_tokens", int, 1, 1 << 30),
    }
    stop = given.get("stop")
    if stop is not None:
        listed = [stop] if isinstance(stop, str) else stop
        if not isinstance(listed, list) or not all(isinstance(each, str) and each for each in listed):
            raise bad_request("stop is a text, or a list of texts", "stop")
        said["stop"] = tuple(listed) or None
    return {name: value for name, value in said.items() if value is not None}


def _number(given: Mapping[str, Any], name: str, kind: type[Any], low: float, high: float) -> Any:
    value = given.get(name)
    if value is None:
        return None
    whole = kind is not int or (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))
    if isinstance(value, bool) or not isinstance(value, int | float) or not whole or not low <= value <= high:
        raise bad_request(f"{name} is {value!r}; give a number from {low:g} to {high:g}", name)
    return kind(value)

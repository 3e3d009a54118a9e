"""What an agent may ask its model's service for: endpoints, fields, tools and headers that are listed here.

The host puts the real key on what it forwards. A service does far more with a key than generate text: it keeps files
and batches, administers an organisation, searches the web, runs code, and speaks to other servers. An agent's tools run
in its own confinement; the service only describes them to the model. So what is forwarded is built anew from what was
understood here, and what is not listed is refused with its name. There is no other reading of a request: its path is
that of the list, its body the JSON that was checked, its headers those that are known.

https://docs.anthropic.com/en/api/messages
https://platform.openai.com/docs/api-reference/responses, …/chat, …/models
"""

import json
import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

MAX_SEPARATORS = 4_000_000
"""Brackets and commas of a request, which bound the memory that reading it as JSON takes (about 64 bytes each)."""


class Refused(RuntimeError):
    """A call may not be made; the message says why."""


@dataclass(frozen=True)
class Endpoint:
    """Something that may be asked for."""

    path: str
    """As it is forwarded, without a leading `/v1`."""
    limits: frozenset[str] = frozenset()
    """Which of `LIMITS` this endpoint heeds: by the others a reply would seem to be shorter than it may get."""
    billed: bool = True


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FIELDS = _words(
    # Of all three services.
    "model messages input system instructions max_tokens max_completion_tokens max_output_tokens stream stream_options "
    "temperature top_p top_k min_p n stop stop_sequences seed presence_penalty frequency_penalty repetition_penalty "
    "logit_bias logprobs top_logprobs tools tool_choice parallel_tool_calls max_tool_calls functions function_call "
    "thinking reasoning reasoning_effort verbosity text response_format output_config output_format truncation include "
    "store metadata client_metadata user safety_identifier cache_control prompt_cache_key prompt_cache_retention "
    "context_management service_tier chat_template_kwargs"
)
"""Top-level fields of a request's body. Not those that add work which is not counted (`background`, `prompt`), or refer
to what the service stores (`previous_response_id`, `container`), or to other servers (`mcp_servers`, `plugins`)."""
LIMITS = _words("max_tokens max_completion_tokens max_output_tokens")
POSTED = {
    each.path: each
    for each in (
        Endpoint("/messages", _words("max_tokens")),
        Endpoint("/messages/count_tokens", LIMITS, billed=False),
        Endpoint("/responses", _words("max_output_tokens")),
        Endpoint("/chat/completions", _words("max_tokens max_completion_tokens")),
    )
}
"""Endpoints for POST. Not batches, whose work is billed when nobody counts it, nor files, uploads or organisations."""
_MODELS = re.compile(r"/models(/[A-Za-z0-9][A-Za-z0-9._:-]*)?")
"""For GET: the list of models, or one of them."""
_QUERY = {"beta": "true|false", "api-version": r"[\w.-]{1,40}", "client_version": r"[\w.+-]{1,40}", "limit": r"\d{1,4}"}

TOOLS = _words("function custom local_shell namespace")
"""Types of tools that the agent runs itself. A namespace holds others."""
_DATED_TOOLS = re.compile(r"(bash|text_editor|memory)_20\d{6}")
"""Anthropic's that the agent runs itself: their schema alone is the service's."""
_TOOL_FIELDS = _words(
    "type name description input_schema parameters strict function format tools cache_control defer_loading "
    "eager_input_streaming input_examples max_characters custom execution"
)

BLOCKS = _words(
    "text image document tool_use tool_result thinking redacted_thinking search_result tool_reference tool_addition "
    "tool_removal tool_definition image_url input_audio file refusal message input_text output_text summary_text "
    "reasoning_text input_image input_file reasoning function_call function_call_output custom_tool_call "
    "custom_tool_call_output local_shell_call local_shell_call_output tool_search_call tool_search_output "
    "additional_tools compaction compaction_trigger context_compaction"
)
"""Types of messages, items and their parts: what a model and an agent said, none of a service's own tools."""
_ELSEWHERE = ("file_id", "file_url", "container_id", "server_label", "server_url", "connector_id")
"""Fields that name what the key's owner stores at the service, or what it would fetch."""
_SOURCES = _words("base64 text content")
_TIERS = _words("auto default flex standard_only")
"""Of `service_tier`; the others are dearer than the prices that a call is admitted with."""
_CHOICES = _words("auto any tool none required function custom allowed_tools")
_EDITS = re.compile(r"clear_[a-z_]+_20\d{6}")
_HOSTED_MODELS = re.compile(r"search|deep-research|:online\b", re.IGNORECASE)
"""Models that search the web by themselves."""

HEADERS = _words("accept user-agent anthropic-version")
FEATURES = _words(
    "claude-code interleaved-thinking context-management per-turn-control mid-conversation-tool-changes "
    "mid-conversation-system mid-conversation-system-clear-at thinking-token-count thinking-display-updates "
    "thinking-binding-controls thinking-resumption redact-thinking advanced-tool-use tool-search-tool tool-examples "
    "inline-tools fine-grained-tool-streaming token-efficient-tools structured-outputs effort task-budgets context-1m "
    "output-128k token-counting prompt-caching prompt-caching-scope prompt-caching-evict extended-cache-ttl "
    "context-hint claude-code-side-query"
)
"""Beta features of Anthropic's that change how a model is asked, without their dates. Others are dropped."""
_FEATURE = re.compile(r"([a-z0-9-]+?)-(?:20\d\d-\d\d-\d\d|20\d{6})")


@dataclass(frozen=True)
class Asked:
    """A request as it is forwarded."""

    method: str
    target: str
    """Path and query, to be put behind the base address."""
    body: bytes
    billed: bool


def route(method: str, target: str) -> tuple[str, Endpoint]:
    """Path with query, and the endpoint that a request's target names after decoding. Raises Refused."""
    if not target.startswith("/"):
        raise Refused("only the model's own address can be reached")
    # `//v1/messages` is a path with a slash too many, which urlsplit would take for a host.
    parts = urlsplit("/" + target.lstrip("/"))
    decoded = posixpath.normpath("/" + unquote(parts.path).lstrip("/"))
    version, path = ("/v1", decoded.removeprefix("/v1")) if decoded.startswith("/v1/") else ("", decoded)
    found = POSTED.get(path) if method == "POST" else None
    if method == "GET" and _MODELS.fullmatch(path):
        found = Endpoint(path, billed=False)
    if found is None:
        listed = ", ".join([f"POST {each}" for each in POSTED] + ["GET /models"])
        raise Refused(f"{method} {decoded[:100]!r} is not let through; there is {listed}")
    query = parse_qsl(parts.query, keep_blank_values=True)
    for name, value in query:
        if name not in _QUERY or not re.fullmatch(_QUERY[name], value, re.ASCII):
            raise Refused(f"the query {name[:40]!r} is not let through")
    return version + found.path + (f"?{urlencode(query)}" if query else ""), found


def checked(method: str, target: str, body: bytes) -> Asked:
    """The request as it may be forwarded. Raises Refused, with the name of what is not let through."""
    path, endpoint = route(method, target)
    if method == "GET":
        if body:
            raise Refused("a GET has no body here")
        return Asked(method, path, b"", billed=False)
    if sum(map(body.count, (b",", b"[", b"{"))) > MAX_SEPARATORS:
        raise Refused(f"a request has at most {MAX_SEPARATORS} brackets and commas")
    try:
        said = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
        if not isinstance(said, dict):
            raise ValueError
        _check(said, endpoint)
        return Asked(method, path, _written(said), endpoint.billed)
    except (ValueError, RecursionError):
        raise Refused("a request's body is one object of JSON, in UTF-8") from None


def headers(given: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The headers that are forwarded, besides the host's own."""
    kept = {"content-type": "application/json"}
    features: list[str] = []
    for name, value in given:
        lower = name.lower()
        if lower in HEADERS:
            kept[lower] = value
        elif lower == "anthropic-beta":
            features += [each for each in re.split(r"[\s,]+", value) if _is_known(each)]
    return kept | ({"anthropic-beta": ",".join(features)} if features else {})


def _is_known(feature: str) -> bool:
    match = _FEATURE.fullmatch(feature)
    return match is not None and match[1] in FEATURES


def _written(said: Mapping[str, Any]) -> bytes:
    # 1e999 is a number of JSON's that becomes infinite here, and is refused.
    try:
        return json.dumps(said, allow_nan=False, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        # Half a surrogate pair, as JavaScript cuts its strings.
        return json.dumps(said, allow_nan=False).encode()


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _check(said: Mapping[str, Any], endpoint: Endpoint) -> None:
    for name in said:
        if name not in FIELDS or name in LIMITS - endpoint.limits:
            raise Refused(f"the field {name[:60]!r} is not let through to {endpoint.path}")
    model = said.get("model", "")
    if not isinstance(model, str) or _HOSTED_MODELS.search(model):
        raise Refused(f"the model {str(model)[:80]!r} is not let through: it searches the web by itself, or is no name")
    tier = said.get("service_tier")
    if tier is not None and not _is_one(tier, _TIERS):
        raise Refused(f"the service tier {str(tier)[:40]!r} is not let through: its prices are others")
    for edit in _listed(_field(said.get("context_management"), "edits")):
        if not _EDITS.fullmatch(str(_field(edit, "type"))):
            raise Refused("context_management only clears; what the service would write itself is not counted")
    choice = said.get("tool_choice")
    if isinstance(choice, dict):
        if not _is_one(choice.get("type"), _CHOICES):
            raise Refused(f"the tool choice {str(choice.get('type'))[:60]!r} is not let through")
        _check_tools(choice.get("tools"))
        _check_tools(_field(choice.get("allowed_tools"), "tools"))
    _check_tools(said.get("tools"))
    for name in ("messages", "input", "system"):
        _check_blocks(said.get(name))


def _check_tools(tools: Any) -> None:
    """Let tools through that the agent runs itself."""
    for tool in _listed(tools):
        # Anthropic's plain kind has no type.
        kind = _field(tool, "type") or "custom"
        known = _is_one(kind, TOOLS) or _DATED_TOOLS.fullmatch(str(kind))
        if not known and (kind, _field(tool, "execution")) != ("tool_search", "client"):
            raise Refused(f"tools of type {str(kind)[:60]!r} are not let through: the service would run them")
        for name in tool:
            if name not in _TOOL_FIELDS:
                raise Refused(f"the field {name[:60]!r} of a tool is not let through")
        _check_tools(tool.get("tools"))


def _check_blocks(blocks: Any) -> None:
    """Let a conversation through that refers to nothing outside it."""
    for block in blocks if isinstance(blocks, list) else [blocks]:
        if isinstance(block, dict):
            _check_block(block)
        elif isinstance(block, list):
            _check_blocks(block)


def _check_block(block: Mapping[str, Any]) -> None:
    kind = block.get("type")
    if kind is not None and not _is_one(kind, BLOCKS):
        raise Refused(f"{str(kind)[:60]!r} in a conversation is not let through")
    for name in _ELSEWHERE:
        if block.get(name) is not None:
            raise Refused(f"{name} is not let through: it names what lies at the service or elsewhere")
    image = block.get("image_url")
    address = image.get("url") if isinstance(image, dict) else image
    if address is not None and not (isinstance(address, str) and address.startswith("data:")):
        raise Refused("images come as data: addresses; the service would fetch others")
    source = block.get("source")
    if isinstance(source, dict):
        if not _is_one(source.get("type"), _SOURCES):
            raise Refused(f"a source of type {str(source.get('type'))[:60]!r} is not let through; give base64 or text")
        _check_blocks(source.get("content"))
    tool = block.get("tool")
    if isinstance(tool, dict) and tool.get("type") != "tool_reference":
        _check_tools([tool.get("definition")])
    _check_tools(block.get("tools"))
    for name in ("content", "output", "summary", "file"):
        _check_blocks(block.get(name))


def _listed(value: Any) -> list[Any]:
    """A list of objects, or nothing at all."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise Refused("tools and edits are lists of objects")
    return value


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _is_one(value: Any, of: frozenset[str]) -> bool:
    return isinstance(value, str) and value in of

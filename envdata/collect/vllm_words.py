"""What vLLM is told, in its own words: arguments of its engine and of requests; and the one look past its API."""

import asyncio
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from envdata.collect.engine import Prompt, Sampling


@dataclass(frozen=True)
class Request:
    """One thing to decode."""

    prompt: Prompt
    params: Mapping[str, Any]
    """Of vLLM's SamplingParams."""
    reply: asyncio.Future[Any]


def caching(engine_args: type) -> dict[str, Any]:
    """Give the arguments that keep all blocks of a trace for its probes, as far as this version knows them.

    A probe goes on with a trace at any cut. Of layers with a sliding window newer versions keep only what the same
    prompt asked again would need, and so nothing that a trace has written, unless told otherwise.
    """
    wanted = {"enable_prefix_caching": True, "prefix_cache_retention_interval": None}
    known = {field.name for field in dataclasses.fields(engine_args)}
    return {name: value for name, value in wanted.items() if name in known}


def params_of(sampling: Sampling) -> dict[str, Any]:
    """Give the arguments of vLLM's SamplingParams for traces."""
    params: dict[str, Any] = {
        "max_tokens": sampling.max_tokens,
        "stop": list(sampling.stop),
        "logprobs": 0,
        "skip_special_tokens": False,
    }
    for name in ("temperature", "top_p", "top_k", "min_p"):
        if (value := getattr(sampling, name)) is not None:
            params[name] = value
    return params


def under_way(engine: Any) -> int:
    """Count the tokens of unfinished requests, for people to look at: vLLM has them, and no public way to ask."""
    try:
        return sum(state.detokenizer.num_output_tokens() for state in engine.output_processor.request_states.values())
    except (AttributeError, TypeError):
        # Another version's; then tokens are counted when requests finish.
        return 0

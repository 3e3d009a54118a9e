"""Arguments of vLLM's engine and of its requests, and a count that vLLM has no public API for."""

import asyncio
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from envdata.collect.engine import Prompt, Sampling


@dataclass(frozen=True)
class Request:
    """One prompt to continue."""

    prompt: Prompt
    params: Mapping[str, Any]
    """Arguments of vLLM's SamplingParams."""
    reply: asyncio.Future[Any]
    """Receives vLLM's output."""


def caching(engine_args: type) -> dict[str, Any]:
    """Return the arguments that keep all blocks of a trace for its probes, as far as this version of vLLM knows them.

    A probe continues a trace at any cut. For layers with a sliding window newer versions keep only the blocks that the
    same prompt would need again, and so none of a trace's own, unless told otherwise.
    """
    wanted = {"enable_prefix_caching": True, "prefix_cache_retention_interval": None}
    known = {field.name for field in dataclasses.fields(engine_args)}
    return {name: value for name, value in wanted.items() if name in known}


def params_of(sampling: Sampling) -> dict[str, Any]:
    """Return the arguments of vLLM's SamplingParams for traces."""
    params: dict[str, Any] = {
        "max_tokens": sampling.max_tokens,
        "stop": list(sampling.stop),
        "logprobs": sampling.top_logprobs,
        "skip_special_tokens": False,
    }
    for name in ("temperature", "top_p", "top_k", "min_p"):
        if (value := getattr(sampling, name)) is not None:
            params[name] = value
    return params


def under_way(engine: Any) -> int:
    """Return the number of tokens of unfinished requests, for progress displays; vLLM has no public API for it."""
    try:
        return sum(state.detokenizer.num_output_tokens() for state in engine.output_processor.request_states.values())
    except (AttributeError, TypeError):
        # In another version of vLLM, tokens are counted when requests finish.
        return 0

"""Usage as services report it, read from any of their forms; what cannot be true is told apart.

Chat completions count `prompt_tokens` and `completion_tokens`, Anthropic's Messages and OpenAI's Responses
`input_tokens` and `output_tokens`, and LangChain's messages these too, with other names of the details. Compatible
servers send null, zeros beside a text, negative numbers, numbers as texts, fractions, and more cached than input.

https://platform.openai.com/docs/api-reference/chat/object
https://docs.anthropic.com/en/api/messages
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graph.accounting.usage import Usage

MOST_TOKENS = 10**9
"""Largest number of tokens of one call that is believed."""
_INPUT, _OUTPUT = ("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens")
_INPUT_DETAILS = ("prompt_tokens_details", "input_tokens_details", "input_token_details")
_OUTPUT_DETAILS = ("completion_tokens_details", "output_tokens_details", "output_token_details")


@dataclass(frozen=True)
class ReportedUsage:
    """The usage in a reply, as far as it can be read."""

    usage: Usage
    """What was read, rounded up; 0 for what is missing or no number."""
    sound: bool
    """Whether input and output are whole numbers of tokens, above 0, and no part exceeds its whole."""

    def or_estimate(self, estimate: Usage) -> Usage:
        """Return the usage if it is sound; otherwise the larger of it and the estimate, with nothing cached."""
        if self.sound:
            return self.usage
        read = self.usage
        thinking = max(read.thinking, estimate.thinking)
        return Usage(
            # Where more is cached than there is input, or more thought than written, the one may exclude the other.
            input=max(read.input + (read.cached if read.cached > read.input else 0), estimate.input),
            output=max(read.output + (read.thinking if read.thinking > read.output else 0), estimate.output, thinking),
            thinking=thinking,
        )


def read_usage(said: object, *, cache_beside: bool = False) -> ReportedUsage:
    """Return the usage that a service reported.

    Args:
        said: The reply's `usage`; anything that is not an object reports nothing.
        cache_beside: Whether cached and written tokens are counted beside the input, as Anthropic's Messages do.
    """
    fields: Mapping[str, Any] = said if isinstance(said, Mapping) else {}
    into, out = _part(fields, _INPUT_DETAILS), _part(fields, _OUTPUT_DETAILS)
    counts = _Counts()
    given = counts.of(fields, *_INPUT)
    output = counts.of(fields, *_OUTPUT)
    cached = counts.of(into, "cached_tokens", "cache_read") or counts.of(
        fields, "cache_read_input_tokens", "prompt_cache_hit_tokens", "cached_tokens"
    )
    written = counts.of(into, "cache_write_tokens", "cache_creation") or counts.of(
        fields, "cache_creation_input_tokens"
    )
    thinking = counts.of(out, "reasoning_tokens", "thinking_tokens", "reasoning")
    total = counts.of(fields, "total_tokens")
    whole = given + cached + written if cache_beside else given
    # Some services leave thinking out of the output, and count it in the total.
    beyond = total > whole + output > 0
    usage = Usage(whole, cached, written, max(output, total - whole) if beyond else output, thinking)
    consistent = cached + written <= whole and thinking <= output and not beyond
    return ReportedUsage(usage, counts.sound and whole > 0 and output > 0 and consistent)


class _Counts:
    """Reads numbers of tokens, and notes whether all of them were whole numbers from 0."""

    def __init__(self) -> None:
        self.sound = True

    def of(self, fields: Mapping[str, Any], *names: str) -> int:
        """Return the first of the fields that is there and not null, rounded up; 0 without one."""
        value = next((fields[name] for name in names if fields.get(name) is not None), 0)
        if type(value) is int and 0 <= value <= MOST_TOKENS:
            return value
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        believed = not isinstance(value, bool) and 0 <= number <= MOST_TOKENS
        self.sound = self.sound and believed and isinstance(value, float) and number.is_integer()
        return math.ceil(number) if believed else 0


def _part(fields: Mapping[str, Any], names: tuple[str, ...]) -> Mapping[str, Any]:
    """Return the first of the fields that is an object; an empty one without any."""
    return next((fields[name] for name in names if isinstance(fields.get(name), Mapping)), {})

"""Variations of a prompt: for one of several parallel requests, and for a retry after an unusable reply."""

from dataclasses import replace

from graph.explorers.prompts.prompt import Prompt
from graph.explorers.prompts.templates import fill
from graph.explorers.prompts.tokens import estimate
from sandbox.sanitize import fenced

SHOWN = 6000
"""Characters of an unusable reply that a retry repeats, at most."""


def for_request(prompt: Prompt, place: int, wanted: int) -> Prompt:
    """Return the prompt for request `place`, from 1, of `wanted` parallel requests; unchanged if there is one."""
    return prompt if wanted == 1 else _with(prompt, fill("request.md", place=place, wanted=wanted))


def retry_prompt(prompt: Prompt, reply: str, why: str, *, limit: int) -> Prompt:
    """Return the prompt for a retry: with the unusable reply, its error, and the request to answer again.

    Args:
        prompt: The prompt that was answered.
        reply: The unusable reply; it is cut from its end until the prompt fits.
        why: The error, which is always included.
        limit: Tokens of the prompt, at most, if its fixed parts allow it.
    """
    shown = reply[:SHOWN]
    while True:
        retry = _with(prompt, fill("again.md", why=why, reply=fenced(shown) if shown.strip() else "(nothing)"))
        if retry.tokens <= limit or not shown:
            return retry
        shown = shown[: len(shown) // 2]


def _with(prompt: Prompt, more: str) -> Prompt:
    return replace(
        prompt,
        changing=f"{prompt.changing}\n\n{more}" if prompt.changing else more,
        tokens=prompt.tokens + estimate(more) + 1,
    )

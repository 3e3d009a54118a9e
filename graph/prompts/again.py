"""Variations of a prompt: one of several requests that are made at once, and the same one after an unusable reply."""

from dataclasses import replace

from graph.prompts.foreign import fenced
from graph.prompts.prompt import Prompt
from graph.prompts.templates import fill
from graph.prompts.tokens import estimate

SHOWN = 6000
"""Characters of an unusable reply that are shown to the model again, at most."""


def for_one_of(prompt: Prompt, place: int, wanted: int) -> Prompt:
    """The prompt for conversation `place`, from 1, of `wanted`; itself if there is but one."""
    return prompt if wanted == 1 else _with(prompt, fill("request.md", place=place, wanted=wanted))


def once_more(prompt: Prompt, reply: str, why: str, *, limit: int) -> Prompt:
    """The prompt with the reply, what is wrong with it, and the request to answer again; within `limit` tokens.

    A reply that would not fit is cut, its beginning kept; the error always stays.
    """
    shown = reply[:SHOWN]
    while True:
        said = _with(prompt, fill("again.md", why=why, reply=fenced(shown) if shown.strip() else "(nothing)"))
        if said.tokens <= limit or not shown:
            return said
        shown = shown[: len(shown) // 2]


def _with(prompt: Prompt, more: str) -> Prompt:
    return replace(
        prompt,
        changing=f"{prompt.changing}\n\n{more}" if prompt.changing else more,
        tokens=prompt.tokens + estimate(more) + 1,
    )

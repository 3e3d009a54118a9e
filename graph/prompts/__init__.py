"""The prompts of model explorers, and how their replies are read. Needs no model, no network and no key."""

from graph.prompts.critique import critique_prompt
from graph.prompts.prompt import Prompt, PromptTooLong
from graph.prompts.proposal import proposal_prompt, told
from graph.prompts.replies import CRITIQUE_SCHEMA, ReplyError, read_critique, read_proposals
from graph.prompts.templates import PROMPTS
from graph.prompts.tokens import estimate

__all__ = [
    "CRITIQUE_SCHEMA",
    "PROMPTS",
    "Prompt",
    "PromptTooLong",
    "ReplyError",
    "critique_prompt",
    "estimate",
    "proposal_prompt",
    "read_critique",
    "read_proposals",
    "told",
]

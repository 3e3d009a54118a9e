"""Prompts of model explorers, and parsers of their replies. Needs no model, network or key."""

from graph.explorers.prompts.consolidation import consolidation_prompt
from graph.explorers.prompts.consolidation_reply import CONSOLIDATION_SCHEMA, read_consolidation
from graph.explorers.prompts.critique import critique_prompt
from graph.explorers.prompts.knowledge import knowledge_form, knowledge_text
from graph.explorers.prompts.prompt import Prompt, PromptTooLong
from graph.explorers.prompts.proposal import digest_text, proposal_prompt, shown_sources
from graph.explorers.prompts.reasoning import split_reasoning
from graph.explorers.prompts.replies import CRITIQUE_SCHEMA, ReplyError, read_critique, read_proposals
from graph.explorers.prompts.templates import PROMPTS
from graph.explorers.prompts.tokens import estimate

__all__ = [
    "CONSOLIDATION_SCHEMA",
    "CRITIQUE_SCHEMA",
    "PROMPTS",
    "Prompt",
    "PromptTooLong",
    "ReplyError",
    "consolidation_prompt",
    "critique_prompt",
    "digest_text",
    "estimate",
    "knowledge_form",
    "knowledge_text",
    "proposal_prompt",
    "read_consolidation",
    "read_critique",
    "read_proposals",
    "shown_sources",
    "split_reasoning",
]

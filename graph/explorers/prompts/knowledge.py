"""The page of what is known as Markdown, for prompts and workspaces, and the form in which changes of it are given."""

from graph.explorers.base import Knowledge
from graph.explorers.prompts.templates import fill
from graph.run.knowledge import MAX_FIGURES, MAX_STATEMENTS, MAX_TEXT
from sandbox.sanitize import in_quotes


def knowledge_form() -> str:
    """Return the format of a consolidation, for a model's reply or a person's file, with the limits of a page."""
    return fill("knowledge-form.md", statements=MAX_STATEMENTS, text=MAX_TEXT, figures=MAX_FIGURES)


def knowledge_text(knowledge: Knowledge) -> str:
    """Return the page as Markdown.

    Args:
        knowledge: The page: statements that hold, those that were struck with the reason, and the measured part.

    Returns:
        The historian's words stand in quotation marks, for they are another model's. Empty for an empty page.
    """
    if not (knowledge.statements or knowledge.measured):
        return ""
    return fill("knowledge.md", knowledge=knowledge, quotes=in_quotes)

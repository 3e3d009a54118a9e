"""The task as a search framework sees it: a text for the model, a program to begin with, and its evaluation."""

from collections.abc import Sequence
from pathlib import Path

from graph.explorers.base import Brief
from graph.explorers.prompts import proposal_prompt
from graph.explorers.prompts.proposal import example

PROGRAMS = Path(__file__).with_name("programs")
"""Folder of the programs that run where a framework runs."""
BEGIN, END = "# EVOLVE-BLOCK-START\n", "# EVOLVE-BLOCK-END\n"
"""Lines around the part of a program that OpenEvolve and ShinkaEvolve may change."""


def task_text(brief: Brief, tokens: int) -> str:
    """Return the task, the objective and the API as Markdown, without anything about candidates.

    Args:
        brief: The brief of the round.
        tokens: Limit of the text.

    Raises:
        ExplorerError: The task alone exceeds the limit.
    """
    prompt = proposal_prompt(brief, limit=tokens, files=True)
    return f"{prompt.system.strip()}\n\n{prompt.stable.strip()}\n"


def seed_program(brief: Brief) -> str:
    """Return the source that a search begins with: the best baseline's, or else the example of the task."""
    source = brief.references[0].source if brief.references else example(free_knobs=brief.free_knobs)
    return f"{BEGIN}{source.strip()}\n{END}"


def adapter_files(command: Sequence[str], brief: Brief, folder: Path | None = None) -> dict[str, str]:
    """Return the seed program and the evaluation as files by name; the evaluation has two, as frameworks name it.

    Args:
        command: Plays the controller in the file that is added to it, and prints its figures as JSON.
        brief: Has the baselines, whose worst score bounds that of a controller that fails.
        folder: Where the command is run; None is the framework's current folder.
    """
    text = (PROGRAMS / "evaluator.py").read_text(encoding="utf-8")
    failed = min([0.0, *brief.baselines.values()]) - 1
    text = text.replace('COMMAND = ["evaluate"]', f"COMMAND = {list(command)!r}")
    text = text.replace("FAILED = -1.0", f"FAILED = {failed!r}")
    if folder is not None:
        text = text.replace("FOLDER: str | None = None", f"FOLDER: str | None = {str(folder)!r}")
    return {"initial.py": seed_program(brief), "evaluator.py": text, "evaluate.py": text}

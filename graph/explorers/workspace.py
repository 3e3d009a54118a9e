"""The workspace of explorers that write files: a folder with the brief, the API and the history."""

from pathlib import Path

from graph.explorers.api_stub import api_stub
from graph.explorers.base import Brief, CandidateRecord, Lesson
from graph.explorers.prompts import estimate, proposal_prompt
from graph.explorers.research.folder import ResearchData
from graph.explorers.safe_writes import clear_beneath, write_beneath
from graph.explorers.submitted_consolidation import CONTENTS_LINE, consolidation_instructions


def write_workspace(
    folder: Path, brief: Brief, instructions: str, *, tokens: int, research: ResearchData | None = None
) -> None:
    """Write `brief.md`, `autotts.pyi`, `baselines/`, `history/` and `rejected/`, each file atomically.

    The folders are emptied first, and absent if there is nothing to put into them. All content comes from the brief: a
    workspace shows what a language model is shown, and nothing of the held-out set. With `research`, `data/` is added.

    Args:
        folder: The workspace, created if it does not exist.
        brief: The task and the history.
        instructions: Markdown that `brief.md` begins with: how to submit a controller.
        tokens: Limit of `brief.md`; `history/` has all earlier candidates.
        research: The search set as arrays, which is written into `data/`; None for a run without it.

    Raises:
        ExplorerError: A link or file stands in the way of a folder, or the brief does not fit `tokens`.
        GridError: A grid of the research data cannot be read.
    """
    contents = _contents(brief, research)
    limit = tokens - estimate(instructions) - estimate(contents)
    prompt = proposal_prompt(brief, limit=limit, files=True)
    parts = (instructions, contents, prompt.system, prompt.stable, prompt.changing)
    write_beneath(folder, "brief.md", "\n\n".join(part.strip() for part in parts) + "\n")
    write_beneath(folder, "autotts.pyi", api_stub())
    if brief.knowledge is not None:
        write_beneath(folder, "consolidation.md", consolidation_instructions())
    if research is not None:
        research.write(folder)
    for name in ("baselines", "history", "rejected"):
        clear_beneath(folder, name)
    for reference in brief.references:
        write_beneath(folder, f"baselines/{reference.label}.py", reference.source)
    for tried in brief.history:
        write_beneath(folder, f"history/round-{tried.round:03d}/{tried.label}.py", _headed(tried))
    for lesson in brief.lessons:
        write_beneath(folder, f"history/round-{lesson.round:03d}/critique.md", _lesson(lesson))
    for number, rejected in enumerate(brief.rejected, 1):
        write_beneath(folder, f"rejected/{number}.py", rejected.source)
        write_beneath(folder, f"rejected/{number}.txt", f"{rejected.status}: {rejected.why}\n")


def where_to_write(brief: Brief) -> str:
    """Return the sentence that names the files of the controllers that a brief asks for, as Markdown."""
    several = ""
    if brief.wanted > 1 and brief.roles:
        several = f" (or up to {brief.wanted}: `controller-1.py` answers the first assignment below, and so on)"
    elif brief.wanted > 1:
        several = f" (or up to {brief.wanted}, `controller-a.py`, `controller-b.py` …)"
    return f"Write one file, `controller.py`, into this folder{several}; each stands by itself, with its imports."


def _contents(brief: Brief, research: ResearchData | None) -> str:
    """Return the list of the files in a workspace beside `brief.md`, as Markdown; it names no file that is absent."""
    lines = ["- `autotts.pyi` is the API that controllers are written against: signatures and their contracts."]
    if brief.references:
        lines.append("- `baselines/` holds the controllers that candidates are compared with.")
    if brief.history or brief.lessons:
        lines.append("- `history/` holds earlier candidates with their scores, and what was measured about them.")
    if brief.knowledge is not None:
        lines.append(CONTENTS_LINE)
    if brief.rejected:
        lines.append("- `rejected/` holds the files of this round that failed, each with its error.")
    if research is not None:
        lines.append(
            "- `data/` holds the search set as arrays without text, and `data/play.py`, which plays a controller on "
            f"it: `{research.python} data/play.py FILE`. Study it before you write. `data/README.md` tells more."
        )
    return "\n".join(lines)


def _lesson(lesson: Lesson) -> str:
    """Return an earlier round's critique and measurements as Markdown."""
    directions = "\n".join(f"- {each}" for each in lesson.directions)
    parts = {"What it means": lesson.diagnosis, "Where to go": directions, "What was measured": lesson.measured,
             "Why episodes failed": lesson.failures}  # fmt: skip
    return "\n".join(f"## {title}\n\n{text.strip()}\n" for title, text in parts.items() if text.strip())


def _headed(tried: CandidateRecord) -> str:
    """Return a candidate's source below a comment with its status, idea and scores."""
    comment = [f"# {tried.label}, round {tried.round}: {tried.status}"]
    # White space is folded: a line break in an error's text would end the comment.
    comment += [
        f"# {name}: {' '.join(text.split())}" for name, text in (("why", tried.why), ("idea", tried.idea)) if text
    ]
    for name, value in (("screening", tried.screening), ("score", tried.score)):
        if value is not None:
            comment.append(f"# {name}: {100 * value:.2f}")
    return "\n".join(comment) + "\n\n" + tried.source

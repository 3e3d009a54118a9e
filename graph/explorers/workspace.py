"""A folder for whoever writes controllers in files: the brief, the API, what was tried. Nothing held out goes in."""

import shutil
from pathlib import Path

from envdata.atomic import write_text
from graph.explorers.base import Brief, Lesson, Tried
from graph.explorers.stub import api_stub
from graph.prompts import proposal_prompt

TOKENS = 60_000
"""How long the brief may be; earlier candidates lie beside it as files, whole."""


def lay_out(folder: Path, brief: Brief, how: str, *, tokens: int = TOKENS) -> None:
    """Write `brief.md`, `sandbox/tts.pyi`, `history/` and `rejected/`, each file as a whole.

    Of earlier rounds' files there is nothing left in the last two. Everything comes from the brief, so that nothing
    can be seen here that a model that is asked directly could not see.
    """
    prompt = proposal_prompt(brief, limit=tokens)
    write_text(folder / "brief.md", "\n\n".join((how.strip(), prompt.stable.strip(), prompt.changing.strip())) + "\n")
    write_text(folder / "sandbox" / "tts.pyi", api_stub())
    for name in ("history", "rejected"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for tried in brief.history:
        write_text(folder / "history" / f"round-{tried.round:03d}" / f"{tried.label}.py", _headed(tried))
    for lesson in brief.lessons:
        write_text(folder / "history" / f"round-{lesson.round:03d}" / "critique.md", _lesson(lesson))
    for number, rejected in enumerate(brief.rejected, 1):
        write_text(folder / "rejected" / f"{number}.py", rejected.source)
        write_text(folder / "rejected" / f"{number}.txt", f"{rejected.status}: {rejected.why}\n")


def _lesson(lesson: Lesson) -> str:
    directions = "\n".join(f"- {each}" for each in lesson.directions)
    parts = {"What it means": lesson.diagnosis, "Where to go": directions, "What was measured": lesson.measured,
             "Why episodes failed": lesson.failures}  # fmt: skip
    return "\n".join(f"## {title}\n\n{text.strip()}\n" for title, text in parts.items() if text.strip())


def _headed(tried: Tried) -> str:
    """A candidate's source below a comment on how it did."""
    said = [f"# {tried.label}, round {tried.round}: {tried.status}"]
    # One line each: an error's text must not get out of the comment.
    said += [f"# {name}: {' '.join(text.split())}" for name, text in (("why", tried.why), ("idea", tried.idea)) if text]
    for name, value in (("screening", tried.screening), ("score", tried.score)):
        if value is not None:
            said.append(f"# {name}: {100 * value:.2f}")
    return "\n".join(said) + "\n\n" + tried.source

"""Consolidations of what is known that a person, a program or a coding agent leaves as a file in its workspace.

The file is optional, and no run waits for it: without one the measured part of the page stands alone.
"""

from pathlib import Path

from graph.explorers.base import Consolidation, Findings
from graph.explorers.prompts import ReplyError, knowledge_form, read_consolidation
from graph.explorers.safe_writes import move_beneath
from graph.explorers.submissions import SubmissionError, read_plain_file
from graph.run.transcript import Transcript

CONSOLIDATION_FILE = "consolidation.json"
"""File with the changes of the page, in the folder that controllers are submitted in."""
MAX_CONSOLIDATION = 64 << 10
"""Bytes of that file that are read."""
EVENT = "consolidation submitted"
"""Event of the transcript that records what the file held, or that there was none."""
CONTENTS_LINE = (
    "- `consolidation.md` says how you can change the page of what is known, which this brief holds from the first "
    "consolidation on; that is optional."
)


def consolidation_instructions() -> str:
    """Return `consolidation.md`: which file changes the page of what is known, and in which form."""
    return (
        "# The page of what is known\n\nEvery few rounds, what the rounds have shown is consolidated into one page, "
        f"which later briefs hold instead of the rounds. If you write `{CONSOLIDATION_FILE}` into this folder, at any "
        "time, its changes are made to the page at the next consolidation. Nobody waits for it. It may name the rounds "
        f"that are complete, and holds:\n\n{knowledge_form()}\n"
    )


def left_consolidation(folder: Path) -> str:
    """Return the text of the file in a folder; empty without one. Raises SubmissionError if it is not plain text."""
    path = folder / CONSOLIDATION_FILE
    return read_plain_file(path, MAX_CONSOLIDATION) if path.exists() else ""


def consolidation_in_folder(
    folder: Path, findings: Findings, transcript: Transcript, taken: str
) -> Consolidation | None:
    """Return the changes in a folder's file, recorded before they are read; None without a file.

    Args:
        folder: The submission folder.
        findings: The rounds, and the page so far.
        transcript: Transcript of the latest round. What it holds already is returned without reading the folder.
        taken: Relative path of the folder that the file is moved to.

    Raises:
        ReplyError: The file cannot be read, or its changes do not fit the page; the message is for its author.
        ExplorerError: Something else than a folder stands in the way.
    """
    place = {"round": findings.round, "folder": str(folder)}
    recorded = [e for e in transcript.events() if e["event"] == EVENT and place.items() <= e.items()]
    try:
        text = recorded[-1]["text"] if recorded else left_consolidation(folder)
        if not recorded:
            transcript.record(EVENT, **place, text=text)
        # A kill may come between recording and moving it.
        if text and left_consolidation(folder) == text:
            move_beneath(folder, (CONSOLIDATION_FILE,), taken)
    except SubmissionError as error:
        raise ReplyError(str(error)) from None
    return read_consolidation(text, findings) if text.strip() else None


def consolidation_of_sessions(findings: Findings, transcript: Transcript, event: str) -> Consolidation | None:
    """Return the changes that the latest session of the findings' rounds left; None if none left any.

    Args:
        findings: The rounds, and the page so far.
        transcript: Transcript of the latest round; its stamp tells sessions of several explorers apart.
        event: Event that records a session, with what it left under `consolidation`.

    Raises:
        ReplyError: The changes do not fit the page.
    """
    left = [
        each["consolidation"]
        for each in transcript.of_all_rounds()
        if each["event"] == event
        and transcript.stamp.items() <= each.items()
        and findings.knowledge.round < each["round"] <= findings.round
        and each.get("consolidation")
    ]
    return read_consolidation(left[-1], findings) if left else None

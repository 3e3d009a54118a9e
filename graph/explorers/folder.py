"""The explorer `folder:PATH`: a person, or any other program, puts a `controller.py` there; the run waits for it.

The folder gets the brief as Markdown, what was tried so far, and the controller API. If nothing lies there yet the run
stops in a LangGraph interrupt: the process ends, or waits, and the run goes on once the file is there. What is taken is
journalled before it is used, and moved to `taken/`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from langgraph.types import interrupt

from graph.explorers.base import Brief, Critique, Evidence, ExplorerError, Proposal
from graph.explorers.dropbox import Submission, Unreadable, look, put_away
from graph.explorers.workspace import lay_out
from graph.journal import Journal
from graph.prompts import PROMPTS

TAKEN = "taken"
HOW = """\
# What to do

Write one file, `controller.py`, into this folder (or up to {wanted}, `controller-a.py`, `controller-b.py` …), and
beside it, if you like, `idea.md` with what is new about it. Write it elsewhere first and move it here, so that it is
never seen half-written. Then the run goes on: by itself if its process waits, otherwise with
`autotts discover --resume RUN`; `autotts submit RUN FILE` does all of that.

`tts.py` is the API that it is written against, `history/` holds what was tried before and what was measured about it.
"""


class Folder:
    """Asks through files. Keeps nothing between calls but what is on the disk."""

    def __init__(self, path: str) -> None:
        if not path:
            raise ExplorerError("folder: give the folder, as in folder:controllers")
        self._path = Path(path)

    def identity(self) -> Mapping[str, str]:
        """Which folder, and the versions of what is written there."""
        return {"explorer": "folder", "folder": str(self._path), **{f"prompt {k}": v for k, v in PROMPTS.items()}}

    def propose(self, brief: Brief, journal: Journal) -> Sequence[Proposal]:
        """What lies in the folder, at most `brief.wanted`; stops the graph until something does."""
        away = self._path / TAKEN / f"round-{brief.round:03d}-{brief.attempt}"
        submission = _journalled(journal, brief)
        if submission is None:
            lay_out(self._path, brief, HOW.format(wanted=brief.wanted))
            submission = self._wait(brief)
            journal.record(
                "submitted", round=brief.round, attempt=brief.attempt, idea=submission.idea,
                files=submission.files, sources=submission.sources,
            )  # fmt: skip
        if _lies(self._path, submission):
            put_away(self._path, submission, away)
        return [Proposal(source, submission.idea) for source in submission.sources[: brief.wanted]]

    def critique(self, evidence: Evidence, journal: Journal) -> Critique:
        """Nothing: whoever fills the folder reads what was measured."""
        return Critique("")

    def _wait(self, brief: Brief) -> Submission:
        while True:
            problem = None
            try:
                found = look(self._path)
            except Unreadable as error:
                found, problem = None, str(error)
            if found is not None:
                return found
            # The value that it is resumed with says only that it is worth looking again: what the graph resumes a node
            # with is handed out anew when the node runs again, so that an old one may come back here.
            interrupt(
                {"for": "controller", "folder": str(self._path), "round": brief.round, "attempt": brief.attempt,
                 "wanted": brief.wanted, "problem": problem}
            )  # fmt: skip


def _journalled(journal: Journal, brief: Brief) -> Submission | None:
    for event in reversed(journal.events()):
        if (event["event"], event.get("round"), event.get("attempt")) == ("submitted", brief.round, brief.attempt):
            return Submission(tuple(event["sources"]), event["idea"], tuple(event["files"]))
    return None


def _lies(path: Path, submission: Submission) -> bool:
    """Whether what was taken still lies there: a kill may come between the journal and moving it away."""
    try:
        found = look(path)
    except Unreadable:
        return False
    return found is not None and (found.files, found.sources) == (submission.files, submission.sources)

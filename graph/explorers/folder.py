"""The explorer `folder:PATH`: a person or a program writes `controller.py` into a folder, and the run waits for it.

The explorer writes the brief, the history and the controller API into the folder. While it has no controller the run
stops in a LangGraph interrupt: the process ends, or waits, and goes on once the file is there. A submission is recorded
in the transcript before it is used, and then moved to `taken/`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from langgraph.types import interrupt

from graph.explorers.base import (
    Brief,
    Consolidation,
    Critique,
    Evidence,
    Explorer,
    ExplorerError,
    Findings,
    Proposal,
)
from graph.explorers.context import ExplorerContext
from graph.explorers.prompts import PROMPTS
from graph.explorers.research.folder import ResearchData
from graph.explorers.submissions import (
    Submission,
    SubmissionError,
    archive_submission,
    journalled_submission,
    read_submission,
)
from graph.explorers.submitted_consolidation import consolidation_in_folder
from graph.explorers.workspace import where_to_write, write_workspace
from graph.run.settings import RunSettings
from graph.run.transcript import Transcript

TAKEN = "taken"
"""Folder for controllers that were read, below the submission folder."""
BRIEF_TOKENS: int = RunSettings.model_fields["brief_tokens"].default
"""Limit of `brief.md` without a run."""
EVENT = "submitted"
"""Event of the transcript that records a submission."""
HOW = """\
# What to do

{where}

- The docstring of a file tells what is new about it, or `idea.md` beside a single one.
- Write a file under another name first and rename it, so that it is never seen half-written.
- Then the run goes on: by itself if its process waits, otherwise with `autotts discover --resume RUN`, where RUN is the
  run's folder. `autotts submit RUN FILE…` does all of that.

Files in this folder:
"""


class FolderExplorer(Explorer):
    """An explorer that exchanges files with a person or a program. Its only state is on the disk."""

    def __init__(self, path: str, context: ExplorerContext | None = None) -> None:
        """Set the folder, which need not exist, and the run; None for the defaults of its settings.

        Raises:
            ExplorerError: `path` is empty.
        """
        if not path:
            raise ExplorerError("folder: give the folder, as in folder:controllers")
        self._path, self._context = Path(path), context

    def identity(self) -> Mapping[str, str]:
        """Return the folder and the versions of the prompts that are written there."""
        return {"explorer": "folder", "folder": str(self._path), **{f"prompt {k}": v for k, v in PROMPTS.items()}}

    def propose(self, brief: Brief, transcript: Transcript) -> Sequence[Proposal]:
        """Return the folder's controllers, at most `brief.wanted`; interrupt the graph while there is none.

        Args:
            brief: The task, which is written into the folder.
            transcript: The round's transcript. A submission that it holds is returned without reading the folder.

        Raises:
            ExplorerError: Something in the folder prevents writing the brief.
        """
        submission = journalled_submission(transcript, EVENT, brief)
        if submission is None:
            how = HOW.format(where=where_to_write(brief))
            tokens, research = BRIEF_TOKENS, None
            if self._context is not None:
                tokens, research = self._context.settings.brief_tokens, ResearchData.of(self._context)
            write_workspace(self._path, brief, how, tokens=tokens, research=research)
            submission = self._wait(brief)
            transcript.record(
                EVENT, round=brief.round, attempt=brief.attempt, idea=submission.idea,
                files=submission.files, sources=submission.sources,
            )  # fmt: skip
        if _is_present(self._path, submission):
            archive_submission(self._path, submission, f"{TAKEN}/round-{brief.round:03d}-{brief.attempt}")
        return submission.proposals(brief)

    def critique(self, evidence: Evidence, transcript: Transcript) -> Critique:
        """Return an empty critique: the measurements are in the folder, for the person or program to read."""
        return Critique("")

    def consolidate(self, findings: Findings, transcript: Transcript) -> Consolidation | None:
        """Return the changes of what is known in the folder's `consolidation.json`; None without it: no run waits."""
        return consolidation_in_folder(self._path, findings, transcript, f"{TAKEN}/consolidation-{findings.round:03d}")

    def _wait(self, brief: Brief) -> Submission:
        """Return the folder's submission; interrupt the graph while there is none that can be read."""
        while True:
            problem = None
            try:
                submission = read_submission(self._path)
            except SubmissionError as error:
                submission, problem = None, str(error)
            if submission is not None:
                return submission
            # The value that the graph is resumed with is ignored and the folder is read again: LangGraph returns old
            # values when a node runs again.
            interrupt(
                {"for": "controller", "folder": str(self._path), "round": brief.round, "attempt": brief.attempt,
                 "wanted": brief.wanted, "problem": problem}
            )  # fmt: skip


def make_folder(argument: str, context: ExplorerContext) -> Explorer:
    """Return the explorer `folder:PATH`. Raises ExplorerError if the path is missing."""
    return FolderExplorer(argument, context)


def _is_present(path: Path, submission: Submission) -> bool:
    """Whether a recorded submission is still in the folder: a kill may come between recording and moving it."""
    try:
        present = read_submission(path)
    except SubmissionError:
        return False
    return present is not None and (present.files, present.sources) == (submission.files, submission.sources)

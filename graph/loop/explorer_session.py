"""A discovery session outside of a run, for frameworks whose own model or agent writes the controller.

It shows what a run's explorer is shown in round 1, and plays drafts on the search set alone. It is never given the
held-out set, and nothing that it returns holds an answer.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from graph.explorers.agents.draft_evaluations import Tries
from graph.explorers.base import Brief
from graph.explorers.context import ExplorerContext
from graph.explorers.prompts import Prompt, proposal_prompt
from graph.explorers.submissions import source_text
from graph.loop.briefs import make_brief
from graph.loop.context import Context, CountingEvaluator
from graph.loop.discovery import make_run_explorer
from graph.loop.nodes.baselines import evaluate_baselines
from graph.run.observers import SilentObserver
from graph.run.paths import RunFolder
from graph.run.settings import RunSettings
from graph.run.transcript import Transcript
from sandbox.candidate import MAX_SOURCE, Candidate
from sandbox.host import CandidateFailed
from sandbox.run_secret import new_secret


class SubmissionRefused(ValueError):
    """A source cannot be submitted; the message says why."""


class ExplorerSession:
    """One explorer's work on one controller. Everything blocks, and one call at a time is allowed."""

    def __init__(self, settings: RunSettings, *, jobs: int = 1) -> None:
        """Play the baselines on the search set, unless they are in the user's cache, and write the brief.

        Args:
            settings: Settings of a run; `agent_tries` limits the drafts that are played. Held-out grids are dropped.
            jobs: Number of processes that evaluate.

        Raises:
            RunError, ObjectiveError: The baselines cannot be compared with.
            GridError: A grid cannot be read.
            SandboxUnavailable: The sandbox backend does not work here.
        """
        self._settings = settings.replace(heldout=(), rounds=1, candidates=1)
        self._folder = TemporaryDirectory(prefix="autotts-session-")
        folder = RunFolder(Path(self._folder.name))
        self._evaluator = CountingEvaluator(
            self._settings.evaluation(new_secret()), sandbox=settings.sandbox, jobs=jobs
        )
        try:
            explorer = make_run_explorer(ExplorerContext(self._settings))
            context = Context(self._settings, folder, self._evaluator, explorer, SilentObserver())
            evaluate_baselines(context, {})
            self._brief: Brief = make_brief(context, 1)
        except BaseException:
            self.close()
            raise
        drafts = ExplorerContext(self._settings, evaluator=self._evaluator)
        self._tries = Tries(drafts, self._brief, Transcript(folder.round(1).transcript))

    @property
    def tries(self) -> int:
        """Number of drafts that are played at most."""
        return self._settings.agent_tries

    def prompt(self) -> Prompt:
        """Return the brief as a prompt that asks for files, not for a reply."""
        return proposal_prompt(self._brief, limit=self._settings.brief_tokens, files=True)

    def evaluate(self, source: str) -> dict[str, Any]:
        """Play a draft on the search set in the sandbox, and return status, objective, sweep and the tries left."""
        try:
            return self._tries.play(checked_source(source))
        except SubmissionRefused as refused:
            return {"status": "refused", "why": str(refused), "tries_left": self._tries.left}

    def check(self, source: str) -> str:
        """Return a source that loads in the sandbox and keeps the contract. Raises SubmissionRefused for any other."""
        checked = checked_source(source)
        try:
            self._evaluator.describe(Candidate("submitted", checked), self._settings.betas)
        except CandidateFailed as failed:
            raise SubmissionRefused(f"{failed.status.label}: {failed.why}") from None
        return checked

    def close(self) -> None:
        """End the processes of the session and remove its files."""
        self._evaluator.close()
        self._folder.cleanup()


def checked_source(source: str) -> str:
    """Return a source within the limit on its size, with what is no plain text replaced.

    Raises:
        SubmissionRefused: It is longer, or empty.
    """
    source = source_text(source)
    size = len(source.encode())
    if size > MAX_SOURCE:
        raise SubmissionRefused(f"the source has {size:,} bytes; the limit is {MAX_SOURCE:,}")
    if not source.strip():
        raise SubmissionRefused("the source is empty; give the whole file")
    return source

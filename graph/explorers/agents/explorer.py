"""Coding agents as explorers: one session in a confined workspace for each round and attempt."""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from graph.accounting.prices import GivenPrice, Price, price_of
from graph.explorers.agents.draft_evaluations import Tries
from graph.explorers.agents.meter import Meter
from graph.explorers.agents.model_proxy import Upstream
from graph.explorers.agents.programs import PROGRAMS, AgentProgram
from graph.explorers.agents.session import clear_session, last_words, run_session, session_folder
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
from graph.explorers.models.factory import caps_of
from graph.explorers.prompts import PROMPTS
from graph.explorers.research.folder import FOLDER, ResearchData
from graph.explorers.safe_writes import clear_beneath
from graph.explorers.submissions import Submission, SubmissionError, journalled_submission, read_submission
from graph.explorers.submitted_consolidation import consolidation_of_sessions, left_consolidation
from graph.explorers.workspace import where_to_write, write_workspace
from graph.run.pinned import Pinned
from graph.run.transcript import Transcript
from sandbox.backends import payload

EVENT = "agent"
"""Event of the transcript that records an agent's submission."""
HOW = """\
# What to do

{where} What lies here when you end is what you propose.

- The docstring of a file tells what is new about it, or `idea.md` beside a single one.
- `evaluate FILE` plays a draft on the search set in a sandbox and prints its status, its objective and its sweep.
  {tries} tries are left, whatever comes of them. No answers are shown, and the held-out set is nowhere here.
- There is no network but your own model's, and the package `autotts` is not installed.

Files in this folder:
"""


class AgentExplorer(Explorer):
    """An explorer whose candidates a coding agent writes. Its only state is on the disk."""

    def __init__(self, name: str, argument: str, context: ExplorerContext) -> None:
        """Find the agent's program.

        Args:
            name: One of `PROGRAMS`.
            argument: The text after the colon of `--explorer`: a model or a command line.
            context: The run's settings and the evaluator for drafts.

        Raises:
            ExplorerError: The program or a key is missing.
        """
        self._program: AgentProgram = PROGRAMS[name](argument, context)
        self._argument, self._context = argument, context

    def identity(self) -> Mapping[str, str]:
        """Return the program, its argument and the versions of the prompts."""
        program = {"explorer": self._program.name, "argument": self._argument}
        return {**program, **{f"prompt {name}": version for name, version in PROMPTS.items()}}

    def propose(self, brief: Brief, transcript: Transcript) -> Sequence[Proposal]:
        """Return the controllers in the agent's workspace at the end of its session, at most `brief.wanted`.

        Args:
            brief: The task, which is written into the workspace.
            transcript: The round's transcript. A submission that it holds already is returned without a session.

        Raises:
            ExplorerError: The agent failed and left no controller.
            CapReached: A cap was reached and the agent left no controller.
        """
        submission = journalled_submission(transcript, EVENT, brief)
        if submission is None:
            submission = self._session(brief, transcript)
        return submission.proposals(brief)

    def critique(self, evidence: Evidence, transcript: Transcript) -> Critique:
        """Return an empty critique: the next session's workspace has the measurements, for the agent to read."""
        return Critique("")

    def consolidate(self, findings: Findings, transcript: Transcript) -> Consolidation | None:
        """Return the changes of what is known that a session of the findings' rounds left; None if none did."""
        return consolidation_of_sessions(findings, transcript, EVENT)

    def check_run(self, pinned: Pinned) -> None:
        """Raise ExplorerError if this agent is to consolidate only: it does so in the sessions in which it proposes."""
        spec = f"{self._program.name}:{self._argument}" if self._argument else self._program.name
        settings = pinned.settings
        if settings.historian == spec and spec not in settings.explorers:
            raise ExplorerError(
                f"--historian {spec}: a coding agent consolidates in the sessions in which it proposes; "
                "name a model, or give it as --explorer too"
            )

    def _session(self, brief: Brief, transcript: Transcript) -> Submission:
        """Run a session and return its submission. Raises as `propose` does."""
        session = session_folder(transcript, "agent", brief.attempt)
        clear_session(session)
        workspace = session / "workspace"
        seconds = 60 * self._context.settings.agent_minutes
        tries = Tries(self._context, brief, transcript, time.time() + seconds)
        how = HOW.format(where=where_to_write(brief), tries=tries.left)
        research = ResearchData.of(self._context, python=str(payload.executable()))
        write_workspace(workspace, brief, how, tokens=self._context.settings.brief_tokens, research=research)
        transcript.record("agent began", round=brief.round, attempt=brief.attempt, argv=self._program.argv)
        meter = Meter(transcript, caps_of(self._context.settings), self._price, f"propose/{brief.round}/{session.name}")
        deadline = time.monotonic() + seconds
        exit_code, seconds = run_session(self._program, session, tries.play, meter, self._context.settings, deadline)
        if self._context.settings.research_data:
            # A run's folder keeps no grid's data.
            clear_beneath(workspace, FOLDER)
        problem = None
        try:
            submission = read_submission(workspace, brief.wanted, lenient=True)
        except SubmissionError as error:
            submission, problem = None, str(error)
        if submission is None:
            limit = self._context.settings.agent_minutes
            how = f"was stopped after {limit:g} minutes" if exit_code is None else f"ended with code {exit_code}"
            why = problem or "no controller.py"
            transcript.record(
                "agent failed", round=brief.round, attempt=brief.attempt, ended=exit_code, problem=problem
            )
            if meter.capped is not None:
                transcript.record("capped", cap=meter.capped.cap, why=str(meter.capped))
                raise meter.capped
            if exit_code == 0 and problem is None:
                return Submission((), "", ())
            raise ExplorerError(
                f"the agent {self._program.name} {how}, and left no controller ({why}); it said: "
                f"{last_words(session)}. {session} has all of it; once that is mended, resume the run"
            )
        transcript.record(
            EVENT, round=brief.round, attempt=brief.attempt, ended=exit_code, seconds=seconds, idea=submission.idea,
            files=submission.files, sources=submission.sources, consolidation=_consolidation(workspace),
        )  # fmt: skip
        return submission

    def _price(self, model: str) -> Price | None:
        """Return the price of a model of the agent's service; None if it is unknown."""
        upstream = self._program.upstream or Upstream("", {})
        if upstream.subscription:
            given = self._context.settings.price
            return None if given is None else GivenPrice(*given)
        url = None if upstream.provider else upstream.base_url
        return price_of(model, provider=upstream.provider, url=url, given=self._context.settings.price)


def make_agent(name: str, argument: str, context: ExplorerContext) -> Explorer:
    """Return the explorer `name:argument`; `name` is one of `PROGRAMS`. Raises ExplorerError."""
    return AgentExplorer(name, argument, context)


make_agent_command = partial(make_agent, "agent-command")
make_claude_code = partial(make_agent, "claude-code")
make_codex = partial(make_agent, "codex")


def _consolidation(workspace: Path) -> str:
    """Return the text of the consolidation that a session left; empty if there is none, or it is not plain text."""
    try:
        return left_consolidation(workspace)
    except SubmissionError:
        return ""

"""Other frameworks' searches as explorers: OpenEvolve, GEPA and ShinkaEvolve, each one's own package, unchanged.

A round is a session of the framework: it runs in the confinement of coding agents for as many iterations as the round
wants candidates, from the state that its last session left, and evaluates programs through the host. Its requests to
the model go through the proxy, which counts and caps them and keeps the replies: a session that was killed begins again
from the same state with the same seed, and is answered what was paid for.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from graph.accounting.prices import Price, price_of
from graph.explorers.agents.meter import Meter
from graph.explorers.agents.model_proxy import Upstream
from graph.explorers.agents.programs import LOCAL_URL, AgentProgram, openai_environment, openai_upstream
from graph.explorers.agents.recorded_replies import RecordedReplies
from graph.explorers.agents.session import clear_session, last_words, run_session, session_folder
from graph.explorers.base import Brief, Critique, Evidence, Explorer, ExplorerError, Proposal
from graph.explorers.context import ExplorerContext
from graph.explorers.models.factory import caps_of
from graph.explorers.prompts import PROMPTS
from graph.explorers.searches.adapter import PROGRAMS, adapter_files, seed_program, task_text
from graph.explorers.searches.environment import find_environment
from graph.explorers.searches.evaluations import SearchEvaluations, best_sources
from graph.explorers.submissions import Submission, SubmissionError, journalled_submission, read_plain_file
from graph.run.pinned import Pinned
from graph.run.transcript import Transcript

EVENT = "search"
"""Event of the transcript that records the proposals of a session."""
STATE = "state"
"""Folder in a session's workspace that the framework keeps its state in."""


@dataclass(frozen=True)
class Framework:
    """A framework that searches for programs."""

    distribution: str
    """Name of its distribution."""
    program: str
    """File of `programs/` that runs it."""
    advice: str
    """How to install it."""
    configured: bool = True
    """Whether the argument is the framework's configuration file; otherwise it is a model."""


FRAMEWORKS = {
    "gepa": Framework("gepa", "gepa_search.py", "pip install 'autotts[gepa]'", configured=False),
    "openevolve": Framework("openevolve", "openevolve_search.py", "pip install 'autotts[openevolve]'"),
    "shinka": Framework("shinka-evolve", "shinka_search.py", "pip install shinka-evolve in an environment of its own"),
}


class SearchExplorer(Explorer):
    """An explorer whose candidates a search framework writes. Its only state is on the disk."""

    def __init__(self, name: str, argument: str, context: ExplorerContext) -> None:
        """Find the framework.

        Args:
            name: One of `FRAMEWORKS`.
            argument: The text after the colon of `--explorer`: the framework's configuration file, or a model.
            context: The run's settings and the evaluator.

        Raises:
            ExplorerError: The framework, its configuration or a key is missing.
        """
        framework = FRAMEWORKS[name]
        if not argument:
            wanted = (
                "configuration, as in openevolve:config.yaml" if framework.configured else "model, as in gepa:MODEL"
            )
            raise ExplorerError(f"{name}: give the {wanted}")
        if context.settings.research_data:
            raise ExplorerError(f"--research-data: {name} studies no files; leave it out, or take a coding agent")
        self._name, self._argument, self._context, self._framework = name, argument, context, framework
        self._configuration = ""
        if framework.configured:
            try:
                self._configuration = read_plain_file(Path(argument).resolve())
            except SubmissionError as error:
                raise ExplorerError(f"{name}: the configuration cannot be read: {error}") from None
        self._environment = find_environment(name, framework.distribution, framework.advice)
        self._upstream: Upstream = openai_upstream(name, context.settings.base_url)

    def identity(self) -> Mapping[str, str]:
        """Return the framework with its version, its argument and configuration, and the versions of the prompts."""
        digest = hashlib.sha256(self._configuration.encode()).hexdigest()
        configuration = {"configuration": digest} if self._framework.configured else {}
        return {"explorer": self._name, "argument": self._argument, "version": self._environment.version,
                **configuration, **{f"prompt {name}": version for name, version in PROMPTS.items()}}  # fmt: skip

    def propose(self, brief: Brief, transcript: Transcript) -> Sequence[Proposal]:
        """Return the best new programs of a session, at most `brief.wanted`.

        Args:
            brief: The task. The framework has its own memory of what it tried, and is shown no other history.
            transcript: The round's transcript. The proposals of a session that it holds are returned without another.

        Raises:
            ExplorerError: The framework failed and tried nothing new.
            CapReached: A cap was reached and the framework tried nothing new.
        """
        submission = journalled_submission(transcript, EVENT, brief)
        if submission is None:
            submission = self._session(brief, transcript)
        # The framework knows no assignments.
        return submission.proposals(replace(brief, roles=()))

    def critique(self, evidence: Evidence, transcript: Transcript) -> Critique:
        """Return an empty critique: a framework goes by the evaluations of its programs."""
        return Critique("")

    def check_run(self, pinned: Pinned) -> None:
        """Raise ExplorerError if the framework is to interpret measurements, which it cannot."""
        spec, settings = f"{self._name}:{self._argument}", pinned.settings
        if settings.critic == spec and spec not in settings.explorers:
            raise ExplorerError(f"--critic {spec}: a search writes no critiques; name a model")

    def _session(self, brief: Brief, transcript: Transcript) -> Submission:
        """Run a session, and return its proposals. Raises as `propose` does."""
        settings = self._context.settings
        session = session_folder(transcript, self._name, brief.attempt)
        clear_session(session)
        self._write_workspace(session / "workspace", brief, transcript)
        place = f"propose/{brief.round}/{session.name}"
        replies, seconds = RecordedReplies(transcript, place), 60 * settings.agent_minutes
        evaluations = SearchEvaluations(self._context, brief, transcript, time.time() + seconds)
        meter = Meter(transcript, caps_of(settings), self._price, place)
        transcript.record("search began", round=brief.round, attempt=brief.attempt, iterations=brief.wanted)
        exit_code, seconds = run_session(
            self._program(), session, evaluations.play, meter, settings, time.monotonic() + seconds, replies
        )
        known = [seed_program(brief), *(each.source for each in brief.history)]
        known += [each.source for each in brief.references]
        sources = best_sources(brief, transcript, known)[: brief.wanted]
        if not sources and meter.capped is not None:
            transcript.record("capped", cap=meter.capped.cap, why=str(meter.capped))
            raise meter.capped
        if not sources and exit_code != 0:
            how = f"was stopped after {settings.agent_minutes:g} minutes" if exit_code is None else "failed"
            transcript.record("search failed", round=brief.round, attempt=brief.attempt, ended=exit_code)
            raise ExplorerError(
                f"{self._name} {how}, and tried no new program; it said: {last_words(session)}. {session} has all of "
                "it; once that is mended, resume the run"
            )
        files = [f"controller-{number}.py" for number in range(1, len(sources) + 1)]
        transcript.record(
            EVENT, round=brief.round, attempt=brief.attempt, ended=exit_code, seconds=seconds, session=session.name,
            idea="", files=files, sources=sources,
        )  # fmt: skip
        return Submission(tuple(sources), "", tuple(files))

    def _write_workspace(self, workspace: Path, brief: Brief, transcript: Transcript) -> None:
        """Write the task, the seed program, the programs that run the framework, and its state so far."""
        settings, calls = self._context.settings, self._context.calls
        workspace.mkdir(parents=True)
        state = self._last_state(brief, transcript)
        if state is not None:
            # Links stay links: nothing outside the folder is copied.
            shutil.copytree(state, workspace / STATE, symlinks=True)
        else:
            (workspace / STATE).mkdir()
        limit = "max_completion_tokens" if self._upstream.provider == "openai" else "max_tokens"
        parameters: dict[str, Any] = {limit: settings.max_output}
        if settings.temperature is not None:
            parameters["temperature"] = settings.temperature
        digest = hashlib.sha256(f"{brief.seed}/{brief.round}/{brief.attempt}".encode()).digest()
        search = {
            "iterations": brief.wanted, "seed": int.from_bytes(digest[:4]) >> 1, "model": self._argument,
            "parameters": parameters, "retries": calls.retries, "timeout": calls.timeout,
            "seconds": round(60 * settings.agent_minutes) + 1, "model_url": LOCAL_URL,
            "service": self._upstream.base_url,
        }  # fmt: skip
        files = {
            **adapter_files(["evaluate"], brief), "search.json": json.dumps(search),
            "task.md": task_text(brief, settings.brief_tokens),
            self._framework.program: (PROGRAMS / self._framework.program).read_text(encoding="utf-8"),
            "config.yaml": self._configuration,
        }  # fmt: skip
        for name, text in files.items():
            (workspace / name).write_text(text, encoding="utf-8")

    def _last_state(self, brief: Brief, transcript: Transcript) -> Path | None:
        """Return the state of this explorer's last complete session; None without one, or for independent samples."""
        if not brief.feedback:
            return None
        done = [
            each
            for each in transcript.of_all_rounds()
            if each["event"] == EVENT
            and transcript.stamp.items() <= each.items()
            and (each["round"], each["attempt"]) < (brief.round, brief.attempt)
        ]
        if not done:
            return None
        last = max(done, key=lambda each: (each["round"], each["attempt"]))
        state = transcript.path.parents[1] / str(last["of"]) / Path(str(last["session"])).name / "workspace" / STATE
        return state if state.is_dir() and not state.is_symlink() else None

    def _program(self) -> AgentProgram:
        """Return the command line, the environment and the files of the framework."""
        environment = self._environment
        return AgentProgram(
            self._name, (str(environment.python), self._framework.program),
            {**openai_environment(), **environment.variables}, self._upstream, environment.read_only,
            environment.covered,
        )  # fmt: skip

    def _price(self, model: str) -> Price | None:
        """Return the price of a model of the framework's service; None if it is unknown."""
        url = None if self._upstream.provider else self._upstream.base_url
        return price_of(model, provider=self._upstream.provider, url=url, given=self._context.settings.price)


def make_search(name: str, argument: str, context: ExplorerContext) -> Explorer:
    """Return the explorer `name:argument`; `name` is one of `FRAMEWORKS`. Raises ExplorerError."""
    return SearchExplorer(name, argument, context)


make_gepa = partial(make_search, "gepa")
make_openevolve = partial(make_search, "openevolve")
make_shinka = partial(make_search, "shinka")

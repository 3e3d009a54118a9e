"""Tools for runs: their states, the brief of a run that waits for a controller, submission, and going on.

Nothing of a held-out set is in a result: scores are those of the search set, and the headline is left to the report.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from envdata.locks import holder_of
from graph.explorers.submissions import SubmissionError, read_plain_file
from graph.loop import discovery
from graph.loop.checkpoints import SQLITE, waiting_for
from graph.loop.interrupts import RunPaused
from graph.loop.run_lock import RunBusy
from graph.loop.submission import awaited_controller, submit_sources
from graph.run.events import round_summary
from graph.run.files import RunError
from graph.run.observers import SilentObserver
from graph.run.paths import RunFolder, read_json
from graph.run.pinned import Pinned
from graph.run.settings import RunSettings
from graph.serve.mcp.errors import tool_errors
from graph.serve.mcp.work import Progress, ToolContext, Work
from graph.serve.mcp.workplace import UNISOLATED, Draft, Workplace

FREE_EXPLORERS = ("folder", "evolution", "recorded")
"""Explorers that call no model. A tool goes on with no run that could spend money."""
SHOWN_FILES = ("brief.md", "autotts.pyi", "consolidation.md")
SHOWN_FOLDERS = ("baselines", "history", "rejected")
"""Files and folders of a submission folder that the brief names; `data/` has right answers, and is not among them."""

RunName = Annotated[str, Field(description="Name or path of a run, as list_runs shows it.")]


class RunTools:
    """Tools over the runs of a server."""

    def __init__(self, workplace: Workplace, work: Work) -> None:
        """Prepare the tools."""
        self._workplace, self._work = workplace, work

    @property
    def tools(self) -> list[Callable[..., Any]]:
        """The tools of this class."""
        return [self.list_runs, self.run_state, self.brief, self.submit, self.resume]

    def list_runs(self) -> dict[str, Any]:
        """List the runs of this server with their states."""
        runs = []
        for path in self._workplace.runs():
            try:
                state = _state(path)
                runs.append({name: state[name] for name in ("run", "state", "round", "rounds")})
            except RunError as error:
                runs.append({"run": path.name, "state": "unreadable", "why": str(error)})
        return {"runs": runs}

    def run_state(self, run: RunName) -> dict[str, Any]:
        """Return a run's state: whether it waits and for what, its complete rounds, scores and spending.

        Scores are of the search set, in the unit of the objective (fractions for `gain` and `area`).
        """
        with tool_errors():
            return _state(self._workplace.run(run))

    def brief(
        self,
        run: RunName,
        file: Annotated[
            str, Field(description="brief.md, or another of the files that the result lists.")
        ] = "brief.md",
    ) -> dict[str, Any]:
        """Return the brief of a run that waits for a controller, or another file that the brief names.

        `wanted` is the number of controllers that may be submitted, `problem` why the last submission was refused.
        """
        with tool_errors():
            pause = awaited_controller(self._workplace.run(run), {})
            folder = Path(pause.payload["folder"])
            files = list(_shown(folder))
            if file not in files:
                raise ToolError(f"{file!r} is no file of the brief; there are {', '.join(files)}")
            try:
                text = read_plain_file(folder / file)
            except SubmissionError as error:
                raise ToolError(str(error)) from None
            shown = {name: pause.payload.get(name) for name in ("round", "attempt", "wanted", "problem")}
            return {**shown, "file": file, "text": text, "files": files}

    async def submit(
        self,
        context: ToolContext,
        run: RunName,
        controllers: Annotated[
            list[str | Draft],
            Field(min_length=1, description="Paths of Python files, or objects with name and source."),
        ],
        idea: Annotated[str, Field(max_length=20_000, description="Markdown on a single controller's idea.")] = "",
    ) -> dict[str, Any]:
        """Submit controllers to the run that waits for them, and go on with it until it waits again or ends.

        Candidates are played in the sandbox, measured and archived. Returns the run's state afterwards.
        """
        path = self._workplace.run(run)
        with tool_errors():
            self._check_free(path)
            candidates = [self._workplace.candidate(each) for each in controllers]
            if any(each.settings for each in candidates):
                raise ToolError("a submission is a whole file: give its path without settings, or name and source")
            submit_sources(path, [each.source for each in candidates], idea, {})
        return await self._go_on(context, path)

    async def resume(self, context: ToolContext, run: RunName) -> dict[str, Any]:
        """Go on with a run that was stopped, until it waits for a controller or ends, and return its state.

        Refused for a run whose explorer calls a model, which could spend money. Approval is left to a person.
        """
        path = self._workplace.run(run)
        with tool_errors():
            self._check_free(path)
        return await self._go_on(context, path)

    async def _go_on(self, context: ToolContext, path: Path) -> dict[str, Any]:
        def act(progress: Progress) -> dict[str, Any]:
            # It waits again, or the process that waits for the controller goes on with it.
            with suppress(RunPaused, RunBusy):
                discovery.resume(path, {}, jobs=self._workplace.settings.jobs, observer=_Observer(progress))
            return _state(path)

        return await self._work.go_on(context, act)

    def _check_free(self, path: Path) -> None:
        """Raise ToolError for a run that calls models, or whose sandbox does not isolate."""
        settings = Pinned.load(RunFolder(path).settings).settings
        for spec in (*settings.explorers, settings.critic, settings.historian):
            if spec is not None and spec.partition(":")[0] not in FREE_EXPLORERS:
                raise ToolError(
                    f"{spec} may call a model; a person goes on with it by autotts discover --resume {path}"
                )
        if settings.sandbox == UNISOLATED:
            raise ToolError(
                f"the run plays candidates with --sandbox {UNISOLATED}, which does not isolate them; a person goes on "
                f"by autotts discover --resume {path}"
            )


class _Observer(SilentObserver):
    """Observer that passes the progress of evaluations to the client."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    @contextmanager
    def progress(self, what: str, unit: str = "episodes") -> Iterator[Progress | None]:
        """Yield the progress callback, under the name of the evaluation; None for work that plays no episodes."""
        self._progress.what = what
        yield self._progress if unit == "episodes" else None


def _state(path: Path) -> dict[str, Any]:
    """Return a run's state as JSON. Raises RunError."""
    folder = RunFolder(path)
    settings = Pinned.load(folder.settings).settings
    rounds: list[dict[str, Any]] = []
    while folder.round(len(rounds) + 1).metrics.exists() and folder.frontier.exists():
        rounds.append(round_summary(folder, len(rounds) + 1))
    start = folder.round(0).metrics
    state: dict[str, Any] = {
        "run": path.name,
        "state": "stopped",
        "round": len(rounds),
        "rounds": settings.rounds,
        "objective": settings.objective,
        "grids": list(settings.grids),
        "baselines": {each["label"]: each["score"] for each in read_json(start)["baselines"]} if start.exists() else {},
        # The frontier is the latest one for each of them.
        "complete": [{name: value for name, value in each.items() if name != "frontier"} for each in rounds],
        "frontier": rounds[-1]["frontier"] if rounds else [],
        "spent": read_json(folder.accounting)["total"] if folder.accounting.exists() else None,
    }
    if folder.result.exists():
        result = read_json(folder.result)
        shown = ("selected", "round", "best_baseline", "stopped", "same_as", "breaks_invariance")
        state |= {"state": "finished", "result": {name: result.get(name) for name in shown}}
        state["result"]["controller"] = str(folder.selected)
        state["note"] = "figures of the held-out set are in the run's report, for the person who started it"
        return state
    held = holder_of(path)
    if held is not None:
        state |= {"state": "running", "by": held}
    pause = _pause(folder, settings)
    if pause is not None:
        state["state"] = f"waits for {'approval' if pause['for'] == 'approval' else 'a controller'}"
        state["waiting"] = {name: value for name, value in pause.items() if name != "for"}
    return state


def _pause(folder: RunFolder, settings: RunSettings) -> dict[str, Any] | None:
    if settings.checkpoints == SQLITE and not folder.checkpoints.exists():
        return None
    pause = waiting_for(folder, settings)
    return None if pause is None else dict(pause.payload)


def _shown(folder: Path) -> Iterator[str]:
    """Yield the relative paths of the files that may be shown of a submission folder."""
    yield from (name for name in SHOWN_FILES if (folder / name).is_file())
    inside = folder.resolve()
    for name in SHOWN_FOLDERS:
        for path in sorted((folder / name).rglob("*")):
            if path.is_file() and path.resolve().is_relative_to(inside):
                yield str(path.relative_to(folder))

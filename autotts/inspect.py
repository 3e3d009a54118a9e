"""Discovery as a task of Inspect AI: a model or an agent of Inspect's writes a controller, which is scored held out.

    inspect eval autotts/discover --model openai/gpt-5 -T grid=search.parquet -T heldout=heldout.parquet

The model reads the brief and the API, has drafts played on the search set in the project's sandbox, and submits one
controller. Gold answers and held-out grids reach neither the model nor a tool. Needs the extra `inspect`.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from envdata.plain_text import plain
from graph.analysis.heldout_gain import HeldoutGain, heldout_gain
from graph.explorers.api_stub import api_stub
from graph.explorers.prompts import ReplyError, read_proposals, split_reasoning
from graph.loop.explorer_session import ExplorerSession, SubmissionRefused, checked_source
from graph.run.bundled import grids_or_bundled
from graph.run.files import RunError
from graph.run.settings import RunSettings
from sandbox.evaluate import Evaluator

try:
    from anyio import to_thread
    from inspect_ai import Task, task
    from inspect_ai.agent import AgentSubmit, react
    from inspect_ai.dataset import Sample
    from inspect_ai.model import ChatMessageSystem, ChatMessageUser
    from inspect_ai.scorer import Score, Scorer, Target, mean, scorer
    from inspect_ai.solver import Generate, Solver, TaskState, solver
    from inspect_ai.tool import Tool, ToolError, tool
    from inspect_ai.util import concurrency, store
except ImportError as error:
    raise ImportError(f"autotts.inspect needs Inspect AI ({error}); pip install 'autotts[inspect]'") from error

T = TypeVar("T")
SUBMITTED = "autotts:submitted"
"""Key of the sample's store under which the submitted source stands."""
SESSION = "autotts:session"
"""Key of the sample's store with the key of its session in this process."""
INSTRUCTIONS = """\
Write one controller: a Python file, as the brief below describes it. `evaluate` plays a draft on the search set and
returns its figures, at most {tries} times; `read_api` and `read_brief` show the API and this brief again. Hand in the
whole file with `submit`, once: it is scored on questions that nobody has seen. If you have no tools, end your reply
with the file in one block that begins with ```python.

"""
_sessions: dict[str, ExplorerSession] = {}
"""Open sessions, by the unique id of their sample; removed when the sample ends."""


@task
def discover(
    grid: str | list[str] | None = None,
    heldout: str | list[str] | None = None,
    tries: int = 10,
    repeats: int = 8,
    betas: str | list[float] = "0:1:0.1",
    baselines: str | list[str] = "paper",
    probe_cost: str | int = "recorded",
    sandbox: str = "auto",
    jobs: int = 1,
) -> Task:
    """Return the task: one sample, whose epochs are independent discoveries.

    Args:
        grid: The search set: paths or names of replay grids; by default the bundled one.
        heldout: Held-out grids, on which the submitted controller is scored; with `grid` they must be named too.
        tries: Drafts that may be played.
        repeats: Branch orders a draft and the submitted controller are played over.
        betas: Values of β, as `0:1:0.1`, or a list.
        baselines: Shipped controllers that the brief shows, as `sc,asc`; `paper` for those of the paper.
        probe_cost: Tokens of a probe, `free` or `recorded`.
        sandbox: Isolation of controllers: `auto`, `docker`, `bubblewrap` or `process`.
        jobs: Processes that play episodes.

    Raises:
        RunError: A setting cannot be used, or nothing is held out.
    """
    searched, held = grids_or_bundled(_listed(grid), _listed(heldout))
    if not held:
        raise RunError("the score is the gain on held-out grids, and there is none; give -T heldout=FILE")
    given: dict[str, Any] = {"betas": betas, "baselines": baselines, "probe_cost": probe_cost, "sandbox": sandbox}
    settings = RunSettings(
        grids=searched, heldout=held, agent_tries=tries, repeats=repeats, screening_repeats=repeats, roles="off",
        no_consolidation=True, **given,
    )  # fmt: skip
    shown = settings.replace(heldout=())
    return Task(
        dataset=[Sample("Write a controller for test-time scaling.", id="discover", metadata={"grids": [*searched]})],
        setup=begin(shown.model_dump(mode="json"), jobs),
        solver=react(tools=[read_api(), read_brief(), evaluate()],
                     submit=AgentSubmit(tool=submit(), answer_only=True, keep_in_messages=True)),
        cleanup=_end,
        scorer=gain(settings.model_dump(mode="json"), jobs),
        message_limit=MOST_MESSAGES,
    )  # fmt: skip


MOST_MESSAGES = 200
"""Default limit of a sample's messages: a model that never submits would go on for ever."""


@solver
def begin(settings: dict[str, Any], jobs: int = 1) -> Solver:
    """Return the setup that opens a session, shows the brief and adds the tools; settings are those of a run."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        session = await _in_turn(lambda: ExplorerSession(RunSettings(**settings), jobs=jobs))
        _sessions[state.uuid] = session
        state.store.set(SESSION, state.uuid)
        state.messages = [ChatMessageSystem(content=session.prompt().system), ChatMessageUser(content=_brief(session))]
        state.tools = [read_api(), read_brief(), evaluate(), submit()]
        return state

    return solve


async def _end(state: TaskState) -> None:
    session = _sessions.pop(state.uuid, None)
    if session is not None:
        await to_thread.run_sync(session.close)


@tool(max_output=0)
def read_api() -> Tool:
    """Return the tool that shows the controller API."""

    async def execute() -> str:
        """Read the API that controllers are written against: signatures and their contracts."""
        return api_stub()

    return execute


@tool(max_output=0)
def read_brief() -> Tool:
    """Return the tool that shows the brief."""

    async def execute() -> str:
        """Read the task again: rules, objective, facts on the search set and baselines."""
        return _brief(_session())

    return execute


@tool(name="evaluate", max_output=0)
def evaluate() -> Tool:
    """Return the tool that plays a draft on the search set."""

    async def execute(source: str) -> str:
        """Play a draft on the search set, in a sandbox. The number of tries is limited.

        Args:
            source: The whole Python file.

        Returns:
            JSON with status, objective, that of the best baseline, accuracy and tokens at each β, and the tries left.
        """
        session = _session()
        return json.dumps(await _in_turn(lambda: session.evaluate(source)), ensure_ascii=False)

    return execute


@tool(max_output=0)
def submit() -> Tool:
    """Return the tool that hands in the controller; the first one that loads is scored."""

    async def execute(source: str) -> str:
        """Hand in the controller. Do so once, at the end.

        Args:
            source: The whole Python file.
        """
        session = _session()
        if store().get(SUBMITTED) is not None:
            raise ToolError("a controller was submitted already; there is nothing left to do")
        try:
            checked = await _in_turn(lambda: session.check(source))
        except SubmissionRefused as refused:
            raise ToolError(f"not submitted: {refused}") from None
        store().set(SUBMITTED, checked)
        return checked

    return execute


@scorer(metrics={"gain": [mean()], "stderr": [mean()], "saving": [mean()]})
def gain(settings: dict[str, Any], jobs: int = 1) -> Scorer:
    """Return the scorer: held-out gain over self-consistency in points, and its standard error over questions.

    The source is the submitted one, or else the last code block of the model's reply. The first source that is scored
    for a sample is the one that counts: what an agent learns from a score cannot change it. Without a controller, or
    with one that fails, the gain is 0: a user falls back on self-consistency. `saving` is the share of
    self-consistency's tokens that are saved at its accuracy, in percent. Epochs are averaged; the mean of their
    standard errors is an upper bound of that of the mean gain, since epochs share the questions.
    """

    async def score(state: TaskState, target: Target) -> Score:
        source, why = state.store.get(SUBMITTED), ""
        if source is None:
            try:
                source = checked_source(
                    read_proposals(split_reasoning(plain(state.output.completion)).text, 1)[0].source
                )
            except (ReplyError, SubmissionRefused) as error:
                why = str(error)
            else:
                state.store.set(SUBMITTED, source)
        if source is None:
            return Score(value=_values(None), reason="no_response", explanation=f"no controller was submitted: {why}")
        found = await _in_turn(lambda: _scored(RunSettings(**settings), source, jobs))
        interval = found.gain.times(100)
        return Score(
            value=_values(found), answer=source, explanation=found.text,
            metadata={"status": found.status, "gain_low": interval.low, "gain_high": interval.high,
                      "questions": found.questions},
        )  # fmt: skip

    return score


def _values(found: HeldoutGain | None) -> dict[str, str | int | float | bool | None]:
    if found is None:
        return {"gain": 0.0, "stderr": 0.0, "saving": 0.0}
    saving = 0.0 if found.saving is None else 100 * found.saving.value
    return {"gain": 100 * found.gain.value, "stderr": 100 * found.standard_error, "saving": saving}


def _scored(settings: RunSettings, source: str, jobs: int) -> HeldoutGain:
    with Evaluator(settings.evaluation(), sandbox=settings.sandbox, jobs=jobs) as evaluator:
        return heldout_gain(evaluator, source, settings.heldout, settings.betas, settings.repeats)


def _session() -> ExplorerSession:
    """Return the session of the sample that runs. Raises RuntimeError outside of one."""
    session = _sessions.get(store().get(SESSION, ""))
    if session is None:
        raise RuntimeError(
            "there is no session of autotts here; the tools work in samples of the task autotts/discover"
        )
    return session


def _brief(session: ExplorerSession) -> str:
    prompt = session.prompt()
    return INSTRUCTIONS.format(tries=session.tries) + f"{prompt.stable.strip()}\n\n{prompt.changing.strip()}"


async def _in_turn(work: Callable[[], T]) -> T:
    """Return what `work` returns, done in a thread while the event loop goes on; one at a time in this process."""
    async with concurrency("autotts evaluations", 1):
        return await to_thread.run_sync(work)


def _listed(given: str | Iterable[str] | None) -> list[str]:
    return [] if given is None else [given] if isinstance(given, str) else list(given)

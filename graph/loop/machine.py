"""The state machine: baselines → proposer → executor → critic → historian → proposer … → finale.

LangGraph writes a checkpoint to the disk after every node, before the next one starts. A node that was killed runs
again from its beginning and overwrites its partial files: it reads only the state and the files of completed nodes,
and derives its random numbers from the run's seed and the round. So a run that was killed and resumed ends as an
uninterrupted one does.

A node may pause the graph with an interrupt (an explorer that waits for a file, `--approve`); it runs again from its
beginning when the graph goes on.

`python -m graph.loop.machine` writes LangGraph's drawing of the graph to `docs/graph.mmd`.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NoReturn

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, interrupt
from pydantic import BaseModel

from envdata.atomic import write_text
from graph.accounting.totals import write_totals
from graph.loop.checkpoints import checkpoints
from graph.loop.context import Context, State
from graph.loop.interrupts import PauseHandler, RunInterrupt, stay_paused
from graph.loop.nodes.baselines import evaluate_baselines
from graph.loop.nodes.critic import criticise
from graph.loop.nodes.executor import execute
from graph.loop.nodes.finale import conclude
from graph.loop.nodes.historian import archive
from graph.loop.nodes.proposer import propose
from graph.loop.rounds import decide_again
from graph.loop.tracing import span, tracing
from graph.run.transcript import Transcript

NODES_A_ROUND = 4
DRAWING = Path(__file__).parents[2] / "docs" / "graph.mmd"

Node = Callable[[Context, State], State]
FindContext = Callable[[RunnableConfig], Context]
"""Finds the context of the run that a node is called for, by the configuration of its LangGraph thread."""
LockRun = Callable[[Path], AbstractContextManager[None]]
"""Locks a run's folder during a block."""


def execute_approved(context: Context, state: State) -> State:
    """Run the executor, after an approval if the settings ask for one. No candidate is played before it.

    Only True approves: after any other answer the graph waits again.
    """
    if context.settings.approve:
        folder = context.folder.round(state["round"]).candidates
        asked = {"for": "approval", "round": state["round"], "labels": state["labels"], "folder": str(folder)}
        while (answer := interrupt(asked)) is not True:
            asked["problem"] = f"the answer was {answer!r:.40}; only true approves"
    return execute(context, state)


NODES: dict[str, Node] = {
    "baselines": evaluate_baselines,
    "proposer": propose,
    "executor": execute_approved,
    "critic": criticise,
    "historian": archive,
    "finale": conclude,
}


def build(
    find: FindContext, configuration: type[BaseModel] | None = None, lock: LockRun | None = None
) -> StateGraph[State, Any]:
    """Return the uncompiled graph.

    Args:
        find: Finds the context of the run that a node is called for.
        configuration: Model of a thread's configuration, for LangGraph Studio's form.
        lock: Locks the run's folder while a node runs; None where the caller has locked it.
    """
    graph = StateGraph(State, context_schema=configuration)
    for name, node in NODES.items():
        graph.add_node(name, _bound(name, node, find, lock))
    graph.add_edge(START, "baselines")
    graph.add_edge("baselines", "proposer")

    def after_proposer(state: State) -> str:
        return "finale" if state.get("stopped") else "executor"

    graph.add_conditional_edges("proposer", after_proposer, ["executor", "finale"])
    graph.add_edge("executor", "critic")
    graph.add_edge("critic", "historian")

    def after_round(state: State, config: RunnableConfig) -> str:
        return "proposer" if state["round"] <= find(config).settings.rounds else "finale"

    graph.add_conditional_edges("historian", after_round, ["proposer", "finale"])
    graph.add_edge("finale", END)
    return graph


def run(context: Context, on_pause: PauseHandler = stay_paused, *, approved: bool = False) -> RunInterrupt | None:
    """Run from the last checkpoint, or from the start, to the end or to an interrupt that is not answered.

    Args:
        context: The run.
        on_pause: Called at each interrupt; returns whether the run may go on now.
        approved: Whether to answer an approval that the run waits for at the start; later ones are asked for again.

    Returns:
        None at the end of the run, else the interrupt that it waits for.

    Raises:
        RunError: The checkpoints cannot be used.
        ExplorerError: The explorer cannot go on.
    """
    with checkpoints(context.folder, context.settings) as (saver, config):
        machine: CompiledStateGraph[State] = build(lambda _: context).compile(checkpointer=saver)
        config["recursion_limit"] = NODES_A_ROUND * context.settings.rounds + 10
        decide_again(machine, config, context)
        known = machine.get_state(config)
        # Not `next`: it omits a node whose result was stored before a kill although its successor has not started.
        waiting = [task.name for task in known.tasks]
        given: Any = None if waiting else {"round": 0}
        if waiting:
            of_round = "" if waiting[0] == "finale" else _of_round(known.values)
            context.observer.say(f"going on with the {waiting[0]}{of_round}")
        elif known.values:
            return None
        pause = _pause(known.interrupts)
        if approved and pause is not None and pause.waits_for == "approval":
            given = Command(resume=True)
        while True:
            with tracing(str(context.folder.path)):
                _drive(machine, given, config, context)
            pause = _pause(machine.get_state(config).interrupts)
            if pause is None or not on_pause(pause):
                return pause
            given = Command(resume=True)


def _drive(machine: CompiledStateGraph[State], given: Any, config: RunnableConfig, context: Context) -> None:
    # Synchronous: the checkpoint is on the disk before the next node starts.
    for event in machine.stream(given, config, stream_mode="tasks", durability="sync"):
        if isinstance(event, dict) and "input" in event:
            message = _START_MESSAGES.get(event["name"])
            if message is not None:
                number, wanted = event["input"]["round"], context.settings.candidates
                context.observer.say(message.format(round=number, candidates=wanted))


_START_MESSAGES = {
    "proposer": "round {round}: asking for {candidates} candidates",
    "critic": "round {round}: looking at what was measured",
}
"""Messages at the start of the nodes that may take long before anything else is reported."""


def _pause(interrupts: Any) -> RunInterrupt | None:
    return RunInterrupt.from_interrupt(interrupts[0].value) if interrupts else None


def _bound(name: str, node: Node, find: FindContext, lock: LockRun | None) -> Any:
    def bound(state: State, config: RunnableConfig) -> State:
        context = find(config)
        with lock(context.folder.path) if lock is not None else nullcontext():
            return observed(context, state)

    def observed(context: Context, state: State) -> State:
        # A graph around this one gives no input to its first node, or a round of its own.
        number = 0 if node is evaluate_baselines else state["round"]
        folder = context.folder.round(0 if node is conclude else number)
        transcript, before = Transcript(folder.transcript), getattr(context.evaluator, "episodes", 0)
        transcript.record("node", node=name)
        with span(name, round=number):
            update = node(context, state)
        transcript.record("done", node=name, episodes=getattr(context.evaluator, "episodes", 0) - before)
        write_totals(context.folder)
        context.observer.finished(name, number)
        return update

    return bound


def mermaid() -> str:
    """Return the graph as Mermaid text. Runs no node."""

    def no_context(config: Any) -> NoReturn:
        raise AssertionError("a drawing runs no node")

    return build(no_context).compile().get_graph().draw_mermaid()


def _of_round(values: Any) -> str:
    return f" of round {values['round']}" if values.get("round") else ""


if __name__ == "__main__":
    write_text(DRAWING, mermaid())

"""The state machine: baselines → proposer → executor → critic → historian → proposer … → finale.

LangGraph keeps a checkpoint after every node, on the disk before the next one starts. A node that was killed runs
again from its beginning and overwrites what it left: it reads nothing but the state and the files of nodes that are
complete, and takes its random numbers from the run's seed and the round. So a run that was killed and resumed ends as
one that was not.

A node may stop the graph for somebody with an interrupt (an explorer that waits for a file, `--approve`); it runs again
from its beginning when the graph goes on.
"""

from collections.abc import Callable
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, interrupt

from graph.accounting.statement import write_statements
from graph.checkpoints import checkpoints
from graph.context import Context
from graph.journal import Journal
from graph.nodes.baselines import evaluate_baselines
from graph.nodes.critic import criticise
from graph.nodes.executor import execute
from graph.nodes.finale import conclude
from graph.nodes.historian import archive
from graph.nodes.proposer import propose
from graph.nodes.state import State
from graph.pausing import Pause, Person, nobody
from graph.tracing import span, tracing

NODES_A_ROUND = 4

Node = Callable[[Context, State], State]
FindContext = Callable[[RunnableConfig], Context]
"""Nodes get the context of the run that they are called for: one and the same, or another one a thread."""


def execute_approved(context: Context, state: State) -> State:
    """The executor, after somebody said yes if the run asks for that. Candidates run nowhere before."""
    if context.settings.approve:
        folder = context.folder.round(state["round"]).candidates
        interrupt({"for": "approval", "round": state["round"], "labels": state["labels"], "folder": str(folder)})
    return execute(context, state)


NODES: dict[str, Node] = {
    "baselines": evaluate_baselines,
    "proposer": propose,
    "executor": execute_approved,
    "critic": criticise,
    "historian": archive,
    "finale": conclude,
}


def build(find: FindContext) -> StateGraph[State]:
    """The graph, over the contexts that `find` has."""
    graph = StateGraph(State)
    for name, node in NODES.items():
        graph.add_node(name, _bound(name, node, find))
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


def run(context: Context, person: Person = nobody, *, approved: bool = False) -> Pause | None:
    """Go on from the last checkpoint, or from the start, to the end: None; or to where somebody is waited for.

    `approved` says yes to the approval that the run waits for, if it does, and to that one alone.
    """
    with checkpoints(context.folder, context.settings) as (saver, config):
        machine: CompiledStateGraph[State] = build(lambda _: context).compile(checkpointer=saver)
        config["recursion_limit"] = NODES_A_ROUND * context.settings.rounds + 10
        known = machine.get_state(config)
        # Not `next`: it leaves out a node whose result was kept before a kill, though nothing has followed from it.
        waiting = [task.name for task in known.tasks]
        given: Any = None if waiting else {"round": 0}
        if waiting:
            of_round = "" if waiting[0] == "finale" else _of_round(known.values)
            context.teller.say(f"going on with the {waiting[0]}{of_round}")
        elif known.values:
            return None
        pause = _pause(known.interrupts)
        if approved and pause is not None and pause.waits_for == "approval":
            given = Command(resume=True)
        while True:
            with tracing(str(context.folder.path)):
                _drive(machine, given, config, context)
            pause = _pause(machine.get_state(config).interrupts)
            if pause is None or not person(pause):
                return pause
            given = Command(resume=True)


def _drive(machine: CompiledStateGraph[State], given: Any, config: RunnableConfig, context: Context) -> None:
    # Synchronous: the checkpoint is on the disk before the next node starts.
    for event in machine.stream(given, config, stream_mode="tasks", durability="sync"):
        if isinstance(event, dict) and "input" in event:
            said = _WORDS.get(event["name"])
            if said is not None:
                context.teller.say(said.format(round=event["input"]["round"], candidates=context.settings.candidates))


_WORDS = {
    "proposer": "round {round}: asking for {candidates} candidates",
    "critic": "round {round}: looking at what was measured",
}
"""What a node's start is announced with, where nothing else does and it may take long."""


def _pause(interrupts: Any) -> Pause | None:
    return Pause.from_interrupt(interrupts[0].value) if interrupts else None


def _bound(name: str, node: Node, find: FindContext) -> Any:
    def bound(state: State, config: RunnableConfig) -> State:
        context = find(config)
        folder = context.folder.round(0 if node is conclude else state["round"])
        journal, before = Journal(folder.transcript), getattr(context.evaluator, "episodes", 0)
        journal.record("node", node=name)
        with span(name, round=state["round"]):
            made = node(context, state)
        journal.record("done", node=name, episodes=getattr(context.evaluator, "episodes", 0) - before)
        write_statements(context.folder)
        context.teller.finished(name, state["round"])
        return made

    return bound


def _of_round(values: Any) -> str:
    return f" of round {values['round']}" if values.get("round") else ""

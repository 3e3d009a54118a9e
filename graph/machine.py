"""The state machine: baselines → proposer → executor → critic → historian → proposer … → finale.

LangGraph keeps a checkpoint after every node, on the disk before the next one starts. A node that was killed runs
again from its beginning and overwrites what it left: it reads nothing but the state and the files of nodes that are
complete, and takes its random numbers from the run's seed and the round. So a run that was killed and resumed ends as
one that was not.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from graph.context import Context
from graph.nodes.baselines import evaluate_baselines
from graph.nodes.critic import criticise
from graph.nodes.executor import execute
from graph.nodes.finale import conclude
from graph.nodes.historian import archive
from graph.nodes.proposer import propose
from graph.nodes.state import State

THREAD: RunnableConfig = {"configurable": {"thread_id": "run"}}
"""A checkpoint file holds one run."""
NODES_A_ROUND = 4

Node = Callable[[Context, State], State]
NODES: dict[str, Node] = {
    "baselines": evaluate_baselines,
    "proposer": propose,
    "executor": execute,
    "critic": criticise,
    "historian": archive,
    "finale": conclude,
}


def build(context: Context) -> StateGraph[State]:
    """The graph over a run's context."""
    graph = StateGraph(State)
    for name, node in NODES.items():
        graph.add_node(name, _bound(node, context))
    graph.add_edge(START, "baselines")
    graph.add_edge("baselines", "proposer")
    graph.add_edge("proposer", "executor")
    graph.add_edge("executor", "critic")
    graph.add_edge("critic", "historian")

    def after_round(state: State) -> str:
        return "proposer" if state["round"] <= context.settings.rounds else "finale"

    graph.add_conditional_edges("historian", after_round, ["proposer", "finale"])
    graph.add_edge("finale", END)
    return graph


def run(context: Context) -> None:
    """Go on from the last checkpoint, or from the start, to the end."""
    with checkpoints(context.folder.checkpoints) as saver:
        machine: CompiledStateGraph[State] = build(context).compile(checkpointer=saver)
        config: RunnableConfig = {**THREAD, "recursion_limit": NODES_A_ROUND * context.settings.rounds + 10}
        known = machine.get_state(config)
        if known.next:
            of_round = "" if known.next[0] == "finale" else _of_round(known.values)
            context.teller.say(f"going on with the {known.next[0]}{of_round}")
        elif known.values:
            return
        # Synchronous: the checkpoint is on the disk before the next node starts.
        machine.invoke(None if known.next else {"round": 0}, config, durability="sync")


@contextmanager
def checkpoints(path: Path) -> Iterator[SqliteSaver]:
    """LangGraph's saver over a file. What it reads back is plain data: no other type is allowed in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, check_same_thread=False)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        yield SqliteSaver(connection, serde=JsonPlusSerializer(allowed_msgpack_modules=None))


def _bound(node: Node, context: Context) -> Any:
    def bound(state: State) -> State:
        return node(context, state)

    return bound


def _of_round(values: Any) -> str:
    return f" of round {values['round']}" if values.get("round") else ""

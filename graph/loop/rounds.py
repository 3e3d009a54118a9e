"""Another number of rounds for a run that has begun, which may have ended.

The graph decides after each round whether another one follows, and stores the decision in its checkpoint. Where the
number of rounds was changed since, the decision is made again: more rounds are played and the finale after them, or the
finale follows at once.
"""

from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph

from graph.loop.context import Context, State
from graph.run.files import RunError
from graph.run.paths import RunFolder, read_json
from graph.run.settings import RunSettings

_DECIDED = ((), ("proposer",), ("finale",))
"""Nodes that a run may wait for once it is decided whether another round follows; none at the end."""


def check_rounds(folder: RunFolder, settings: RunSettings) -> None:
    """Raise RunError if the run in a folder cannot go on with the number of rounds in `settings`."""
    begun = 0
    while folder.round(begun + 1).path.exists():
        begun += 1
    if settings.rounds < begun:
        raise RunError(
            f"rounds: {begun} rounds of {folder.path} have begun, and it cannot go on with {settings.rounds}; give "
            f"{begun} or more"
        )
    stopped = read_json(folder.result)["stopped"] if folder.result.exists() else None
    if stopped:
        raise RunError(
            f"rounds: {folder.path} ended at its limit --{stopped.replace('_', '-')}, and more rounds would end there "
            "too; start a new run with a higher limit"
        )


def decide_again(machine: CompiledStateGraph[State, Any], config: RunnableConfig, context: Context) -> bool:
    """Decide again whether a round follows, if the settings' number of rounds asks for another decision.

    Returns:
        Whether the run waits for another node than before.
    """
    known = machine.get_state(config)
    waiting = tuple(task.name for task in known.tasks)
    # A kill may come between the end of a node and its checkpoint; the decision is stored by then.
    just_ended = waiting == ("historian",) and known.tasks[0].result is not None
    if known.values.get("stopped") or not known.values or not (just_ended or waiting in _DECIDED):
        return False
    # With what the node wrote, which `update_state` would leave out.
    number = known.values["round"]
    node = "proposer" if number <= context.settings.rounds else "finale"
    if waiting == (node,) or (not waiting and node == "finale"):
        return False
    if node == "proposer" and context.folder.result.exists():
        context.observer.say(f"the run goes on after round {number - 1}, to {context.settings.rounds} rounds")
        if context.settings.heldout:
            context.observer.say(
                "the held-out set was evaluated already: if its figures are why more rounds are played, confirm the "
                "result on another held-out set"
            )
        # Whoever reads the folder takes a run with a result for a complete one.
        context.folder.result.unlink()
    machine.update_state(config, {"round": number}, as_node="historian")
    return True

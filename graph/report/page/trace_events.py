"""Traced episodes as compact events for the page's episode viewer.

An event is `[op, tokens, branch, …]`: a letter for the action, the episode's tokens after the call, and the branches,
numbered in the order in which the episode opened them. A branch is `[branch, depth, shown, finished]` if the action
does not determine its state: an interval that was not probed, or a branch that the budget stopped.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import pyarrow as pa

from envdata.actions import Op
from graph.report.page.grid_view import SIGNS
from sandbox.sanitize import quoted

LETTERS = {
    "BRANCH": "B", "CONTINUE": "C", "FINISH": "F", "PROBE": "P", "PRUNE": "X", "READ": "R", "ANSWER": "A", "NOTE": "N",
    "FAIL": "!",
}  # fmt: skip
MAX_NOTE = 160
TO_THE_END = (Op.FINISH.name, Op.READ.name)
ANSWER, PRUNE, REMARKS = Op.ANSWER.name, Op.PRUNE.name, (Op.NOTE.name, Op.FAIL.name)

_COLUMNS = ("call", "action", "branch", "depth", "finished", "answer", "tokens", "note")


def trace_events(trace: pa.Table, sign_of: Sequence[Mapping[str, int]]) -> dict[str, list[list[Any]]]:
    """Return the events of the episodes of one grid, β and repeat, by question.

    Args:
        trace: Rows of `sandbox.evaluate.TRACES` in the order of the actions.
        sign_of: `graph.report.page.grid_view.signs` of each question.
    """
    columns = trace.select(["question", *_COLUMNS]).to_pydict()
    own = [columns[name] for name in _COLUMNS]
    events = {}
    for question, rows in groupby(range(trace.num_rows), key=columns["question"].__getitem__):
        events[str(question)] = _events(own, list(rows), sign_of[question])
    return events


def _events(columns: Sequence[list[Any]], rows: Sequence[int], sign_of: Mapping[str, int]) -> list[list[Any]]:
    calls, actions, branches, depths, finished, answers, tokens, notes = columns
    events: list[list[Any]] = []
    last = None
    for i in rows:
        action = actions[i]
        if action == ANSWER:
            answer = answers[i]
            events.append(["A", tokens[i], -1 if answer is None else sign_of.get(answer, len(SIGNS) - 1)])
        elif action in REMARKS:
            events.append([LETTERS[action], tokens[i], quoted(notes[i] or "", MAX_NOTE)])
        else:
            key = (calls[i], action, tokens[i])
            if key != last:
                events.append([LETTERS[action], tokens[i]])
                last = key
            plain = action == PRUNE or (answers[i] is not None and (finished[i] if action in TO_THE_END else True))
            whole = [branches[i], depths[i], int(answers[i] is not None), int(finished[i])]
            events[-1].append(branches[i] if plain else whole)
            continue
        last = None
    return events

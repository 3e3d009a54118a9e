"""The search set as dense arrays without text: numbers of questions, codes of answers, lengths, costs.

A controller never sees these. The explorer that writes it may, if the user asks for that (`--research-data`).
Questions, branches and answers are numbered by the run's secret, so that no number, and no order of branches, is that
of an evaluation.
"""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from envdata.episodes import Terms
from envdata.grid import Grid
from envdata.replay import ReplayBranchSource, largest_cost, probe_costs
from graph.explorers.research.player import SIGNAL

BEYOND = -1
"""Entry of `answer` beyond a branch's end and at branches that a question does not have."""


@dataclass(frozen=True)
class ResearchArrays:
    """One grid as arrays, and the recorded numbers of its rows, which stay on the host."""

    arrays: dict[str, npt.NDArray[np.generic]]
    """By name; `README.md` of the folder has their shapes and units (`graph.explorers.research.folder`)."""
    largest_probe: int
    """The largest cost of a probe, in tokens, by which calls are admitted within a budget."""
    questions: list[int]
    """The recorded question of each row, shape (Q,)."""
    branches: list[list[int]]
    """For each row the recorded number of each branch."""


def question_numbers(grids: Sequence[Grid], secret: bytes) -> dict[str, int]:
    """Return a number for each text of a question in some grid, in an order that the secret decides."""
    texts = {text for grid in grids for text in grid.questions}
    ordered = sorted(texts, key=lambda text: hashlib.blake2b(text.encode(), key=secret[:64]).digest())
    return {text: number for number, text in enumerate(ordered)}


def research_arrays(grid: Grid, terms: Terms, numbers: dict[str, int], secret: bytes) -> ResearchArrays:
    """Return a grid as arrays.

    Args:
        grid: The grid.
        terms: Terms of the run's episodes, which decide what probes cost.
        numbers: The numbers of the questions (`question_numbers`).
        secret: The run's secret.
    """
    recorded, texts = grid.arrays, grid.questions
    width = int(grid.branches.max())
    questions = sorted(range(len(texts)), key=lambda question: numbers[texts[question]])
    orders = {question: _random_of(grid, texts[question], secret) for question in questions}
    branches = [_shuffled(orders[question], int(grid.branches[question])) for question in questions]
    costs = probe_costs(recorded, terms.probe_cost, terms.prefill_weight)
    # The engine that evaluates candidates says what each look reveals and costs.
    source = ReplayBranchSource(grid, len(questions), width, costs)
    source.begin(0, [np.arange(n, dtype=np.int32) for n in grid.branches])
    depths = int(recorded.intervals.max()) + 1
    shape = (len(questions), width, depths)
    answer = np.full(shape, BEYOND, np.int32)
    cost, confidence = np.zeros(shape, np.int32), np.full(shape, np.nan, np.float32)
    length, intervals = np.zeros(shape[:2], np.int32), np.zeros(shape[:2], np.int32)
    signals = {name: np.full(shape, np.nan, np.float32) for name in recorded.signals}
    codes = int(np.diff(recorded.first_text).max())
    parsed, right = np.zeros((len(questions), codes), bool), np.full(len(questions), -1, np.int32)
    for row, (question, order) in enumerate(zip(questions, branches, strict=True)):
        first, own = int(recorded.first_text[question]), slice(0, len(order))
        code = np.array(_shuffled(orders[question], int(recorded.first_text[question + 1]) - first), np.int64)
        parsed[row, code] = grid.parsed[first : first + len(code)]
        if recorded.gold_code[question] >= 0:
            right[row] = code[recorded.gold_code[question]]
        flat = int(recorded.first_branch[question]) + np.array(order)
        length[row, own], intervals[row, own] = recorded.tokens[flat], recorded.intervals[flat]
        branch, depth = np.nonzero(np.arange(depths) <= intervals[row, own, None])
        places = question * width + np.array(order, np.int64)[branch]
        seen = source.look(places, depth + 1, depth == intervals[row, branch])
        for name, values in signals.items():
            values[row, branch, depth] = source.signal(name, places, depth, depth + 1)
        answer[row, branch, depth] = code[seen.answer]
        cost[row, branch, depth] = np.where(depth == intervals[row, branch], 0, seen.cost)
        confidence[row, branch, depth] = seen.confidence
    arrays: dict[str, npt.NDArray[np.generic]] = {
        "question": np.array([numbers[texts[question]] for question in questions], np.int32),
        "branches": grid.branches[questions].astype(np.int32),
        "answer": answer.astype(np.int16) if codes < 1 << 15 else answer,
        "length": length,
        "intervals": intervals,
        "right": right,
        "parsed": parsed,
        "probe_cost": cost,
    }
    if recorded.confidences is not None:
        arrays["confidence"] = confidence
    arrays |= {f"{SIGNAL}{name}": values for name, values in signals.items()}
    return ResearchArrays(arrays, largest_cost(costs), questions, branches)


def _random_of(grid: Grid, text: str, secret: bytes) -> random.Random:
    """Return the random generator that numbers a question's branches and answers in a grid."""
    message = f"research data\n{grid.content_hash}\n{text}".encode()
    return random.Random(hashlib.blake2b(message, key=secret[:64], digest_size=16).hexdigest())


def _shuffled(rng: random.Random, n: int) -> list[int]:
    order = list(range(n))
    rng.shuffle(order)
    return order

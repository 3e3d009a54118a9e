"""View of a grid for the page's episode viewer: every recorded answer of every branch, as one character each.

The character 0 is the gold answer, 1 the most frequent other answer, and so on through `SIGNS`; the last one stands for
all rarer answers. Unparsed answers have characters like any other, and are listed.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from envdata.answers import is_parsed
from envdata.branch_orders import ORDERS
from envdata.grid import Grid

SIGNS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
NO_CONFIDENCE = " "
LONGEST = 200
"""Characters of an answer and of a question that are shown, at most."""


def question_views(grid: Grid) -> list[dict[str, Any]]:
    """Return one JSON entry a question.

    Each has `text`; `answers` (texts by sign; the gold answer first); `none` (signs of unparsed answers); `cells` (for
    each branch as recorded, a sign for each depth 1 … L and one for its end); and `sure` (for the same cells, the
    probability of the probed answer in 61sts; None if the grid has no confidences).
    """
    return [_question(grid, question) for question in range(len(grid.questions))]


def orders(grid: Grid, *, order: str, seed: int, repeat: int, ceiling: int) -> dict[str, list[int]]:
    """Return the order in which the episodes of a repeat open branches, by the question's number of branches.

    Args:
        grid: The grid.
        order: Name of the branch order (`envdata.branch_orders.ORDERS`).
        seed: Seed of the run.
        repeat: Number of the repeat, from 0.
        ceiling: Branches a question, at most.
    """
    counts = sorted(set(grid.branches.tolist()))
    return {str(count): ORDERS[order](count, seed, repeat)[:ceiling].tolist() for count in counts}


def signs(grid: Grid, question: int) -> Mapping[str, int]:
    """Return the index in `SIGNS` of each answer of a question, by text; the rarest answers share the last."""
    ranked, _ = _ranked(grid, question)
    texts = [_text(grid, question, code) for code in ranked]
    numbers = {grid.gold_answers[question]: 0}
    for text in texts:
        numbers.setdefault(text, min(len(numbers), len(SIGNS) - 1))
    return numbers


def _ranked(grid: Grid, question: int) -> tuple[list[int], np.ndarray]:
    """Return the answer codes of a question except the gold one, most frequent first, and the codes of all cells."""
    arrays = grid.arrays
    first, last = arrays.first_branch[question], arrays.first_branch[question + 1]
    start = arrays.first_answer[first]
    end = arrays.first_answer[last - 1] + arrays.intervals[last - 1] + 1
    codes = arrays.answer_codes[start:end]
    counts = np.bincount(codes, minlength=int(arrays.first_text[question + 1] - arrays.first_text[question]))
    ranked = [code for code in np.argsort(-counts, kind="stable").tolist() if code != arrays.gold_code[question]]
    return ranked, codes


def _question(grid: Grid, question: int) -> dict[str, Any]:
    arrays = grid.arrays
    ranked, codes = _ranked(grid, question)
    sign_of = np.full(len(ranked) + 1, len(SIGNS) - 1)
    if arrays.gold_code[question] >= 0:
        sign_of[arrays.gold_code[question]] = 0
    for place, code in enumerate(ranked):
        sign_of[code] = min(place + 1, len(SIGNS) - 1)
    text = "".join(np.array(list(SIGNS))[sign_of[codes]])
    first, last = int(arrays.first_branch[question]), int(arrays.first_branch[question + 1])
    start = int(arrays.first_answer[first])
    bounds = [
        (int(arrays.first_answer[b]) - start, int(arrays.first_answer[b]) - start + int(arrays.intervals[b]) + 1)
        for b in range(first, last)
    ]
    shown = ranked[: len(SIGNS) - 2]
    answers = [grid.gold_answers[question], *(_text(grid, question, code) for code in shown)]
    return {
        "text": grid.questions[question][:LONGEST],
        "answers": [answer[:LONGEST] for answer in answers],
        "none": [number for number, answer in enumerate(answers) if number and not is_parsed(answer)],
        "cells": [text[low:high] for low, high in bounds],
        "sure": _confidence_signs(arrays.confidences, start, bounds),
    }


def _confidence_signs(confidences: Any, start: int, bounds: list[tuple[int, int]]) -> list[str] | None:
    if confidences is None:
        return None
    values = np.exp(np.asarray(confidences[start : start + bounds[-1][1]], float))
    known = np.isfinite(values)
    number = np.where(known, np.clip(values, 0, 1) * (len(SIGNS) - 1), 0).astype(int)
    text = "".join(np.where(known, np.array(list(SIGNS))[number], NO_CONFIDENCE))
    return [text[low:high] for low, high in bounds]


def _text(grid: Grid, question: int, code: int) -> str:
    return grid.arrays.answer_text(question, code)

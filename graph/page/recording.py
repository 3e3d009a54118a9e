"""A grid as the theatre's stage: every recorded answer of every branch, gold and common wrong ones told apart.

One character stands for an answer: 0 is the gold answer, 1 the most frequent other one, and so on through `SIGNS`; the
last sign stands for all that are rarer. An answer that is none (a probe that found nothing) has a sign like any other,
and is listed.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from envdata.answers import is_parsed
from envdata.grid import Grid
from envdata.orders import ORDERS

SIGNS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
NO_SURENESS = " "
LONGEST = 200
"""Characters that are shown of an answer and of a question."""


def stage(grid: Grid) -> list[dict[str, Any]]:
    """One entry a question.

    `text`; `answers` (texts by sign; the first is the gold one); `none` (signs of answers that are none); `cells` (for
    each branch, as recorded, a sign for each depth 1 … L and one for its end) and `sure` (likewise, the probability of
    the probed answer in 61sts; None where the grid has no confidences).
    """
    return [_question(grid, question) for question in range(len(grid.questions))]


def orders(grid: Grid, *, order: str, seed: int, repeat: int, ceiling: int) -> dict[str, list[int]]:
    """In which order the episodes of a repeat open the branches, up to `ceiling`, by the number there are."""
    counts = sorted(set(grid.branches.tolist()))
    return {str(count): ORDERS[order](count, seed, repeat)[:ceiling].tolist() for count in counts}


def signs(grid: Grid, question: int) -> Mapping[str, int]:
    """The number of each answer's sign, by text; the rarest share the last."""
    ranked, _ = _ranked(grid, question)
    texts = [_text(grid, question, code) for code in ranked]
    found = {grid.gold_answers[question]: 0}
    for text in texts:
        found.setdefault(text, min(len(found), len(SIGNS) - 1))
    return found


def _ranked(grid: Grid, question: int) -> tuple[list[int], np.ndarray]:
    """The codes of a question, most frequent first and the gold one left out, and the codes of all its cells."""
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
        "sure": _sureness(arrays.confidences, start, bounds),
    }


def _sureness(confidences: Any, start: int, bounds: list[tuple[int, int]]) -> list[str] | None:
    if confidences is None:
        return None
    values = np.exp(np.asarray(confidences[start : start + bounds[-1][1]], float))
    known = np.isfinite(values)
    number = np.where(known, np.clip(values, 0, 1) * (len(SIGNS) - 1), 0).astype(int)
    text = "".join(np.where(known, np.array(list(SIGNS))[number], NO_SURENESS))
    return [text[low:high] for low, high in bounds]


def _text(grid: Grid, question: int, code: int) -> str:
    return grid.arrays.answer_text(question, code)

"""A grid with its questions in another order, and its answers spelt otherwise: the same to whoever plays fair."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from envdata.answers import is_parsed
from envdata.grid import Grid


def respelling(grid: Grid) -> list[dict[str, str]]:
    """For each question another spelling of every answer, by the present one; what is no answer stays as it is."""
    arrays = grid.arrays
    texts = arrays.answer_texts.to_pylist()
    bounds = zip(arrays.first_text[:-1].tolist(), arrays.first_text[1:].tolist(), strict=True)
    answers = [[str(text) for text in texts[start:end] if is_parsed(str(text))] for start, end in bounds]
    return [{text: f"renamed {len(listed) - place}" for place, text in enumerate(listed)} for listed in answers]


def rearranged(grid: Grid, order: Sequence[int], *, respelt: bool) -> Grid:
    """The grid whose question k is question `order[k]` of `grid`; `order` has each question once."""
    arrays = grid.arrays
    if sorted(order) != list(range(len(grid.questions))):
        raise ValueError(f"the order {list(order)} does not have each of {len(grid.questions)} questions once")
    spellings: Sequence[Mapping[str, str]] = respelling(grid) if respelt else [{} for _ in order]
    gold, texts = [], []
    for question in order:
        start, end = int(arrays.first_text[question]), int(arrays.first_text[question + 1])
        new = spellings[question]
        texts.append([new.get(str(text), str(text)) for text in arrays.answer_texts[start:end].to_pylist()])
        gold.append(new.get(grid.gold_answers[question], grid.gold_answers[question]))
    first, last = arrays.first_branch[:-1], arrays.first_branch[1:]
    branches = np.concatenate([np.arange(first[question], last[question]) for question in order])
    moved = replace(
        arrays,
        question_texts=pa.array([grid.questions[question] for question in order], arrays.question_texts.type),
        gold_texts=pa.array(gold, arrays.gold_texts.type),
        answer_texts=pa.array([text for listed in texts for text in listed], arrays.answer_texts.type),
        first_branch=np.concatenate([[0], np.cumsum(grid.branches[list(order)])]),
        first_text=np.concatenate([[0], np.cumsum([len(listed) for listed in texts])]),
        gold_code=arrays.gold_code[list(order)],
        tokens=arrays.tokens[branches],
        intervals=arrays.intervals[branches],
        # Each branch goes on pointing at where its answers stand; those stay in their places.
        first_answer=arrays.first_answer[branches],
    )
    return replace(grid, arrays=moved)

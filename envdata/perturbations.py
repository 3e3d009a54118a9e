"""Grid perturbations that must not change a controller's behaviour: reordered questions, renamed answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from envdata.answers import is_parsed
from envdata.grid import Grid


@dataclass(frozen=True)
class Perturbation:
    """Changes of a grid; none by default."""

    reordered: bool = False
    """Whether questions come in reverse order."""
    renamed: bool = False
    """Whether answers are spelt differently; labels are to be numbered differently then, too."""

    def order(self, questions: int) -> Sequence[int]:
        """Return the questions' numbers in the perturbed order."""
        return range(questions - 1, -1, -1) if self.reordered else range(questions)

    def of(self, grid: Grid) -> Grid:
        """Return the perturbed grid."""
        if not (self.reordered or self.renamed):
            return grid
        return permuted_grid(grid, self.order(len(grid.questions)), respelt=self.renamed)


UNPERTURBED = Perturbation()


def renamed_answers(grid: Grid) -> list[dict[str, str]]:
    """Return for each question a new spelling of every answer, by its present spelling; unparsed answers are kept."""
    arrays = grid.arrays
    texts = arrays.answer_texts.to_pylist()
    bounds = zip(arrays.first_text[:-1].tolist(), arrays.first_text[1:].tolist(), strict=True)
    answers = [[str(text) for text in texts[start:end] if is_parsed(str(text))] for start, end in bounds]
    return [{text: f"renamed {len(listed) - place}" for place, text in enumerate(listed)} for listed in answers]


def permuted_grid(grid: Grid, order: Sequence[int], *, respelt: bool) -> Grid:
    """Return the grid whose question k is question `order[k]` of `grid`.

    Args:
        grid: The grid.
        order: Permutation of the questions' numbers.
        respelt: Whether to rename answers as `renamed_answers` does.

    Raises:
        ValueError: `order` is no permutation of the questions.
    """
    arrays = grid.arrays
    if sorted(order) != list(range(len(grid.questions))):
        raise ValueError(f"the order {list(order)} does not have each of {len(grid.questions)} questions once")
    spellings: Sequence[Mapping[str, str]] = renamed_answers(grid) if respelt else [{} for _ in order]
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
        # Branches keep their offsets into the answers, which are not moved.
        first_answer=arrays.first_answer[branches],
    )
    return replace(grid, arrays=moved)

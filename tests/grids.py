"""Small grids worked out by hand, and how to write one; shared by every suite.

Read `WORKED` with the rules next to it: Δ is 10 tokens. With L probes listed, steps 1 … L of a branch cost 10 each and
show the probe; step L + 1 costs max(0, tokens − 10·L), shows the final answer and finishes the branch.
"""

import random
from collections.abc import Iterable, Sequence
from pathlib import Path

from envdata.grid import BranchRow, Grid, write_grid

INTERVAL = 10
"""Δ of every grid in this file, in tokens."""

# question: gold
#   branch  tokens   probes              final    what it costs, step by step
WORKED = """
sum: 7
    0       25       5 7                 7      # 10 10 5
    1       40       ERR 5 5             5      # 10 10 10 10: the first probe found no answer
    2       8        -                   7      # 8: finished by its first step
    3       30       7 7                 7      # 10 10 10
    4       57       7 7                 5      # 10 10 37: probing stopped early, the last interval is a long one
    5       12       5 5 ?               No     # 10 10 10 0: as a whole only 12; ends without an answer
product: 12
    0       21       12 12               12     # 10 10 1
    1       35       6 12 12             12     # 10 10 10 5
    2       15       6                   6      # 10 5
    3       10       -                   12     # 10: one whole interval, finished at once
    4       48       6 6 6 12            12     # 10 10 10 10 8
    5       33       '' No 12            12     # 10 10 10 3: two probes without an answer
root: 3                                         # a gold answer that no branch ever gives, and fewer branches
    0       5        -                   2      # 5
    1       11       2                   2      # 10 1
    2       22       2 4                 4      # 10 10 2
    3       20       4                   2      # 10 10
"""
"""Three questions with 6, 6 and 4 branches; no confidences, no recorded probe costs."""

#   branch  tokens   probes@confidence+cost          final
PRICED = """
sum: 7
    0       25       5@-0.5+3  7@-0.25+4             7      # step by step, probed: 13 14 5
    1       31       7@-1+2    7@-0.125+2  5@-2+6    7      # 12 12 16 1
    2       9        -                               5      # 9: a final answer costs nothing to look at
    3       45       5@-0.75+1                       5      # 11 35: a long last interval
product: 12
    0       22       12@-0.5+2 6@-3+2                6      # 12 12 2
    1       14       6@-0.25+5                       12     # 15 4
    2       12       12@-1+1   12@-0.5+1  12@-0.5+1  12     # 11 11 11 0: as a whole 12
"""
"""Two questions with 4 and 3 branches, with a confidence and a cost for each probe."""


def rows(table: str = WORKED) -> list[BranchRow]:
    """The rows of a table written as above."""
    found: list[BranchRow] = []
    question, gold, number = "", "", -1
    for line in table.splitlines():
        line = line.partition("#")[0].strip()
        if not line:
            continue
        if ":" in line:
            question, _, gold = (part.strip() for part in line.partition(":"))
            number += 1
            continue
        branch, tokens, *probes, final = line.split()
        split = [_probe(word) for word in probes if word != "-"]
        priced = "@" in table
        found.append(
            BranchRow(
                number,
                question,
                gold,
                int(branch),
                int(tokens),
                _text(final),
                [answer for answer, _, _ in split],
                probe_confidences=[confidence for _, confidence, _ in split] if priced else None,
                probe_tokens=[cost for _, _, cost in split] if priced else None,
            )
        )
    return found


def write(path: Path, of: Iterable[BranchRow], interval: int = INTERVAL) -> Path:
    """Write rows as a grid at `path`."""
    write_grid(path, of, interval, {"source": "worked out by hand for the tests"})
    return path


def write_worked(folder: Path) -> Path:
    """`WORKED` as a grid in `folder`."""
    return write(folder / "worked.parquet", rows(WORKED))


def write_priced(folder: Path) -> Path:
    """`PRICED` as a grid in `folder`."""
    return write(folder / "priced.parquet", rows(PRICED))


def random_rows(
    rng: random.Random,
    *,
    questions: int = 3,
    branches: Sequence[int] = (1, 9),
    intervals: int = 6,
    answers: Sequence[str] = ("1", "2", "3", "ERR", "No", ""),
    priced: bool = False,
) -> list[BranchRow]:
    """Rows of a grid that nothing but the format is true of: lengths and probes agree only roughly, as published.

    `branches` gives the fewest and the most branches of a question.
    """
    found = []
    for question in range(questions):
        gold = rng.choice(answers[:2])
        for branch in range(rng.randint(*branches)):
            n = rng.randint(0, intervals)
            tokens = max(1, INTERVAL * n + rng.choice((-15, -10, -3, 0, 1, 4, 9, 10, 11, 40)))
            probes = [rng.choice(answers) for _ in range(n)]
            final = rng.choice((*answers, *probes[-1:] * 3))
            confidences = [-rng.randint(0, 64) / 16 for _ in probes] if priced else None
            costs = [rng.randint(0, 5) for _ in probes] if priced else None
            found.append(
                BranchRow(
                    question, f"question {question}", gold, branch, tokens, final, probes,
                    probe_confidences=confidences, probe_tokens=costs,
                )
            )  # fmt: skip
    return found


def load(path: Path) -> Grid:
    """The grid at `path`."""
    return Grid.load(path)


def _probe(word: str) -> tuple[str, float, int]:
    answer, at, rest = word.partition("@")
    confidence, _, cost = rest.partition("+")
    return _text(answer), float(confidence) if at else 0.0, int(cost) if cost else 0


def _text(word: str) -> str:
    return "" if word == "''" else word

"""A small grid that behaves like a model: easy and hard questions, short branches, probes that settle in the end."""

import random
from pathlib import Path

from envdata.grid import BranchRow, write_grid

INTERVAL = 8


def write_small(path: Path, *, seed: int = 0, questions: int = 6, branches: int = 12, gold_prefix: str = "") -> Path:
    """Write the grid; the same arguments give the same bytes."""
    rng = random.Random(seed)
    rows = []
    for question in range(questions):
        skill = 0.15 + 0.6 * question / questions
        gold = f"{gold_prefix}{100 + question}"
        for branch in range(branches):
            length = rng.randint(3, 9)
            right = rng.random() < skill
            final = gold if right else str(rng.randint(1, 4))
            probes = [final if rng.random() < (k + 1) / length else str(rng.randint(1, 4)) for k in range(length - 1)]
            sure = [-rng.random() * (0.5 if right else 1.5) for _ in probes]
            tokens = INTERVAL * (length - 1) + rng.randint(1, INTERVAL)
            row = BranchRow(
                question,
                f"seed {seed}, question {question}",
                gold,
                branch,
                tokens,
                final,
                probes,
                probe_confidences=sure,
            )
            rows.append(row)
    write_grid(path, rows, INTERVAL, {"source": "made for the tests"})
    return path

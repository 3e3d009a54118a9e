"""Measures the time to spell all answers of a grid canonically, as `autotts grid collect --answers math` does.

usage: python -m benchmarks.spelling GRID…

Prints for each grid: distinct answers, canonical spellings, answers without one, and seconds of wall and processor
time, that of the parsing process included. Needs the extra `questions`.
"""

import os
import sys
import time
from contextlib import closing
from pathlib import Path

from envdata.collect.canonical_answers import make_speller
from envdata.collect.extraction import AnswerRule
from envdata.grid import Grid


def spell(path: Path) -> str:
    """Spell the answers of one grid; returns the line to print."""
    grid = Grid.load(path)
    arrays = grid.arrays
    texts = arrays.answer_texts.to_pylist()
    first_text = arrays.first_text.tolist()
    answers = spellings = given_up = 0
    began, used = time.perf_counter(), _processor_time()
    with closing(make_speller(AnswerRule("\\boxed{", "math"))) as speller:
        for first, end, gold in zip(first_text[:-1], first_text[1:], grid.gold_answers, strict=True):
            own = set(texts[first:end])
            spelt = speller.spell(speller.gold(gold), own)
            answers += len(own)
            spellings += len(set(spelt.values()))
            given_up += len(speller.given_up(own))
    seconds, processor = time.perf_counter() - began, _processor_time() - used
    return (
        f"{path}: {answers:,} answers, {spellings:,} spellings, {given_up} given up; {seconds:.1f} s, "
        f"{processor:.1f} s of processor time"
    )


def _processor_time() -> float:
    """Processor time of this process and its children, in seconds."""
    return sum(os.times()[:4])


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(spell(Path(name)), flush=True)

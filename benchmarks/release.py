"""A plain in-process replay of the public release's `question` object: reference for the adapter's results and time.

No isolation, no checks, strings for answers; it shares no code with the engine.
"""

import random
import types
from pathlib import Path

from benchmarks.naive_episode import Question, read


class InProcessQuestion:
    """One question under one branch order."""

    def __init__(self, question: Question, order: list[int]) -> None:
        self._branches = [question.branches[number] for number in order]
        self._depth: list[int] = []
        self._cost: list[int] = []
        self.probe_freq = question.interval

    def probe_new(self) -> tuple[str, int, bool]:
        if len(self._depth) == len(self._branches):
            raise ValueError("no branch is left")
        self._depth.append(0)
        self._cost.append(0)
        index = len(self._depth) - 1
        answer, finished = self.probe_more(index)
        return answer, index, finished

    def probe_more(self, index: int) -> tuple[str, bool]:
        branch = self._branches[index]
        recorded = len(branch.probes)
        if self._depth[index] < recorded:
            self._depth[index] += 1
            self._cost[index] += self.probe_freq
            return branch.probes[self._depth[index] - 1], False
        self._cost[index] += max(0, branch.tokens - self.probe_freq * recorded)
        return branch.final, True

    def get_new_branch_final_answer(self) -> str:
        if len(self._depth) == len(self._branches):
            raise IndexError("no branch is left")
        branch = self._branches[len(self._depth)]
        self._depth.append(len(branch.probes))
        self._cost.append(branch.tokens)
        return branch.final

    def get_seq_and_total_tokens(self) -> tuple[int, int]:
        return max(self._cost, default=0), sum(self._cost)

    def get_cost_per_branch_active(self) -> list[int]:
        return list(self._cost)


def play(
    controller: Path, grid: Path, beta: float, repeats: int, seed: int = 0
) -> list[tuple[bool, str | None, int, int]]:
    """Return (correct, answer, tokens, tokens of the longest branch) of every episode, all of a repeat together.

    Args:
        controller: Source file of the release's `OptimalController`.
        grid: Parquet file of the grid.
        beta: The controller's parameter.
        repeats: Number of branch orders.
        seed: Repeat r is shuffled with seed + r, as in the release.
    """
    module = types.ModuleType("controller")
    exec(compile(controller.read_text(), str(controller), "exec"), module.__dict__)
    questions = read(grid)
    played = []
    for repeat in range(repeats):
        for question in questions:
            order = list(range(len(question.branches)))
            random.Random(seed + repeat).shuffle(order)
            episode = InProcessQuestion(question, order)
            answer = module.OptimalController(config={"beta": beta}).solve(episode)
            longest, total = episode.get_seq_and_total_tokens()
            played.append((answer == question.gold, answer, total, longest))
    return played

"""A deliberately plain replay: the rules and the seven methods, straight from their description, over rows in memory.

One process, no sandbox, no traces, no validation; strings for answers, one branch object after the other. It shares no
code with the engine and the shipped controllers. It serves twice: as what their results must equal on any grid, and as
the time that theirs is measured against.
"""

import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

CEILING = 64
"""Branches that an episode may open."""


class Recorded(NamedTuple):
    """One recorded branch."""

    probes: list[str]
    tokens: int
    final: str


@dataclass
class Question:
    gold: str
    interval: int
    branches: list[Recorded]


def read(path: Path | str) -> list[Question]:
    """The questions of a grid's Parquet file."""
    table = pq.read_table(path)
    interval = int(table.schema.metadata[b"autotts.interval"])
    questions: dict[int, Question] = {}
    for row in table.to_pylist():
        question = questions.setdefault(row["question_id"], Question(row["gold_answer"], interval, []))
        question.branches.append(Recorded(row["probe_answers"], row["tokens"], row["final_answer"]))
    return list(questions.values())


class Branch:
    """A branch that is being read. `step` costs and shows the next interval."""

    def __init__(self, recorded: Recorded, interval: int, index: int) -> None:
        self.recorded, self.interval, self.index = recorded, interval, index
        self.depth = self.paid = 0
        self.finished = self.pruned = False
        self.answer: str | None = None

    def step(self) -> int:
        probes, tokens, final = self.recorded
        if self.depth < len(probes):
            self.answer = probes[self.depth]
            cost = self.interval
        else:
            self.answer, self.finished = final, True
            cost = max(0, tokens - self.interval * len(probes))
        self.depth += 1
        self.paid += cost
        return cost

    def rest(self) -> int:
        """Read to the end."""
        cost = max(0, self.recorded.tokens - self.paid)
        self.paid += cost
        self.depth, self.finished, self.answer = len(self.recorded.probes) + 1, True, self.recorded.final
        return cost


@dataclass
class Episode:
    """One question under one order; calls add up in `tokens`, and by their longest branch in `sequential`."""

    question: Question
    order: Sequence[int]
    tokens: int = 0
    sequential: int = 0
    branches: list[Branch] = field(default_factory=list)

    @property
    def room(self) -> int:
        return min(CEILING, len(self.order)) - len(self.branches)

    def open(self, n: int) -> list[Branch]:
        opened = self.next(n)
        self.pay([branch.step() for branch in opened])
        return opened

    def read(self, n: int) -> list[Branch]:
        """Open and read whole: a branch costs its length, even where stepping through it would cost more."""
        opened = self.next(n)
        self.pay([branch.rest() for branch in opened])
        return opened

    def next(self, n: int) -> list[Branch]:
        start = len(self.branches)
        recorded, interval = self.question.branches, self.question.interval
        fresh = [Branch(recorded[self.order[i]], interval, i) for i in range(start, start + min(n, self.room))]
        self.branches += fresh
        return fresh

    def step(self, branches: Iterable[Branch]) -> None:
        self.pay([branch.step() for branch in branches])

    def rest(self, branches: Iterable[Branch]) -> None:
        self.pay([branch.rest() for branch in branches if not branch.finished])

    def pay(self, costs: list[int]) -> None:
        """One call: its branches run side by side."""
        self.tokens += sum(costs)
        self.sequential += max(costs, default=0)


def majority(answers: Iterable[str | None]) -> str | None:
    counts = Counter(answer for answer in answers if answer is not None)
    return counts.most_common(1)[0][0] if counts else None


def top(answers: list[str]) -> tuple[str | None, float]:
    """The most frequent answer and its confidence."""
    ranked = Counter(answers).most_common(2)
    if not ranked:
        return None, 0.0
    return ranked[0][0], confidence(ranked[0][1], ranked[1][1] if len(ranked) > 1 else 0)


@cache
def confidence(v1: int, v2: int) -> float:
    """P(p > 1/2) for p ~ Beta(v1 + 1, v2 + 1): at most v1 heads in v1 + v2 + 1 tosses."""
    tosses = v1 + v2 + 1
    return sum(math.comb(tosses, heads) for heads in range(v1 + 1)) / 2**tosses


# ---- the methods -----------------------------------------------------------------------------------------------


def sc(episode: Episode, branches: int = 64) -> str | None:
    return majority(branch.answer for branch in episode.read(branches))


def asc(episode: Episode, max_branches: int = 64, threshold: float = 0.95) -> str | None:
    answers: list[str] = []
    for _ in range(min(max_branches, episode.room)):
        answers += [str(branch.answer) for branch in episode.read(1)]
        if len(answers) >= 2 and top(answers)[1] > threshold:
            break
    return majority(answers)


def esc(episode: Episode, max_branches: int = 64, window: int = 8) -> str | None:
    answers: list[str] = []
    for _ in range(min(max_branches, episode.room) // window):
        seen = [str(branch.answer) for branch in episode.read(window)]
        answers += seen
        if len(set(seen)) == 1:
            return seen[0]
    return majority(answers)


def answer_consistency(episode: Episode, k: int = 14) -> str | None:
    (branch,) = episode.open(1)
    seen = [branch.answer]
    while not branch.finished and (len(seen) < k or len(set(seen[-k:])) > 1):
        episode.step([branch])
        seen.append(branch.answer)
    return branch.answer


def st_bon(episode: Episode, branches: int = 16, prefix: int = 4) -> str | None:
    opened = episode.open(branches)
    for _ in range(prefix - 1):
        episode.step(branch for branch in opened if not branch.finished)
    winner = majority(branch.answer for branch in opened)
    kept = next(branch for branch in opened if branch.answer == winner)
    for branch in opened:
        branch.pruned = branch is not kept and not branch.finished
    episode.rest([kept])
    return kept.answer


def parallel_probe(
    episode: Episode, branches: int = 64, stable_steps: int = 40, prune_patience: int = 7, warm_up: int = 15
) -> str | None:
    opened = episode.open(branches)
    off_track = dict.fromkeys(range(len(opened)), 0)
    winner: str | None = None
    stable = 0
    for turn in range(100):
        episode.step([branch for branch in opened if not branch.pruned and not branch.finished])
        voters = [branch for branch in opened if not branch.pruned]
        previous, winner = winner, majority(branch.answer for branch in voters)
        if turn >= warm_up and len(voters) > 1:
            for branch in voters:
                if not branch.finished:
                    off_track[branch.index] = 0 if branch.answer == winner else off_track[branch.index] + 1
                    branch.pruned = off_track[branch.index] >= prune_patience
            winner = majority(branch.answer for branch in opened if not branch.pruned)
        stable = stable + 1 if winner == previous else 0
        if stable >= stable_steps or all(branch.finished or branch.pruned for branch in opened):
            break
    return winner


def cmc(episode: Episode, beta: float = 1.0) -> str | None:
    b = min(max(beta, 0.0), 1.0)
    max_branches, warm_up = min(64, round(4 + 60 * b)), max(2, round(2 + 8 * b))
    patience, window_size = max(3, round(3 + 9 * b)), max(2, round(2 + 6 * b))
    alpha, conf_thresh = round(0.70 - 0.40 * b, 4), round(0.85 + 0.12 * b, 4)
    delta_slack, trend_thresh = round(0.04 - 0.03 * b, 4), round(0.04 - 0.03 * b, 4)
    burst_aligned, widen_burst = max(1, round(1 + 2 * b)), max(1, round(1 + 3 * b))
    min_complete = max(2, round(2 + 3 * b))

    episode.open(max(2, round(2 + 6 * b)))
    opened = episode.branches
    pool = [str(branch.answer) for branch in opened if branch.finished]
    against: Counter[int] = Counter()
    ema, window = 0.0, []
    for turn in range(501):
        warm = turn >= warm_up
        winner, conf = top(pool)
        ema = (1 - alpha) * ema + alpha * conf
        window = [*window, ema][-window_size:]
        live = [branch for branch in opened if not branch.finished and not branch.pruned]
        if warm and winner is not None:
            for branch in live:
                against[branch.index] = 0 if branch.answer == winner else against[branch.index] + 1
            lost = [branch for branch in live if against[branch.index] >= patience]
            lost.sort(key=lambda branch: -against[branch.index])
            for branch in lost[: max(0, len(live) - 2)]:
                branch.pruned = True
            live = [branch for branch in live if not branch.pruned]
        live.sort(key=lambda branch: -branch.depth)
        costs: list[list[int]] = [[] for _ in range(burst_aligned)]
        for branch in live:
            steps = burst_aligned if warm and winner is not None and branch.answer == winner else 1
            for n in range(steps):
                costs[n].append(branch.step())
                if branch.finished:
                    pool.append(str(branch.answer))
                    break
        for together in costs:
            episode.pay(together)
        winner, conf = top(pool)
        ema = (1 - alpha) * ema + alpha * conf
        window[-1] = ema
        delta = window[-1] - window[0]
        if warm and len(pool) >= min_complete and ema >= conf_thresh and delta >= -delta_slack:
            return winner
        if all(branch.finished or branch.pruned for branch in opened):
            break
        wide = len(opened) < max_branches and episode.room > 0
        if wide and delta <= trend_thresh and turn >= max(1, warm_up // 2) and ema < conf_thresh:
            fresh = episode.open(min(widen_burst, max_branches - len(opened)))
            pool += [str(branch.answer) for branch in fresh if branch.finished]
    if pool:
        return top(pool)[0]
    return majority(branch.answer for branch in opened if not branch.pruned)


METHODS: dict[str, Callable[..., str | None]] = {
    "sc": sc,
    "asc": asc,
    "esc": esc,
    "answer_consistency": answer_consistency,
    "st_bon": st_bon,
    "parallel_probe": parallel_probe,
    "cmc": cmc,
}


class Outcome(NamedTuple):
    """How an episode ended."""

    repeat: int
    question: int
    correct: bool
    answer: str | None
    tokens: int
    sequential_tokens: int
    longest_branch: int
    branches: int
    pruned: int
    finished: int


def published_order(branches: int, seed: int, repeat: int) -> list[int]:
    order = list(range(branches))
    random.Random(seed + repeat).shuffle(order)
    return order


def play(
    name: str,
    questions: list[Question],
    repeats: int,
    *,
    seed: int = 0,
    order: Callable[[int, int, int], Sequence[int]] = published_order,
    **settings: float,
) -> list[Outcome]:
    """Every repeat of every question by one method; `order` takes the number of branches, the seed and the repeat."""
    method = METHODS[name]
    outcomes = []
    for repeat in range(repeats):
        for number, question in enumerate(questions):
            episode = Episode(question, order(len(question.branches), seed, repeat))
            answer = method(episode, **settings)
            opened = episode.branches
            outcomes.append(
                Outcome(
                    repeat,
                    number,
                    answer == question.gold,
                    answer,
                    episode.tokens,
                    episode.sequential,
                    max(branch.paid for branch in opened) if opened else 0,
                    len(opened),
                    sum(branch.pruned for branch in opened),
                    sum(branch.finished for branch in opened),
                )
            )
    return outcomes

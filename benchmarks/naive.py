"""A plain replay in one process: the shipped methods, written from their descriptions, on `naive_episode`'s rules.

No sandbox, no traces, no validation. It shares no code with the engine and the shipped controllers. It is the reference
for their results on any grid, and the baseline for their time.
"""

import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import NamedTuple

from benchmarks.naive_episode import Branch, Episode, Question


def majority(answers: Iterable[str | None]) -> str | None:
    counts = Counter(answer for answer in answers if answer is not None)
    return counts.most_common(1)[0][0] if counts else None


def top(answers: list[str]) -> tuple[str | None, float]:
    """Return the most frequent answer and its confidence."""
    ranked = Counter(answers).most_common(2)
    if not ranked:
        return None, 0.0
    return ranked[0][0], confidence(ranked[0][1], ranked[1][1] if len(ranked) > 1 else 0)


@cache
def confidence(v1: int, v2: int) -> float:
    """Return P(p > 1/2) for p ~ Beta(v1 + 1, v2 + 1), which is P(at most v1 heads in v1 + v2 + 1 tosses)."""
    tosses = v1 + v2 + 1
    return sum(math.comb(tosses, heads) for heads in range(v1 + 1)) / 2**tosses


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


def surge(episode: Episode, beta: float = 1.0) -> str | None:
    first_wave, most = round(4 * 2.5**beta), min(round(8 * 8**beta), episode.room)
    opened = episode.branches
    gave: list[set[str]] = []
    ended: list[Branch] = []
    leader: str | None = None

    def look(branches: list[Branch]) -> None:
        for branch in branches:
            if branch.answer not in UNPARSED:
                gave[branch.index].add(str(branch.answer))

    while len(opened) < most:
        wave = int(1.5 * len(opened)) if opened else first_wave
        left = most - len(opened)
        fresh = episode.open(left if left < 1.5 * wave else wave)
        gave += [set() for _ in fresh]
        look(fresh)
        ended += [branch for branch in fresh if branch.finished]
        margin = 1.5 - 1.2 * len(opened) / most
        while len(ended) < 0.5 * len(opened):
            live = [branch for branch in opened if not branch.finished]
            depth = min(branch.depth for branch in live)
            behind = [branch for branch in live if branch.depth == depth]
            ahead = min((branch.depth for branch in live if branch.depth > depth), default=1 << 20)
            more: list[Branch] = []
            while not more and behind[0].depth < ahead:
                episode.step(behind)
                look(behind)
                more = [branch for branch in behind if branch.finished]
            ended += more
            if more:
                leader, lead = _surging(episode, ended, gave)
                if len(ended) >= 0.5 * min(first_wave, most) and lead >= margin:
                    return leader
    return leader or majority(branch.answer for branch in opened)


UNPARSED = ("", "ERR", "?", "No")


def _surging(episode: Episode, ended: list[Branch], gave: list[set[str]]) -> tuple[str | None, float]:
    """Return the leading answer and its lead in standard deviations."""
    first = min(branch.depth for branch in ended)
    scale = episode.question.interval / 8000
    votes: dict[str, float] = {}
    for branch in ended:
        if branch.answer is not None and branch.answer not in UNPARSED:
            votes[branch.answer] = votes.get(branch.answer, 0.0) + math.exp((first - branch.depth) * scale)
    if not votes:
        return None, 0.0
    spread, likely = dict.fromkeys(votes, 0.0), dict(votes)
    for branch in episode.branches:
        if branch.answer in votes:
            weight = math.exp(min(0, first - branch.depth) * scale)
            spread[branch.answer] += (1.0 if branch.finished else 0.25) * weight * weight
            if not branch.finished:
                likely[branch.answer] += 0.25 * weight
    for answer in votes:
        came = [branch for branch in episode.branches if answer in gave[branch.index]]
        kept = ((sum(branch.answer == answer for branch in came) + 1) / (len(came) + 1)) ** 2
        votes[answer] *= kept
        likely[answer] *= kept
        spread[answer] *= kept * kept
    leader = max(votes, key=votes.__getitem__)
    ranked = sorted(likely, key=likely.__getitem__, reverse=True)
    if ranked[0] != leader:
        return leader, 0.0
    second = [likely[ranked[1]], spread[ranked[1]]] if len(ranked) > 1 else [0.0, 0.0]
    return leader, (likely[leader] - second[0]) / math.sqrt(spread[leader] + second[1])


METHODS: dict[str, Callable[..., str | None]] = {
    "sc": sc,
    "asc": asc,
    "esc": esc,
    "answer_consistency": answer_consistency,
    "st_bon": st_bon,
    "parallel_probe": parallel_probe,
    "cmc": cmc,
    "surge": surge,
}


class Outcome(NamedTuple):
    """The result of an episode."""

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
    """Play every repeat of every question by the method `name`.

    `order` gives a branch order from the number of branches, the seed and the repeat; `settings` are the method's.
    """
    method = METHODS[name]
    outcomes = []
    for repeat in range(repeats):
        for number, question in enumerate(questions):
            episode = Episode(question, order(len(question.branches), seed, repeat))
            answer = method(episode, **settings)
            opened = episode.branches
            longest = max((branch.paid for branch in opened), default=0)
            pruned, finished = (sum(getattr(branch, name) for branch in opened) for name in ("pruned", "finished"))
            cost = episode.tokens, episode.sequential, longest
            outcomes.append(
                Outcome(repeat, number, answer == question.gold, answer, *cost, len(opened), pruned, finished)
            )
    return outcomes

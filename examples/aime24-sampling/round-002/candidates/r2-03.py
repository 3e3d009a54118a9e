"""A price for changing one's mind: go on while the chance that twice the votes would turn the lead, per vote bought, is above one price.

What it knows that others ignore: a lead's predictive, not its present, doubt. If n votes lead by z standard deviations,
n more of the same source overturn it with chance Φ(-z√2), so one more vote is worth Φ(-z√2) / n. That falls both with
a clear lead and with a long tie, so hopeless ties end as well as easy questions. β sets the price alone (and the size
of the first cohort). Votes weigh by early arrival and by the share that the answer kept of those that ever held it.
"""

from collections import Counter
from math import erfc

from autotts import Answer, Branch, BudgetExceeded, Controller, Episode, majority


def trail(branch: Branch) -> list[Answer]:
    """Return the parsed answers of a branch in their order."""
    path = [a for a in branch.answers if a is not None and a.parsed]
    last = branch.answer
    if branch.finished and last is not None and last.parsed and (not path or path[-1] != last):
        path.append(last)
    return path


def held(path: list[Answer]) -> int:
    """Return for how many probes the last answer has stood."""
    run = 0
    for answer in reversed(path):
        if answer != path[-1]:
            break
        run += 1
    return run


class Price(Controller):
    """Buys votes, by depth and then by width, while they are worth their price."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        return {"start": 1 + round(7 * beta), "price": 0.25 * 0.0004**beta}

    def solve(self, episode: Episode) -> Answer | None:
        limit = None
        try:
            episode.branch(max(1, min(self.knobs["start"], episode.open_slots)))
            while True:
                ends = sorted(b.depth for b in episode.branches if b.finished)
                if ends and self.worth(episode) < self.knobs["price"]:
                    episode.note("stopped: a vote is not worth its price")
                    break
                total = len(episode.branches)
                half = (total + 1) // 2
                if len(ends) >= half:
                    limit = ends[half - 1] if limit is None else min(limit, ends[half - 1])
                if limit is not None:
                    late = [b for b in episode.active if b.depth >= limit]
                    if late:
                        episode.prune(late)
                live = list(episode.active)
                if live:
                    episode.advance(live)
                    continue
                if episode.open_slots <= 0:
                    episode.note("stopped: no width is left")
                    break
                episode.branch(min(episode.open_slots, max(1, total // 3)))
        except BudgetExceeded:
            episode.note("stopped: the budget is spent")
        scores = self.scores(episode, False) or self.scores(episode, True)
        if scores:
            return max(scores, key=lambda a: scores[a])
        return majority(b.answer for b in episode.branches)

    def worth(self, episode: Episode) -> float:
        """Return the chance that doubling the votes turns the lead, per vote."""
        ended, everyone = self.scores(episode, False), self.scores(episode, True)
        if not ended:
            return 1.0
        leader = max(ended, key=lambda a: ended[a])
        first = everyone.get(leader, 0.0)
        second = max((s for a, s in everyone.items() if a != leader), default=0.0)
        z = (first - second) / (first + second) ** 0.5 if first > second else 0.0
        count = sum(1 for b in episode.branches if b.finished)
        return 0.5 * erfc(z) / max(1, count)  # Φ(-z√2) = erfc(z) / 2

    def scores(self, episode: Episode, with_live: bool) -> dict[Answer, float]:
        """Return the weighted votes of the ended, and of the live by the share of their life they held it."""
        votes, kept, lost = {}, Counter(), Counter()
        ended = [b for b in episode.branches if b.finished and b.answer is not None and b.answer.parsed]
        weights = [max(1, b.depth) ** -1.5 for b in ended]
        scale = len(ended) / sum(weights) if ended else 1.0
        for b, w in zip(ended, weights):
            votes[b.answer] = votes.get(b.answer, 0.0) + w * scale
            kept[b.answer] += 1
        for b in episode.branches:
            path = trail(b)
            if not path:
                continue
            lost.update(a for a in set(path) if a != path[-1])
            if with_live and (b.active or not ended):
                run = held(path)
                if run < b.depth:
                    votes[path[-1]] = votes.get(path[-1], 0.0) + run / b.depth
        return {a: v * ((kept[a] + 1) / (kept[a] + lost[a] + 1)) ** 1.5 for a, v in votes.items()}

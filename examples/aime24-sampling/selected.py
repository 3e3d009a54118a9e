"""A race with deserters: branches run side by side until half have ended, an early end weighs more, and an answer that branches held and then left loses weight.

What it knows that others ignore: the right answer is an answer that is reached soon and is not left again. Each end is
a vote of weight 1 / depth², and each answer's votes are discounted by the square of the share that it kept of the
branches that ever gave it. The race sets its own clock: the depth at which half of the opened branches had ended is
the deepest that any later branch may go. New waves start only while the discounted lead is too small.
"""

from collections import Counter

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


class Race(Controller):
    """Lockstep waves under one clock, and a vote by early arrival and by desertion."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        return {
            "width": min(64, round(1 + 63 * beta * beta)),
            "start": 2 + round(6 * beta),
            "sure": 0.6 + 1.6 * beta,
        }

    def solve(self, episode: Episode) -> Answer | None:
        width = max(1, min(self.knobs["width"], episode.open_slots))
        limit = None
        try:
            episode.branch(min(self.knobs["start"], width))
            while True:
                ends = sorted(b.depth for b in episode.branches if b.finished)
                if ends and self.lead(episode) >= self.knobs["sure"]:
                    episode.note("stopped: the lead is clear")
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
                room = min(width - total, episode.open_slots)
                if room <= 0:
                    episode.note("stopped: no width is left")
                    break
                episode.branch(min(room, max(2, total // 2)))
        except BudgetExceeded:
            episode.note("stopped: the budget is spent")
        scores = self.scores(episode, False) or self.scores(episode, True)
        if scores:
            return max(scores, key=lambda a: scores[a])
        return majority(b.answer for b in episode.branches)

    def lead(self, episode: Episode) -> float:
        """Return the lead in standard deviations, if the ended alone have the same leader as all; else 0."""
        ended, everyone = self.scores(episode, False), self.scores(episode, True)
        if not ended or not everyone:
            return 0.0
        leader = max(ended, key=lambda a: ended[a])
        first = everyone.get(leader, 0.0)
        second = max((s for a, s in everyone.items() if a != leader), default=0.0)
        return (first - second) / (first + second) ** 0.5 if first > second else 0.0

    def scores(self, episode: Episode, with_live: bool) -> dict[Answer, float]:
        """Return the discounted votes: of the ended, and of the others by the share of their life they held it."""
        votes, kept, lost = {}, Counter(), Counter()
        ended = [b for b in episode.branches if b.finished and b.answer is not None and b.answer.parsed]
        weights = [1.0 / max(1, b.depth) ** 2 for b in ended]
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
        return {a: v * ((kept[a] + 1) / (kept[a] + lost[a] + 1)) ** 2 for a, v in votes.items()}

"""The vote after thinking on: votes flow along the changes of mind that the branches showed, and gather in answers that are entered and not left.

What it knows that others ignore: where deserters go. Each branch that gave answer x and stands now at y is an
observed move x → y; the ends at x say how often x holds. The controller takes the vote of the ended branches, adds what
the moves forecast for the live ones, and lets it run through this chain for a few expected steps: the vote that would
come out if every branch revised as the others did. Its lead decides on stopping and on more width.
"""

from autotts import Answer, Branch, BudgetExceeded, Controller, Episode, majority

ON = 0.75  # the chance of one more step along the chain: three steps on average


def trail(branch: Branch) -> list[Answer]:
    """Return the parsed answers of a branch in their order."""
    path = [a for a in branch.answers if a is not None and a.parsed]
    last = branch.answer
    if branch.finished and last is not None and last.parsed and (not path or path[-1] != last):
        path.append(last)
    return path


class Flow(Controller):
    """A Markov chain between answers, estimated within the episode, turns votes into a settled vote."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        return {
            "width": min(64, round(1 + 63 * beta * beta)),
            "start": 2 + round(6 * beta),
            "sure": 0.6 + 2.0 * beta,
        }

    def solve(self, episode: Episode) -> Answer | None:
        width = max(1, min(self.knobs["width"], episode.open_slots))
        limit = None
        try:
            episode.branch(min(self.knobs["start"], width))
            while True:
                ends = sorted(b.depth for b in episode.branches if b.finished)
                if ends and self.lead(episode) >= self.knobs["sure"]:
                    episode.note("stopped: the settled vote is clear")
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
        scores = self.settled(episode, False)
        if scores:
            return max(scores, key=lambda a: scores[a])
        votes = {}
        for b in episode.branches:
            path = trail(b)
            if path:
                votes[path[-1]] = votes.get(path[-1], 0) + 1
        if votes:
            return max(votes, key=lambda a: votes[a])
        return majority(b.answer for b in episode.branches)

    def lead(self, episode: Episode) -> float:
        """Return the lead of the ended branches' winner in the forecast, in standard deviations."""
        ended, everyone = self.settled(episode, False), self.settled(episode, True)
        if not ended:
            return 0.0
        leader = max(ended, key=lambda a: ended[a])
        first = everyone.get(leader, 0.0)
        second = max((s for a, s in everyone.items() if a != leader), default=0.0)
        return (first - second) / (first + second) ** 0.5 if first > second else 0.0

    def settled(self, episode: Episode, with_live: bool) -> dict[Answer, float]:
        """Return the vote after it ran along the observed changes of mind; empty while nothing has ended."""
        ended = [b for b in episode.branches if b.finished and b.answer is not None and b.answer.parsed]
        if not ended:
            return {}
        source, kept, moves, live = {}, {}, {}, []
        weights = [1.0 / max(1, b.depth) for b in ended]
        scale = len(ended) / sum(weights)
        for b, w in zip(ended, weights):
            source[b.answer] = source.get(b.answer, 0.0) + w * scale
            kept[b.answer] = kept.get(b.answer, 0) + 1
        for b in episode.branches:
            path = trail(b)
            if not path:
                continue
            here = path[-1]
            for a in dict.fromkeys(path):
                if a != here:
                    row = moves.setdefault(a, {})
                    row[here] = row.get(here, 0) + 1
            if b.active:
                live.append(here)
        size = {a: kept.get(a, 0) + sum(moves.get(a, {}).values()) + 1 for a in [*kept, *moves]}
        if with_live:
            for a in live:
                if a not in size:
                    continue
                source[a] = source.get(a, 0.0) + kept.get(a, 0) / size[a]
                for to, count in moves.get(a, {}).items():
                    source[to] = source.get(to, 0.0) + count / size[a]
        mass = dict(source)
        for _ in range(24):
            after = {a: (1 - ON) * v for a, v in source.items()}
            for a, v in mass.items():
                if a not in size:
                    after[a] = after.get(a, 0.0) + ON * v
                    continue
                after[a] = after.get(a, 0.0) + ON * v * (kept.get(a, 0) + 1) / size[a]
                for to, count in moves.get(a, {}).items():
                    after[to] = after.get(to, 0.0) + ON * v * count / size[a]
            mass = after
        voted = {a: v for a, v in mass.items() if a in kept}
        return mass if with_live else voted

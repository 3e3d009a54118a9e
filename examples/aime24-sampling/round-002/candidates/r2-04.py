"""Pay for checking once: the first branches that end show how long this question's checking takes, and later branches are closed as votes when their answer has stood that long.

What it knows that others ignore: the tail between a branch's last change of mind and its end, and that it is a property
of the question. Live branches vote by hold / (hold + tail); one that has held its answer for `patience` tails is closed
and votes fully, so neither its end nor that of branches still wandering after half are done is paid for. A vote weighs
more the earlier its answer settled, and an answer's votes are discounted by those who left it.
"""

from collections import Counter

from autotts import Answer, Branch, BudgetExceeded, Controller, Episode, confidence, majority

TAIL = 8  # intervals of checking supposed before any branch has ended


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


class Tail(Controller):
    """Learns the length of checking within the episode, and closes branches by it."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        return {
            "width": min(64, round(2 + 62 * beta * beta)),
            "start": 2 + round(5 * beta),
            "patience": 1.0 + beta,
            "sure": 1 - 0.3 * 0.01**beta,
        }

    def solve(self, episode: Episode) -> Answer | None:
        width = max(1, min(self.knobs["width"], episode.open_slots))
        self.closed = {}  # of this episode: index of a branch closed as a vote -> depth when it was closed
        limit = None
        winner = None
        try:
            episode.branch(min(self.knobs["start"], width))
            while True:
                tail = self.tail(episode)
                winner, sure = self.clear(episode, tail)
                if winner is not None and sure >= self.knobs["sure"]:
                    episode.note("stopped: the vote is clear")
                    return winner
                self.close(episode, tail)
                done = sorted(self.closed.get(b.index, b.depth) for b in episode.branches
                              if b.finished or b.index in self.closed)
                total = len(episode.branches)
                half = (total + 1) // 2
                if len(done) >= half:
                    limit = done[half - 1] if limit is None else min(limit, done[half - 1])
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
        tail = self.tail(episode)
        scores = self.scores(episode, tail, False) or self.scores(episode, tail, True)
        if scores:
            return max(scores, key=lambda a: scores[a])
        return majority(b.answer for b in episode.branches)

    def tail(self, episode: Episode) -> float | None:
        """Return the median time from the last change of mind to the end; None before an end."""
        tails = sorted(held(trail(b)) for b in episode.branches
                       if b.finished and b.answer is not None and b.answer.parsed)
        return float(max(2, tails[len(tails) // 2])) if tails else None

    def close(self, episode: Episode, tail: float | None) -> None:
        """Close live branches that have held an answer for long, once a tail is known."""
        if tail is None:
            return
        need = self.knobs["patience"] * max(tail, TAIL / 2)
        ready = []
        for b in episode.active:
            run = held(trail(b))
            if run >= need and run < b.depth:
                ready.append(b)
        if ready:
            for b in ready:
                self.closed[b.index] = b.depth
            episode.prune(ready)

    def clear(self, episode: Episode, tail: float | None) -> tuple[Answer | None, float]:
        """Return the leader, and the confidence in its lead with the live branches' part votes."""
        done, everyone = self.scores(episode, tail, False), self.scores(episode, tail, True)
        if not everyone:
            return None, 0.0
        base = done or everyone
        leader = max(base, key=lambda a: base[a])
        first = everyone.get(leader, 0.0)
        second = max((s for a, s in everyone.items() if a != leader), default=0.0)
        return leader, confidence(first, second) if first > second else 0.0

    def scores(self, episode: Episode, tail: float | None, with_live: bool) -> dict[Answer, float]:
        """Return the discounted votes of ended and closed branches, and part votes of the others."""
        votes, kept, lost = {}, Counter(), Counter()
        full, part = [], []
        for b in episode.branches:
            path = trail(b)
            if not path:
                continue
            lost.update(a for a in set(path) if a != path[-1])
            run = held(path)
            if b.finished or b.index in self.closed:
                if b.finished and (b.answer is None or not b.answer.parsed):
                    continue
                full.append((path[-1], max(1, b.depth - run + 1)))
                kept[path[-1]] += 1
            elif run < b.depth:
                part.append((path[-1], run / (run + (tail or TAIL))))
        if full:
            # The pool's mean settling depth is added, so that a lucky first guess does not outweigh the others.
            mean = sum(depth for _, depth in full) / len(full)
            weights = [(depth + mean) ** -2.0 for _, depth in full]
            scale = len(full) / sum(weights)
            for (answer, _), w in zip(full, weights):
                votes[answer] = votes.get(answer, 0.0) + w * scale
        if with_live:
            for answer, w in part:
                votes[answer] = votes.get(answer, 0.0) + w
        return {a: v * ((kept[a] + 1) / (kept[a] + lost[a] + 1)) ** 2 for a, v in votes.items()}

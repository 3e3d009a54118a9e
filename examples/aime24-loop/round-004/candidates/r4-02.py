"""Flow: confidence in an answer is where a walk over all changes of mind ends up, not only how many left it.

The share kept knows that an answer was left, not for what. Here all branches' changes of answer are one Markov chain,
restarted at first answers; its long-run mass is the confidence in an answer: one that is reached from other popular
answers and kept gains, one that is left for them loses. It multiplies the votes by length in the race of r3-03.
"""

from autotts import Answer, Controller, Episode, Poll, poll


class Flow(Controller):
    """Width and the bar of an empty pool; the bar falls to 0.7 as the pool fills."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        return {"width": round(64 ** (beta**0.7)), "sure": 0.76 + 0.2 * beta}

    def solve(self, episode: Episode) -> Answer | None:
        width, sure = min(self.knobs["width"], episode.open_slots), self.knobs["sure"]
        episode.branch(max(min(2, width), width // 8))
        while True:
            total, active = len(episode.branches), episode.active
            bar = sure + (0.7 - sure) * total / width
            if self.vote(episode, False).confidence >= bar:
                break
            low = min((branch.depth for branch in active), default=0)
            level = all(branch.depth == low for branch in active)
            open_now = not active or self.vote(episode, True).confidence < bar
            if level and 4 * (total - len(active)) >= total and open_now:
                if total == width:
                    break
                episode.branch(min(width - total, total))
            else:
                episode.advance([branch for branch in active if branch.depth == low])
        winner = self.vote(episode, False).winner
        return self.vote(episode, True).winner if winner is None else winner

    def vote(self, episode: Episode, projected: bool) -> Poll:
        """Length squared, times flow, times the share that the answer kept of the branches that ever gave it."""
        voters = sorted((each for each in episode.branches if each.finished or projected), key=lambda each: each.depth)
        first = min((each.depth for each in voters if each.finished), default=1)
        support: dict[Answer, float] = {}
        for voter in voters:
            answer = voter.answer
            if answer is not None and answer.parsed:
                support[answer] = support.get(answer, 0.0) + min(1.0, first / voter.depth) ** 2
        flow = self.flow(episode)
        top = max((flow.get(answer, 0.0) for answer in support), default=1.0)
        for answer in support:
            ever = [each.answer == answer for each in episode.branches if answer in each.seen]
            support[answer] *= sum(ever) / len(ever) * flow.get(answer, 0.0) / max(top, 1e-9)
        return poll(support)

    def flow(self, episode: Episode) -> dict[Answer, float]:
        """Long-run share of each answer in a walk over the moves of all branches, restarted at first answers."""
        start: dict[Answer, float] = {}
        moves: dict[Answer, dict[Answer, float]] = {}
        for branch in episode.branches:
            path: list[Answer] = []
            for answer in branch.answers:
                if answer is not None and answer.parsed and (not path or path[-1] != answer):
                    path.append(answer)
            if path:
                start[path[0]] = start.get(path[0], 0.0) + 1
                for one, two in zip(path, [*path[1:], path[-1]]):
                    row = moves.setdefault(one, {})
                    row[two] = row.get(two, 0.0) + 1
        total = sum(start.values()) or 1.0
        mass = {answer: count / total for answer, count in start.items()}
        for _ in range(12):
            after = {answer: 0.1 * count / total for answer, count in start.items()}
            for one, share in mass.items():
                row = moves[one]
                out = 0.9 * share / sum(row.values())
                for two, count in row.items():
                    after[two] = after.get(two, 0.0) + out * count
            mass = after
        return mass

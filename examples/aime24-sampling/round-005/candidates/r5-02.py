"""Idea: a revision is a ballot between two answers; the vote is projected through the question's own revisions, as if the branches went on thinking.

Branches leave wrong answers for the right one far more often than the reverse. All branches, the running ones too, show
from which answers to which the model revises. The votes of the branches that ended are carried three steps along these
revisions: an answer that is often given up hands its votes to those that it is given up for, one that is kept holds them.
The episode ends when the projected vote is clear and the plain vote has the same leader; where they differ, the pool goes
on to grow: deeper until n^(2/3) of n branches have ended, then wider by half.
"""

import math

from autotts import ActionError, Answer, Branch, Controller, Episode, confidence, majority


def valid(answer: "Answer | None") -> bool:
    return answer is not None and answer.parsed


def trailing_run(branch: Branch) -> int:
    """Number of latest probes in a row that gave the present answer."""
    run, now = 0, branch.answer
    for answer in reversed(branch.answers):
        if answer is None or answer != now:
            break
        run += 1
    return run


def ended_first(episode: Episode) -> "list[Branch]":
    """Branches that ended with a readable answer, the shortest first."""
    ended = [b for b in episode.branches if b.finished and valid(b.answer)]
    return sorted(ended, key=lambda b: (b.depth, b.index))


def settled_votes(episode: Episode, trust: float) -> dict:
    """Part votes of running branches: the share of its depth (and a little more) for which it has held its answer."""
    votes = {}
    for b in episode.branches:
        if b.active and valid(b.answer):
            run = trailing_run(b)
            if run >= 5:
                votes[b.answer] = votes.get(b.answer, 0.0) + trust * run / (b.depth + 6)
    return votes


def top(scores: dict) -> "Answer | None":
    return max(scores, key=lambda a: scores[a]) if scores else None


def fallback(episode: Episode) -> "Answer | None":
    answers = [b.answer for b in episode.branches if valid(b.answer)]
    if not answers:
        answers = [a for b in episode.branches for a in b.answers if valid(a)]
    return majority(answers) if answers else majority(b.answer for b in episode.branches)


STEPS = 3


class Revisions(Controller):
    """The vote that further revisions would lead to."""

    @staticmethod
    def schedule(beta: float) -> "dict[str, float]":
        b = min(1.0, max(0.0, beta))
        return {
            "width": round(2 * 32**b),  # branches at most
            "start": round(2 + 4 * b),  # branches at first
            "sure": round(0.70 + 0.29 * b, 4),  # confidence that ends the episode
            "trust": round(1 - 0.5 * b, 4),  # worth of a settled branch that has not ended
        }

    def solve(self, episode: Episode) -> "Answer | None":
        """Level the pool, judge it; deepen until enough have ended, widen while it is open."""
        leader = None
        try:
            cap = max(1, min(int(self.knobs["width"]), episode.open_slots))
            episode.branch(min(int(self.knobs["start"]), cap))
            while True:
                active = episode.active
                if active:
                    low = min(b.depth for b in active)
                    front = max(b.depth for b in active)
                    if low < front:
                        episode.advance([b for b in active if b.depth == low])
                        continue
                leader, sure = self.judge(episode)
                if leader is not None and sure >= self.knobs["sure"]:
                    return leader
                width = len(episode.branches)
                ended = sum(1 for b in episode.branches if b.finished)
                enough = ended >= math.floor(width ** (2 / 3) + 1e-9)
                if active and not (enough and leader is not None):
                    episode.advance(active)
                elif width < cap:
                    episode.branch(min(cap - width, max(1, width // 2)))
                else:
                    break
        except ActionError:
            pass
        return leader if leader is not None else fallback(episode)

    def weigh(self, scores: dict, running: dict) -> "tuple[Answer | None, float]":
        """The leader among the ended (the running only if none has ended), and its confidence with part votes."""
        leader = top(scores) if scores else top(running)
        if leader is None:
            return None, 0.0
        total = dict(scores)
        for a, w in running.items():
            total[a] = total.get(a, 0.0) + w
        second = max((w for a, w in total.items() if a != leader), default=0.0)
        return leader, confidence(max(0.0, total[leader]), max(0.0, second))

    def judge(self, episode: Episode) -> "tuple[Answer | None, float]":
        votes, stay, move = {}, {}, {}
        for b in ended_first(episode):
            votes[b.answer] = votes.get(b.answer, 0.0) + 1.0
        for b in episode.branches:
            now = b.answer
            if not valid(now):
                continue
            weight = 1.0 if b.finished else 0.5
            if b.finished:
                stay[now] = stay.get(now, 0.0) + 1.0
            met = []
            for a in b.answers:  # in the order of the branch, so that nothing depends on labels
                if valid(a) and a != now and a not in met:
                    met.append(a)
                    to = move.setdefault(a, {})
                    to[now] = to.get(now, 0.0) + weight
        mass = dict(votes)
        for _ in range(STEPS):
            after = {}
            for a, m in mass.items():
                to = move.get(a, {})
                all_ = stay.get(a, 0.0) + sum(to.values()) + 1.0
                gone = 0.0
                for c, w in to.items():
                    if c in votes:  # nothing flows to an answer that no branch has ended with
                        after[c] = after.get(c, 0.0) + m * w / all_
                        gone += w / all_
                after[a] = after.get(a, 0.0) + m * (1.0 - gone)
            mass = after
        running = {}
        for a, w in settled_votes(episode, self.knobs["trust"]).items():
            lost = sum(move.get(a, {}).values())
            running[a] = w * (stay.get(a, 0.0) + 1.0) / (stay.get(a, 0.0) + lost + 1.0)
        scores = {a: mass[a] for a in votes}
        leader, sure = self.weigh(scores, running)
        if leader is not None and votes and votes.get(leader, 0.0) < max(votes.values()):
            sure = 0.0  # the plain vote disagrees: go on
        return leader, sure

"""Idea: every two branches fight a duel that the one that ends first wins; a vote weighs the share of duels won, times how well its answer is kept.

A branch need not end to lose a duel: it loses as soon as it is deeper than the other one's length. So the weight is
known for a pool that is cut off, needs no scale of length, and long branches are never read to their ends. An answer
that branches gave on the way and gave up again loses worth by the square of the share that kept it. The pool is level:
all running branches stand at one depth, new ones catch up first. It deepens until n^(2/3) of n branches have ended
(a few early enders of many are worth more than all of few), and then widens by half if the weighted vote is still open.
Running branches only help to stop, by the share of their depth for which they have been settled: they never choose.
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


def kept_and_left(episode: Episode) -> "tuple[dict, dict]":
    """Of each answer: branches that ended with it, and branches that gave it once and do not hold it now."""
    kept, left = {}, {}
    for b in episode.branches:
        for a in b.seen:
            if b.answer != a:
                left[a] = left.get(a, 0) + 1
            elif b.finished:
                kept[a] = kept.get(a, 0) + 1
    return kept, left


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


class Duels(Controller):
    """Votes by duels of length among the branches of a level pool."""

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
        kept, left = kept_and_left(episode)

        def worth(a: Answer) -> float:
            k, l = kept.get(a, 0), left.get(a, 0)
            return ((k + 1) / (k + l + 1)) ** 2

        scores = {}
        for b in ended_first(episode):
            won, known = 1.0, 1.0
            for other in episode.branches:
                if other is b:
                    continue
                if other.finished and other.depth == b.depth:
                    won += 0.5
                    known += 1
                elif other.depth >= b.depth:
                    won += 1
                    known += 1
                elif other.finished:
                    known += 1
            scores[b.answer] = scores.get(b.answer, 0.0) + won / known
        scores = {a: s * worth(a) for a, s in scores.items()}
        running = {a: w * worth(a) for a, w in settled_votes(episode, self.knobs["trust"]).items()}
        return self.weigh(scores, running)

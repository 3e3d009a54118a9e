"""Idea: a branch votes and retires once it has held its answer for long compared with the time that it took to find it; who found its answer first weighs most.

The end of a branch is mostly checking. An answer that came at depth s and has stood for r intervals will probably stand
for as many again, so a branch is cut off at r >= patience * s (and r >= hold), and the tokens of its tail pay for other
branches. Votes are weighed by duels in the time of finding, not in length: a branch beats all that had not found theirs
by then. Answers that branches gave up lose worth by the square of the share kept. Few branches start; whoever is still
searching when n^(3/4) of n have voted waits, and goes on only if the vote stays open after widening.
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


def top(scores: dict) -> "Answer | None":
    return max(scores, key=lambda a: scores[a]) if scores else None


def fallback(episode: Episode) -> "Answer | None":
    answers = [b.answer for b in episode.branches if valid(b.answer)]
    if not answers:
        answers = [a for b in episode.branches for a in b.answers if valid(a)]
    return majority(answers) if answers else majority(b.answer for b in episode.branches)


class Retire(Controller):
    """Branches retire when their answer has stood the test of time."""

    @staticmethod
    def schedule(beta: float) -> "dict[str, float]":
        b = min(1.0, max(0.0, beta))
        return {
            "width": round(3 * (64 / 3) ** b),  # branches at most
            "start": round(3 + 3 * b),  # branches at first
            "sure": round(0.76 + 0.23 * b, 4),  # confidence that ends the episode
            "patience": round(0.8 + 2.2 * b, 4),  # time held, in times of the time of finding
            "hold": round(6 + 10 * b),  # intervals held at least
        }

    def solve(self, episode: Episode) -> "Answer | None":
        leader = None
        found = {}  # voters by index: the depth at which they found their answer
        try:
            cap = max(1, min(int(self.knobs["width"]), episode.open_slots))
            episode.branch(min(int(self.knobs["start"]), cap))
            while True:
                self.retire(episode, found)
                active = episode.active
                if active:
                    low = min(b.depth for b in active)
                    if low < max(b.depth for b in active):
                        episode.advance([b for b in active if b.depth == low])
                        continue
                leader, sure = self.judge(episode, found)
                if leader is not None and sure >= self.knobs["sure"]:
                    return leader
                width = len(episode.branches)
                enough = leader is not None and len(found) >= math.ceil(width**0.75 - 1e-9)
                if active and not enough:
                    episode.advance(active)
                elif width < cap:
                    episode.branch(min(cap - width, max(1, width // 2)))
                else:
                    break
        except ActionError:
            pass
        return leader if leader is not None else fallback(episode)

    def retire(self, episode: Episode, found: dict) -> None:
        """Let branches vote that ended, or that have held their answer for long enough; cut the latter off."""
        done = []
        for b in episode.branches:
            if b.index in found or not valid(b.answer) or (b.pruned and not b.finished):
                continue
            run = trailing_run(b)
            before = max(0, b.depth - run)
            if b.finished:
                found[b.index] = before
            elif run >= self.knobs["hold"] and run >= self.knobs["patience"] * (before + 1):
                found[b.index] = before
                done.append(b)
        if done:
            episode.prune(done)

    def judge(self, episode: Episode, found: dict) -> "tuple[Answer | None, float]":
        kept, left = {}, {}
        for b in episode.branches:
            for a in b.seen:
                if b.answer != a:
                    left[a] = left.get(a, 0) + 1
                elif b.index in found:
                    kept[a] = kept.get(a, 0) + 1
        voters = sorted((b for b in episode.branches if b.index in found), key=lambda b: (found[b.index], b.index))
        scores = {}
        for b in voters:
            mine = found[b.index]
            won, known = 1.0, 1.0
            for other in episode.branches:
                if other is b:
                    continue
                theirs = found.get(other.index)
                if theirs is None:  # still searching, or unsettled
                    theirs = other.depth - trailing_run(other) if valid(other.answer) else other.depth
                    if theirs > mine:
                        won += 1
                        known += 1
                else:
                    known += 1
                    won += 1.0 if theirs > mine else 0.5 if theirs == mine else 0.0
            # half of the weight is the vote itself, half the duels: early finding is a weaker sign than early ending
            scores[b.answer] = scores.get(b.answer, 0.0) + 0.5 + 0.5 * won / known
        for a in scores:
            k, l = kept.get(a, 0), left.get(a, 0)
            scores[a] *= ((k + 1) / (k + l + 1)) ** 2
        leader = top(scores)
        if leader is None:
            return None, 0.0
        second = max((s for a, s in scores.items() if a != leader), default=0.0)
        return leader, confidence(scores[leader], second)

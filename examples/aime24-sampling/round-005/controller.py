"""Idea: a posterior over which answer is right, "none of those seen" among them, from votes, keeping and length, with all rates of the question integrated out.

If answer a is right, branches give it at an unknown rate, scatter over wrong answers like a Chinese restaurant, keep it
nearly always once they gave it, and are shorter with it; a wrong one is kept at any rate. Integrating the rates out makes
repeated evidence saturate: a popular wrong answer cannot win by numbers alone, and scattered opposition counts for less
than a second camp. The posterior chooses the answer and ends the episode; as long as it is open, a level pool goes deeper
until n^(2/3) of n branches have ended, and then wider by half. Settled running branches are part votes for stopping only.
"""

import math

from autotts import ActionError, Answer, Branch, Controller, Episode, majority


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


SCATTER = 3.0  # strength with which wrong branches start new answers
KEEP_RIGHT, KEEP_WRONG = (8.0, 1.0), (1.0, 1.4)  # Beta priors of the rate at which an answer is kept
SHIFT, SPREAD = 0.8, 0.5  # right against wrong: difference of the mean length, variance of the mean by question


def log_beta(x: float, y: float) -> float:
    return math.lgamma(x) + math.lgamma(y) - math.lgamma(x + y)


class Posterior(Controller):
    """Reads until one answer is right with the wanted probability."""

    @staticmethod
    def schedule(beta: float) -> "dict[str, float]":
        b = min(1.0, max(0.0, beta))
        return {
            "width": round(2 * 32**b),  # branches at most
            "start": round(2 + 4 * b),  # branches at first
            "sure": round(0.60 + 0.395 * b, 4),  # confidence that ends the episode
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

    def judge(self, episode: Episode) -> "tuple[Answer | None, float]":
        kept, left = kept_and_left(episode)
        ended = ended_first(episode)
        votes, places = {}, {}
        width = len(episode.branches)
        for b in ended:
            votes[b.answer] = votes.get(b.answer, 0.0) + 1.0
            shorter = sum(1 for o in episode.branches if o.finished and o.depth < b.depth)
            same = sum(1 for o in episode.branches if o.finished and o.depth == b.depth)
            rank = (shorter + same / 2) / width  # place among all opened; the running ones are longer
            # near enough the normal quantile of the rank, by the logistic one
            rank = (rank * width + 0.5) / (width + 1)
            places.setdefault(b.answer, []).append(math.log(rank / (1 - rank)) / 1.7)
        running = settled_votes(episode, self.knobs["trust"])
        if not votes and not running:
            return None, 0.0
        middle = 0.0
        if ended:
            middle = sum(z for each in places.values() for z in each) / len(ended)
        extra = dict(votes)
        for a, w in running.items():
            extra[a] = extra.get(a, 0.0) + w
        evidence = {a: self.keeping(kept.get(a, 0) + extra[a] - votes.get(a, 0.0), left.get(a, 0)) for a in extra}
        for a, each in places.items():
            mean = sum(each) / len(each) - middle
            evidence[a] -= SHIFT * mean / (SPREAD + 1.0 / len(each))
        chosen = self.posterior(votes, evidence) if votes else self.posterior(extra, evidence)
        leader = top(chosen)
        if leader is None:
            return None, 0.0
        return leader, self.posterior(extra, evidence)[leader]

    def keeping(self, kept: float, left: float) -> float:
        """Log odds of right against wrong, by how often an answer was kept and left."""
        (a, b), (c, d) = KEEP_RIGHT, KEEP_WRONG
        right = log_beta(a + kept, b + left) - log_beta(a, b)
        wrong = log_beta(c + kept, d + left) - log_beta(c, d)
        return right - wrong

    def posterior(self, votes: dict, evidence: dict) -> dict:
        """Probability of each answer; what lacks to 1 belongs to answers not seen."""
        total = sum(votes.values())
        camps = {a: math.log(SCATTER) + math.lgamma(max(1.0, v)) for a, v in votes.items()}
        everyone = sum(camps.values())

        def fit(v: float, camp: float) -> float:
            rest = total - v
            scatter = everyone - camp - (math.lgamma(SCATTER + rest) - math.lgamma(SCATTER))
            return math.lgamma(v + 1) + math.lgamma(max(0.0, rest) + 1) + scatter

        logs = {a: fit(v, camps[a]) + evidence[a] for a, v in votes.items()}
        unseen = fit(0.0, 0.0)
        peak = max(unseen, max(logs.values()))
        norm = math.exp(unseen - peak) + sum(math.exp(x - peak) for x in logs.values())
        return {a: math.exp(x - peak) / norm for a, x in logs.items()}

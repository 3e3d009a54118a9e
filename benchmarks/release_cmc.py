"""CMC as a controller of the public AutoTTS release: its `question` object, one branch an action, SciPy, its own trace.

Written from the rules in the project's documents, to measure and test the adapter in place of a user's file. It imports
nothing of the project.
"""

from collections import Counter

import numpy as np
from scipy.stats import beta as beta_distribution


class BaseController:
    """Base class of the release's controllers, which every file defines itself."""

    def __init__(self, config=None):
        self.config = dict(config or {})
        self.trace = []

    def record(self, action, **details):
        self.trace.append({"action": action, **details})

    def solve(self, question):
        raise NotImplementedError


def pool_confidence(pool):
    if not pool:
        return None, 0.0
    common = Counter(pool).most_common(2)
    second = common[1][1] if len(common) > 1 else 0
    return common[0][0], 1.0 - float(beta_distribution.cdf(0.5, common[0][1] + 1, second + 1))


class OptimalController(BaseController):
    """Confidence momentum: stop on the trend of the pool's confidence, open branches when it stalls."""

    def __init__(self, config=None):
        super().__init__(config)
        b = float(np.clip(self.config.get("beta", 0.5), 0.0, 1.0))
        self.n_init = max(2, round(2 + 6 * b))
        self.max_branches = min(64, round(4 + 60 * b))
        self.warm_up = max(2, round(2 + 8 * b))
        self.abandon_patience = max(3, round(3 + 9 * b))
        self.ema_window = max(2, round(2 + 6 * b))
        self.ema_alpha = round(0.70 - 0.40 * b, 4)
        self.conf_thresh = round(0.85 + 0.12 * b, 4)
        self.delta_slack = round(0.04 - 0.03 * b, 4)
        self.trend_thresh = round(0.04 - 0.03 * b, 4)
        self.burst_aligned = max(1, round(1 + 2 * b))
        self.widen_burst = max(1, round(1 + 3 * b))
        self.min_complete = max(2, round(2 + 3 * b))

    def open_branch(self, question, branches, pool):
        try:
            answer, index, finished = question.probe_new()
        except ValueError:
            return False
        branches.append({"index": index, "answer": answer, "done": finished, "gone": False, "off": 0, "steps": 1})
        self.record("branch", index=index, answer=answer)
        if finished:
            pool.append(answer)
        return True

    def step(self, question, branch, times, pool):
        for _ in range(times):
            answer, finished = question.probe_more(branch["index"])
            branch["answer"] = answer
            branch["steps"] += 1
            self.record("continue", index=branch["index"], answer=answer, finished=finished)
            if finished:
                branch["done"] = True
                pool.append(answer)
                return

    def abandon(self, live, winner):
        for branch in live:
            branch["off"] = branch["off"] + 1 if branch["answer"] != winner else 0
        lost = sorted(
            (branch for branch in live if branch["off"] >= self.abandon_patience),
            key=lambda branch: (-branch["off"], branch["index"]),
        )
        for branch in lost[: max(0, len(live) - 2)]:
            branch["gone"] = True
            self.record("prune", index=branch["index"])

    def solve(self, question):
        branches, pool, window, ema = [], [], [], 0.0
        for _ in range(self.n_init):
            self.open_branch(question, branches, pool)
        for turn in range(501):
            warm = turn >= self.warm_up
            winner, conf = pool_confidence(pool)
            ema = (1 - self.ema_alpha) * ema + self.ema_alpha * conf
            window = [*window, ema][-self.ema_window :]
            live = [branch for branch in branches if not branch["done"] and not branch["gone"]]
            if warm and winner is not None:
                self.abandon(live, winner)
                live = [branch for branch in live if not branch["gone"]]
            for branch in sorted(live, key=lambda branch: (-branch["steps"], branch["index"])):
                aligned = warm and winner is not None and branch["answer"] == winner
                self.step(question, branch, self.burst_aligned if aligned else 1, pool)
            winner, conf = pool_confidence(pool)
            ema = (1 - self.ema_alpha) * ema + self.ema_alpha * conf
            window[-1] = ema
            delta = window[-1] - window[0] if len(window) > 1 else 0.0
            if warm and len(pool) >= self.min_complete and ema >= self.conf_thresh and delta >= -self.delta_slack:
                return winner
            if all(branch["done"] or branch["gone"] for branch in branches):
                break
            if (
                len(branches) < self.max_branches
                and delta <= self.trend_thresh
                and turn >= max(1, self.warm_up // 2)
                and ema < self.conf_thresh
            ):
                for _ in range(min(self.widen_burst, self.max_branches - len(branches))):
                    if not self.open_branch(question, branches, pool):
                        break
        if pool:
            return pool_confidence(pool)[0]
        latest = Counter(branch["answer"] for branch in branches if not branch["gone"])
        return latest.most_common(1)[0][0] if latest else None

"""CMC, the Confidence Momentum Controller: the result of five rounds of discovery in arXiv 2605.08083.

It stops on the trend of the vote's confidence rather than on its value, opens more branches when confidence stalls,
advances branches that agree with the leader further, and prunes a branch only after it has long disagreed.
"""

from collections import Counter

from autotts import Answer, Branch, Controller, Episode, confidence, majority

MAX_ROUNDS = 501


class ConfidenceMomentum(Controller):
    """Controls width and depth by an exponential moving average of the vote's confidence among finished branches."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        """Return the published map from β, clipped to [0, 1]; Python's rounding, half to even."""
        b = min(1.0, max(0.0, beta))
        return {
            "n_init": max(2, round(2 + 6 * b)),
            "max_branches": min(64, round(4 + 60 * b)),
            "warm_up": max(2, round(2 + 8 * b)),
            "abandon_patience": max(3, round(3 + 9 * b)),
            "ema_window": max(2, round(2 + 6 * b)),
            "ema_alpha": round(0.70 - 0.40 * b, 4),
            "conf_thresh": round(0.85 + 0.12 * b, 4),
            "delta_slack": round(0.04 - 0.03 * b, 4),
            "trend_thresh": round(0.04 - 0.03 * b, 4),
            "burst_aligned": max(1, round(1 + 2 * b)),
            "widen_burst": max(1, round(1 + 3 * b)),
            "min_complete": max(2, round(2 + 3 * b)),
        }

    def solve(self, episode: Episode) -> Answer | None:
        """In each round prune, advance, check the confidence's trend, and open more branches."""
        knobs = self.knobs
        warm_up, alpha, clear = knobs["warm_up"], knobs["ema_alpha"], knobs["conf_thresh"]
        pool, against = Pool(), [0] * episode.open_slots
        live = pool.add(episode.branch(min(knobs["n_init"], episode.open_slots)))
        ema, window = 0.0, list[float]()
        for t in range(MAX_ROUNDS):
            if not live:
                break
            ema = (1 - alpha) * ema + alpha * pool.confidence
            leader = pool.winner if t >= warm_up else None
            aligned = list[Branch]()
            if leader is not None:
                live, aligned = self._abandon(episode, live, leader, against)
            depths = [branch.depth for branch in live]
            episode.advance(live)
            for _ in range(knobs["burst_aligned"] - 1):
                aligned = [branch for branch in aligned if not branch.finished]
                episode.advance(aligned)
            live = pool.add(live, depths)
            ema = (1 - alpha) * ema + alpha * pool.confidence
            window = [*window[1 - knobs["ema_window"] :], ema]
            delta = ema - window[0]
            unclear = ema < clear
            if t >= warm_up and pool.size >= knobs["min_complete"] and not unclear and delta >= -knobs["delta_slack"]:
                return pool.winner
            room = min(knobs["max_branches"] - len(episode.branches), episode.open_slots)
            if live and room > 0 and unclear and t >= max(1, warm_up // 2) and delta <= knobs["trend_thresh"]:
                live += pool.add(episode.branch(min(knobs["widen_burst"], room)))
        return pool.winner or majority(branch.answer for branch in episode.branches if not branch.pruned)

    def _abandon(
        self, episode: Episode, live: list[Branch], leader: Answer, against: list[int]
    ) -> tuple[list[Branch], list[Branch]]:
        """Prune branches that have disagreed for long; return the live branches, and those that agree."""
        aligned, lost = list[Branch](), list[Branch]()
        for branch in live:
            if branch.answer is leader:
                against[branch.index] = 0
                aligned.append(branch)
            else:
                against[branch.index] += 1
                if against[branch.index] >= self.knobs["abandon_patience"]:
                    lost.append(branch)
        if lost and len(live) > 2:
            lost.sort(key=lambda branch: -against[branch.index])
            episode.prune(lost[: len(live) - 2])
            live = [branch for branch in live if not branch.pruned]
        return live, aligned


class Pool:
    """The vote of the final answers of finished branches, in the order in which they finished."""

    def __init__(self) -> None:
        """Start without votes."""
        self._votes = Counter[Answer | None]()
        self.size = 0
        self.winner: Answer | None = None
        self.confidence = 0.0

    def add(self, branches: list[Branch], depths: list[int] | None = None) -> list[Branch]:
        """Count the finished ones of the branches, the deepest of `depths` first; return the others."""
        pairs = zip(branches, depths or [0] * len(branches), strict=True)
        ended = [(branch, depth) for branch, depth in pairs if branch.finished]
        if not ended:
            return branches
        ended.sort(key=lambda each: -each[1])
        self._votes.update(branch.answer for branch, _ in ended)
        self.size += len(ended)
        (self.winner, first), (_, second) = [*self._votes.most_common(2), (None, 0)][:2]
        self.confidence = confidence(first, second)
        return [branch for branch in branches if not branch.finished]

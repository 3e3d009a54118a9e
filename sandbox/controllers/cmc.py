"""CMC, the Confidence Momentum Controller: what five rounds of discovery ended with in arXiv 2605.08083.

It stops on the trend of the vote's confidence rather than on its value, opens more branches when confidence stalls,
goes further on branches that agree with the leader, and gives a branch up only after it has long disagreed.
"""

from collections import deque

from sandbox.tts import Answer, Branch, Controller, Episode, Tally, majority

MAX_ROUNDS = 501


class ConfidenceMomentum(Controller):
    """Width and depth coupled through an exponential moving average of the confidence among finished branches."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        """The published map from β, clipped to [0, 1]; rounding is to even, as Python's."""
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
        """Rounds of abandoning, stepping, judging and widening."""
        knobs = self.knobs
        alpha, warm_up, window_size = knobs["ema_alpha"], knobs["warm_up"], knobs["ema_window"]
        pool = Pool()
        live = pool.add_finished(episode.branch(min(knobs["n_init"], episode.open_slots)))
        disagreements = [0] * (len(episode.branches) + episode.open_slots)
        ema = 0.0
        window: deque[float] = deque(maxlen=window_size)
        for step in range(MAX_ROUNDS):
            warm = step >= warm_up
            ema = (1 - alpha) * ema + alpha * pool.confidence
            leader = pool.winner if warm else None
            if leader is not None:
                live = self._abandon(episode, live, leader, disagreements)
            live = self._step(episode, live, leader, pool)
            ema = (1 - alpha) * ema + alpha * pool.confidence
            window.append(ema)
            delta = ema - window[0]
            if (
                warm
                and pool.size >= knobs["min_complete"]
                and ema >= knobs["conf_thresh"]
                and delta >= -knobs["delta_slack"]
            ):
                return pool.winner
            if not live:
                break
            if self._should_widen(episode, step, delta, ema):
                room = min(episode.open_slots, knobs["max_branches"] - len(episode.branches))
                live += pool.add_finished(episode.branch(min(knobs["widen_burst"], room)))
        if pool.winner is not None:
            return pool.winner
        return majority(branch.answer for branch in episode.branches if not branch.pruned)

    def _abandon(self, episode: Episode, live: list[Branch], leader: Answer, disagreements: list[int]) -> list[Branch]:
        """Count disagreement, and prune those that have disagreed for long; two live branches stay."""
        patience = self.knobs["abandon_patience"]
        lost = []
        for branch in live:
            if branch.answer is leader:
                disagreements[branch.index] = 0
            else:
                disagreements[branch.index] = count = disagreements[branch.index] + 1
                if count >= patience:
                    lost.append(branch)
        if not lost or len(live) <= 2:
            return live
        lost.sort(key=lambda branch: -disagreements[branch.index])
        episode.prune(lost[: len(live) - 2])
        return [branch for branch in live if not branch.pruned]

    def _step(self, episode: Episode, live: list[Branch], leader: Answer | None, pool: "Pool") -> list[Branch]:
        """One interval for every live branch, and up to burst_aligned for those that agree with the leader.

        Answers join the pool in the order of depth before the step, the deepest first, then of opening.
        """
        before = [branch.depth for branch in live]
        aligned = [] if leader is None else [branch for branch in live if branch.answer is leader]
        episode.advance(live)
        for _ in range(self.knobs["burst_aligned"] - 1):
            aligned = [branch for branch in aligned if not branch.finished]
            if not aligned:
                break
            episode.advance(aligned)
        ended = [(-depth, branch.index) for depth, branch in zip(before, live, strict=True) if branch.finished]
        if not ended:
            return live
        pool.add([episode.branches[index].answer for _, index in sorted(ended)])
        return [branch for branch in live if not branch.finished]

    def _should_widen(self, episode: Episode, step: int, delta: float, ema: float) -> bool:
        knobs = self.knobs
        return (
            len(episode.branches) < knobs["max_branches"]
            and episode.open_slots > 0
            and delta <= knobs["trend_thresh"]
            and step >= max(1, knobs["warm_up"] // 2)
            and ema < knobs["conf_thresh"]
        )


class Pool:
    """The final answers of finished branches, in the order in which they finished."""

    def __init__(self) -> None:
        self._tally = Tally()
        self.size = 0
        self.winner: Answer | None = None
        self.confidence = 0.0

    def add(self, answers: list[Answer | None]) -> None:
        """Take in answers, and see how the vote stands now."""
        self._tally.add(answers)
        self.size += len(answers)
        standing = self._tally.poll()
        self.winner, self.confidence = standing.winner, standing.confidence

    def add_finished(self, branches: list[Branch]) -> list[Branch]:
        """Take in the answers of those that are finished; returns the others."""
        self.add([branch.answer for branch in branches if branch.finished])
        return [branch for branch in branches if not branch.finished]

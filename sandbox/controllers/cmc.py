"""CMC, the Confidence Momentum Controller: what five rounds of discovery ended with in arXiv 2605.08083.

It stops on the trend of the vote's confidence rather than on its value, opens more branches when confidence stalls,
goes further on branches that agree with the leader, and gives a branch up only after it has long disagreed.
"""

from operator import attrgetter

from sandbox.tts import Answer, Branch, Controller, Episode, majority, poll

MAX_ROUNDS = 501

BY_OPENING, BY_DEPTH = attrgetter("index"), attrgetter("depth")


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
        alpha, warm_up = knobs["ema_alpha"], knobs["warm_up"]
        live = list(episode.branch(min(knobs["n_init"], episode.open_slots)))
        pool: list[Answer | None] = []
        live = self._collect(live, pool)
        standing = poll(pool)
        disagreements: dict[int, int] = {}
        ema = 0.0
        window: list[float] = []
        for step in range(MAX_ROUNDS):
            warm = step >= warm_up
            ema = (1 - alpha) * ema + alpha * standing.confidence
            window = [*window, ema][-knobs["ema_window"] :]
            if warm and standing.winner is not None:
                live = self._abandon(episode, live, standing.winner, disagreements)
            live.sort(key=BY_OPENING)
            live.sort(key=BY_DEPTH, reverse=True)
            self._step(episode, live, standing.winner if warm else None)
            live = self._collect(live, pool)
            standing = poll(pool)
            ema = (1 - alpha) * ema + alpha * standing.confidence
            window[-1] = ema
            delta = window[-1] - window[0]
            if (
                warm
                and len(pool) >= knobs["min_complete"]
                and ema >= knobs["conf_thresh"]
                and delta >= -knobs["delta_slack"]
            ):
                return standing.winner
            if not live:
                break
            if self._should_widen(episode, step, delta, ema):
                room = min(episode.open_slots, knobs["max_branches"] - len(episode.branches))
                live += self._collect(episode.branch(min(knobs["widen_burst"], room)), pool)
                standing = poll(pool)
        if standing.winner is not None:
            return standing.winner
        return majority(branch.answer for branch in episode.branches if not branch.pruned)

    def _abandon(
        self, episode: Episode, live: list[Branch], winner: Answer, disagreements: dict[int, int]
    ) -> list[Branch]:
        """Count disagreement, and prune those that have disagreed for long; two live branches stay."""
        for branch in live:
            count = 0 if branch.answer == winner else disagreements.get(branch.index, 0) + 1
            disagreements[branch.index] = count
        patience = self.knobs["abandon_patience"]
        lost = [branch for branch in live if disagreements[branch.index] >= patience]
        if not lost or len(live) <= 2:
            return live
        lost.sort(key=lambda branch: (-disagreements[branch.index], branch.index))
        episode.prune(lost[: len(live) - 2])
        return [branch for branch in live if not branch.pruned]

    def _step(self, episode: Episode, live: list[Branch], winner: Answer | None) -> None:
        """One interval for every live branch, and up to burst_aligned for those that agree with the winner."""
        aligned = [] if winner is None else [branch for branch in live if branch.answer == winner]
        episode.advance(live)
        for _ in range(self.knobs["burst_aligned"] - 1):
            aligned = [branch for branch in aligned if not branch.finished]
            if not aligned:
                return
            episode.advance(aligned)

    def _should_widen(self, episode: Episode, step: int, delta: float, ema: float) -> bool:
        knobs = self.knobs
        return (
            len(episode.branches) < knobs["max_branches"]
            and episode.open_slots > 0
            and delta <= knobs["trend_thresh"]
            and step >= max(1, knobs["warm_up"] // 2)
            and ema < knobs["conf_thresh"]
        )

    @staticmethod
    def _collect(branches: list[Branch], pool: list[Answer | None]) -> list[Branch]:
        """Put the answers of branches that are finished into the pool; returns the others."""
        pool += [branch.answer for branch in branches if branch.finished]
        return [branch for branch in branches if not branch.finished]

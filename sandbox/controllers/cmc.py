"""CMC, the Confidence Momentum Controller: what five rounds of discovery ended with in arXiv 2605.08083.

It stops on the trend of the vote's confidence rather than on its value, opens more branches when confidence stalls,
goes further on branches that agree with the leader, and gives a branch up only after it has long disagreed.

While no branch ends and none changes sides, the vote stands still and the course of its confidence is known beforehand:
such rounds are asked for in one call.
"""

from sandbox.tts import Answer, Branch, Controller, Episode, Tally, majority

MAX_ROUNDS = 501
HORIZON = 32
"""Rounds that are looked ahead at most, where the confidence still moves."""


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
        """Rounds of abandoning, stepping, judging and widening; several at once where nothing can come up."""
        knobs = self.knobs
        pool, live = Pool(), list[Branch]()
        # Branches are opened with the call for the rounds that follow.
        opening = min(knobs["n_init"], episode.open_slots)
        against = [0] * episode.open_slots
        trend = Trend(knobs["ema_alpha"], knobs["ema_window"])
        while (live or opening) and trend.rounds < MAX_ROUNDS:
            leader = self._leader(trend, pool)
            if leader is not None and not opening:
                live = self._abandon(episode, live, leader, against)
            began, known = trend.rounds, len(episode.branches)
            rounds, widen = self._undisturbed(episode, trend, pool, leader, live, against, opening)
            aligned: dict[int, int] = {}
            if leader is not None:
                aligned = {branch.index: branch.depth for branch in live if branch.answer is leader}
            taken = episode.rounds(
                live, rounds, leader=leader, burst=knobs["burst_aligned"], widen=widen, opening=opening
            )
            fresh = episode.branches[known:]
            if leader is not None:
                # A round begins with counting; `_abandon` did so for the first.
                for branch in live:
                    if branch.index not in aligned:
                        against[branch.index] += taken if opening else taken - 1
                    elif opening and taken:
                        against[branch.index] = 0
                for nth, branch in enumerate(fresh):
                    against[branch.index] = taken if nth < opening else taken - 1 - (nth - opening) // widen
            live = live + fresh
            ended = [branch for branch in live if branch.finished]
            if ended:
                live = [branch for branch in live if not branch.finished]
            if not taken or (widen and len(fresh) == opening + widen * taken):
                # Those that were opened last have ended at once, or answer the leader.
                trend.stand_still(began + taken, pool.confidence)
                pool.add([branch.answer for branch in ended])
                opening = 0
                continue
            if ended:
                trend.stand_still(began + taken - 1, pool.confidence)
                before = pool.confidence
                # Answers join in the order of depth before the last round, the deepest first, then of opening.
                burst = knobs["burst_aligned"] * (taken - 1)
                order = [
                    (-(aligned[branch.index] + burst if branch.index in aligned else branch.depth - 1), branch.index)
                    for branch in ended
                ]
                pool.add([episode.branches[index].answer for _, index in sorted(order)])
                trend.move(before, pool.confidence)
            else:
                trend.stand_still(began + taken, pool.confidence)
            if self._is_clear(trend, pool):
                return pool.winner
            opening = self._widening(trend, len(episode.branches), episode.open_slots) if live else 0
            if opening and (trend.rounds == MAX_ROUNDS or self._abandons(trend, pool, live, against)):
                # How many are live then decides how many are abandoned.
                live += pool.add_finished(episode.branch(opening))
                opening = 0
        if pool.winner is not None:
            return pool.winner
        return majority(branch.answer for branch in episode.branches if not branch.pruned)

    def _leader(self, trend: "Trend", pool: "Pool") -> Answer | None:
        """Whom branches are measured against in the round that comes next; nobody before the warm-up is over."""
        return pool.winner if trend.rounds >= self.knobs["warm_up"] else None

    def _abandon(self, episode: Episode, live: list[Branch], leader: Answer, against: list[int]) -> list[Branch]:
        """Count disagreement, and prune those that have disagreed for long; two live branches stay."""
        patience = self.knobs["abandon_patience"]
        lost = []
        for branch in live:
            if branch.answer is leader:
                against[branch.index] = 0
            else:
                against[branch.index] = count = against[branch.index] + 1
                if count >= patience:
                    lost.append(branch)
        if not lost or len(live) <= 2:
            return live
        lost.sort(key=lambda branch: -against[branch.index])
        episode.prune(lost[: len(live) - 2])
        return [branch for branch in live if not branch.pruned]

    def _abandons(self, trend: "Trend", pool: "Pool", live: list[Branch], against: list[int]) -> bool:
        """Whether the next round may begin with abandoning."""
        leader, patience = self._leader(trend, pool), self.knobs["abandon_patience"]
        if leader is None:
            return False
        return any(branch.answer is not leader and against[branch.index] + 1 >= patience for branch in live)

    def _undisturbed(
        self, episode: Episode, trend: "Trend", pool: "Pool", leader: Answer | None, live: list[Branch],
        against: list[int], opening: int,
    ) -> tuple[int, int]:  # fmt: skip
        """How many rounds come before one whose end may call for a decision, it included, if no branch ends or turns;
        and how many branches are opened after each of them but the last. The trend is moved on as far as it was needed.
        """
        knobs = self.knobs
        most = MAX_ROUNDS - trend.rounds
        patient = most
        if leader is not None:
            # Somebody is abandoned then, if there are more than two. Where branches are opened, counting is to come.
            longest = max([against[branch.index] for branch in live]) + (opening > 0)
            patient = max(1, knobs["abandon_patience"] - longest)
            if len(live) + opening > 2:
                most = min(most, patient)
        elif pool.winner is not None:
            # There is a leader then.
            most = min(most, knobs["warm_up"] - trend.rounds)
        opened, room = len(episode.branches) + opening, episode.open_slots - opening
        # The confidence moves towards that of the pool.
        unclear = pool.size < knobs["min_complete"] or max(pool.confidence, trend.ema) < knobs["conf_thresh"]
        if unclear and (room == 0 or opened >= knobs["max_branches"]):
            return most, 0
        most = min(most, HORIZON)
        widen = 0
        for rounds in range(1, most):
            trend.move(pool.confidence, pool.confidence)
            more = self._widening(trend, opened, room)
            if rounds == 1:
                widen = more
                most = min(most, patient) if widen else most
            if more != widen or rounds >= most or self._is_clear(trend, pool):
                return rounds, widen if rounds > 1 else 0
            opened += more
            room -= more
        return most, widen

    def _is_clear(self, trend: "Trend", pool: "Pool") -> bool:
        knobs = self.knobs
        return bool(
            pool.size >= knobs["min_complete"]
            and trend.rounds > knobs["warm_up"]
            and trend.ema >= knobs["conf_thresh"]
            and trend.delta >= -knobs["delta_slack"]
        )

    def _widening(self, trend: "Trend", opened: int, room: int) -> int:
        """How many branches to open after the latest round."""
        knobs = self.knobs
        if (
            opened < knobs["max_branches"]
            and trend.ema < knobs["conf_thresh"]
            and trend.rounds > max(1, knobs["warm_up"] // 2)
            and trend.delta <= knobs["trend_thresh"]
        ):
            return min(int(knobs["widen_burst"]), room, int(knobs["max_branches"]) - opened)
        return 0


class Trend:
    """The exponential moving average of the pool's confidence, and how it moves over a window of rounds."""

    def __init__(self, alpha: float, window: int) -> None:
        self._alpha, self._window = alpha, window
        self._after: list[float] = []
        """The average after each round."""
        self.ema = 0.0
        self.rounds = 0
        """Rounds so far."""

    @property
    def delta(self) -> float:
        """How the average changed over the window."""
        return self.ema - self._after[max(0, len(self._after) - self._window)]

    def move(self, before: float, after: float) -> None:
        """One round: the average takes in the confidence before it and after it."""
        keeps, takes = 1 - self._alpha, self._alpha
        self.ema = ema = keeps * (keeps * self.ema + takes * before) + takes * after
        self._after.append(ema)
        self.rounds += 1

    def stand_still(self, until: int, confidence: float) -> None:
        """Go to where it is after `until` rounds, forward by rounds in which the confidence stays, or back."""
        if self.rounds > until:
            del self._after[until:]
            self.ema, self.rounds = self._after[-1] if until else 0.0, until
        while self.rounds < until:
            self.move(confidence, confidence)


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

"""DeepConf: stop branches whose token confidence falls below that of the best of a warm-up (arXiv 2508.15260, online).

Needs the signal `token_confidence`, the mean over an interval of −mean log-probability of the most likely tokens.
"""

from autotts import Answer, Branch, Controller, Episode, Tally


class DeepConf(Controller):
    """Reads a warm-up whole, then waves of branches of which it stops those that are less confident.

    A branch's confidence is the lowest of its intervals', which here take the place of the authors' windows of 2,048
    tokens; it is the weight of its vote too.
    """

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        """Return the knobs: one branch at β = 0, 64 at β = 1, linear in the logarithm; a quarter warms up.

        A floor that nine of ten would keep is the authors' DeepConf-high; `keep` = 0.1 is their DeepConf-low.
        """
        branches = round(64**beta)
        return {"branches": branches, "warm_up": (branches + 3) // 4, "keep": 0.9, "consensus": 0.95, "wave": 8}

    def solve(self, episode: Episode) -> Answer | None:
        """Read the warm-up, then waves, until the leading answer has the share of the weight that is a consensus."""
        knobs = self.knobs
        width = min(knobs["branches"], episode.open_slots)
        warm = episode.read(min(knobs["warm_up"], width))
        known = sorted((lowest(branch) for branch in warm), reverse=True)
        floor = known[min(int(knobs["keep"] * len(known)), len(known) - 1)]
        tally, weight = Tally(), 0.0
        wave = warm
        while True:
            ended = [
                branch for branch in wave if branch.finished and branch.answer is not None and branch.answer.parsed
            ]
            tally.add([branch.answer for branch in ended], [lowest(branch) for branch in ended])
            weight += sum(lowest(branch) for branch in ended)
            room = width - len(episode.branches)
            if room <= 0 or tally.poll().votes >= knobs["consensus"] * weight > 0:
                return tally.poll().winner
            wave = self._read_confident(episode, min(knobs["wave"], room), floor)

    def _read_confident(self, episode: Episode, count: int, floor: float) -> list[Branch]:
        """Decode branches in parallel, prune each once its confidence falls below the floor; return all."""
        wave = episode.branch(count, probe=False)
        while live := [branch for branch in wave if branch.active]:
            lost = [branch for branch in live if lowest(branch) < floor]
            episode.prune(lost)
            episode.advance([branch for branch in live if branch not in lost], probe=False)
        return wave


def lowest(branch: Branch) -> float:
    """Return the lowest confidence of a branch's intervals; 0 where none is recorded."""
    values = [value for value in branch.signals["token_confidence"] if value is not None]
    return min(values, default=0.0)

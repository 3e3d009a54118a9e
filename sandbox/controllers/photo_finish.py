"""Photo finish: groups of branches ("heats"), votes weighted by shortness, and another heat only after a near tie.

Found by a frontier model in six rounds of this project's loop (explorer `folder:`, AIME24, four Qwen3 models).

Among the branches of one question, those that end early are right much more often. So branches start together, in
heats of 4, 4, 8, 16, 32, and the rest of a heat is pruned once most have ended: the long ones cost the most and are
right the least. A vote weighs exp(-(tokens behind the shortest) / PACE), and an unfinished branch votes with half of
that weight. The lead is measured in standard deviations of that vote. Within a heat, where the vote is checked again
and again, only a clear lead stops the episode. After a heat, more branches help only if they may change the leader: the
next heat is run only if the lead is as small as a tie, and that threshold falls from heat to heat, because each costs
twice as much and moves the vote less.

Held out (AIME25 and HMMT25, four models each, 24 balanced orders, probes free), means over the grids: at β = 0.5
46.18 % at 226.9k tokens and 48k sequential tokens, CMC 45.35 % at 330.9k and 29k.
"""

from bisect import bisect_left, bisect_right, insort
from math import exp, sqrt

from autotts import Answer, Branch, Controller, Episode

HEAT = 4
"""Branches of the first heat; each later heat doubles the number of branches."""
CALLED_OFF = 0.45
"""Share of unfinished branches below which a heat is ended."""
PACE = 5000.0
"""Tokens behind the shortest branch over which a vote's weight falls by a factor of e."""
LONGEST, SHORTEST = 200, 2
"""Most intervals between two votes: before the first branch has ended, and after."""


class PhotoFinish(Controller):
    """Heats of parallel branches, votes weighted by shortness, and another heat only after a tie."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        """Return 1 branch at β = 0, 24 at ½, 64 at 1; leads in standard deviations of the weighted vote."""
        return {
            "branches": round(1 + 63 * beta**1.45),
            "clear": 0.6 + 1.2 * beta,
            "tie": 0.4 + 1.0 * beta,
        }

    def solve(self, episode: Episode) -> Answer | None:
        """Run heats until a lead is clear, a heat ends without a tie, or all branches are used."""
        self.ends: list[tuple[int, int]] = []
        self.cut: list[int] = []
        most = min(int(self.knobs["branches"]), episode.open_slots)
        leader, lead = None, 0.0
        while (opened := len(episode.branches)) < most:
            live = episode.branch(min(max(HEAT, opened), most - opened))
            first = True
            while live:
                going = [branch for branch in live if branch.active]
                if first:
                    follow(episode, going, LONGEST, None)
                else:
                    follow(episode, going, SHORTEST, leader)
                for branch in live:
                    if branch.finished:
                        insort(self.ends, (branch.depth, branch.index))
                        first = False
                live = [branch for branch in live if branch.active]
                if first:
                    continue
                leader, lead, left = self.standing(episode, live)
                if lead >= self.knobs["clear"]:
                    episode.note("the lead is clear")
                    return leader
                if live and left < CALLED_OFF:
                    episode.prune(live)
                    for branch in live:
                        insort(self.cut, branch.depth)
                    break
            if lead >= self.knobs["tie"] * (HEAT / len(episode.branches)) ** 0.25:
                episode.note("no tie, so no further heat")
                return leader
        episode.note("all branches are spent")
        return leader

    def standing(self, episode: Episode, live: list[Branch]) -> tuple[Answer | None, float, float]:
        """Return the leader, its lead in standard deviations, and the share of unfinished branches."""
        branches, ends, cut = episode.branches, self.ends, self.cut
        everybody, quickest = len(branches), ends[0][0]
        pace = PACE / episode.interval

        def thinking(depth: int, through: int) -> float:
            """Return the share of the branches known at a depth that go on, when `through` have ended."""
            return 1 - through / (everybody - bisect_left(cut, depth))

        votes: dict[Answer, float] = {}
        before, weight = -1, 0.0
        for depth, index in ends:
            if depth != before:
                before, weight = depth, exp((quickest - depth) / pace)
            answer = branches[index].answer
            if answer is not None and answer.parsed:
                votes[answer] = votes.get(answer, 0.0) + weight
        finished, left = set(votes), 0.0
        if live:
            depth = live[0].depth
            left = thinking(depth, bisect_right(ends, (depth, everybody)))
            voice = 0.5 * exp((quickest - depth) / pace)
            for branch in live:
                answer = branch.answer
                if answer is not None and answer.parsed:
                    votes[answer] = votes.get(answer, 0.0) + voice
        if not votes:
            return None, 0.0, left
        leader = max(votes, key=votes.__getitem__)
        first = votes.pop(leader)
        second = max(votes.values(), default=0.0)
        lead = (first - second) / sqrt(first + second + 1) if leader in finished else 0.0
        return leader, lead, left


def follow(episode: Episode, live: list[Branch], most: int, leader: Answer | None) -> None:
    """Advance branches by up to `most` intervals, until one ends, or changes to or from the leader's answer."""
    agreed = [branch.answer is leader for branch in live]
    for _ in range(most):
        episode.advance(live)
        if any(branch.finished for branch in live):
            return
        if leader is not None and [branch.answer is leader for branch in live] != agreed:
            return

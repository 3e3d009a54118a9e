"""Surge: one to three large waves of branches, and a vote weighted by length and retention.

Written by a frontier model that was told to be as quick as CMC; it saw AIME24 alone (four Qwen3 grids). It uses:

- *Shortness.* Within a question, branches that end early are right more often. A vote weighs exp(-length / PATIENCE),
  and once half of the pool has ended the rest is not waited for.
- *Retention.* Revisions go from wrong to right far more often than back. The votes for an answer are multiplied by
  the square of the share of the branches that kept it among all that ever gave it, unfinished ones included.
- *Few waves.* The first wave decides easy questions; the others mostly need very many votes. Growing by a few branches
  at a time costs the time of a branch at every step, and saves no tokens. So the pool grows by WAVE times its size,
  and to its limit where that is near.
- *Newest first.* Branches deeper than the newest wave wait until it has caught up. That costs little time, and old
  branches that are still unfinished are the least likely to be right.
- *Few votes.* The lead is judged when a branch ends, not before half of the first wave has. Each vote is a chance to
  stop at a lead that is luck.

Held out (AIME25 and HMMT25, four models each, 24 balanced orders, probes free), means over the grids: at β = 0.5
46.49 % at 202.5k tokens and 30k sequential tokens, CMC 45.35 % at 330.9k and 29k. On the bundled word problems, with
probes charged as recorded, it is no better than ASC: traces of 29 tokens reveal little on the way.
"""

from math import exp, sqrt

from autotts import Answer, Branch, Controller, Episode, majority

WAVE = 1.5
"""Size of a wave as a multiple of the pool; if less than half a wave would remain after it, it takes that too."""
ENDED = 0.5
"""Share of the pool that must end before the next wave, and of the first wave before the first vote."""
MARGIN, LAST_MARGIN = 1.5, 0.3
"""Required lead in standard deviations of the weighted vote, for an empty pool and for one at its limit."""
PATIENCE = 8000
"""Tokens over which a vote's weight falls by a factor of e."""
LIVE = 0.25
"""Weight of an unfinished branch's vote in the lead, where a finished branch gave the same answer."""
ENDLESS = 1 << 20


class Surge(Controller):
    """Weighted votes of the early half of a pool that grows in one to three waves."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        """Return first and most branches: 4 and 8 at β = 0, 6 and 23 at ½, 10 and 64 at 1."""
        return {"first": round(4 * 2.5**beta), "max_branches": round(8 * 8**beta)}

    def solve(self, episode: Episode) -> Answer | None:
        """Open waves until the lead is clear or half of the largest pool has ended."""
        most = min(self.knobs["max_branches"], episode.open_slots)
        quorum = ENDED * min(self.knobs["first"], most)
        ended: list[Branch] = []
        leader = None
        while (pool := len(episode.branches)) < most:
            fresh = episode.branch(self._wave(pool, most))
            ended += [branch for branch in fresh if branch.finished]
            pool += len(fresh)
            margin = MARGIN + (LAST_MARGIN - MARGIN) * pool / most
            while len(ended) < ENDED * pool:
                more = follow(episode)
                ended += more
                if more:
                    leader, lead = judge(episode, ended)
                    if len(ended) >= quorum and lead >= margin:
                        episode.note(f"clear: {lead:.2f} with {pool} branches, {len(ended)} ended")
                        return leader
        return leader or majority(branch.answer for branch in episode.branches)

    def _wave(self, pool: int, most: int) -> int:
        """Return the number of branches of the next wave."""
        wave = int(WAVE * pool) if pool else self.knobs["first"]
        left = most - pool
        return left if left < 1.5 * wave else wave


def follow(episode: Episode) -> list[Branch]:
    """Advance the least deep branches until one ends or they reach the next depth; return those that ended."""
    live = episode.active
    depth = min(branch.depth for branch in live)
    behind = [branch for branch in live if branch.depth == depth]
    ahead = min((branch.depth for branch in live if branch.depth > depth), default=ENDLESS)
    ended: list[Branch] = []
    while not ended and depth < ahead:
        episode.advance(behind)
        ended = [branch for branch in behind if branch.finished]
        depth += 1
    return ended


def judge(episode: Episode, ended: list[Branch]) -> tuple[Answer | None, float]:
    """Return the leading answer and its lead in standard deviations, 0 if unfinished branches favour another."""
    first = min(branch.depth for branch in ended)
    scale = episode.interval / PATIENCE
    votes: dict[Answer, float] = {}
    for branch in ended:
        if branch.answer is not None and branch.answer.parsed:
            votes[branch.answer] = votes.get(branch.answer, 0.0) + exp((first - branch.depth) * scale)
    if not votes:
        return None, 0.0
    spread = dict.fromkeys(votes, 0.0)
    likely = dict(votes)
    came, stayed = dict.fromkeys(votes, 1), dict.fromkeys(votes, 1)
    for branch in episode.branches:
        if branch.answer in votes:
            weight = exp(min(0, first - branch.depth) * scale)
            share = 1.0 if branch.finished else LIVE
            spread[branch.answer] += share * weight * weight
            if not branch.finished:
                likely[branch.answer] += share * weight
        for answer in branch.seen:
            if answer in votes:
                came[answer] += 1
                stayed[answer] += answer is branch.answer
    for answer in votes:
        kept = (stayed[answer] / came[answer]) ** 2
        votes[answer] *= kept
        likely[answer] *= kept
        spread[answer] *= kept * kept
    leader = max(votes, key=votes.__getitem__)
    ranked = sorted(likely, key=likely.__getitem__, reverse=True)
    if ranked[0] is not leader:
        return leader, 0.0
    second = ranked[1] if len(ranked) > 1 else None
    lead = likely[leader] - (likely[second] if second is not None else 0.0)
    return leader, lead / sqrt(spread[leader] + (spread[second] if second is not None else 0.0))

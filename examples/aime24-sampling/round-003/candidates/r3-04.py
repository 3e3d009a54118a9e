"""Settlers first with an urn: tokens go to the branches whose answer has stood longest, and an urn of the votes to come says whether the rest could still matter.

Branches that settle early are right more often and end sooner, so in each round only the more settled part of the
pool is advanced; a branch that changes its mind falls back in the queue, and waits for free. After every round an urn
(the votes so far and one unknown answer) is drawn for all votes that the width still allows: the episode ends when
these would hardly ever overturn the leader, whether because the lead is large or because little can still come.
"""

from autotts import ActionError, Answer, Branch, Controller, Episode


DRAWS = 200


def good(answer: Answer | None) -> bool:
    return answer is not None and answer.parsed


def hold(branch: Branch) -> int:
    """For how many intervals the present answer has stood."""
    if not good(branch.answer):
        return 0
    count = 0
    for answer in reversed(branch.answers):
        if answer is None or answer != branch.answer:
            break
        count += 1
    return count


class SettlersFirst(Controller):
    """Advances the settled, lets the wavering wait, and widens while the votes to come could overturn the leader."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        b = min(1.0, max(0.0, beta))
        return {
            "width": round(2 * 32**b),
            "pool": round(2 * 5**b),
            "risk": 0.35 * 0.06**b,
            "patience": 6 + 2 * b,
        }

    def solve(self, episode: Episode) -> Answer | None:
        cap = min(self.knobs["width"], episode.open_slots)
        pool = min(self.knobs["pool"], cap)
        before = None
        try:
            episode.branch(pool)
            while True:
                votes = self.votes(episode)
                shown = {a: round(2 * v) for a, v in votes.items()}
                if shown != before:  # the urn is drawn anew only after the votes have moved
                    before = shown
                    if self.settled(episode, votes, cap):
                        episode.note("stopped: what may come would not matter")
                        break
                ended = sum(b.finished for b in episode.branches)
                active = episode.active
                if len(episode.branches) >= cap and 2 * ended >= cap:
                    break  # the quicker half has ended: the slower half is worth less than it costs
                room = min(cap - len(episode.branches), pool - len(active), episode.open_slots)
                if room > 0:
                    episode.branch(room)
                    continue
                if not active:
                    break
                active.sort(key=lambda b: (-hold(b), b.depth, b.index))
                episode.advance(active[: (2 * len(active) + 2) // 3])
                self.cut(episode, cap)
        except ActionError:
            episode.note("stopped: no action is left")
        return self.choose(episode)

    def cut(self, episode: Episode, cap: int) -> None:
        """Prune what is deeper than the depth by which half of those exposed to it, waiting ones too, have ended."""
        done = sorted(b.depth for b in episode.branches if b.finished)
        for i, depth in enumerate(done):
            # One that waits has been passed over while others ended: it counts as slow.
            exposed = len(done) + sum(not b.finished and 2 * b.depth >= depth for b in episode.branches)
            if exposed >= min(4, cap) and 2 * (i + 1) >= exposed:
                late = [b for b in episode.active if b.depth >= depth]
                if late:
                    episode.prune(late)
                return

    def votes(self, episode: Episode) -> dict[Answer, float]:
        """Ended branches count one, live ones by how long their answer has stood."""
        total: dict[Answer, float] = {}
        for b in episode.branches:
            if b.pruned or not good(b.answer):
                continue
            run = hold(b)
            weight = 1.0 if b.finished else run / (run + self.knobs["patience"])
            total[b.answer] = total.get(b.answer, 0) + weight
        return total

    def settled(self, episode: Episode, votes: dict[Answer, float], cap: int) -> bool:
        """Whether the votes that may still come overturn the leader less often than the admissible risk."""
        mass = sum(votes.values())
        if mass < 1:
            return False
        leader = max(votes, key=votes.__getitem__)
        if any(b.finished for b in episode.branches) and self.choose(episode) != leader:
            return False
        # About half of what is opened comes to an end in time and votes; the vote needs one sequel at least.
        spent = sum(b.finished or b.pruned for b in episode.branches)
        future = max(2, round((cap - spent) / 2))
        rivals = [v for a, v in votes.items() if a != leader]
        start = [votes[leader], *rivals, 0.0]
        flips = 0
        limit = self.knobs["risk"] * DRAWS
        for _ in range(DRAWS):
            urn = list(start)
            fresh = 1.0  # the answer that nobody gave yet
            total = mass + fresh
            for _ in range(future):
                x = episode.rng.random() * total
                last = len(urn) - 1
                pick = last
                for j, v in enumerate(urn):
                    x -= v + (fresh if j == last else 0.0)
                    if x < 0:
                        pick = j
                        break
                urn[pick] += 1
                total += 1
            if max(urn[1:]) >= urn[0]:
                flips += 1
                if flips > limit:
                    return False
        return True

    def choose(self, episode: Episode) -> Answer | None:
        """Votes of ended branches, the short ones heavier, times the share that the answer kept."""
        ended = sorted((b for b in episode.branches if b.finished and good(b.answer)), key=lambda b: b.depth)
        score: dict[Answer, float] = {}
        if ended:
            par = ended[(len(ended) - 1) // 4].depth
            for b in ended:
                score[b.answer] = score.get(b.answer, 0) + min(1.0, par / max(1, b.depth)) ** 2
            gone = dict.fromkeys(score, 0)
            stay = dict.fromkeys(score, 0)
            for b in episode.branches:
                given = {a for a in b.answers if good(a)}
                for a in score:
                    if a in given or (b.finished and a == b.answer):
                        (stay if a == b.answer else gone)[a] += 1
            for a in score:
                score[a] *= (stay[a] + 0.5) / (stay[a] + gone[a] + 0.5)
        else:
            score = self.votes(episode)
        if score:
            return max(score, key=score.__getitem__)
        return next((b.answer for b in episode.branches if b.answer is not None), None)

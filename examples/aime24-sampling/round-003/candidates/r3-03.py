"""Panel of three referees: votes, speed and constancy each name an answer, and their dissent sets how much evidence the question must buy.

How many branches give an answer, how fast they reach it and how few ever abandon it are three signs of different
origin. Where all three name the same answer a modest lead is enough; each dissent halves the admissible doubt, so
that width and depth go where the signs contradict one another and not merely where the vote is close.
"""

from autotts import ActionError, Answer, Branch, Controller, Episode, confidence


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


class Panel(Controller):
    """Reads a rolling pool; the panel decides whether its verdict stands or another branch is called."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        b = min(1.0, max(0.0, beta))
        return {
            "width": round(2 * 32**b),
            "pool": round(2 * 4**b),
            "doubt": 0.26 * 0.08**b,
            "patience": 6 + 2 * b,
        }

    def solve(self, episode: Episode) -> Answer | None:
        cap = min(self.knobs["width"], episode.open_slots)
        pool = min(self.knobs["pool"], cap)
        try:
            episode.branch(pool)
            while not self.clear(episode):
                self.cut(episode, cap)
                active = episode.active
                room = min(cap - len(episode.branches), pool - len(active), episode.open_slots)
                if room > 0:
                    episode.branch(room)
                elif active:
                    episode.advance(active)
                else:
                    break
        except ActionError:
            episode.note("stopped: no action is left")
        return self.verdict(episode)[0]

    def cut(self, episode: Episode, cap: int) -> None:
        """Prune branches older than the depth by which half of those exposed to it have ended."""
        done = sorted(b.depth for b in episode.branches if b.finished)
        for i, depth in enumerate(done):
            exposed = len(done) + sum(not b.finished and b.depth >= depth for b in episode.branches)
            if exposed >= min(4, cap) and 2 * (i + 1) >= exposed:
                late = [b for b in episode.active if b.depth >= depth]
                if late:
                    episode.prune(late)
                return

    def voices(self, episode: Episode) -> dict[Answer, float]:
        """Ended branches count one, live ones by how long their answer has stood."""
        total: dict[Answer, float] = {}
        for b in episode.branches:
            if b.pruned or not good(b.answer):
                continue
            run = hold(b)
            weight = 1.0 if b.finished else run / (run + self.knobs["patience"])
            total[b.answer] = total.get(b.answer, 0) + weight
        return total

    def verdict(self, episode: Episode) -> tuple[Answer | None, int]:
        """The panel's answer, and how many referees name another one."""
        ended = [b for b in episode.branches if b.finished and good(b.answer)]
        if ended:
            votes: dict[Answer, float] = {}
            for b in ended:
                votes[b.answer] = votes.get(b.answer, 0) + 1
        else:
            votes = self.voices(episode)
        if not votes:
            return next((b.answer for b in episode.branches if b.answer is not None), None), 3
        top = max(votes.values())
        # A lone fast branch is luck: only answers with a third of the leader's votes stand for election.
        names = [a for a in votes if 3 * votes[a] >= top]
        gone = dict.fromkeys(names, 0)
        for b in episode.branches:
            given = {a for a in b.answers if good(a)}
            for a in names:
                if a in given and a != b.answer:
                    gone[a] += 1
        constant = {a: (votes[a] + 0.5) / (votes[a] + gone[a] + 0.5) for a in names}
        if ended:
            # Mean of an answer's two shortest times; a missing second is the pool's median time.
            times = sorted(b.depth for b in ended)
            middle = times[len(times) // 2]
            speed = {}
            for a in names:
                own = sorted(b.depth for b in ended if b.answer == a)[:2]
                own += [max(middle, own[-1])] * (2 - len(own))
                speed[a] = 2 / max(1, sum(own))
            fast = times[(len(times) - 1) // 4]
            weight = dict.fromkeys(names, 0.0)
            for b in ended:
                if b.answer in weight:
                    weight[b.answer] += min(1.0, fast / max(1, b.depth))
        else:
            speed = dict.fromkeys(names, 1.0)
            weight = {a: votes[a] for a in names}
        score = {a: weight[a] * constant[a] ** 1.5 * speed[a] for a in names}
        winner = max(score, key=score.__getitem__)
        dissent = sum(max(sign[a] for a in names) > sign[winner] for sign in (votes, speed, constant))
        return winner, dissent

    def clear(self, episode: Episode) -> bool:
        """Whether the doubt left is admissible; every dissent halves what is."""
        voices = self.voices(episode)
        if not voices:
            return False
        winner, dissent = self.verdict(episode)
        if winner is None or winner not in voices:
            return False
        others = [v for a, v in voices.items() if a != winner]
        against = max(max(others, default=0.0), sum(others) / 2)
        if 1 - confidence(voices[winner], against) > self.knobs["doubt"] / 2**dissent:
            return False
        episode.note(f"stopped: verdict with {dissent} dissents")
        return True

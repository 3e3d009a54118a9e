"""Par race with echoes: the question's own par time, set by its fastest branches, decides how deep others may go; finishers elect and the live only echo.

Fast branches are right more often. The race estimates within the episode by which depth n**0.7 of n branches end, so
that the more branches a question gets, the stricter it is about depth. Votes fade with the time taken. Unfinished
branches never elect an answer; as echoes of the finishers they only decide whether the race may stop.
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


class ParRace(Controller):
    """Runs a race whose field grows while the fast disagree, and whose finishing line comes nearer as it grows."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        b = min(1.0, max(0.0, beta))
        return {"width": round(2 * 32**b), "field": round(2 * 4**b), "sure": 0.75 + 0.235 * b}

    def solve(self, episode: Episode) -> Answer | None:
        cap = min(self.knobs["width"], episode.open_slots)
        goal = min(self.knobs["field"], cap)
        try:
            episode.branch(goal)
            while not self.clear(episode):
                par = self.par(episode, cap)
                late = [b for b in episode.active if par is not None and b.depth >= par]
                if late:
                    episode.prune(late)
                active = episode.active
                if active:
                    episode.advance(active)
                elif len(episode.branches) < cap and episode.open_slots:
                    # The heat is over and open: half as many again, so that a look comes soon.
                    more = max(1, len(episode.branches) // 2)
                    episode.branch(min(more, cap - len(episode.branches), episode.open_slots))
                else:
                    break
        except ActionError:
            episode.note("stopped: no action is left")
        return self.choose(episode)

    def par(self, episode: Episode, cap: int) -> int | None:
        """The depth by which n**0.7 of the n branches exposed to it have ended; None while unknown."""
        done = sorted(b.depth for b in episode.branches if b.finished)
        for i, depth in enumerate(done):
            exposed = len(done) + sum(not b.finished and b.depth >= depth for b in episode.branches)
            if exposed >= min(4, cap) and i + 1 >= int(exposed**0.7):
                return depth
        return None

    def elect(self, episode: Episode) -> dict[Answer, float]:
        """Votes of finishers; each fades with the square of its time over the time of the first quarter."""
        ended = sorted((b for b in episode.branches if b.finished and good(b.answer)), key=lambda b: b.depth)
        votes: dict[Answer, float] = {}
        if ended:
            fast = ended[(len(ended) - 1) // 4].depth
            for b in ended:
                votes[b.answer] = votes.get(b.answer, 0) + min(1.0, fast / max(1, b.depth)) ** 2
        return votes

    def clear(self, episode: Episode) -> bool:
        """Whether finishers and echoes leave no doubt; without a finisher, all the field must have come to rest."""
        votes = self.elect(episode)
        voices: dict[Answer, float] = {}
        calm = True
        for b in episode.branches:
            if b.pruned:
                continue
            if b.finished:
                if good(b.answer):
                    voices[b.answer] = voices.get(b.answer, 0) + 1
                continue
            run = hold(b)
            # The share of its life for which the branch has held the answer: early guesses have no life behind them.
            life = max(b.depth, 12)
            calm = calm and 2 * run >= life
            if run:
                voices[b.answer] = voices.get(b.answer, 0) + run / life
        if not voices:
            return False
        leader = max(votes, key=votes.__getitem__) if votes else max(voices, key=voices.__getitem__)
        if not votes and not (calm and len(voices) == 1):
            return False
        others = [v for a, v in voices.items() if a != leader]
        against = max(max(others, default=0.0), sum(others) / 2)
        if confidence(voices.get(leader, 0.0), against) < self.knobs["sure"]:
            return False
        # The fast must agree among themselves as well: their weighted lead is at least that of a coin's first toss.
        rivals = max((v for a, v in votes.items() if a != leader), default=0.0)
        if votes and confidence(votes[leader], rivals) < min(0.9, self.knobs["sure"] - 0.1):
            return False
        episode.note("stopped: the fast agree, and the field echoes")
        return True

    def choose(self, episode: Episode) -> Answer | None:
        votes = self.elect(episode)
        if not votes:
            for b in episode.branches:
                if good(b.answer):
                    votes[b.answer] = votes.get(b.answer, 0) + hold(b)
        if votes:
            return max(votes, key=votes.__getitem__)
        return next((b.answer for b in episode.branches if b.answer is not None), None)

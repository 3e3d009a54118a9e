"""Flow ledger: an answer is worth the branches that moved to it and stayed, and every branch that left it testifies against it.

Earlier candidates count where branches stand. This one also counts where they came from and what they abandoned: the
right answer is nearly absorbing, a wrong one is a station. Free probes show departures long before branches end, so
they settle easy questions early, and discount popular stations when a question is hard.
"""

from autotts import ActionError, Answer, Branch, Controller, Episode, confidence


def good(answer: Answer | None) -> bool:
    return answer is not None and answer.parsed


def path(branch: Branch) -> list[Answer]:
    """Parsed answers of a branch without immediate repetitions."""
    steps: list[Answer] = []
    for answer in branch.answers:
        if good(answer) and (not steps or steps[-1] != answer):
            steps.append(answer)
    return steps


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


class FlowLedger(Controller):
    """Reads branches up to the time by which half end; the ledger of arrivals and departures votes and stops."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        b = min(1.0, max(0.0, beta))
        return {
            "width": round(2 * 32**b),
            "pool": round(2 * 4**b),
            "sure": 0.75 + 0.235 * b,
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
        return self.choose(episode)

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

    def kept(self, episode: Episode) -> dict[Answer, float]:
        """The share of the branches that ever gave an answer and still give it."""
        stay: dict[Answer, float] = {}
        gone: dict[Answer, float] = {}
        for branch in episode.branches:
            for answer in dict.fromkeys(path(branch)):
                book = stay if answer == branch.answer else gone
                book[answer] = book.get(answer, 0) + 1
        names = dict.fromkeys([*stay, *gone])
        return {a: (stay.get(a, 0) + 0.5) / (stay.get(a, 0) + gone.get(a, 0) + 0.5) for a in names}

    def clear(self, episode: Episode) -> bool:
        """Whether those who arrived and stayed leave no doubt, and the final choice agrees."""
        kept = self.kept(episode)
        support: dict[Answer, float] = {}
        for branch in episode.branches:
            answer = branch.answer
            if branch.pruned or not good(answer):
                continue
            if branch.finished:
                weight = 1.0
            else:
                run = hold(branch)
                weight = run / (run + self.knobs["patience"])
                if len(path(branch)) < 2:
                    weight /= 2  # a first guess that was never tested
            support[answer] = support.get(answer, 0) + weight
        if not support:
            return False
        leader = max(support, key=lambda a: support[a] * kept.get(a, 1.0))
        others = [v for a, v in support.items() if a != leader]
        against = max(max(others, default=0.0), sum(others) / 2)
        if confidence(support[leader] * kept.get(leader, 1.0), against) < self.knobs["sure"]:
            return False
        if any(b.finished for b in episode.branches) and self.choose(episode) != leader:
            return False
        episode.note("stopped: the flow has come to rest")
        return True

    def choose(self, episode: Episode) -> Answer | None:
        """Votes of ended branches, the short ones heavier, times the squared share that the answer kept."""
        ended = sorted((b for b in episode.branches if b.finished and good(b.answer)), key=lambda b: b.depth)
        kept = self.kept(episode)
        score: dict[Answer, float] = {}
        if ended:
            par = ended[(len(ended) - 1) // 4].depth
            for b in ended:
                score[b.answer] = score.get(b.answer, 0) + min(1.0, par / max(1, b.depth)) ** 2
        else:
            for b in episode.branches:
                if good(b.answer):
                    score[b.answer] = score.get(b.answer, 0) + hold(b)
        if score:
            return max(score, key=lambda a: score[a] * kept.get(a, 1.0) ** 2)
        return next((b.answer for b in episode.branches if b.answer is not None), None)

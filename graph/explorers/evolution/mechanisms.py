"""The family: what a controller may do about reading, voting, stopping, widening, pruning and giving up.

Each slot is filled by one mechanism; the loop that holds them together is in `graph.explorers.evolution.render`. What
the hand-made methods do is in here as special cases: self-consistency (`whole` without a stop), its adaptive and its
early-stopping form (`posterior`, `unanimous`), Parallel-Probe (`steps`, `everyone`, `stable`, `outvoted`), and most of
CMC (`steps`, `readers`, `posterior`, `staggered`, `outvoted`).
"""

from dataclasses import dataclass

from graph.explorers.evolution.knobs import Knob


@dataclass(frozen=True)
class Mechanism:
    """One way to fill a slot."""

    slot: str
    name: str
    idea: str
    """What it does, as a clause that can stand in a list; empty if there is nothing to say."""
    knobs: tuple[Knob, ...] = ()
    methods: str = ""
    """Source of the methods that it adds."""
    hook: str = ""
    """Source of the place in the loop that is its slot's."""
    needs: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Which mechanisms other slots must have for it to make sense."""
    uses: tuple[str, ...] = ()
    """Names that it imports from `sandbox.tts`, or `math`."""


MAX_BRANCHES = Knob("max_branches", 1, 64, "log", True, "branches at most")

READING = (
    Mechanism(
        "reading",
        "whole",
        "reads every branch to its end at once",
        methods='''
    def is_read(self, branch: Branch) -> bool:
        """Whether there is nothing more to learn from a branch."""
        return branch.finished
''',
        hook="episode.finish(unread)",
    ),
    Mechanism(
        "reading",
        "steps",
        "reads branches side by side, interval by interval, so that the quick ones may decide before the slow ones end",
        methods='''
    def is_read(self, branch: Branch) -> bool:
        """Whether there is nothing more to learn from a branch."""
        return branch.finished
''',
        hook="episode.advance(unread)",
    ),
    Mechanism(
        "reading",
        "settled",
        "leaves a branch where it is once its answer has settled",
        knobs=(Knob("settle", 1, 16, "log", True, "equal answers in a row that settle a branch"),),
        methods='''
    def is_read(self, branch: Branch) -> bool:
        """Whether a branch is at its end, or has given the same answer for long enough."""
        latest = branch.answers[-self.knobs["settle"] :]
        settled = len(latest) == self.knobs["settle"] and len(set(latest)) == 1
        return branch.finished or (settled and branch.answer is not None and branch.answer.parsed)
''',
        hook="episode.advance(unread)",
    ),
    Mechanism(
        "reading",
        "prefix",
        "reads only the beginning of each branch, and takes the answer it would give there",
        knobs=(Knob("depth", 1, 40, "log", True, "intervals that are read of a branch"),),
        methods='''
    def is_read(self, branch: Branch) -> bool:
        """Whether a branch is at its end, or was followed far enough."""
        return branch.finished or branch.depth >= self.knobs["depth"]
''',
        hook="episode.advance(unread)",
    ),
)

BALLOT = (
    Mechanism(
        "ballot",
        "readers",
        "",
        methods='''
    def votes(self, branch: Branch) -> bool:
        """Branches that are read vote, if they have an answer at all."""
        return self.is_read(branch) and branch.answer is not None and branch.answer.parsed
''',
    ),
    Mechanism(
        "ballot",
        "everyone",
        "lets every branch vote with its latest answer, read or not",
        methods='''
    def votes(self, branch: Branch) -> bool:
        """Branches that were not given up vote with their latest answer."""
        return not branch.pruned and branch.answer is not None and branch.answer.parsed
''',
        needs=(("reading", ("steps", "settled", "prefix")),),
    ),
    Mechanism(
        "ballot",
        "ripe",
        "lets a branch vote with its latest answer once it was followed far enough",
        knobs=(Knob("ripe", 1, 20, "log", True, "intervals after which a branch may vote"),),
        methods='''
    def votes(self, branch: Branch) -> bool:
        """Branches that were followed far enough, and not given up, vote with their latest answer."""
        ripe = branch.finished or branch.depth >= self.knobs["ripe"]
        return ripe and not branch.pruned and branch.answer is not None and branch.answer.parsed
''',
        needs=(("reading", ("steps", "settled")),),
    ),
)

_WEIGHTED = '''
    def tally(self, episode: Episode) -> dict[Answer, float]:
        """Weighted votes by answer; the weights are scaled to a mean of 1."""
        voters = [branch for branch in episode.branches if self.votes(branch)]
        weights = [self.weight(branch) for branch in voters]
        mean = sum(weights) / max(1, len(weights))
        counts: dict[Answer, float] = {}
        for branch, weight in zip(voters, weights):
            counts[branch.answer] = counts.get(branch.answer, 0) + weight / mean
        return counts
'''

WEIGHT = (
    Mechanism(
        "weight",
        "equal",
        "",
        methods='''
    def tally(self, episode: Episode) -> dict[Answer, float]:
        """Votes by answer."""
        counts: dict[Answer, float] = {}
        for branch in episode.branches:
            if self.votes(branch):
                counts[branch.answer] = counts.get(branch.answer, 0) + 1
        return counts
''',
    ),
    Mechanism(
        "weight",
        "brief",
        "gives the shorter branches more weight: long ones have often lost their way",
        knobs=(Knob("brevity", 0.25, 3, "log", False, "power with which length takes weight away"),),
        methods=_WEIGHTED
        + '''
    def weight(self, branch: Branch) -> float:
        """Less for a longer branch."""
        return branch.depth ** -self.knobs["brevity"]
''',
        needs=(("ballot", ("readers",)), ("reading", ("whole", "steps", "settled"))),
    ),
    Mechanism(
        "weight",
        "sure",
        "weighs a vote by how probable the model found its own answers along the branch, where the grid says so",
        knobs=(Knob("trust", 0.25, 6, "log", False, "power with which probability gives weight"),),
        methods=_WEIGHTED
        + '''
    def weight(self, branch: Branch) -> float:
        """More for a branch that was sure of its answers; confidences are mean log-probabilities."""
        if branch.confidence is not None:
            self.sureness[branch.index] = branch.confidence
        return math.exp(self.knobs["trust"] * self.sureness.get(branch.index, 0.0))
''',
        needs=(("ballot", ("everyone", "ripe")),),
        uses=("math",),
    ),
)

STOPPING = (
    Mechanism("stopping", "never", "reads all that it may", hook="False"),
    Mechanism(
        "stopping",
        "posterior",
        "stops when the leading answer is surely ahead of the second",
        knobs=(Knob("sure", 0.6, 0.9995, "odds", False, "probability that the leader is ahead"),),
        hook='confidence(round(first), round(second)) > self.knobs["sure"]',
        uses=("confidence",),
    ),
    Mechanism(
        "stopping",
        "lead",
        "stops when the leading answer is so many votes ahead",
        knobs=(Knob("lead", 1, 16, "log", True, "votes between the first and the second"),),
        hook='first - second >= self.knobs["lead"]',
    ),
    Mechanism(
        "stopping",
        "unanimous",
        "stops when the latest votes all agree",
        knobs=(Knob("window", 2, 16, "log", True, "latest votes that must agree"),),
        methods='''
    def is_unanimous(self, episode: Episode) -> bool:
        """Whether the latest `window` votes are for one answer."""
        latest = [branch.answer for branch in episode.branches if self.votes(branch)][-self.knobs["window"] :]
        return len(latest) == self.knobs["window"] and len(set(latest)) == 1
''',
        hook="self.is_unanimous(episode)",
    ),
    Mechanism(
        "stopping",
        "stable",
        "stops when the leader has not changed for some rounds",
        knobs=(Knob("rounds", 1, 40, "log", True, "rounds that the leader must have led"),),
        methods='''
    def is_stable(self, leader: Answer) -> bool:
        """Whether the same answer has led for `rounds` rounds."""
        self.led = self.led + 1 if leader == self.leader else 0
        self.leader = leader
        return self.led >= self.knobs["rounds"]
''',
        hook="self.is_stable(leader)",
        needs=(("ballot", ("everyone", "ripe")), ("reading", ("steps", "settled"))),
    ),
)

WIDENING = (
    Mechanism(
        "widening",
        "batches",
        "opens the next batch when the one before is read",
        knobs=(
            Knob("first", 1, 64, "log", True, "branches opened at first"),
            Knob("burst", 1, 16, "log", True, "branches opened at a time later"),
        ),
    ),
    Mechanism(
        "widening",
        "staggered",
        "opens a few more branches every round while the vote is open, without waiting for the slow ones",
        knobs=(
            Knob("first", 1, 64, "log", True, "branches opened at first"),
            Knob("burst", 1, 4, "log", True, "branches opened a round later"),
        ),
        needs=(("reading", ("steps", "settled")),),
    ),
)

PRUNING = (
    Mechanism("pruning", "none", ""),
    Mechanism(
        "pruning",
        "outvoted",
        "gives up a branch that has long disagreed with the leader",
        knobs=(Knob("patience", 1, 16, "log", True, "rounds of disagreement before a branch is given up"),),
        methods='''
    def give_up_branches(self, episode: Episode, unread: list[Branch]) -> None:
        """Prune branches that have disagreed with the leader for `patience` rounds running."""
        leader, _, _ = self.standing(episode)
        for branch in unread:
            agrees = leader is None or branch.answer == leader
            self.against[branch.index] = 0 if agrees else self.against.get(branch.index, 0) + 1
        episode.prune([b for b in unread if b.active and self.against[b.index] >= self.knobs["patience"]])
''',
        hook="self.give_up_branches(episode, unread)",
        needs=(("reading", ("steps", "settled", "prefix")),),
    ),
    Mechanism(
        "pruning",
        "laggards",
        "gives up a branch that is much longer than those that ended",
        knobs=(Knob("stretch", 1, 4, "log", False, "times the mean length of the ended branches"),),
        methods='''
    def give_up_branches(self, episode: Episode, unread: list[Branch]) -> None:
        """Prune branches that are `stretch` times as long as those that ended."""
        ended = [branch.depth for branch in episode.branches if branch.finished]
        if len(ended) > 1:
            longest = self.knobs["stretch"] * sum(ended) / len(ended)
            episode.prune([branch for branch in unread if branch.active and branch.depth >= longest])
''',
        hook="self.give_up_branches(episode, unread)",
        needs=(("reading", ("steps", "settled")),),
    ),
)

GIVING_UP = (
    Mechanism("giving_up", "never", ""),
    Mechanism(
        "giving_up",
        "scattered",
        "gives a question up when many votes have not brought any answer forward",
        knobs=(
            Knob("enough", 2, 64, "log", True, "votes before a question may be given up"),
            Knob("share", 0.6, 0.05, "linear", False, "share of the votes that the leader must have"),
        ),
        hook='voters >= self.knobs["enough"] and first < self.knobs["share"] * voters',
    ),
)

SLOTS: dict[str, tuple[Mechanism, ...]] = {
    "reading": READING,
    "ballot": BALLOT,
    "weight": WEIGHT,
    "stopping": STOPPING,
    "widening": WIDENING,
    "pruning": PRUNING,
    "giving_up": GIVING_UP,
}
"""By slot, in the order in which choices are made."""


def mechanism(slot: str, name: str) -> Mechanism:
    """The mechanism of that name; raises KeyError, naming the ones there are."""
    for found in SLOTS[slot]:
        if found.name == name:
            return found
    raise KeyError(f"{slot} has no mechanism {name!r}; there are {', '.join(each.name for each in SLOTS[slot])}")


def fits(candidate: Mechanism, chosen: dict[str, str]) -> bool:
    """Whether what a mechanism needs of the slots before its own is there."""
    return all(slot not in chosen or chosen[slot] in names for slot, names in candidate.needs)

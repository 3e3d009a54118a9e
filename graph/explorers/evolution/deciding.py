"""When to stop, when to open more branches, which ones to give up, and when to give a question up."""

from graph.explorers.evolution.knobs import Knob
from graph.explorers.evolution.mechanism import Mechanism

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

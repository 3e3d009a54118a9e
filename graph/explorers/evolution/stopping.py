"""When an episode ends: the slots `stopping` and `giving_up`.

Hooks are expressions in the leader, its votes `first`, those of the next, `second`, and of all answers, `total`.
"""

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
        "deviations",
        "stops when the lead is clear in standard deviations, and asks for less as the pool nears its limit",
        knobs=(
            Knob("margin", 0.5, 4, "log", False, "standard deviations that the leader must be ahead"),
            Knob("relief", 1, 0, "linear", False, "share of the margin that is waived at the limit", steady=True),
        ),
        methods='''
    def is_ahead(self, episode: Episode, first: float, second: float) -> bool:
        """Whether the lead is clear, given how much of the pool is used."""
        used = len(episode.branches) / self.knobs["max_branches"]
        margin = self.knobs["margin"] * (1 - self.knobs["relief"] * used)
        return first - second >= margin * math.sqrt(first + second)
''',
        hook="self.is_ahead(episode, first, second)",
        uses=("math",),
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
        state="self.leader: Answer | None = None\nself.led = 0",
        needs=(("ballot", ("everyone", "ripe")), ("reading", ("steps", "settled"))),
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
        hook='total >= self.knobs["enough"] and first < self.knobs["share"] * total',
    ),
)

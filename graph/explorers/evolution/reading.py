"""How far branches are read, which of them vote, and what a vote weighs."""

from graph.explorers.evolution.knobs import Knob
from graph.explorers.evolution.mechanism import Mechanism

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

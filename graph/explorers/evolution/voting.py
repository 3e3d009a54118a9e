"""Who votes, and with what weight: the slots `ballot`, `length`, `signal` and `retention`.

Hooks of `length` and `signal` are expressions, factors of the weight of `branch`. A weighted vote is scaled to the
number of equal votes that would be as precise, (Σw)² / Σw² (Kish), so that rules for stopping need not know of weights.
"""

from graph.explorers.evolution.knobs import Knob
from graph.explorers.evolution.mechanism import Mechanism

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
        probes=True,
        needs=(("reading", ("steps", "ends", "settled", "prefix")),),
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
        probes=True,
        needs=(("reading", ("steps", "ends", "settled")),),
    ),
)

UNWEIGHTED = '''
    def tally(self, episode: Episode) -> dict[Answer, float]:
        """Votes by answer."""
        votes: dict[Answer, float] = {}
        for branch in episode.branches:
            if self.votes(branch):
                votes[branch.answer] = votes.get(branch.answer, 0) + 1
        return {votes}
'''
"""Method that counts votes without weights; `{votes}` is the result."""

WEIGHTED = '''
    def tally(self, episode: Episode) -> dict[Answer, float]:
        """Weighted votes by answer, scaled to the number of equal votes that would be as precise."""
        votes: dict[Answer, float] = {}
        total = squares = 0.0
        for branch in episode.branches:
            if self.votes(branch):
                weight = self.weight(branch)
                votes[branch.answer] = votes.get(branch.answer, 0.0) + weight
                total += weight
                squares += weight * weight
        scale = total / squares if squares else 0.0
        votes = {answer: scale * weight for answer, weight in votes.items()}
        return {votes}

    def weight(self, branch: Branch) -> float:
        """Weight of a branch's vote."""
        return {weight}
'''
"""Methods that weigh votes; `{weight}` is an expression in `branch`."""

_LENGTHS = (("ballot", ("readers",)), ("reading", ("whole", "steps", "ends", "settled")))
"""Lengths compare only branches that are read."""

LENGTH = (
    Mechanism("length", "ignored", ""),
    Mechanism(
        "length",
        "ratio",
        "gives the shorter branches more weight, by the ratio of lengths: long ones have often lost their way",
        knobs=(Knob("brevity", 0.25, 3, "log", False, "power with which length takes weight away", steady=True),),
        hook='branch.depth ** -self.knobs["brevity"]',
        needs=_LENGTHS,
    ),
    Mechanism(
        "length",
        "decay",
        "gives the shorter branches more weight, as if every interval carried the same risk of going astray",
        knobs=(Knob("pace", 2, 64, "log", False, "intervals over which a vote's weight falls e-fold", steady=True),),
        hook='math.exp(-branch.depth / self.knobs["pace"])',
        needs=_LENGTHS,
        uses=("math",),
    ),
)

SIGNAL = (
    Mechanism("signal", "ignored", ""),
    Mechanism(
        "signal",
        "sure",
        "weighs a vote by how probable the model found its own answers along the branch, where the grid says so",
        knobs=(Knob("trust", 0.25, 6, "log", False, "power with which probability gives weight", steady=True),),
        methods='''
    def sureness(self, branch: Branch) -> float:
        """The latest confidence of a branch, a mean log-probability; 0 if it never had one."""
        if branch.confidence is not None:
            self.confidences[branch.index] = max(-20.0, branch.confidence)
        return self.confidences.get(branch.index, 0.0)
''',
        hook='math.exp(self.knobs["trust"] * self.sureness(branch))',
        state="self.confidences: dict[int, float] = {}",
        probes=True,
        signal="probe_confidence",
        needs=(("ballot", ("everyone", "ripe")),),
        uses=("math",),
    ),
    Mechanism(
        "signal",
        "surest",
        "weighs a vote by how probable the model found the answer that it was asked for",
        knobs=(Knob("trust", 0.25, 6, "log", False, "power with which probability gives weight", steady=True),),
        hook='math.exp(self.knobs["trust"] * max(-20.0, branch.confidence or 0.0))',
        signal="probe_confidence",
        needs=(("reading", ("asked",)),),
        uses=("math",),
    ),
    Mechanism(
        "signal",
        "steady",
        "weighs a vote by the branch's least confident interval, where the grid says how confident the model was",
        knobs=(Knob("trust", 0.25, 6, "log", False, "power with which confidence gives weight", steady=True),),
        methods='''
    def steadiness(self, branch: Branch) -> float:
        """The token confidence of a branch's least confident interval; 1 if none is known."""
        return min((value for value in branch.signals["token_confidence"] if value is not None), default=1.0)
''',
        hook='self.steadiness(branch) ** self.knobs["trust"]',
        signal="token_confidence",
    ),
)

RETENTION = (
    Mechanism("retention", "ignored", ""),
    Mechanism(
        "retention",
        "kept",
        "lets votes for an answer count less if many branches gave it once and left it: right answers are kept",
        knobs=(Knob("loyalty", 0.5, 5, "log", False, "power with which desertion takes votes away", steady=True),),
        methods='''
    def retained(self, episode: Episode, votes: dict[Answer, float]) -> dict[Answer, float]:
        """The votes times a power of the share of the branches that ever gave the answer and still do."""
        came, stayed = dict.fromkeys(votes, 1), dict.fromkeys(votes, 1)
        for branch in episode.branches:
            for answer in branch.seen:
                if answer in votes:
                    came[answer] += 1
                    stayed[answer] += answer == branch.answer
        return {a: count * (stayed[a] / came[a]) ** self.knobs["loyalty"] for a, count in votes.items()}
''',
        probes=True,
        needs=(("reading", ("steps", "ends", "settled", "prefix")),),
    ),
)

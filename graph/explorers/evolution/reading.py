"""How branches are opened, read and given up: the slots `reading`, `widening` and `pruning`.

A hook of `reading` is a statement that reads `unread` on; `PROBE` in it is replaced by the argument of a call that
probes nothing, if nothing in the controller uses the answers of unfinished branches.
"""

from graph.explorers.evolution.knobs import Knob
from graph.explorers.evolution.mechanism import Mechanism

PROBE = "{probe}"

_FINISHED = '''
    def is_read(self, branch: Branch) -> bool:
        """Whether there is nothing more to learn from a branch."""
        return branch.finished
'''

READING = (
    Mechanism(
        "reading",
        "whole",
        "reads every branch to its end at once",
        methods=_FINISHED,
        hook="episode.finish(unread)",
    ),
    Mechanism(
        "reading",
        "steps",
        "reads branches side by side, interval by interval, so that the quick ones may decide before the slow ones end",
        methods=_FINISHED,
        hook=f"episode.advance(unread{PROBE})",
    ),
    Mechanism(
        "reading",
        "ends",
        "reads branches side by side and looks at the vote only when one ends: fewer looks, fewer hasty stops",
        methods=_FINISHED
        + f'''
    def read_on(self, episode: Episode, unread: list[Branch]) -> None:
        """Advance the least deep branches until one ends, or they are as deep as the others."""
        depth = min(branch.depth for branch in unread)
        behind = [branch for branch in unread if branch.depth == depth]
        ahead = min((branch.depth for branch in unread if branch.depth > depth), default=math.inf)
        while depth < ahead and not any(branch.finished for branch in behind):
            episode.advance(behind{PROBE})
            depth += 1
''',
        hook="self.read_on(episode, unread)",
        uses=("math",),
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
        probes=True,
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
        probes=True,
    ),
    Mechanism(
        "reading",
        "asked",
        "reads only the beginning of each branch, and asks for its answer there, once",
        knobs=(Knob("depth", 1, 40, "log", True, "intervals after which a branch is asked"),),
        methods='''
    def is_read(self, branch: Branch) -> bool:
        """Whether a branch is at its end, or was asked."""
        return branch.finished or branch.probed

    def read_on(self, episode: Episode, unread: list[Branch]) -> None:
        """Advance branches to the depth at which they are asked, and ask them."""
        episode.advance([branch for branch in unread if branch.depth < self.knobs["depth"]]{probe})
        episode.probe([branch for branch in unread if branch.active and branch.depth >= self.knobs["depth"]])
''',
        hook="self.read_on(episode, unread)",
        asks=True,
        signal="probe_confidence",
    ),
)

_FIRST = Knob("first", 1, 64, "log", True, "branches opened at first")

WIDENING = (
    Mechanism(
        "widening",
        "batches",
        "opens the next batch when the one before is read",
        knobs=(_FIRST, Knob("burst", 1, 16, "log", True, "branches opened at a time later")),
        hook='self.knobs["burst"]',
    ),
    Mechanism(
        "widening",
        "waves",
        "opens waves that grow with the pool: questions that many branches left open need many more",
        knobs=(_FIRST, Knob("growth", 0.2, 2, "log", False, "size of a wave, as a share of the pool", steady=True)),
        hook='max(1, int(self.knobs["growth"] * len(episode.branches)))',
    ),
    Mechanism(
        "widening",
        "staggered",
        "opens a few more branches every round while the vote is open, without waiting for the slow ones",
        knobs=(_FIRST, Knob("burst", 1, 4, "log", True, "branches opened a round later")),
        hook='self.knobs["burst"]',
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
        leader = self.standing(episode)[0]
        for branch in unread:
            agrees = leader is None or branch.answer == leader
            self.against[branch.index] = 0 if agrees else self.against.get(branch.index, 0) + 1
        episode.prune([b for b in unread if b.active and self.against[b.index] >= self.knobs["patience"]])
''',
        hook="self.give_up_branches(episode, unread)",
        state="self.against: dict[int, int] = {}",
        probes=True,
        needs=(("reading", ("steps", "settled", "prefix")),),
    ),
    Mechanism(
        "pruning",
        "late",
        "gives up the slow rest of a wave once enough of it has ended: it costs the most and is right the least",
        knobs=(Knob("early", 0.3, 0.95, "linear", False, "share of the branches that is waited for", steady=True),),
        methods='''
    def give_up_branches(self, episode: Episode, unread: list[Branch]) -> None:
        """Prune the branches that are still unread once the share `early` of all has ended."""
        ended = sum(1 for branch in episode.branches if branch.finished)
        if ended >= self.knobs["early"] * len(episode.branches):
            episode.prune([branch for branch in unread if branch.active])
''',
        hook="self.give_up_branches(episode, unread)",
        needs=(("reading", ("steps", "ends")), ("widening", ("batches", "waves"))),
    ),
    Mechanism(
        "pruning",
        "hesitant",
        "gives up a branch once it is less confident than most of those that have ended ever were",
        knobs=(Knob("doubt", 0.05, 0.95, "linear", False, "share of the ended branches to stay above", steady=True),),
        methods='''
    def give_up_branches(self, episode: Episode, unread: list[Branch]) -> None:
        """Prune unread branches below the quantile `doubt` of the ended ones' least confident intervals."""
        ended = sorted(self.least_confident(branch) for branch in episode.branches if branch.finished)
        if ended:
            floor = ended[int(self.knobs["doubt"] * len(ended))]
            episode.prune([branch for branch in unread if branch.active and self.least_confident(branch) < floor])

    def least_confident(self, branch: Branch) -> float:
        """The token confidence of a branch's least confident interval; infinite if none is known."""
        return min((value for value in branch.signals["token_confidence"] if value is not None), default=math.inf)
''',
        hook="self.give_up_branches(episode, unread)",
        signal="token_confidence",
        needs=(("reading", ("steps", "ends")),),
        uses=("math",),
    ),
)

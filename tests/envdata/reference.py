"""The rules of one episode, written down once more from their description alone: plain Python, without arrays.

`envdata.rules` settles the calls of many episodes at once; whatever it does has to be what this does for each alone.
"""

import math
from dataclasses import dataclass, field

from envdata.actions import Refusal
from envdata.grid import BranchRow


@dataclass
class ReferenceBranch:
    row: BranchRow
    depth: int = 0
    decoded: int = 0
    """Tokens paid for going on; what looking cost is not in here."""
    looked: int = 0
    """Tokens paid for looking."""
    finished: bool = False
    pruned: bool = False
    seen_at: set[int] = field(default_factory=set)


@dataclass
class Target:
    """What a call did to one branch."""

    branch: int
    depth: int
    finished: bool
    label: int
    """−1 where nothing was revealed."""
    text: str | None
    confidence: float | None
    cost: int


class ReferenceEpisode:
    def __init__(
        self,
        rows: list[BranchRow],
        interval: int,
        *,
        max_branches: int = 64,
        budget: int | None = None,
        probe_cost: int | None = None,
        dearest_probe: int = 0,
        repeats_last: bool = False,
    ) -> None:
        """`rows` are the question's branches in the order of opening; `dearest_probe` is the worst recorded cost."""
        self.rows, self.interval, self.budget, self.probe_cost = rows, interval, budget, probe_cost
        self.repeats_last = repeats_last
        self.ceiling = min(max_branches, len(rows))
        self.worst_probe = dearest_probe if probe_cost is None else probe_cost
        self.branches: list[ReferenceBranch] = []
        self.tokens = self.sequential = self.calls = 0
        self.labels: list[str] = []
        self.over = False

    # ---- the actions ---------------------------------------------------------------------------------------------

    def branch(self, n: int, probe: bool) -> tuple[Refusal, list[Target]]:
        if self.over:
            return Refusal.EPISODE_OVER, []
        if n > self.ceiling - len(self.branches):
            return Refusal.NO_OPEN_SLOT, []
        if not self._fits(n * (self.interval + (self.worst_probe if probe else 0))):
            return Refusal.BUDGET_EXCEEDED, []
        opened = range(len(self.branches), len(self.branches) + n)
        self.branches += [ReferenceBranch(self.rows[i]) for i in opened]
        return Refusal.ADMITTED, self._step(list(opened), probe)

    def read(self, n: int) -> tuple[Refusal, list[Target]]:
        """Open and read whole; each branch is sure of one interval, and longer ones have more while it lasts."""
        if self.over:
            return Refusal.EPISODE_OVER, []
        if n > self.ceiling - len(self.branches):
            return Refusal.NO_OPEN_SLOT, []
        if not self._fits(n * self.interval):
            return Refusal.BUDGET_EXCEEDED, []
        opened = range(len(self.branches), len(self.branches) + n)
        self.branches += [ReferenceBranch(self.rows[i]) for i in opened]
        return Refusal.ADMITTED, self._read(list(opened), promised=self.interval)

    def advance(self, which: list[int], probe: bool) -> tuple[Refusal, list[Target]]:
        refusal = self._wrong(which, finished_too=not self.repeats_last)
        if refusal:
            return refusal, []
        if not self._fits(len(which) * (self.interval + (self.worst_probe if probe else 0))):
            return Refusal.BUDGET_EXCEEDED, []
        return Refusal.ADMITTED, self._step(which, probe)

    def probe(self, which: list[int]) -> tuple[Refusal, list[Target]]:
        refusal = self._wrong(which)
        if refusal:
            return refusal, []
        if any(self.branches[i].depth in self.branches[i].seen_at for i in which):
            return Refusal.ALREADY_PROBED, []
        if any(self.branches[i].depth == 0 for i in which):
            # Stopped by the budget within its first interval: there is nothing that was recorded to look at.
            return Refusal.BUDGET_EXCEEDED, []
        if not self._fits(len(which) * self.worst_probe):
            return Refusal.BUDGET_EXCEEDED, []
        return Refusal.ADMITTED, self._charge([(i, 0, True) for i in which])

    def finish(self, which: list[int]) -> tuple[Refusal, list[Target]]:
        refusal = self._wrong(which)
        if refusal:
            return refusal, []
        if not self._fits(1 if which else 0):
            return Refusal.BUDGET_EXCEEDED, []
        return Refusal.ADMITTED, self._read(which, promised=0)

    def _read(self, which: list[int], promised: int) -> list[Target]:
        """Read to the end, or until the budget is spent: first what is promised to each, then the rest in order."""
        costs = [max(0, self.branches[i].row.tokens - self.branches[i].decoded) for i in which]
        spare = math.inf if self.budget is None else self.budget - self.tokens
        spare -= sum(min(cost, promised) for cost in costs)
        moves = []
        for i, cost in zip(which, costs, strict=True):
            branch = self.branches[i]
            sure = min(cost, promised)
            more = min(cost - sure, spare)
            spare -= more
            given = int(sure + more)
            if given == cost:
                branch.finished, branch.depth = True, len(branch.row.probe_answers) + 1
            else:
                whole = min((branch.decoded + given) // self.interval, len(branch.row.probe_answers))
                branch.depth = max(branch.depth, whole)
            moves.append((i, given, branch.finished))
        return self._charge(moves)

    def prune(self, i: int) -> Refusal:
        if self.over:
            return Refusal.EPISODE_OVER
        if not 0 <= i < len(self.branches):
            return Refusal.UNKNOWN_BRANCH
        branch = self.branches[i]
        if branch.finished:
            return Refusal.BRANCH_FINISHED
        if branch.pruned:
            return Refusal.BRANCH_PRUNED
        branch.pruned = True
        return Refusal.ADMITTED

    def answer(self, label: int | None) -> Refusal:
        if self.over:
            return Refusal.EPISODE_OVER
        if label is not None and not 0 <= label < len(self.labels):
            return Refusal.UNREVEALED_ANSWER
        self.over = True
        return Refusal.ADMITTED

    # ---- how they come about -------------------------------------------------------------------------------------

    def _wrong(self, which: list[int], finished_too: bool = True) -> Refusal:
        """The weightiest reason against acting on these branches."""
        if self.over:
            return Refusal.EPISODE_OVER
        if any(not 0 <= i < len(self.branches) for i in which):
            return Refusal.UNKNOWN_BRANCH
        if len(set(which)) < len(which):
            return Refusal.DUPLICATE_BRANCH
        if any(self.branches[i].pruned for i in which):
            return Refusal.BRANCH_PRUNED
        if finished_too and any(self.branches[i].finished for i in which):
            return Refusal.BRANCH_FINISHED
        return Refusal.ADMITTED

    def _fits(self, worst: int) -> bool:
        return self.budget is None or worst <= self.budget - self.tokens

    def _step(self, which: list[int], probe: bool) -> list[Target]:
        """One interval each. Everyone has Δ and the probe for sure; who needs more than Δ has it while it lasts."""
        steps = [self._next(i) for i in which]
        spare = math.inf if self.budget is None else self.budget - self.tokens
        for i, (need, last) in zip(which, steps, strict=True):
            spare -= min(need, self.interval)
            if probe and not last:
                spare -= self._look_cost(i, self.branches[i].depth + 1)
        moves = []
        for i, (need, last) in zip(which, steps, strict=True):
            branch = self.branches[i]
            sure = min(need, self.interval)
            more = min(need - sure, spare)
            spare -= more
            given = int(sure + more)
            if given == need:
                # One that is finished already stays where it is.
                branch.depth = min(branch.depth, len(branch.row.probe_answers)) + 1
                branch.finished = last
            moves.append((i, given, given == need and (last or probe)))
        return self._charge(moves)

    def _next(self, i: int) -> tuple[int, bool]:
        """What the branch's next step costs, and whether it is the last."""
        branch = self.branches[i]
        recorded = len(branch.row.probe_answers)
        if branch.depth < recorded:
            return self.interval, False
        return max(0, branch.row.tokens - self.interval * recorded), True

    def _look_cost(self, i: int, depth: int) -> int:
        if self.probe_cost is not None:
            return self.probe_cost
        costs = self.branches[i].row.probe_tokens
        return 0 if costs is None else costs[depth - 1]

    def _charge(self, moves: list[tuple[int, int, bool]]) -> list[Target]:
        """Pay for (branch, tokens decoded, whether to look); looking at a final answer is free."""
        targets = []
        for i, decoded, look in moves:
            branch = self.branches[i]
            row = branch.row
            cost, label, text, confidence = decoded, -1, None, None
            branch.decoded += decoded
            if look:
                branch.seen_at.add(branch.depth)
                if branch.finished:
                    text = row.final_answer
                else:
                    text = row.probe_answers[branch.depth - 1]
                    confidence = None if row.probe_confidences is None else row.probe_confidences[branch.depth - 1]
                    cost += self._look_cost(i, branch.depth)
                    branch.looked += self._look_cost(i, branch.depth)
                if text not in self.labels:
                    self.labels.append(text)
                label = self.labels.index(text)
            targets.append(Target(i, branch.depth, branch.finished, label, text, confidence, cost))
        self.tokens += sum(target.cost for target in targets)
        self.sequential += max((target.cost for target in targets), default=0)
        self.calls += 1
        return targets

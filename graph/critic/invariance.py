"""Whether a candidate acts alike when what must not matter is changed: it memorised or kept state if it does not.

The traced episodes are played again with the questions in the reverse order, answers spelt otherwise and labels
numbered otherwise. Nothing of that is a controller's business: voting needs equality only, and episodes are
independent. If some episode comes out differently, the changes are tried one at a time, and the same episodes without
any change, to say which of them it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from envdata.episodes import GroupResult
from envdata.grid import Grid
from graph.critic.rearranging import rearranged, respelling
from sandbox.backends.base import Backend
from sandbox.candidate import Candidate
from sandbox.playing import Player, Repeat, Settings

Fates = list[tuple[object, ...]]
"""How each episode ended: its answer, and what was counted of it."""


@dataclass(frozen=True)
class Invariance:
    """Episodes that came out differently, of those that were played again."""

    episodes: int
    by_itself: int = 0
    """When nothing was changed: the candidate is not deterministic."""
    renamed: int = 0
    """When answers were spelt and numbered otherwise."""
    reordered: int = 0
    """When the questions came in another order."""
    together: int = 0
    """With all changes at once."""

    @property
    def holds(self) -> bool:
        """Whether everything came out alike."""
        return not (self.by_itself or self.renamed or self.reordered or self.together)


def invariance(
    backend: Backend, candidate: Candidate, grids: Sequence[Grid], betas: Sequence[float], settings: Settings
) -> Invariance:
    """Play repeat 0 of all questions at some β, as it is and changed.

    Raises InfrastructureError, SandboxUnavailable.
    """
    total = Invariance(0)
    for grid in grids:
        found = _on_grid(backend, candidate, grid, betas, settings)
        total = Invariance(*(getattr(total, each.name) + getattr(found, each.name) for each in fields(Invariance)))
    return total


def _on_grid(
    backend: Backend, candidate: Candidate, grid: Grid, betas: Sequence[float], settings: Settings
) -> Invariance:
    straight = list(range(len(grid.questions)))
    reverse = straight[::-1]

    def play(order: Sequence[int], *, renamed: bool) -> Fates:
        return _fates(backend, candidate, grid, betas, settings, order, renamed=renamed)

    plain = play(straight, renamed=False)
    together = _differing(plain, play(reverse, renamed=True))
    if not together:
        return Invariance(len(plain))
    return Invariance(
        len(plain),
        by_itself=_differing(plain, play(straight, renamed=False)),
        renamed=_differing(plain, play(straight, renamed=True)),
        reordered=_differing(plain, play(reverse, renamed=False)),
        together=together,
    )


def _fates(
    backend: Backend,
    candidate: Candidate,
    grid: Grid,
    betas: Sequence[float],
    settings: Settings,
    order: Sequence[int],
    *,
    renamed: bool,
) -> Fates:
    """How the episodes end when the questions come in some order; β after β, question after question."""
    player = Player(backend, candidate, rearranged(grid, order, respelt=renamed), replace(settings, renamed=renamed))
    spelt = respelling(grid) if renamed else [{} for _ in order]
    old = [{new: text for text, new in spellings.items()} for spellings in spelt]
    by_beta = {played.repeat.beta: played.result for played in player.play([Repeat(beta, 0) for beta in betas])}
    found: Fates = []
    for beta in betas:
        ended = dict(zip(order, _ended(by_beta[beta]), strict=True))
        for question in range(len(order)):
            answer, *rest = ended[question]
            found.append((old[question].get(str(answer), answer), *rest))
    return found


def _ended(result: GroupResult) -> list[tuple[object, ...]]:
    columns = (
        result.status, result.correct, result.tokens, result.sequential_tokens, result.longest_branch,
        result.branches, result.pruned, result.finished, result.calls,
    )  # fmt: skip
    return list(zip(result.answer, *(column.tolist() for column in columns), strict=True))


def _differing(one: Fates, other: Fates) -> int:
    return sum(a != b for a, b in zip(one, other, strict=True))

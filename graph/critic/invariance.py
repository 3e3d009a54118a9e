"""Invariance check: whether a candidate's results change under perturbations that must not matter to a controller.

The traced episodes are played again with questions in reverse order and with answers spelt and numbered differently.
Voting needs equality only, and episodes are independent, so a candidate whose results change has memorised answers or
keeps state. If some episode changes, each perturbation is tried alone, and none at all, to find the cause.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from envdata.episodes import GroupResult
from envdata.grid import Grid
from envdata.perturbations import UNPERTURBED, Perturbation, renamed_answers
from sandbox.candidate import Candidate
from sandbox.evaluate import Evaluator
from sandbox.replay_player import PlayedRepeat

TOGETHER = Perturbation(reordered=True, renamed=True)

EpisodeResults = list[tuple[object, ...]]
"""Result of each episode: its answer, status and counts."""


@dataclass(frozen=True)
class Invariance:
    """Numbers of episodes whose result changed under perturbations."""

    episodes: int
    """Episodes played again."""
    by_itself: int = 0
    """Changed without any perturbation: the candidate is not deterministic."""
    renamed: int = 0
    """Changed when answers were spelt and numbered differently."""
    reordered: int = 0
    """Changed when questions came in reverse order."""
    together: int = 0
    """Changed under both perturbations at once."""

    @property
    def holds(self) -> bool:
        """Whether no result changed."""
        return not (self.by_itself or self.renamed or self.reordered or self.together)


def invariance(
    evaluator: Evaluator, candidate: Candidate, grids: Mapping[str, Grid], betas: Sequence[float]
) -> Invariance:
    """Play repeat 0 of all questions unperturbed and perturbed, and count the changed results.

    Args:
        evaluator: Plays the episodes, under its settings.
        candidate: The candidate.
        grids: Search grids by path.
        betas: β to play; for a candidate that ignores β, one value.

    Raises:
        InfrastructureError: The host failed.
        SandboxUnavailable: The backend does not work here.
    """

    def play(paths: Sequence[str], *kinds: Perturbation) -> list[list[EpisodeResults]]:
        played = evaluator.replay(candidate, paths, betas, kinds)
        return [
            [_results(grids[path], repeats, kind) for repeats, kind in zip(own, kinds, strict=True)]
            for path, own in zip(paths, played, strict=True)
        ]

    plain = dict(zip(grids, play(list(grids), UNPERTURBED, TOGETHER), strict=True))
    together = {path: _differing(*own) for path, own in plain.items()}
    changed = [path for path in grids if together[path]]
    causes = (UNPERTURBED, Perturbation(renamed=True), Perturbation(reordered=True))
    by_itself = renamed = reordered = 0
    for path, (again, other_names, other_order) in zip(changed, play(changed, *causes), strict=True):
        base = plain[path][0]
        by_itself += _differing(base, again)
        renamed += _differing(base, other_names)
        reordered += _differing(base, other_order)
    episodes = sum(len(own[0]) for own in plain.values())
    return Invariance(episodes, by_itself, renamed, reordered, sum(together.values()))


def _results(grid: Grid, repeats: Sequence[PlayedRepeat], perturbation: Perturbation) -> EpisodeResults:
    """Return the results sorted by β and the original number of the question, answers in their original spelling."""
    order = perturbation.order(len(grid.questions))
    spelt = renamed_answers(grid) if perturbation.renamed else [{} for _ in order]
    old = [{new: text for text, new in spellings.items()} for spellings in spelt]
    results: EpisodeResults = []
    for played in repeats:
        by_question = dict(zip(order, _rows(played.result), strict=True))
        for question in range(len(order)):
            answer, *rest = by_question[question]
            results.append((old[question].get(str(answer), answer), *rest))
    return results


def _rows(result: GroupResult) -> EpisodeResults:
    columns = (
        result.status, result.correct, result.tokens, result.sequential_tokens, result.longest_branch,
        result.branches, result.pruned, result.finished, result.calls,
    )  # fmt: skip
    return list(zip(result.answer, *(column.tolist() for column in columns), strict=True))


def _differing(one: EpisodeResults, other: EpisodeResults) -> int:
    return sum(a != b for a, b in zip(one, other, strict=True))

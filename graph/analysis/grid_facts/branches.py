"""Facts on single branches: lengths, who ends right, revisions on the way, and what tells right from wrong branches."""

from collections.abc import Iterator

import numpy as np

from envdata.episode_state import Bools, Floats
from graph.analysis.grid_facts.figures import Contribution
from graph.analysis.grid_facts.question_branches import UNPARSED, QuestionBranches

PARTS = 8
"""Parts of equal size into which a question's branches are divided by length."""
QUANTILES = (0.1, 0.5, 0.9)


def branch_facts(own: QuestionBranches) -> Iterator[Contribution]:
    """Yield what one question contributes to the facts on branches.

    | fact | ratio |
    |---|---|
    | quantile, q | tokens of the q-quantile of the question's lengths |
    | single | share of branches that end right |
    | covered | share of questions in which some branch ends right |
    | unparsed | share of branches that end without an answer |
    | part right, i | share of right branches in the i-th part by length, from 0, the shortest |
    | part tokens, i | share of all tokens that this part takes |
    | mended | share of branches that end right and gave another answer before |
    | spoilt | share of branches that end otherwise and gave the right answer before |
    | kept right | of the branches that ever gave the right answer, those that end with it |
    | kept wrong | the same of the wrong answer with the most votes |
    | branch, sign | probability that a sign picks the right one of a right and a wrong branch of a question |
    """
    count, right = len(own.tokens), own.right
    for share in QUANTILES:
        yield ("quantile", share), float(np.quantile(own.tokens, share)), 1.0
    yield ("single",), float(right.sum()), float(count)
    yield ("covered",), float(right.any()), 1.0
    yield ("unparsed",), float((own.final == UNPARSED).sum()), float(count)
    for place, part in enumerate(np.array_split(np.argsort(own.tokens, kind="stable"), PARTS)):
        yield ("part right", place), float(right[part].sum()), float(len(part))
        yield ("part tokens", place), float(own.tokens[part].sum()), float(own.tokens.sum())
    given = np.where(own.reached, own.answers, UNPARSED)
    ever = (given == own.gold).any(axis=1) if own.gold >= 0 else np.zeros(count, np.bool_)
    others = ((given != UNPARSED) & (given != own.gold)).any(axis=1)
    yield ("mended",), float((right & others).sum()), float(count)
    yield ("spoilt",), float((~right & ever).sum()), float(count)
    yield ("kept right",), float((right & ever).sum()), float(ever.sum())
    for rival in _strongest_wrong(own):
        yield ("kept wrong",), float((own.final == rival).sum()), float((given == rival).any(axis=1).sum())
    wrong = ~right & (own.final != UNPARSED)
    if right.any() and wrong.any():
        for sign, values in _signs(own).items():
            yield ("branch", sign), _concordance(values, right, wrong), 1.0


def _strongest_wrong(own: QuestionBranches) -> list[int]:
    """Return the wrong answers with the most final votes; several if they have equally many."""
    wrong = own.final[(own.final != UNPARSED) & (own.final != own.gold)]
    votes = np.bincount(wrong)
    strongest: list[int] = np.flatnonzero(votes == votes.max(initial=1)).tolist()
    return strongest


def _signs(own: QuestionBranches) -> dict[str, Floats]:
    """Return for each branch signs that grow with the chance of being right, if they tell anything, each (N,)."""
    shorter = {"shorter": -own.tokens.astype(float)}
    if not own.probed:
        return shorter
    same = (own.answers == own.final[:, None]) & own.reached
    # The column after the last other answer: from there on the branch gives its final answer only.
    other = own.reached & ~same
    depths = np.arange(own.answers.shape[1])
    settled = np.where(other, depths + 1, 0).max(axis=1)
    several = np.array([len(set(row[: end + 1].tolist()) - {UNPARSED}) for row, end in zip(own.answers, own.ends)])  # noqa: B905
    signs: dict[str, Floats] = {
        **shorter,
        "settled earlier": -settled.astype(float),
        "fewer answers on the way": -several.astype(float),
        "more of its probes agree": same.sum(axis=1) / own.reached.sum(axis=1),
    }
    if own.confidences is not None and np.isfinite(own.confidences).all():
        signs["surer at its last probe"] = own.confidences
    return signs


def _concordance(values: Floats, right: Bools, wrong: Bools) -> float:
    """Return the probability that a right branch has a larger value than a wrong one; ties count by half."""
    # Not imported with the command line: it takes a second.
    from scipy.stats import rankdata  # type: ignore[import-untyped]

    ranks = rankdata(np.concatenate([values[right], values[wrong]]))
    first, second = int(right.sum()), int(wrong.sum())
    return float((ranks[:first].sum() - first * (first + 1) / 2) / (first * second))

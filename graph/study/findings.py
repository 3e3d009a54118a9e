"""The findings of a study in sentences, with which its page begins."""

from collections.abc import Mapping, Sequence
from typing import Any

from envdata.intervals import Interval, number_text
from graph.study.comparison import FIGURES, LoopComparison

Summary = Mapping[str, Any]
"""An arm's `name` and its figures as `graph.study.arms.arm_summary` returns them."""


def findings(summaries: Sequence[Summary], compared: Sequence[LoopComparison]) -> list[str]:
    """Return the findings of a study as sentences.

    Args:
        summaries: One entry an arm.
        compared: Differences between the loop and independent sampling.
    """
    done, planned = (sum(each[name] for each in summaries) for name in ("done", "planned"))
    if not done:
        return [f"None of the {planned} planned {_plural('run', planned)} is complete, so there is no finding yet."]
    said = [] if done == planned else [f"{done} of {planned} runs are complete; the others are left out of this."]
    said += _ranked(summaries, "gain", "The frontier gained most over the baselines, on the search set, with",
                    "The frontier gained over the baselines, on the search set, with")  # fmt: skip
    said += _ranked(
        summaries, "heldout_over_baseline",
        "On held-out questions the selected controllers stand furthest above the best baseline with",
        "On held-out questions the selected controllers stand above the best baseline with",
    )  # fmt: skip
    said += [_loop_sentence(each) for each in compared if each.figure == "gain"]
    if not compared:
        said.append(
            "No explorer has complete runs both with the whole loop and without feedback (no_feedback), so this study "
            "does not say whether feedback helps."
        )
    return [*said, *_waste(summaries)]


def _ranked(summaries: Sequence[Summary], figure: str, most: str, alone: str) -> list[str]:
    """Return a sentence on the arms by the mean of a figure, none if no arm has it."""
    own = sorted((each for each in summaries if each[figure]), key=lambda each: -each[figure]["mean"])
    if not own:
        return []
    told = "; then ".join(f"{each['name']}: {_over_seeds(each, figure)}" for each in own[:4])
    more = f"; and {len(own) - 4} more below" if len(own) > 4 else ""
    sentence = f"{most if len(own) > 1 else alone} {told}{more}."
    if len(own) > 1:
        best, second = own[0][figure], own[1][figure]
        if min(own[0]["done"], own[1]["done"]) < 2:
            sentence += " With a single seed of either, the order of the first two may be chance."
        elif second["high"] >= best["low"]:
            sentence += " The seeds of the first two overlap."
    return [sentence]


def _over_seeds(summary: Summary, figure: str) -> str:
    value, seeds = summary[figure], summary["done"]
    if seeds < 2:
        return f"{number_text(100 * value['mean'], '+.2f')} points (one seed)"
    interval = Interval(value["mean"], value["low"], value["high"])
    return f"{interval.text(100, '+.2f')} points over {seeds} seeds"


def _loop_sentence(each: LoopComparison) -> str:
    what = f"the {FIGURES[each.figure]}, of {each.explorer}"
    if each.mean is None:
        count = len(each.seeds)
        mean = number_text(100 * sum(each.differences) / count, "+.2f")
        return (f"With feedback {what}, differs by {mean} points from as many independent samples; {count} "
                f"{_plural('seed', count)} are too few for an interval.")  # fmt: skip
    verdict = {1: "feedback helps", -1: "feedback does harm", 0: "a difference inside its interval"}[each.mean.sign]
    return (f"With feedback {what}, differs by {each.mean.text(100, '+.2f')} points from as many independent samples: "
            f"{verdict}.")  # fmt: skip


def _waste(summaries: Sequence[Summary]) -> list[str]:
    counted = [sum(each[name] for each in summaries) for name in ("candidates", "failed", "duplicates")]
    candidates, failed, duplicates = counted
    if not candidates:
        return []
    return [
        f"Of {candidates:,} proposals {failed:,} failed ({100 * failed / candidates:.0f} %), and {duplicates:,} acted "
        f"exactly as an earlier controller ({100 * duplicates / candidates:.0f} %)."
    ]


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"

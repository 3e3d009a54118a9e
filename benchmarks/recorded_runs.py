"""Compares finished runs on the same grids: how far each came by round, and the selected controllers in pairs.

    python -m benchmarks.recorded_runs RUN RUN…

Nothing is played. Figures are the runs' objective in percent or points, with 95 % intervals over questions; runs of
other terms, grids or baselines are refused. A selected controller's score on the search set is optimistic; the scores
under "left out" are those of choosing on other questions (five folds) and on other grids. At the end the rule of
selection is applied to the candidates of all runs together.
"""

import argparse
from itertools import accumulate, combinations
from pathlib import Path

from graph.analysis.selection import Contender, select
from graph.run.candidates import curves_of
from graph.run.record import RunRecord, load

TERMS = ("grids", "betas", "repeats", "order", "seed", "budget", "probe_cost", "prefill_weight", "max_branches",
         "objective", "latency", "baselines")  # fmt: skip
"""Settings that scores depend on."""


def main() -> None:
    """Parse the arguments and print two tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    runs = {path.name: load(path) for path in parser.parse_args().runs}
    first = next(iter(runs.values()))
    for name, run in runs.items():
        _check_same_terms(first, run, name)
    columns = "run", "scored", "best after each round", "selected", "score", "left-out questions", "left-out grids"
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for name, run in runs.items():
        print(f"| {name} | {' | '.join(_row(run))} |")
    print("\n| selected controllers, paired | difference |\n|---|---|")
    scorer = first.scorer()
    for (name, run), (other, against) in combinations(runs.items(), 2):
        mine, theirs = run.selected(), against.selected()
        assert mine is not None
        assert theirs is not None
        print(f"| {name} less {other} | {scorer.difference(mine, theirs).text(100, '+.2f')} |")
    together = select([each for name, run in runs.items() for each in _contenders(name, run)], scorer)
    worst = {label: min(scores) for label, scores in together.by_grid.items()}
    print(f"\nOf all {len(worst)} candidates the selection takes {together.label}; {len(together.tied)} are alike, and")
    print(f"the best score is that of {together.top}. The best worst grids:")
    for label in sorted(worst, key=worst.__getitem__, reverse=True)[:8]:
        print(f"  {label}: {', '.join(f'{100 * score:.2f}' for score in together.by_grid[label])}")


def _contenders(name: str, run: RunRecord) -> list[Contender]:
    return [
        Contender(
            f"{name}/{row['label']}",
            curves_of(run.folder.round(row["round"]), [row["label"]], run.settings.grids)[row["label"]],
            row["knobs"],
            len(row["source"].encode()),
        )
        for row in run.tables.candidates.to_pylist()
        if row["score"] is not None
    ]


def _check_same_terms(first: RunRecord, run: RunRecord, name: str) -> None:
    if run.result is None:
        raise SystemExit(f"{name}: this run has not ended")
    for setting in TERMS:
        one, other = getattr(first.settings, setting), getattr(run.settings, setting)
        if one != other:
            raise SystemExit(f"{name}: its {setting} is {other!r}, that of the first run {one!r}")
    if dict(run.pinned.grid_hashes) != dict(first.pinned.grid_hashes):
        raise SystemExit(f"{name}: its grids are not those of the first run")


def _row(run: RunRecord) -> list[str]:
    assert run.result is not None
    scores = [[each["score"] for each in record.candidates if each["score"] is not None] for record in run.rounds]
    reached = accumulate(map(max, filter(None, scores)), max)
    label = run.result["selected"]
    left_out = run.result["selection"] or {}
    selected = run.selected()
    assert selected is not None
    return [
        str(sum(map(len, scores))),
        ", ".join(f"{100 * score:.2f}" for score in reached),
        label,
        run.scorer().interval(selected).text(100, ".2f"),
        *(f"{100 * left_out[part]['score']:.2f}" if left_out.get(part) else "–" for part in ("questions", "grids")),
    ]


if __name__ == "__main__":
    main()

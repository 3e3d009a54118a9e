"""Counts the replays that racing saved in a finished run, and compares its choices with those without racing.

    python -m benchmarks.racing RUN [--jobs N]

Every sound candidate of the run is replayed in full on the search set, including those that racing dropped, and the
best of each round is selected again. The proposals are those of the run, so that both select from the same candidates.
"""

import argparse
import os
from pathlib import Path

from graph.analysis.curves import Curve
from graph.loop.nodes.executor import betas_of
from graph.run.paths import read_json
from graph.run.record import load
from sandbox.candidate import Candidate
from sandbox.evaluate import Evaluator, Plan


def main() -> None:
    """Parse the arguments, replay the candidates and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    run = load(given.run)
    settings = run.settings
    scorer = run.scorer()
    played = unraced = 0
    best: list[tuple[float, str]] = [
        max((scorer.score(curve), name) for name, curve in run.baselines.items()),
    ] * 2
    with Evaluator(settings.evaluation(), sandbox=settings.sandbox, jobs=given.jobs) as evaluator:
        for record in run.rounds:
            folder = run.folder.round(record.number)
            race, proposals = read_json(folder.race), read_json(folder.proposals)
            labels = list(race["repeats"])
            plans = [
                Plan(
                    Candidate(label, record.sources[label]),
                    settings.grids,
                    betas_of(settings, proposals, label),
                    settings.repeats,
                )
                for label in labels
            ]
            episodes = evaluator.evaluate(plans).episodes
            curves = [Curve.from_episodes(episodes, label, settings.grids) for label in labels]
            full = {curve.label: scorer.score(curve) for curve in curves if not curve.failures}
            raced = {each["label"]: each["score"] for each in record.candidates if each["score"] is not None}
            raced_best, full_best = (max(scores, key=scores.__getitem__, default=None) for scores in (raced, full))
            for place, (scores, label) in enumerate(((raced, raced_best), (full, full_best))):
                if label is not None and scores[label] > best[place][0]:
                    best[place] = (scores[label], label)
            played, unraced = played + race["replays"], unraced + race["unraced"]
            other = f"; unraced {full_best} {100 * full[full_best]:.2f}" if full_best else ""
            other = "" if raced_best == full_best else other
            line = "nothing sound"
            if raced_best:
                replays = f"{race['replays']} replays of {race['unraced']}"
                line = f"{replays}, best {raced_best} {100 * raced[raced_best]:.2f}{other}"
            print(f"round {record.number}: {line}", flush=True)
    (score, label), (unraced_score, unraced_label) = best
    print(f"{played} replays of {unraced}: {100 * (1 - played / unraced):.0f} % saved")
    print(f"final choice: {label} {100 * score:.2f}; unraced: {unraced_label} {100 * unraced_score:.2f}")


if __name__ == "__main__":
    main()

"""What racing saved in a finished run, and whether it chose as the unraced run would have.

    python -m benchmarks.racing RUN [--jobs N]

Every sound candidate of the run is replayed in full on the search set, those too that the run had dropped, and each
round's best is taken again. The explorer's proposals are those of the run, so that both chose from the same candidates.
"""

import argparse
import os
from pathlib import Path

from graph.curves import Curve
from graph.folder import read_json
from graph.history import load
from graph.nodes.executor import ignores_beta
from graph.objective import Objective, Yardstick
from sandbox.candidate import Candidate
from sandbox.evaluate import Evaluator, Plan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    history = load(given.run)
    settings = history.settings
    yardstick = Yardstick(Objective.parse(settings.objective), history.low, history.high, history.search_questions())
    played = unraced = 0
    best: list[tuple[float, str]] = [
        max((yardstick.score(curve), name) for name, curve in history.baselines.items()),
    ] * 2
    with Evaluator(settings.evaluation(), sandbox=settings.sandbox, jobs=given.jobs) as evaluator:
        for record in history.rounds:
            folder = history.folder.round(record.number)
            race, proposals = read_json(folder.race), read_json(folder.proposals)
            labels = list(race["repeats"])
            plans = [
                Plan(
                    Candidate(label, record.sources[label]),
                    settings.grids,
                    None if ignores_beta(proposals, label) else settings.betas,
                    settings.repeats,
                )
                for label in labels
            ]
            episodes = evaluator.evaluate(plans).episodes
            curves = [Curve.from_episodes(episodes, label, settings.grids) for label in labels]
            full = {curve.label: yardstick.score(curve) for curve in curves if not curve.failures}
            raced = {each["label"]: each["score"] for each in record.candidates if each["score"] is not None}
            ours, theirs = (max(scores, key=scores.__getitem__, default=None) for scores in (raced, full))
            for place, (scores, label) in enumerate(((raced, ours), (full, theirs))):
                if label is not None and scores[label] > best[place][0]:
                    best[place] = (scores[label], label)
            played, unraced = played + race["replays"], unraced + race["unraced"]
            lost = "" if ours == theirs else f"; unraced {theirs} {100 * full[theirs]:.2f}" if theirs else ""
            print(
                f"round {record.number}: {race['replays']} replays of {race['unraced']}, "
                f"best {ours} {100 * raced[ours]:.2f}{lost}" if ours else f"round {record.number}: nothing sound",
                flush=True,
            )  # fmt: skip
    (score, label), (unraced_score, unraced_label) = best
    print(f"{played} replays of {unraced}: {100 * (1 - played / unraced):.0f} % saved")
    print(f"final choice: {label} {100 * score:.2f}; unraced: {unraced_label} {100 * unraced_score:.2f}")


if __name__ == "__main__":
    main()

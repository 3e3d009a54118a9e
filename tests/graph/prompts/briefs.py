"""Briefs and evidence with something in every place."""

from typing import Any

from graph.explorers.base import Brief, CandidateRecord, Evidence, Lesson, Point, Reference, Rejected, Sweep


def tried(number: int, place: int, **changed: Any) -> CandidateRecord:
    """A candidate of round `number`."""
    label = f"r{number}-{place:02d}"
    given: dict[str, Any] = {
        "label": label, "round": number, "source": f"# the source of {label}\n", "notes": {}, "status": "ok",
        "why": None, "screening": 0.5, "score": 0.5 + 0.01 * number - 0.001 * place, "idea": f"the idea of {label}",
        "points": [Point(label, 0.0, 0.25, 100.0), Point(label, 1.0, 0.75, 2000.0)],
    }  # fmt: skip
    return CandidateRecord(**{**given, **changed})


def reference(name: str) -> Reference:
    """A baseline that was played on two grids."""
    points = [Point(name, 0.0, 0.3, 90.0), Point(name, 1.0, 0.6, 12_345.0)]
    return Reference(name, f"the idea of {name}", f"# the source of {name}\n", Sweep(points, [points, points]))


def lesson(number: int) -> Lesson:
    """What was made of round `number`."""
    return Lesson(
        number,
        diagnosis=f"the diagnosis of round {number}",
        directions=(f"a direction after round {number}",),
        measured=f"### measurements of round {number}",
        failures=f"### failures of round {number}",
    )


def brief(**changed: Any) -> Brief:
    """The brief of round 4, after rejections."""
    history = [t for n in (1, 2, 3) for t in (tried(n, 1), tried(n, 2), tried(n, 3, score=None, screening=0.1))]
    history.append(tried(3, 4, score=None, screening=None, status="exception", why="KeyError: 'width'"))
    given: dict[str, Any] = {
        "round": 4, "rounds": 5, "wanted": 2, "seed": 7, "betas": (0.0, 0.5, 1.0), "objective": "area", "low": 100.0,
        "high": 20000.0, "baselines": {"sc": 0.5, "asc": 0.6}, "intervals": (500,),
        "facts": "the facts on the grids", "references": [reference("asc"), reference("sc")],
        "frontier": [Point("asc", 0.0, 0.3, 90.0, 30.0), Point("r3-01", 1.0, 0.75, 2000.0, 400.0)],
        "history": history, "lessons": [lesson(n) for n in (1, 2, 3)],
        "rejected": [Rejected("# the first rejected source\n", "load_error", "NameError: name 'poll'"),
                     Rejected("# the second rejected source\n", "contract_error", "no schedule")],
        "attempt": 1,
    }  # fmt: skip
    return Brief(**{**given, **changed})


def evidence(**changed: Any) -> Evidence:
    """The evidence of round 3."""
    given: dict[str, Any] = {
        "round": 3, "best": "r3-01", "measured": "### the measurements", "measures": {}, "failures": "### the failures",
        "candidates": [tried(3, 1), tried(3, 2), tried(3, 3, score=None, screening=0.1)],
        "baselines": {"sc": 0.5, "asc": 0.6}, "low": 100.0, "high": 20000.0, "lessons": [lesson(1), lesson(2)],
    }  # fmt: skip
    return Evidence(**{**given, **changed})

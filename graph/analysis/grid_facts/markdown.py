"""Facts on grids as Markdown, for explorers and people."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from graph.analysis.grid_facts.branches import PARTS, QUANTILES
from graph.analysis.grid_facts.facts import GridFacts
from graph.analysis.grid_facts.figures import Figure, Key
from graph.analysis.grid_facts.votes import CLEAR, ENDED, LEADS, MORE, POOLS, RETENTION, SHARES, SIGNS_OF
from graph.analysis.markdown_table import markdown_table, short_tokens

SHOWN_GRIDS = 6
"""With more grids, all tables but the first have no figures by grid."""
VAGUE = 0.3
"""Half an interval from which the rate of right leaders is left out: it tells nothing."""
RARE = 0.01
"""Share of the votes below which a class of leads is left out."""
NO_PROBES = (
    "**No branch can be probed here.** `branch.answer` is None until a branch has ended; `branch` and `advance` raise "
    "`NoProbe` unless they are called with `probe=False`, and `probe` always does. A branch can be left, or pruned, at "
    "any depth before its end."
)
_SHARES = {0.25: "¼ ended", 0.5: "½ ended", 0.75: "¾ ended", 1.0: "all ended"}
_NONE = "–"


def write_facts(facts: GridFacts) -> str:
    """Return the facts as Markdown, without a heading: a paragraph and a table each."""
    count = len(facts.questions)
    alike = "" if count == 1 else f" The {count} grids weigh alike, and are numbered from 1."
    lines = [f"Means over questions; ± is half the 95 % interval over them.{alike}"]
    if not facts.probed:
        lines += ["", NO_PROBES]
    for table in (_grids, _lengths, *((_revisions,) if facts.probed else ()), _signs, _further, _pools):
        lines += ["", *table(facts)]
    return "\n".join(lines)


def _grids(facts: GridFacts) -> Iterator[str]:
    counts = [each for each in (1, 8, 16, 32, 64) if ("vote", each) in facts.figures]
    keys: list[Key] = [("quantile", share) for share in QUANTILES]

    def row(name: str, size: str, grid: int | None) -> list[str]:
        lengths = " / ".join(_tokens(_of(facts, key, grid)) for key in keys)
        votes = " / ".join(_percent(_of(facts, ("vote", each), grid)) for each in counts)
        rest = [_percent(_of(facts, key, grid)) for key in (("covered",), ("unparsed",))]
        return [name, size, lengths, votes, *rest]

    yield from markdown_table(
        ["grid", "questions × branches", "tokens of a branch: first tenth, median, last tenth",
         f"vote of {' / '.join(map(str, counts))} whole branches right, %", "some branch right, %", "no answer, %"],
        [row("all", "", None)] * (len(facts.questions) > 1)
        + [row(str(grid + 1), f"{questions} × {branches}", grid)
           for grid, (questions, branches) in enumerate(zip(facts.questions, facts.branches, strict=True))],
    )  # fmt: skip


def _lengths(facts: GridFacts) -> Iterator[str]:
    yield "**Who ends first.** The branches of a question in eighths by length, the shortest first:"
    yield ""
    head = ["", *(str(place + 1) for place in range(PARTS))]
    rows = [["right, %", *(_with_reach(facts, ("part right", place), ".0f") for place in range(PARTS))]]
    rows += [
        [_name(grid), *(_percent(_of(facts, ("part right", place), grid), ".0f") for place in range(PARTS))]
        for grid in _shown(facts)
    ]
    rows.append(["of all tokens, %", *(_percent(_of(facts, ("part tokens", place)), ".0f") for place in range(PARTS))])
    yield from markdown_table(head, rows)


def _revisions(facts: GridFacts) -> Iterator[str]:
    yield "**Revisions.** What probes show on the way, against how the branch ends:"
    yield ""
    keys: dict[str, Key] = {
        "of all branches: right at the end after another answer, %": ("mended",),
        "otherwise at the end after the right answer, %": ("spoilt",),
        "of the branches that ever gave the right answer: still give it at the end, %": ("kept right",),
        "the same of the wrong answer with the most votes, %": ("kept wrong",),
    }
    rows = [["all", *(_with_reach(facts, key, ".1f") for key in keys.values())]]
    rows += [[_name(grid), *(_percent(_of(facts, key, grid)) for key in keys.values())] for grid in _shown(facts)]
    yield from markdown_table(["", *keys], rows)


def _signs(facts: GridFacts) -> Iterator[str]:
    yield (
        "**Right from wrong.** How often a sign ranks the right one above a wrong one of the same question, % (50 "
        f"tells nothing). Answers: those with two votes or more among {SIGNS_OF} whole branches; behind: where the "
        "wrong one has as many votes or more."
    )
    yield ""
    rows = []
    for key in facts.figures:
        if key[0] in ("branch", "answer"):
            behind = _with_reach(facts, ("rival", key[1]), ".0f") if key[0] == "answer" else ""
            each = [_percent(_of(facts, key, grid), ".0f") for grid in _shown(facts)]
            rows.append([f"{key[0]}: {key[1]}", _with_reach(facts, key, ".0f"), *each, behind])
    yield from markdown_table(["", "all", *(_name(grid) for grid in _shown(facts)), "behind"], rows)
    if ("kept", 0, 0) in facts.figures:
        yield ""
        yield from _retention(facts)


def _retention(facts: GridFacts) -> Iterator[str]:
    yield (
        f"How often the leader among {SIGNS_OF} whole branches is right, %, by the share that it kept of the branches "
        "that ever gave it, and by its lead (as below); in brackets the share of the votes:"
    )
    yield ""

    def cell(place: int, clear: int) -> str:
        key, share = ("kept right", place, clear), _percent(_of(facts, ("kept", place, clear)), ".0f")
        figure = facts.figures.get(key)
        known = figure is not None and figure.reach is not None and figure.reach <= VAGUE
        return f"{_with_reach(facts, key, '.0f') if known else _NONE} ({share})"

    yield from markdown_table(
        ["", *_classes(RETENTION)],
        [[name, *(cell(place, clear) for place in range(len(RETENTION) + 1))]
         for clear, name in enumerate((f"lead below {CLEAR:g}", f"lead {CLEAR:g} or more"))],
    )  # fmt: skip


def _further(facts: GridFacts) -> Iterator[str]:
    yield (
        "**What further branches change.** After n branches read to their ends, by the lead (v₁ − v₂) ÷ √(v₁ + v₂) of "
        "the answer with v₁ votes over the next with v₂: how often the leader is right now, how much more often it "
        "would be after 2 and 4 times the branches, and for how many more tokens:"
    )
    yield ""
    names = _classes(LEADS)
    rows = []
    for count in ENDED:
        for place, name in enumerate(names):
            share = _of(facts, ("state", count, place))
            if share is None or share < RARE:
                continue
            row = [str(count), name, _percent(share, ".0f"), _percent(_of(facts, ("right", count, place, 1)), ".0f")]
            for times in MORE:
                change = _with_reach(facts, ("change", count, place, times), "+.1f")
                more = _tokens(_of(facts, ("more", count, place, times)))
                row.append(_NONE if change == _NONE else f"{change} for {more}")
            rows.append(row)
    yield from markdown_table(
        ["n", "lead", "of all votes, %", "right now, %", *(f"after {times} n" for times in MORE)], rows
    )


def _pools(facts: GridFacts) -> Iterator[str]:
    sizes = [size for size in POOLS if ("pool", size, 1.0) in facts.figures]
    yield (
        "**A pool ends one after another.** n branches opened at once and advanced together, read until a share of "
        "them has ended: how often the vote of those is right (in brackets less that of all n), for how many tokens of "
        "all n, with the depth of the deepest; and with the present answers of the others as votes too:"
    )
    yield ""

    def cell(size: int, share: float) -> str:
        gain = "" if share == 1.0 else f" ({_with_reach(facts, ('pool gain', size, share), '+.1f')})"
        tokens, depth = (_tokens(_of(facts, (key, size, share))) for key in ("pool tokens", "pool depth"))
        return f"{_percent(_of(facts, ('pool', size, share)))}{gain}, {tokens}, {depth} deep"

    rows = [[str(size), *(cell(size, share) for share in SHARES)] for size in sizes]
    for size in sizes[-1:]:
        live = [_percent(_of(facts, ("pool live", size, share))) for share in SHARES]
        rows.append([f"{size}, others' answers too", *live])
        rows += [
            [f"{size}, {_name(grid)}", *(_percent(_of(facts, ("pool", size, share), grid)) for share in SHARES)]
            for grid in _shown(facts)
        ]
    yield from markdown_table(["n", *(_SHARES[share] for share in SHARES)], rows)


def _name(grid: int) -> str:
    """Return the name of a grid in tables; explorers are told of grids from 1, in the order of the run's."""
    return f"grid {grid + 1}"


def _shown(facts: GridFacts) -> Sequence[int]:
    """Return the numbers of the grids whose own figures are shown; none if there is one grid, or too many."""
    count = len(facts.questions)
    return range(count) if 1 < count <= SHOWN_GRIDS else ()


def _of(facts: GridFacts, key: Key, grid: int | None = None) -> float | None:
    """Return a fact over all grids or on one; None if no question tells of it."""
    figure: Figure | None = facts.figures.get(key)
    if figure is None:
        return None
    return figure.value if grid is None else figure.by_grid[grid]


def _with_reach(facts: GridFacts, key: Key, form: str) -> str:
    figure = facts.figures.get(key)
    if figure is None:
        return _NONE
    value = format(100 * figure.value, form)
    return value if figure.reach is None else f"{value} ± {format(100 * figure.reach, form.lstrip('+'))}"


def _percent(value: float | None, form: str = ".1f") -> str:
    return _NONE if value is None else format(100 * value, form)


def _tokens(value: float | None) -> str:
    return _NONE if value is None else short_tokens(value)


def _classes(bounds: Sequence[float]) -> list[str]:
    """Return the names of the classes that ascending bounds divide."""
    between = [f"{low:g} … {high:g}" for low, high in pairwise(bounds)]
    return [f"< {bounds[0]:g}", *between, f"≥ {bounds[-1]:g}"]

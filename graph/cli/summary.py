"""The end of `autotts discover` on a terminal."""

from pathlib import Path
from typing import Any, TextIO

from graph.accounting.statement import PAPER_COST, PAPER_MINUTES
from graph.folder import RunFolder
from graph.page.render import figures
from graph.picture import NAMES


def print_summary(result: dict[str, Any], path: Path, stream: TextIO) -> None:
    """The baselines and the selected controller, the paired comparison, and where everything is."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=stream, width=None if stream.isatty() else 120, highlight=False)
    low, high = result["range"]
    over = f" over {low:,.0f} … {high:,.0f} tokens" if result["objective"] == "area" else ""
    title = f"objective {result['objective']}{over}, in percent, with 95 % intervals over questions"
    table = Table(title=title, title_justify="left")
    table.add_column("controller")
    table.add_column("search set", justify="right")
    if "heldout" in result:
        table.add_column("held-out set", justify="right")
    for row in figures(result):
        name = NAMES.get(row["name"], row["name"])
        cells = [_points(row["search"])] + ([_points(row["heldout"])] if "heldout" in result else [])
        table.add_row(
            Text(f"{name} (selected)" if row["selected"] else name), *cells, style="bold" if row["selected"] else ""
        )
    console.print(table)
    for part in ("search", "heldout"):
        for name, failure in result.get(part, {}).get("failures", {}).items():
            counted = ", ".join(f"{status}: {count:,}" for status, count in failure["statuses"].items())
            console.print(Text(f"{NAMES.get(name, name)} failed on the {part} set ({counted}): {failure['why']}"))
    console.print(_sweep(result))
    selected = NAMES.get(result["selected"], result["selected"])
    where = "a baseline: no candidate scored better" if result["incumbent"] else f"of round {result['round']}"
    console.print(f"selected: {selected}, {where}")
    for line in caveats(result):
        console.print(Text(line))
    for what, key in (("the best baseline", "best_baseline"), ("the best of round 1", "round_1_best")):
        if result[key] is not None:
            other = f"{what} ({NAMES.get(result[key], result[key])})"
            for part, name in (("search", "search set"), ("heldout", "held-out set")):
                difference = result.get(part, {}).get(f"over_{key}")
                if difference is not None:
                    console.print(f"  − {other}, {name}, paired: {_points(difference, '+')}")
    if result["stopped"]:
        rounds = f"{result['rounds']} {'round' if result['rounds'] == 1 else 'rounds'}"
        console.print(f"the search ended after {rounds}, at its limit (--{result['stopped'].replace('_', '-')})")
    replays = result["replays"]
    if replays["unraced"]:
        console.print(
            f"racing: {replays['played']:,} replays of the {replays['unraced']:,} that evaluating all of them in full "
            f"takes; {replays['dropped']:,} finalists were dropped on the way"
        )
    for line in spending(result["accounting"]):
        console.print(line, soft_wrap=True)
    folder = RunFolder(path)
    console.print(f"controller: {folder.selected}\nreport: {folder.report}\npicture: {folder.picture}", soft_wrap=True)


def caveats(result: dict[str, Any]) -> list[str]:
    """What speaks against the selected candidate although it scored best. Empty for runs of before this was kept."""
    lines = []
    if result.get("same_as"):
        lines.append(f"  it acts exactly as {result['same_as']} does: a duplicate")
    changes = [_CHANGES[name] for name in result.get("breaks_invariance", ())]
    if changes:
        lines.append(f"  it breaks the contract: some episodes ended otherwise {', and '.join(changes)}")
    return lines


_CHANGES = {
    "by_itself": "when played again",
    "renamed": "when answers were renamed",
    "reordered": "when questions came in another order",
    "together": "when answers were renamed and questions reordered at once",
}


def spending(total: dict[str, Any]) -> list[str]:
    """What a run took, beside what the paper's discovery took; `total` as in `accounting.json`."""
    tokens, lost = total["tokens"], total["possibly_billed"]
    lines = []
    if total["calls"]:
        lines.append(
            f"model calls: {total['calls']:,} sent, {total['replies']:,} answered; tokens: {tokens['input']:,} in "
            f"({tokens['cached']:,} of them cached), {tokens['output']:,} out ({tokens['thinking']:,} of them thinking)"
        )
        cost = _dollars(total["cost"])
        if lost:
            calls = "call" if lost == 1 else "calls"
            cost += (
                f", and at most {_dollars(total['possible_cost'])} for {lost} {calls} possibly billed without a reply"
            )
        lines.append(f"cost: {cost} (the paper's discovery: ${PAPER_COST})")
    lines.append(
        f"time: {total['minutes']:.1f} minutes (the paper's: {PAPER_MINUTES}), {total['episodes']:,} episodes replayed"
    )
    return lines


def _dollars(cost: float | str) -> str:
    return f"${cost:.2f}" if isinstance(cost, float | int) else f"{cost}, as the model's price is"


def _sweep(result: dict[str, Any]) -> Any:
    from rich.table import Table

    table = Table(title="the selected controller", title_justify="left")
    parts = [("search", "search set")] + ([("heldout", "held-out set")] if "heldout" in result else [])
    table.add_column("β", justify="right")
    for _, name in parts:
        table.add_column(f"accuracy %, {name}", justify="right")
        table.add_column("tokens", justify="right")
    sweeps = [result[part]["sweeps"][result["selected"]] for part, _ in parts]
    for row in zip(*sweeps, strict=True):
        beta = row[0]["beta"]
        cells = [cell for point in row for cell in (_points(point["accuracy"]), f"{point['tokens']:,.0f}")]
        table.add_row("–" if beta is None else f"{beta:g}", *cells)
    return table


def _points(value: dict[str, float] | None, sign: str = "") -> str:
    if value is None:
        return "–"
    return f"{100 * value['value']:{sign}.2f} ({100 * value['low']:{sign}.2f} … {100 * value['high']:{sign}.2f})"

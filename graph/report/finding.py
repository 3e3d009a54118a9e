"""The finding of a run in words: the selected controller and its idea, who found it, and what the search cost."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from graph.analysis.curves import Curve
from graph.analysis.headline import against_reference, at_equal_accuracy
from graph.analysis.objective import REFERENCE
from graph.report.controller_names import controller_name, idea_in_a_sentence
from graph.run.explorer_shares import AUTHOR_KEY
from graph.run.files import read_source
from graph.run.record import RunRecord
from sandbox.sanitize import printable


@dataclass(frozen=True)
class Finding:
    """The selected controller in words."""

    name: str
    label: str
    idea: str
    """One sentence; may be empty."""
    found: str
    """Who found it, and for how much."""


def finding_of(run: RunRecord, accounting: Mapping[str, Any]) -> Finding | None:
    """Return the finding of a run; None for a run in progress.

    Args:
        run: The run.
        accounting: Content of `accounting.json`; may be empty.
    """
    if run.result is None:
        return None
    label, number = run.result["selected"], run.result["round"]
    source = read_source(run.folder.selected)
    doc = idea = ""
    entry: Mapping[str, Any] = {}
    if number:
        entry = next(each for each in run.rounds[number - 1].candidates if each["label"] == label)
        doc, idea = entry["doc"], entry["idea"]
    else:
        doc = shipped_doc(source)
    name, sentence = controller_name(label, source), idea_in_a_sentence(doc, idea)
    return Finding(name, label, sentence, _found(run, entry, accounting))


def headline_figures(run: RunRecord) -> dict[str, dict[str, Any]]:
    """Return the figures of the leading controller against self-consistency, as JSON, by set.

    The leading controller is the selected one, in a run in progress the best candidate so far. The entries `search` and
    `heldout` have the fields of `AgainstReference` and `AtEqualAccuracy`; an entry is absent without such a controller,
    without self-consistency, and where either failed.
    """
    leader = leading_curve(run)
    curves = {"search": (leader, run.baselines.get(REFERENCE), run.search_questions)}
    heldout = run.heldout()
    if heldout and run.result:
        curves["heldout"] = (heldout.get(run.result["selected"]), heldout.get(REFERENCE), run.heldout_questions)
    figures = {}
    for name, (curve, reference, questions_of_set) in curves.items():
        if curve is None or reference is None or curve.failures or curve.label == REFERENCE:
            continue
        questions = questions_of_set()
        found = against_reference(curve, reference, questions), at_equal_accuracy(curve, reference, questions)
        figures[name] = {field: value for each in found for field, value in asdict(each).items()}
    return figures


def leading_curve(run: RunRecord) -> Curve | None:
    """Return the curve on the search set of the selected controller, else that of the best candidate so far."""
    if run.result is not None:
        return run.selected()
    scored = [
        (each["score"], record)
        for record in run.rounds
        for each in record.candidates
        if each["label"] == record.best and each["score"] is not None
    ]
    return max(scored, key=lambda pair: pair[0])[1].best_curve if scored else None


def _found(run: RunRecord, entry: Mapping[str, Any], accounting: Mapping[str, Any]) -> str:
    result = run.result or {}
    proposed = sum(len(record.candidates) for record in run.rounds)
    rounds = f"{len(run.rounds)} {'round' if len(run.rounds) == 1 else 'rounds'}"
    explorers = run.settings.explorers
    if entry:
        who = (entry["notes"] or {}).get(AUTHOR_KEY) if len(explorers) > 1 else explorers[0]
        found = f"Found by {called(str(who))} in round {result['round']} of {rounds}, one of {proposed:,} candidates"
    else:
        who = ", ".join(map(called, explorers))
        found = f"A shipped controller: none of {proposed:,} candidates that {who} wrote in {rounds} scored better"
    return f"{found}. {_cost(accounting.get('total', {}))}".strip()


def called(explorer: str) -> str:
    """Return an explorer's specification without the folders above the one that it names."""
    kind, _, argument = printable(explorer).partition(":")
    return f"{kind}:{argument.rpartition('/')[2]}" if argument.startswith(("/", "~", ".")) else printable(explorer)


def _cost(total: Mapping[str, Any]) -> str:
    if not total:
        return ""
    calls, cost = total.get("calls"), total.get("cost")
    paid = "it called no model itself"
    if calls:
        price = f"${cost:.2f}" if isinstance(cost, int | float) else "an unknown price"
        paid = f"{calls:,} model {'call' if calls == 1 else 'calls'} cost {price}"
    return f"The search took {total['minutes']:.1f} minutes and {total['episodes']:,} replayed episodes; {paid}."


def shipped_doc(source: str) -> str:
    """Return the docstring that a shipped controller's source begins with."""
    quote = '"""'
    return source.split(quote, 2)[1] if source.startswith(quote) else ""

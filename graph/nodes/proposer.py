"""The proposer: asks the explorer for candidates, and sends back those that do not load."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from envdata.atomic import write_text
from graph.accounting.caps import CapReached
from graph.accounting.ledger import Ledger
from graph.briefing import make_brief
from graph.context import Context
from graph.explorers.base import Proposal, Rejected
from graph.explorers.models.making import caps_of
from graph.folder import write_json
from graph.journal import Journal
from graph.nodes.state import State
from sandbox.candidate import Candidate
from sandbox.host import CandidateFailed
from sandbox.status import Status

ATTEMPTS = 3
"""How often an explorer is asked in a round, all in all, for candidates that load."""


@dataclass(frozen=True)
class Checked:
    """A proposal after it was loaded in the sandbox."""

    proposal: Proposal
    status: str
    why: str | None
    doc: str | None
    """What the controller says of itself."""
    schedules: list[dict[str, float]]
    """Its knobs at each β; empty if it does not load."""


def propose(context: Context, state: State) -> State:
    """Fill the round's folder with candidates; or stop the search, if a cap leaves no room for any."""
    number = state["round"]
    folder = context.folder.round(number)
    journal = Journal(folder.transcript)
    brief = make_brief(context, number)
    journal.record(
        "brief", round=number, wanted=brief.wanted, history=len(brief.history), explorer=context.settings.explorer
    )
    accepted: list[Checked] = []
    failed: list[Checked] = []
    try:
        Ledger(caps_of(context.settings), journal.of_all_rounds()).check_minutes()
    except CapReached as capped:
        return _stop(context, journal, capped)
    for attempt in range(ATTEMPTS):
        rejected = tuple(Rejected(each.proposal.source, each.status, each.why or "") for each in failed)
        asked = replace(brief, wanted=brief.wanted - len(accepted), rejected=rejected, attempt=attempt)
        try:
            proposals = context.explorer.propose(asked, journal)[: asked.wanted]
        except CapReached as capped:
            if not accepted and not failed:
                return _stop(context, journal, capped)
            break
        checked = [check(context, proposal) for proposal in proposals]
        for each in checked:
            journal.record(
                "draft", status=each.status, why=each.why, source=each.proposal.source, idea=each.proposal.idea
            )
        accepted += [each for each in checked if each.status == Status.OK.label]
        failed = [each for each in checked if each.status != Status.OK.label]
        if not failed or not proposals:
            break
    # What failed to the last counts as tried, and stays out of everything else.
    entries = []
    for place, each in enumerate([*accepted, *failed], 1):
        label = f"r{number}-{place:02d}"
        write_text(folder.candidates / f"{label}.py", each.proposal.source)
        entries.append({"label": label, **_entry(each)})
    write_json(folder.proposals, entries)
    context.teller.say(
        f"round {number}: {len(accepted)} candidates" + (f", {len(failed)} do not load" if failed else "")
    )
    return {"labels": [entry["label"] for entry in entries], "finalists": []}


def _stop(context: Context, journal: Journal, capped: CapReached) -> State:
    journal.record("stopped", cap=capped.cap, why=str(capped))
    context.teller.say(f"the search ends here: {capped}")
    return {"labels": [], "finalists": [], "stopped": capped.cap}


def check(context: Context, proposal: Proposal) -> Checked:
    """Load a proposal in the sandbox, and ask for its schedules."""
    try:
        said = context.evaluator.describe(Candidate("candidate", proposal.source), context.settings.betas)
    except CandidateFailed as error:
        return Checked(proposal, error.status.label, error.why, None, [])
    if context.settings.no_beta and not said.ignores_beta:
        why = "this run has no β: schedule(beta) must return the same numbers for every beta"
        return Checked(proposal, Status.CONTRACT_ERROR.label, why, None, [])
    return Checked(proposal, Status.OK.label, None, said.doc, said.schedules)


def _entry(checked: Checked) -> dict[str, Any]:
    said = asdict(checked)
    proposal = said.pop("proposal")
    return {**said, "idea": proposal["idea"], "notes": dict(checked.proposal.notes)}

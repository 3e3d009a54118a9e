"""Proposer node: asks the explorer for candidates, and sends those back that do not load or are copies."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from envdata.atomic import write_text
from graph.accounting.caps import CapReached
from graph.accounting.ledger import Ledger
from graph.explorers.base import DUPLICATE, Brief, Proposal, Rejected
from graph.explorers.models.factory import caps_of
from graph.loop.briefs import make_brief
from graph.loop.context import Context, State
from graph.loop.copies import find_copies
from graph.run.paths import write_json
from graph.run.transcript import BRIEF, SENT_BACK, Transcript
from sandbox.candidate import Candidate
from sandbox.evaluate import ignores_beta
from sandbox.host import CandidateFailed
from sandbox.status import Status

ATTEMPTS = 3
"""Requests to the explorer in one round, the first and those after rejected proposals together."""


@dataclass(frozen=True)
class CheckedProposal:
    """A proposal and the result of loading it in the sandbox."""

    proposal: Proposal
    status: str
    """`ok`, or the label of a `sandbox.status.Status`."""
    why: str | None
    """The error; None if it loads."""
    doc: str | None
    """Docstring of the controller; None if it does not load."""
    schedules: list[dict[str, float]]
    """Knobs at each β; empty if it does not load."""


def propose(context: Context, state: State) -> State:
    """Write the round's candidates; or stop the search if a cap does not allow any."""
    number = state["round"]
    folder = context.folder.round(number)
    transcript = Transcript(folder.transcript)
    brief = make_brief(context, number)
    transcript.record(
        BRIEF, round=number, rounds=brief.rounds, wanted=brief.wanted, history=len(brief.history),
        explorer=context.settings.explorer,
    )  # fmt: skip
    try:
        Ledger(caps_of(context.settings), transcript.of_all_rounds()).check_minutes()
    except CapReached as capped:
        return _stop(context, transcript, capped)
    kept: list[CheckedProposal] = []
    failed: list[CheckedProposal] = []
    copies: dict[int, str] = {}
    sent_back = 0
    for attempt in range(ATTEMPTS):
        request = _request(brief, kept, failed, copies, attempt)
        try:
            proposals = context.explorer.propose(request, transcript)[: request.wanted]
        except CapReached as capped:
            if not kept and not failed:
                return _stop(context, transcript, capped)
            break
        checked = [check(context, proposal) for proposal in proposals]
        failed = [each for each in checked if each.status != Status.OK.label]
        loaded = [each for each in checked if each.status == Status.OK.label]
        new = iter(loaded)
        for place in copies:
            # A copy that is not answered stays in the round, as does its place, which gives it its label.
            kept[place] = next(new, kept[place])
        kept += new
        # Copies are sent back once a round.
        copies = _copies(context, brief, kept, loaded) if not sent_back else {}
        sent_back += len(copies)
        _record(transcript, checked, {id(kept[place]): label for place, label in copies.items()})
        # An answer to a copy may fail to load: the copy stays then, and no place is left for another answer.
        failed = failed[: brief.wanted - len(kept)]
        if not (failed or copies) or not proposals:
            break
    if sent_back:
        transcript.record(SENT_BACK, count=sent_back)
    # Proposals that still fail are part of the round's record, but are not evaluated.
    entries = []
    for place, each in enumerate([*kept, *failed]):
        label = _label(number, place)
        write_text(folder.source(label), each.proposal.source)
        entries.append({"label": label, **_entry(each)})
    write_json(folder.proposals, entries)
    context.observer.say(
        f"round {number}: {len(kept)} candidates"
        + (f", {len(failed)} do not load" if failed else "")
        + (f"; {sent_back} acted as an earlier one does and were sent back" if sent_back else "")
    )
    return {"labels": [entry["label"] for entry in entries], "finalists": []}


def _request(
    brief: Brief,
    kept: Sequence[CheckedProposal],
    failed: Sequence[CheckedProposal],
    copies: Mapping[int, str],
    attempt: int,
) -> Brief:
    """Return the brief of an attempt: for the candidates that are missing, with the rejected proposals.

    Args:
        brief: The round's brief.
        kept: Proposals that load.
        failed: Proposals of the attempt before that do not.
        copies: Label of the controller that a proposal acts as, by its place in `kept`.
        attempt: Number of the attempt, from 0.
    """
    returned = [*failed, *(kept[place] for place in copies)]
    rejected = [Rejected(each.proposal.source, each.status, each.why or "") for each in failed]
    rejected += [Rejected(kept[place].proposal.source, DUPLICATE, _acts_as(label)) for place, label in copies.items()]
    roles = list(brief.roles)
    for each in (*kept, *failed):
        if each.proposal.assignment in roles:
            roles.remove(each.proposal.assignment)
    again = [each.proposal.assignment for each in returned if each.proposal.assignment is not None]
    wanted = brief.wanted - len(kept) + len(copies)
    return replace(brief, wanted=wanted, rejected=tuple(rejected), attempt=attempt, roles=(*again, *roles)[:wanted])


def _copies(
    context: Context, brief: Brief, kept: Sequence[CheckedProposal], new: Sequence[CheckedProposal]
) -> dict[int, str]:
    """Return the label of the controller that each copy among the new proposals acts as, by its place in `kept`.

    Nothing is played before an approval, and independent samples are told of no other candidate.
    """
    settings = context.settings
    if not settings.resend or settings.approve or settings.no_feedback or not new:
        return {}
    places = {_label(brief.round, place): place for place in range(len(kept))}
    proposed = {
        label: (kept[place].proposal.source, ignores_beta(kept[place].schedules)) for label, place in places.items()
    }
    labels = [label for label, place in places.items() if any(kept[place] is each for each in new)]
    shown = [record.label for record in brief.history]
    return {places[label]: same for label, same in find_copies(context, brief.round, proposed, labels, shown).items()}


def _record(transcript: Transcript, checked: Sequence[CheckedProposal], copies: Mapping[int, str]) -> None:
    """Record the proposals of an attempt as drafts; `copies` has the label that one acts as, by the proposal's id."""
    for each in checked:
        same = copies.get(id(each))
        status, why = (each.status, each.why) if same is None else (DUPLICATE, _acts_as(same))
        transcript.record("draft", status=status, why=why, source=each.proposal.source, idea=each.proposal.idea)


def _acts_as(label: str) -> str:
    return f"it acts exactly as {label} does"


def _label(number: int, place: int) -> str:
    """Return the label of the candidate of round `number` with index `place`, from 0."""
    return f"r{number}-{place + 1:02d}"


def _stop(context: Context, transcript: Transcript, capped: CapReached) -> State:
    transcript.record("stopped", cap=capped.cap, why=str(capped))
    context.observer.say(f"the search ends here: {capped}")
    return {"labels": [], "finalists": [], "stopped": capped.cap}


def check(context: Context, proposal: Proposal) -> CheckedProposal:
    """Load a proposal in the sandbox, and return it with its schedules or its error."""
    try:
        description = context.evaluator.describe(Candidate("candidate", proposal.source), context.settings.betas)
    except CandidateFailed as error:
        return CheckedProposal(proposal, error.status.label, error.why, None, [])
    if context.settings.no_beta and len(description.schedules) > 1 and not description.ignores_beta:
        why = "this run has no β: schedule(beta) must return the same numbers for every beta"
        return CheckedProposal(proposal, Status.CONTRACT_ERROR.label, why, None, [])
    return CheckedProposal(proposal, Status.OK.label, None, description.doc, description.schedules)


def _entry(checked: CheckedProposal) -> dict[str, Any]:
    """Return the proposal's entry in `proposals.json`."""
    values = asdict(checked)
    proposal = values.pop("proposal")
    idea = proposal["idea"] or checked.doc or ""
    return {**values, "idea": idea, "notes": dict(checked.proposal.notes), "assignment": proposal["assignment"]}

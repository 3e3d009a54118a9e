"""Consolidation: every few rounds, what was learnt becomes one bounded page, which briefs carry instead of the rounds.

The measured part is made from the archive. The statements are the historian's: an explorer's, a model's that is named
for it, or nobody's. The reply is journalled by the explorer before it is read, and a page is written before the node
ends, so that a kill at any point pays for nothing twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from envdata.atomic import write_text
from graph.accounting.caps import CapReached
from graph.critic.round_figures import round_figures
from graph.explorers.base import CandidateRecord, Consolidation, Findings, Historian, Knowledge
from graph.explorers.prompts import PromptTooLong, ReplyError, knowledge_text
from graph.loop.briefs import keeps_page, lessons_of
from graph.loop.context import Context
from graph.run.knowledge import CONSOLIDATED, PAGE_KEPT, MisfitError, read_knowledge, revise, write_knowledge
from graph.run.paths import read_json
from graph.run.transcript import Transcript


def update_knowledge(
    context: Context, number: int, metrics: Mapping[str, Any], records: Sequence[CandidateRecord]
) -> None:
    """Write what is known as of round `number`: the page so far, changed if the round is one of consolidation.

    Args:
        context: The run; all earlier rounds are complete.
        number: Round, from 1.
        metrics: The round's content of `metrics.json`.
        records: The round's candidates.

    Raises:
        ExplorerError: The historian cannot go on.
    """
    if not keeps_page(context.settings):
        return
    earlier = read_knowledge(context.folder.round(number - 1).knowledge) if number > 1 else None
    knowledge = earlier or Knowledge()
    if number % context.settings.consolidate_every == 0:
        knowledge = _consolidated(context, number, knowledge, metrics, records)
    write_knowledge(context.folder.round(number).knowledge, knowledge)
    write_text(context.folder.knowledge, f"# What is known\n\n{knowledge_text(knowledge)}".rstrip() + "\n")


def _consolidated(
    context: Context, number: int, knowledge: Knowledge, metrics: Mapping[str, Any], records: Sequence[CandidateRecord]
) -> Knowledge:
    """Return the page after the historian's changes; the page so far if its reply cannot be used."""
    rounds = [read_json(context.folder.round(each).metrics) for each in range(1, number)]
    measured = round_figures([*rounds, metrics])
    scorer, transcript = context.scorer, Transcript(context.folder.round(number).transcript)
    candidates = [each for each in (*context.history(number), *records) if each.round > knowledge.round]
    findings = Findings(
        round=number,
        knowledge=knowledge,
        measured=measured,
        candidates=candidates,
        lessons=[lesson for lesson in lessons_of(context, number + 1) if lesson.round > knowledge.round],
        baselines=context.baseline_scores,
        objective=context.settings.objective,
        low=scorer.low,
        high=scorer.high,
        latency=scorer.latency,
        free_knobs=context.settings.no_beta,
    )
    historian = context.explorer
    try:
        changes = historian.consolidate(findings, transcript) if isinstance(historian, Historian) else None
        statements = revise(knowledge, changes or Consolidation(), number)
    except (ReplyError, PromptTooLong, CapReached, MisfitError) as error:
        transcript.record(PAGE_KEPT, round=number, why=str(error))
        context.observer.say(f"round {number}: what is known stays as it was: {error}")
        return knowledge
    if changes is not None:
        transcript.record(CONSOLIDATED, round=number, **asdict(changes))
        held = sum(each.struck is None for each in statements)
        context.observer.say(f"round {number}: what is known has {held} statements, {len(changes.struck)} struck now")
    return Knowledge(number, measured, statements)

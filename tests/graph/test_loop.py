"""The loop with explorers of the tests' own: what fails goes back, what keeps failing is counted, the run goes on."""

from collections.abc import Callable, Mapping, Sequence

import pytest

from envdata.grid import Grid
from graph.analysis.objective import ObjectiveError
from graph.explorers.base import Brief, Critique, Evidence, Explorer, Proposal
from graph.explorers.evolution.render import render
from graph.explorers.evolution.seeds import SEEDS
from graph.loop.context import Context
from graph.loop.machine import run
from graph.report.page.render import write_report
from graph.run.files import read_table
from graph.run.paths import read_json
from graph.run.transcript import Transcript

SOUND = render(SEEDS[0][1])
FAILS_LATER = SOUND.replace("leader = self.standing(episode)[0]", "raise ValueError('<b>late & loud</b>')", 1)

Make = Callable[[Explorer], Context]


class Scripted:
    """Proposes what it is given, attempt by attempt, and keeps what it was told."""

    def __init__(self, *attempts: Sequence[str]) -> None:
        self.attempts = attempts
        self.briefs: list[Brief] = []
        self.evidence: list[Evidence] = []

    def identity(self) -> Mapping[str, str]:
        return {"explorer": "scripted"}

    def propose(self, brief: Brief, transcript: Transcript) -> Sequence[Proposal]:
        self.briefs.append(brief)
        sources = self.attempts[brief.attempt] if brief.attempt < len(self.attempts) else ()
        return [Proposal(source, "an idea with <i>markup</i>") for source in sources]

    def critique(self, evidence: Evidence, transcript: Transcript) -> Critique:
        self.evidence.append(evidence)
        return Critique("a diagnosis")


def test_a_proposal_that_does_not_load_goes_back_with_its_error(make_context: Make) -> None:
    explorer = Scripted([SOUND, "import nowhere"], [SOUND.replace("0.97", "0.9")])
    context = make_context(explorer)
    run(context)
    first, second = explorer.briefs
    assert (first.wanted, first.attempt, first.rejected) == (2, 0, ())
    assert (second.wanted, second.attempt) == (1, 1)
    (rejected,) = second.rejected
    assert (rejected.source, rejected.status) == ("import nowhere", "load_error")
    assert "nowhere" in rejected.why
    said = read_json(context.folder.round(1).metrics)
    assert [each["status"] for each in said["candidates"]] == ["ok", "ok"]


def test_a_proposal_that_keeps_failing_counts_as_tried(make_context: Make) -> None:
    broken = ["def", "class Nothing: pass"]
    explorer = Scripted(broken, broken, broken)
    context = make_context(explorer)
    run(context)
    assert len(explorer.briefs) == 3
    said = read_json(context.folder.round(1).metrics)
    assert [each["status"] for each in said["candidates"]] == ["load_error", "contract_error"]
    assert said["best"] is None
    result = read_json(context.folder.result)
    assert result["incumbent"] is True
    assert result["selected"] == result["best_baseline"]
    write_report(context.folder)
    assert "a baseline: no candidate scored" in context.folder.report.read_text(encoding="utf-8")


def test_an_explorer_that_proposes_nothing_does_not_stop_the_run(make_context: Make) -> None:
    context = make_context(Scripted([]))
    run(context)
    assert read_json(context.folder.round(1).metrics)["candidates"] == []
    assert read_json(context.folder.result)["incumbent"] is True


def test_a_candidate_that_fails_in_an_episode_stays_off_the_frontier_and_its_words_are_escaped(
    make_context: Make,
) -> None:
    explorer = Scripted([FAILS_LATER, SOUND])
    context = make_context(explorer)
    run(context)
    failed, sound = read_json(context.folder.round(1).metrics)["candidates"]
    assert (failed["status"], failed["score"]) == ("exception", None)
    assert "late & loud" in failed["why"]
    assert sound["score"] is not None
    (evidence,) = explorer.evidence
    assert evidence.best == sound["label"]
    assert [each.status for each in evidence.candidates] == ["exception", "ok"]
    assert "late & loud" in context.folder.round(1).critique.read_text(encoding="utf-8")
    write_report(context.folder)
    page = context.folder.report.read_text(encoding="utf-8")
    assert "<b>late" not in page
    assert "<i>markup" not in page


def test_a_controller_that_ignores_beta_is_played_once(make_context: Make) -> None:
    still = SOUND.replace("round(64**beta)", "4").replace("1 - 0.3 * 0.1**beta", "0.9")
    context = make_context(Scripted([still]))
    run(context)
    episodes = read_table(context.folder.round(1).evaluation)
    assert set(episodes.column("controller").to_pylist()) == {"r1-01"}
    assert episodes.column("beta").null_count == episodes.num_rows > 0
    assert episodes.num_rows == context.settings.repeats * len(Grid.load(context.settings.grids[0]).questions)


def test_with_a_budget_that_baselines_break_the_sound_ones_fix_the_range(make_context: Make) -> None:
    context = make_context(Scripted([SOUND]), budget=90, objective="area", baselines="paper")
    run(context)
    said = read_json(context.folder.round(0).metrics)
    failed = {each["label"] for each in said["baselines"] if each["score"] is None}
    assert "sc" in failed
    assert "answer_consistency" not in failed
    (candidate,) = read_json(context.folder.round(1).metrics)["candidates"]
    assert candidate["status"] == "ok"
    write_report(context.folder)


def test_gain_is_over_those_points_of_self_consistency_that_keep_the_budget(make_context: Make) -> None:
    context = make_context(Scripted([SOUND]), budget=90, baselines="sc,answer_consistency")
    context.settings = context.settings.replace(betas=(0.0, 0.2, 1.0))
    run(context)
    reference = context.scorer.reference
    assert reference is not None
    assert reference.betas == (0.0, 0.2)
    assert (context.scorer.low, context.scorer.high) == (reference.tokens.min(), reference.tokens.max())
    assert list(context.baselines) == ["sc", "answer_consistency"]
    (candidate,) = read_json(context.folder.round(1).metrics)["candidates"]
    assert candidate["score"] is not None


def test_self_consistency_that_never_keeps_the_budget_ends_the_run_in_a_sentence(make_context: Make) -> None:
    with pytest.raises(ObjectiveError, match="failed at every β; give a larger --budget"):
        run(make_context(Scripted([SOUND]), budget=4, baselines="sc,asc"))


def test_the_brief_of_a_later_round_holds_the_history(make_context: Make) -> None:
    class Asking(Scripted):
        def propose(self, brief: Brief, transcript: Transcript) -> Sequence[Proposal]:
            self.briefs.append(brief)
            return [Proposal(SOUND.replace("0.97", f"0.9{brief.round}"), "an idea", {"kept": brief.round})]

    explorer = Asking()
    context = make_context(explorer)
    context.settings = type(context.settings)(**{**vars(context.settings), "rounds": 2})
    run(context)
    first, second = explorer.briefs
    assert first.history == []
    assert first.baselines["asc"] != 0
    (tried,) = second.history
    assert (tried.label, tried.round, tried.notes, tried.status) == ("r1-01", 1, {"kept": 1}, "ok")
    assert tried.score is not None
    assert tried.screening is not None
    assert "a diagnosis" in second.lessons[0].diagnosis
    assert second.frontier


@pytest.mark.parametrize("cut", [b"", b'{"at": "now", "eve', b"\n"])
def test_a_line_that_a_kill_cut_short_costs_only_itself(tmp_path: object, cut: bytes) -> None:
    from pathlib import Path

    transcript = Transcript(Path(str(tmp_path)) / "round-001" / "transcript.jsonl")
    transcript.record("first", value=1)
    with transcript.path.open("ab") as stream:
        stream.write(cut)
    transcript.record("second", value="zwei\nthree")
    assert [event["event"] for event in transcript.events()] == ["first", "second"]
    assert transcript.events()[1]["value"] == "zwei\nthree"

"""What each switch changes for the explorer, and what it never sees whatever the switches."""

import json
import math
import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from envdata.grid import BranchRow, write_grid
from graph.explorers.base import Brief, Critique, Evidence, Proposal
from graph.explorers.evolution.explorer import Evolution
from graph.explorers.prompts import ReplyError, critique_prompt, proposal_prompt
from graph.loop.briefs import make_brief, make_evidence
from graph.loop.context import Context
from graph.loop.nodes.baselines import evaluate_baselines
from graph.loop.nodes.critic import criticise
from graph.loop.nodes.executor import execute
from graph.loop.nodes.historian import archive
from graph.loop.nodes.proposer import propose
from graph.run.observers import SilentObserver
from graph.run.paths import RunFolder, read_json
from graph.run.settings import RunSettings
from graph.run.transcript import Transcript
from sandbox.candidate import shipped
from sandbox.evaluate import Evaluator

CANARY = "canary"


class Watching:
    """Evolution that keeps what it was told, and has something to say."""

    def __init__(self) -> None:
        self.briefs: list[Brief] = []
        self.evidence: list[Evidence] = []

    def identity(self) -> Mapping[str, str]:
        return {"explorer": "watching"}

    def propose(self, brief: Brief, transcript: Transcript) -> Sequence[Proposal]:
        self.briefs.append(brief)
        return Evolution().propose(brief, transcript)

    def critique(self, evidence: Evidence, transcript: Transcript) -> Critique:
        self.evidence.append(evidence)
        return Critique("a diagnosis", ("a direction",))


class Speechless(Watching):
    """One whose critiques cannot be read, even when asked again."""

    def critique(self, evidence: Evidence, transcript: Transcript) -> Critique:
        raise ReplyError("the reply holds no JSON object that can be read")


Run = tuple[Context, Watching]
Make = Callable[..., Run]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """Plays rounds over a grid whose answers and questions are recognised wherever they turn up."""
    folder = tmp_path_factory.mktemp("ablations")
    settings = RunSettings(
        grids=(str(_write(folder / "search.parquet")),), heldout=(), candidates=2, finalists=1,
        screening_repeats=1, repeats=1, betas=(0.0, 1.0), sandbox="process", resend=False, baselines="sc,asc",
    )  # fmt: skip
    runs = count()

    with Evaluator(settings.evaluation(), sandbox="process") as evaluator:
        # The baselines are the same in all of these runs.
        first = Context(settings, RunFolder(folder / "baselines"), evaluator, Watching(), SilentObserver())
        evaluate_baselines(first, {"round": 0})

        def make(explorer: Watching, **changed: object) -> Run:
            own = RunFolder(folder / f"run-{next(runs)}")
            shutil.copytree(first.folder.round(0).path, own.round(0).path)
            context = Context(settings.replace(**changed), own, evaluator, explorer, SilentObserver())  # type: ignore[arg-type]
            for number in range(1, context.settings.rounds + 1):
                state = propose(context, {"round": number})
                state = execute(context, {**state, "round": number})
                criticise(context, {**state, "round": number})
                archive(context, {"round": number})
            return context, explorer

        yield make


@pytest.fixture(scope="module")
def whole(played: Make) -> Run:
    """A run without any switch."""
    return played(Watching(), rounds=2, candidates=3, finalists=2)


def _write(path: Path) -> Path:
    rng = random.Random(0)
    rows = []
    for question in range(4):
        gold = f"{CANARY} right {question}"
        for branch in range(8):
            answers = [gold if rng.random() < 0.5 else f"{CANARY} wrong {rng.randint(1, 3)}" for _ in range(4)]
            rows.append(BranchRow(question, f"{CANARY} question {question}", gold, branch, 30, answers[3], answers[:3]))
    write_grid(path, rows, 8, {"source": "made for the tests"})
    return path


def under(context: Context, **switches: bool) -> Context:
    """The same run, as another setting would tell of it."""
    return replace(context, settings=context.settings.replace(**switches))  # type: ignore[arg-type]


def test_without_a_switch_everything_is_told(whole: Run) -> None:
    context, explorer = whole
    first, second = explorer.briefs
    third = make_brief(context, 3)
    assert (first.history, first.lessons, first.frontier) == ([], [], ())
    assert [tried.round for tried in third.history] == [1, 1, 1, 2, 2, 2]
    assert third.frontier
    (lesson,) = second.lessons
    assert (lesson.diagnosis, lesson.directions) == ("a diagnosis", ("a direction",))
    assert "against the best baseline" in lesson.measured
    assert "traced episodes are wrong" in lesson.failures
    scored = [tried for tried in second.history if tried.score is not None]
    assert len(scored) == 2
    assert all([point.beta for point in tried.points] == [0.0, 1.0] for tried in scored)
    assert all(tried.idea for tried in second.history)
    assert [each.round for each in explorer.evidence] == [1, 2]
    assert explorer.evidence[1].lessons == second.lessons
    assert explorer.evidence[0].measures[scored[0].label]["digests"]
    assert context.folder.digest.read_text().count("a diagnosis") == 2


def test_without_history_only_the_best_of_the_round_before_is_told(whole: Run) -> None:
    brief = make_brief(under(whole[0], no_history=True), 3)
    scored = [tried for tried in make_brief(whole[0], 3).history if tried.round == 2 and tried.score is not None]
    assert brief.history == (max(scored, key=lambda tried: tried.score or 0.0),)
    assert [lesson.round for lesson in brief.lessons] == [2]
    assert brief.frontier == ()
    assert {label for each in brief.roles for label in each.parents} == {brief.history[0].label}
    assert "combine" not in {each.role for each in brief.roles}, "one candidate has one family"


def test_without_critic_neither_measurements_nor_diagnoses_are_told(whole: Run) -> None:
    brief = make_brief(under(whole[0], no_critic=True), 3)
    assert all((each.diagnosis, each.directions, each.measured) == ("", (), "") for each in brief.lessons)
    assert all("traced episodes are wrong" in each.failures for each in brief.lessons)
    told = make_brief(whole[0], 3).history
    assert any(each.family for each in told), "families are measured by the critic"
    assert brief.history == [replace(each, family="") for each in told]


def test_without_traces_nobody_hears_why_episodes_failed(whole: Run) -> None:
    context = under(whole[0], no_traces=True)
    brief = make_brief(context, 3)
    assert all(each.failures == "" for each in brief.lessons)
    assert all(each.diagnosis and each.measured for each in brief.lessons)
    evidence = make_evidence(context, 3, [], ())
    assert (evidence.failures, [each.failures for each in evidence.lessons]) == ("", ["", ""])


def test_without_feedback_every_brief_is_the_first_but_for_its_seed(whole: Run) -> None:
    context = under(whole[0], no_feedback=True)
    briefs = [make_brief(context, number) for number in (1, 2, 3)]
    assert len({brief.seed for brief in briefs}) == 3
    same = [replace(brief, round=1, seed=0) for brief in briefs]
    assert same[0] == same[1] == same[2]
    assert (same[0].history, same[0].lessons, same[0].frontier, same[0].feedback) == ((), (), (), False)
    assert same[0].roles == ()
    prompts = [proposal_prompt(brief, limit=50_000) for brief in briefs]
    words = [prompt.changing.replace(str(brief.seed), "…") for prompt, brief in zip(prompts, briefs, strict=True)]
    assert words[0] == words[1] == words[2]
    assert len({prompt.changing for prompt in prompts}) == 3


@pytest.mark.parametrize("switch", ["no_critic", "no_feedback"])
def test_a_run_in_which_nobody_reasons(played: Make, switch: str) -> None:
    context, explorer = played(Watching(), **{switch: True}, rounds=1)
    assert explorer.evidence == []
    said = read_json(context.folder.round(1).lesson)
    assert (said["diagnosis"], said["directions"]) == ("", [])
    assert said["measured"]
    assert "What was measured" in context.folder.round(1).critique.read_text()


def test_without_traces_the_critic_sees_none_and_the_archive_keeps_them(played: Make) -> None:
    context, explorer = played(Watching(), no_traces=True, rounds=1)
    (evidence,) = explorer.evidence
    assert evidence.failures == ""
    assert all(said["digests"] == [] for said in evidence.measures.values())
    assert "traced episodes" not in evidence.measured
    assert all(said["digests"] for said in read_json(context.folder.round(1).measures).values())


def test_without_beta_a_schedule_that_moves_is_sent_back_and_a_candidate_is_one_point(played: Make) -> None:
    class Stubborn(Watching):
        def propose(self, brief: Brief, transcript: Transcript) -> Sequence[Proposal]:
            self.briefs.append(brief)
            return Evolution().propose(replace(brief, free_knobs=brief.attempt > 0), transcript)

    context, explorer = played(Stubborn(), no_beta=True, rounds=1, objective="area")
    assert all(brief.free_knobs for brief in explorer.briefs)
    assert "the same numbers for every beta" in explorer.briefs[1].rejected[0].why
    (scored,) = [tried for tried in make_brief(context, 2).history if tried.score is not None]
    (point,) = scored.points
    assert point.beta is None
    # Under `area`, the one point counts from its price to the end of the range.
    scorer = context.scorer
    share = math.log(scorer.high / max(scorer.low, point.tokens)) / math.log(scorer.high / scorer.low)
    assert scored.score == pytest.approx(point.accuracy * share)


def test_a_critique_that_cannot_be_read_leaves_the_measurements_alone(played: Make) -> None:
    context, _ = played(Speechless(), rounds=1)
    page = context.folder.round(1).critique.read_text()
    assert "What it means" not in page
    assert "Why episodes failed" in page
    events = Transcript(context.folder.round(1).transcript).events()
    assert any(each["event"] == "critique left out" and "no JSON" in each["why"] for each in events)


def test_a_duplicate_is_said_in_the_metrics_the_critique_and_the_next_brief(played: Make) -> None:
    class Copying(Watching):
        def propose(self, brief: Brief, transcript: Transcript) -> Sequence[Proposal]:
            source = shipped("asc").read_text()
            return [Proposal(source, "new"), Proposal(source.replace("def solve", "# new\n    def solve"), "newer")]

    context, explorer = played(Copying(), rounds=1)
    said = read_json(context.folder.round(1).metrics)["candidates"]
    assert [each["same_as"] for each in said] == ["asc", "asc"]
    assert [each.same_as for each in explorer.evidence[0].candidates] == ["asc", "asc"]
    assert "r1-02 acts exactly as asc does" in context.folder.round(1).critique.read_text()
    assert "It acts exactly as asc does" in explorer.evidence[0].measured
    assert "It acts exactly as asc does: a duplicate." in proposal_prompt(make_brief(context, 2), limit=10**6).changing


def test_no_answer_and_no_question_reaches_an_explorer(whole: Run) -> None:
    context, explorer = whole
    told: list[Any] = [proposal_prompt(brief, limit=10**6) for brief in explorer.briefs]
    told += [critique_prompt(evidence, limit=10**6) for evidence in explorer.evidence]
    told += [*explorer.briefs, *explorer.evidence, context.folder.digest.read_text()]
    for number in (1, 2):
        own = context.folder.round(number)
        told += [path.read_text() for path in (own.lesson, own.measures, own.critique, own.metrics, own.transcript)]
    for each in told:
        assert CANARY not in repr(each)
    # The archive has them where they belong: the test would find them.
    assert CANARY in str(context.folder.round(1).traces.read_bytes())


def test_measures_are_plain_json_with_every_part(whole: Run) -> None:
    said = read_json(whole[0].folder.round(1).measures)
    for each in said.values():
        json.dumps(each)
        assert set(each) == {
            "label", "score", "over_baseline", "contract", "monotonicity", "coverage", "gain", "against", "digests",
        }  # fmt: skip
        assert each["contract"]["invariance"] == {
            "episodes": 8, "by_itself": 0, "renamed": 0, "reordered": 0, "together": 0,
        }  # fmt: skip
        assert [point["beta"] for point in each["against"]] == [0.0, 1.0]
        assert each["digests"][0]["stops"]


def test_a_candidate_stands_against_others_at_the_costs_that_are_charged(played: Make) -> None:
    class Parallel(Watching):
        def propose(self, brief: Brief, transcript: Transcript) -> Sequence[Proposal]:
            return [Proposal(shipped("sc").read_text(encoding="utf-8"), "")]

    context, _ = played(Parallel(), rounds=1, candidates=1, latency=0.5)
    own = context.folder.round(1)
    (said,) = read_json(own.measures).values()
    episodes = pq.read_table(own.evaluation)
    for point in said["against"]:
        at = episodes.filter(pc.equal(episodes["beta"], point["beta"]))
        costs = pc.sqrt(pc.multiply(at["tokens"], at["sequential_tokens"]))
        assert point["tokens"] == pytest.approx(pc.mean(costs).as_py())
    assert pc.mean(costs).as_py() < pc.mean(at["tokens"]).as_py()

"""A judge's scores as a signal: asked once a finished branch, paid and counted apart."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from envdata.collect.openai_client import Client
from envdata.live.judge import Judge, JudgeError, JudgeSpec, read_score
from envdata.live.metering import count_per_episode
from sandbox.live import SolveError
from sandbox.live.solver import SignalError
from tests.judge_server import JudgeState, judge_application
from tests.live_model import serving
from tests.sandbox.live.conftest import Solve


@pytest.fixture(scope="module")
def _served() -> Iterator[tuple[str, JudgeState]]:
    state = JudgeState()
    with serving(judge_application(state)) as url:
        yield url, state


@pytest.fixture
def state(_served: tuple[str, JudgeState]) -> JudgeState:
    _served[1].__dict__.update(JudgeState().__dict__)
    return _served[1]


def judge(url: str, spec: str = "openai:j") -> Judge:
    parsed = JudgeSpec.parse(spec)
    client = Client(url, parsed.model, retries=0, timeout=20.0)
    count_per_episode(client)
    return Judge(parsed, client)


@pytest.fixture
def judge_url(_served: tuple[str, JudgeState], state: JudgeState) -> str:
    return _served[0]


@pytest.mark.parametrize("weighted", [0, 1])
def test_best_of_takes_the_answer_that_the_judge_scores_highest(
    solve: Solve, judge_url: str, state: JudgeState, weighted: int
) -> None:
    solution = solve(f"best_of:branches=6,weighted={weighted}", judge=judge(judge_url))
    assert solution.answer == "42"
    ended = [branch for branch in solution.branches if branch.answer is not None]
    assert solution.cost.judge_requests == len(state.asked) == len(ended)
    assert (solution.cost.judge_prompt_tokens, solution.cost.judge_tokens) == (100 * len(ended), 10 * len(ended))
    assert solution.cost.judge_unscored == 0
    alone = solve("sc:branches=6")
    assert solution.cost.generated == alone.cost.generated, "the model's tokens are counted without the judge's"
    asked = state.asked[0]["messages"][0]["content"]
    assert "What is 6 * 7?" in asked
    assert ended[0].text.strip() in asked


def test_a_reward_model_is_asked_for_the_reward_of_the_whole(solve: Solve, judge_url: str) -> None:
    solution = solve("best_of:branches=6,weighted=0", judge=judge(judge_url, "reward:r"))
    assert solution.answer == "42"
    assert solution.cost.judge_prompt_tokens == 50 * solution.cost.judge_requests > 0


def test_rewards_that_are_all_below_0_still_decide(solve: Solve, judge_url: str, state: JudgeState) -> None:
    state.rewards = (-1.0, -2.0)
    solution = solve("best_of:branches=6", seed=2, judge=judge(judge_url, "reward:r"))
    assert solution.branches[0].answer == "43"
    assert solution.answer == "42"


def test_the_judge_is_asked_once_and_about_ended_branches_alone(
    solve: Solve, judge_url: str, state: JudgeState, tmp_path: Path
) -> None:
    looks = tmp_path / "looks.py"
    looks.write_text(
        "from autotts import *\nclass Looks(Controller):\n    @staticmethod\n    def schedule(beta): return {}\n"
        "    def solve(self, episode):\n        going, ended = episode.branch(1)[0], episode.read(1)[0]\n"
        "        assert list(going.signals['judge']) == [None]\n        first = ended.signals['judge']\n"
        "        assert first[:-1] == [None] * (ended.depth - 1) and round(first[-1], 3) in (0.9, 0.05)\n"
        "        episode.finish([going])\n        assert ended.signals['judge'] == first\n"
        "        return ended.answer if going.signals['judge'][-1] is not None else None\n"
    )
    solution = solve(str(looks), judge=judge(judge_url))
    assert solution.answer is not None
    assert solution.cost.judge_requests == len(state.asked) == 2


def test_a_controller_that_reads_no_scores_pays_for_none(solve: Solve, judge_url: str, state: JudgeState) -> None:
    assert solve("sc:branches=2", judge=judge(judge_url)).cost.judge_requests == 0
    assert state.asked == []


def test_without_readable_scores_the_majority_answers(solve: Solve, judge_url: str, state: JudgeState) -> None:
    state.silent = True
    solution = solve("best_of:branches=3", judge=judge(judge_url))
    assert solution.answer == solve("sc:branches=3").answer
    assert solution.cost.judge_unscored == solution.cost.judge_requests > 0


def test_what_is_wrong_with_a_judge_is_said(solve: Solve, judge_url: str, state: JudgeState) -> None:
    with pytest.raises(SignalError, match="name one with --judge"):
        solve("best_of")
    with pytest.raises(JudgeError, match=r"the judge j: .*cannot be reached"):
        solve("best_of", judge=judge("http://127.0.0.1:9/v1"))
    state.status = 403
    with pytest.raises(SolveError, match=r"the judge j: .*forbids the request") as failed:
        solve("best_of:branches=2", judge=judge(judge_url))
    assert failed.value.solution.failed_by == "model"
    state.status = 503
    with pytest.raises(SolveError, match=r"the judge j: .* answered 503"):
        solve("best_of:branches=2", judge=judge(judge_url))
    with pytest.raises(JudgeError, match=r"the judge r: .* answered 503"):
        solve("best_of", judge=judge(judge_url, "reward:r"))
    for spec in ("gpt", "openai:", "llama:x"):
        with pytest.raises(ValueError, match="names no judge"):
            JudgeSpec.parse(spec)


@pytest.mark.parametrize(
    ("reply", "score"),
    [
        ("Score: 70", 0.7),
        ("<think>Score: 20</think>Right.\n**Score:** 95", 0.95),
        ("100", 1.0),
        ("score = 12.5 of 100", 0.125),
        ("Score: 300", None),
        ("It is right, I am 90 percent sure.", None),
        ("", None),
        (None, None),
    ],
)
def test_scores_are_read(reply: str | None, score: float | None) -> None:
    assert read_score(reply) == score

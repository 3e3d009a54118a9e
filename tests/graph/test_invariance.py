"""What must not matter to a candidate, and who is found out: played in a real sandbox."""

import numpy as np
import pytest

from envdata.grid import Grid
from envdata.perturbations import permuted_grid, renamed_answers
from graph.critic.invariance import Invariance, invariance
from sandbox.candidate import PAPER_BASELINES, Candidate
from sandbox.evaluate import Evaluator
from sandbox.replay_player import EvaluationSettings
from tests.graph.small import write_small

CONTROLLER = """
import os
from sandbox.tts import Controller, majority

seen = 0


class Own(Controller):
    @staticmethod
    def schedule(beta):
        return {{"width": round(2 + 3 * beta)}}

    def solve(self, episode):
        global seen
        seen += 1
        turn = seen
        branches = episode.read(self.knobs["width"])
        {}
"""
FAIR = "return majority(branch.answer for branch in branches)"


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Grid:
    return Grid.load(write_small(tmp_path_factory.mktemp("grid") / "small.parquet"))


def played(grid: Grid, candidate: Candidate) -> Invariance:
    with Evaluator(EvaluationSettings(order="balanced"), sandbox="process") as evaluator:
        return invariance(evaluator, candidate, {grid.name: grid}, (0.0, 1.0))


@pytest.mark.parametrize("name", ["cmc", "parallel_probe", "esc"])
def test_shipped_controllers_are_indifferent(grid: Grid, name: str) -> None:
    assert name in PAPER_BASELINES
    found = played(grid, Candidate.parse(name))
    assert found.holds
    assert found.episodes == 2 * len(grid.questions)


def test_randomness_of_the_episode_is_its_own_wherever_it_stands(grid: Grid) -> None:
    assert played(grid, Candidate("c", CONTROLLER.format("return episode.rng.choice(branches).answer"))).holds


@pytest.mark.parametrize(
    ("body", "to_blame"),
    [
        pytest.param("return min(branch.answer for branch in branches)", "renamed", id="the number of an answer"),
        pytest.param("return branches[int(branches[0].answer) % 2].answer", "renamed", id="its parity"),
        pytest.param(f"episode.read(episode._number % 2)\n        {FAIR}", "reordered", id="which question it is"),
        pytest.param(f"episode.read(turn > 3)\n        {FAIR}", "reordered", id="how many came before"),
    ],
)
def test_who_goes_by_what_must_not_matter_is_found_out(grid: Grid, body: str, to_blame: str) -> None:
    found = played(grid, Candidate("c", CONTROLLER.format(body)))
    blamed = {name for name in ("by_itself", "renamed", "reordered") if getattr(found, name)}
    assert blamed == {to_blame}
    assert found.together
    assert not found.holds


def test_one_that_is_not_deterministic_is_told_apart(grid: Grid) -> None:
    body = f"episode.read(os.urandom(1)[0] % 4)\n        {FAIR}"
    assert played(grid, Candidate("c", CONTROLLER.format(body))).by_itself


def test_a_rearranged_grid_is_the_same_grid_with_other_words(grid: Grid) -> None:
    order = [3, 0, 5, 1, 4, 2]
    moved = permuted_grid(grid, order, respelt=True)
    words = renamed_answers(grid)
    old, new = grid.arrays, moved.arrays
    assert moved.questions == [grid.questions[question] for question in order]
    assert moved.gold_answers == [words[q].get(grid.gold_answers[q], grid.gold_answers[q]) for q in order]
    for place, question in enumerate(order):
        was = np.arange(old.first_branch[question], old.first_branch[question + 1])
        now = np.arange(new.first_branch[place], new.first_branch[place + 1])
        assert new.tokens[now].tolist() == old.tokens[was].tolist()
        for a, b in zip(was, now, strict=True):
            answers = [old.answer_text(question, int(c)) for c in _codes(old, a)]
            assert [new.answer_text(place, int(c)) for c in _codes(new, b)] == [words[question][t] for t in answers]
        assert not set(words[question].values()) & set(words[question])


def test_an_order_has_every_question_once(grid: Grid) -> None:
    with pytest.raises(ValueError, match="each of 6 questions once"):
        permuted_grid(grid, [0, 1, 2, 3, 4, 4], respelt=False)


def _codes(arrays: object, branch: int) -> np.ndarray:
    start = int(arrays.first_answer[branch])  # type: ignore[attr-defined]
    return arrays.answer_codes[start : start + int(arrays.intervals[branch]) + 1]  # type: ignore[attr-defined]

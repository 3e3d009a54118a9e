"""Controllers of the public AutoTTS release through the adapter: the figures of the same code in plain Python."""

from pathlib import Path

import pytest

from benchmarks import release
from envdata.episodes import Terms
from sandbox.candidate import Candidate
from sandbox.evaluate import Evaluator, Plan
from sandbox.replay_player import EvaluationSettings
from tests.grids import write_worked

pytestmark = pytest.mark.bubblewrap

SETTINGS = EvaluationSettings(terms=Terms(max_branches=1 << 20, repeats_last=True), api="autotts", show_answers=True)
CMC = Path(release.__file__).with_name("release_cmc.py")

EVERYTHING = '''
from collections import Counter


class Base:
    def __init__(self, config):
        self.beta = config["beta"]
        self.trace = []


class OptimalController(Base):
    """Touches every method, asks finished branches again, and opens more than there is."""

    def solve(self, question):
        answers = []
        while True:
            try:
                answer, index, finished = question.probe_new()
            except ValueError:
                break
            while not finished:
                answer, finished = question.probe_more(index)
            if self.beta > 0.5:
                again, finished = question.probe_more(index)
                assert finished and again == answer
            answers.append(answer)
            if len(answers) == 3:
                break
        try:
            answers.append(question.get_new_branch_final_answer())
            for _ in range(200):
                question.get_new_branch_final_answer()
            raise AssertionError("there is no end to the branches")
        except IndexError:
            pass
        longest, total = question.get_seq_and_total_tokens()
        costs = question.get_cost_per_branch_active()
        assert sum(costs) == total and max(costs) == longest and question.probe_freq > 0
        return Counter(answers).most_common(1)[0][0]
'''


def _figures(candidate: Candidate, grid: Path, beta: float, repeats: int) -> list[tuple[bool, str | None, int, int]]:
    with Evaluator(SETTINGS, sandbox="bubblewrap") as evaluator:
        episodes = evaluator.evaluate([Plan(candidate, (str(grid),), (beta,), repeats)]).episodes
    assert set(episodes.column("status").to_pylist()) == {"ok"}, episodes.column("why").drop_null()[:1]
    columns = ("correct", "answer", "tokens", "longest_branch")
    return list(zip(*(episodes.column(name).to_pylist() for name in columns), strict=True))


@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_every_method_of_the_release(tmp_path: Path, beta: float) -> None:
    grid = write_worked(tmp_path)
    controller = tmp_path / "cases_for.py"
    controller.write_text(EVERYTHING)
    played = _figures(Candidate.parse(str(controller)), grid, beta, 4)
    assert played == release.play(controller, grid, beta, 4)


@pytest.mark.parametrize("beta", [0.2, 1.0])
def test_a_controller_with_numpy_scipy_and_a_base_class(tmp_path: Path, beta: float) -> None:
    pytest.importorskip("scipy")
    grid = write_worked(tmp_path)
    played = _figures(Candidate.parse(str(CMC)), grid, beta, 3)
    assert played == release.play(CMC, grid, beta, 3)


def test_a_string_that_no_branch_answered_is_refused(tmp_path: Path) -> None:
    grid = write_worked(tmp_path)
    source = "class OptimalController:\n def __init__(self, config): pass\n def solve(self, question): return '42.0'\n"
    with Evaluator(SETTINGS, sandbox="bubblewrap") as evaluator:
        plan = Plan(Candidate("guess", source), (str(grid),), (1.0,), 1)
        episodes = evaluator.evaluate([plan]).episodes
    assert set(episodes.column("status").to_pylist()) == {"contract_error"}
    assert "no branch answered" in episodes.column("why")[0].as_py()


def test_answers_are_not_shown_to_other_controllers(tmp_path: Path) -> None:
    grid = write_worked(tmp_path)
    source = """
from sandbox.tts import Controller

class Peek(Controller):
    @staticmethod
    def schedule(beta):
        return {}

    def solve(self, episode):
        (branch,) = episode.read()
        assert branch.answer.text is None, "shown"
        return branch.answer
"""
    with Evaluator(EvaluationSettings(), sandbox="bubblewrap") as evaluator:
        episodes = evaluator.evaluate([Plan(Candidate("peek", source), (str(grid),), None, 1)]).episodes
    assert set(episodes.column("status").to_pylist()) == {"ok"}

"""Research data: the search set as arrays, and a player whose episodes are those of an evaluation."""

import json
import subprocess
import sys
from contextlib import suppress
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from envdata.branch_orders import ORDERS
from envdata.episodes import Terms
from envdata.grid import BranchRow, Grid, write_grid
from graph.analysis.curves import Curve
from graph.explorers.context import ExplorerContext
from graph.explorers.folder import FolderExplorer
from graph.explorers.research import player
from graph.explorers.research.arrays import question_numbers, research_arrays
from graph.explorers.research.folder import MODULES, ResearchData
from graph.explorers.research.player import latency_of, load_controller, load_grids, play
from graph.explorers.research.study import sweep
from graph.loop.machine import run
from graph.report.run_summary import caveats
from graph.run.paths import read_json
from graph.run.settings import RunSettings
from sandbox.candidate import Candidate, shipped
from sandbox.evaluate import Evaluator, Plan
from sandbox.play import play as play_one
from sandbox.replay_player import EvaluationSettings
from sandbox.tts import BudgetExceeded
from tests.graph.conftest import SHORT
from tests.graph.running import here
from tests.graph.test_loop import Make

SECRET = bytes(range(32))
GOLD = "gold-answer-canary-5531"
EVERY_ACTION = """
import math

from autotts import Answer, Controller, Episode, poll

class EveryAction(Controller):
    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        return {"width": 2 + round(4 * beta)}

    def solve(self, episode: Episode) -> Answer | None:
        first = episode.branch(self.knobs["width"], probe=False)
        episode.probe(episode.active)
        episode.note("a note")
        for branch in episode.active[1:2]:
            episode.prune(branch)
        episode.advance(episode.active[:2])
        episode.advance(episode.active[:1], probe=False)
        try:
            episode.advance(first[1])
        except Exception:
            episode.read(1)
        episode.finish(episode.active[1:])
        # Depends on every confidence and on which answers are parsed.
        weights = [math.exp(branch.confidence or 0) for branch in episode.branches]
        if "token_confidence" in episode.branches[0].signals:
            signals = [branch.signals["token_confidence"] for branch in episode.branches]
            weights = [weight * sum(abs(value or 0) for value in own) for weight, own in zip(weights, signals)]
        return poll((branch.answer for branch in episode.branches), weights).winner
"""


def some_grid(path: Path, *, questions: int = 5, recorded: bool = False, first: int = 0) -> Path:
    """A grid with questions of different widths, branches of different lengths, and answers that are not parsed."""
    rng = np.random.default_rng(7 + first)
    rows = []
    for question in range(questions):
        for branch in range(9 + question % 3):
            tokens = int(rng.integers(1, 70))
            probes = [str(rng.choice(["4", GOLD, "?", "6"])) for _ in range(-(-tokens // 8) - 1)]
            final = GOLD if rng.random() < 0.5 else "4"
            more = {
                "probe_tokens": rng.integers(1, 4, len(probes)).tolist(),
                "probe_confidences": rng.normal(size=len(probes)).tolist(),
                "signals": {"token_confidence": rng.normal(size=len(probes) + 1).tolist()},
            }
            rows.append(
                BranchRow(
                    question,
                    f"question {question + first}",
                    GOLD,
                    branch,
                    tokens,
                    final,
                    probes,
                    **(more if recorded else {}),
                )  # type: ignore[arg-type]
            )
    write_grid(path, rows, 8, {"source": "made for the tests"})
    return path


def laid(tmp_path: Path, *grids: Path, **more: object) -> tuple[Path, RunSettings]:
    settings = RunSettings(grids=tuple(map(str, grids)), heldout=(), research_data=True, **more)  # type: ignore[arg-type]
    ResearchData(settings, SECRET).write(tmp_path / "box")
    return tmp_path / "box" / "data", settings


@pytest.mark.parametrize("batched", [True, False], ids=["side by side", "one by one"])
@pytest.mark.parametrize("terms", [{}, {"budget": 90, "probe_cost": "recorded"}, {"max_branches": 7, "probe_cost": 2}],
                         ids=["free", "budget", "few branches"])  # fmt: skip
@pytest.mark.parametrize("name", ["surge", "every action"])
def test_equal_orders_give_equal_episodes(
    tmp_path: Path, name: str, terms: dict[str, object], batched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not batched:
        monkeypatch.setattr(player, "greenlet", None)
    path = some_grid(tmp_path / "grid.parquet", recorded=True)
    data, settings = laid(tmp_path, path, **terms)
    (grid,) = load_grids(data)
    recorded = Grid.load(path)
    said = settings.evaluation().terms
    made = research_arrays(recorded, said, question_numbers([recorded], SECRET), SECRET)
    file = tmp_path / "controller.py"
    file.write_text(EVERY_ACTION if name == "every action" else shipped(name).read_text())
    candidate = load_controller(file)
    evaluation = EvaluationSettings(said)
    for beta in (0.0, 0.6):
        orders = []
        for repeat in range(2):
            published = [ORDERS["published"](int(n), 0, repeat) for n in recorded.branches]
            # The same branches, by the numbers that they have in the folder.
            orders.append(
                [np.array([made.branches[row].index(branch) for branch in published[question]], np.int32)
                 for row, question in enumerate(made.questions)]
            )  # fmt: skip
        played = play(candidate, grid, beta, orders)
        equal = 0
        for repeat, (row, question) in product(range(2), enumerate(made.questions)):
            # What the budget stops fails in both.
            with suppress(BudgetExceeded):
                alone = play_one(
                    candidate.controller, recorded, question=question, beta=beta, repeat=repeat, settings=evaluation
                )
                equal += (alone.correct, alone.tokens, alone.sequential_tokens, alone.branches) == (
                    played.correct[repeat, row],
                    played.tokens[repeat, row],
                    played.sequential[repeat, row],
                    played.branches[repeat, row],
                )
        assert equal == played.correct.size - played.failed
        assert played.failed == 0 or "budget" in terms


def test_an_evaluation_in_the_sandbox_gives_the_same_episodes(tmp_path: Path) -> None:
    path = some_grid(tmp_path / "grid.parquet")
    data, settings = laid(tmp_path, path, order="balanced", sandbox="process")
    (grid,) = load_grids(data)
    recorded = Grid.load(path)
    made = research_arrays(recorded, Terms(), question_numbers([recorded], SECRET), SECRET)
    with Evaluator(settings.evaluation(SECRET), sandbox="process") as evaluator:
        table = evaluator.evaluate([Plan(Candidate.parse("hindsight"), (str(path),), (0.5,), 3)]).episodes
    orders = [
        [np.array([own.index(branch) for branch in ORDERS["balanced"](len(own), 0, repeat)], np.int32)
         for own in made.branches]
        for repeat in range(3)
    ]  # fmt: skip
    played = play(load_controller(shipped("hindsight")), grid, 0.5, orders)
    for row in table.to_pylist():
        at = row["repeat"], made.questions.index(row["question"])
        assert (row["correct"], row["tokens"], row["sequential_tokens"], row["branches"]) == (
            played.correct[at], played.tokens[at], played.sequential[at], played.branches[at]
        )  # fmt: skip


def test_numbers_are_those_of_the_secret_and_no_text_is_told(tmp_path: Path) -> None:
    paths = [some_grid(tmp_path / f"{name}.parquet", first=first) for name, first in (("one", 0), ("two", 2))]
    data, settings = laid(tmp_path, *paths)
    for file in data.rglob("*"):
        if file.is_file():
            assert GOLD.encode() not in file.read_bytes(), file
            assert b"question 3" not in file.read_bytes(), file
    one, two = load_grids(data)
    # Questions 2, 3 and 4 are in both, under one number.
    assert len(set(one.arrays["question"]) & set(two.arrays["question"])) == 3
    grid = Grid.load(paths[0])
    own, other = (
        research_arrays(grid, Terms(), question_numbers([grid], secret), secret) for secret in (SECRET, SECRET[::-1])
    )
    assert (own.questions, own.branches) != (other.questions, other.branches)
    before = {file: file.read_bytes() for file in data.rglob("*") if file.is_file()}
    ResearchData(settings, SECRET).write(data.parent)
    assert before == {file: file.read_bytes() for file in data.rglob("*") if file.is_file()}


def test_the_player_runs_without_the_package(tmp_path: Path) -> None:
    data, _ = laid(tmp_path, some_grid(tmp_path / "one.parquet"), some_grid(tmp_path / "two.parquet", first=3))
    broken = tmp_path / "broken.py"
    broken.write_text(shipped("asc").read_text().replace("episode.read", "episode.rEad"))
    check = (
        "import sys, runpy; sys.argv = sys.argv[1:]\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "finally: assert not {'pyarrow', 'autotts', 'pydantic', 'scipy'} & set(sys.modules), 'imported more'"
    )

    def plays(file: Path, *more: str) -> str:
        line = [sys.executable, "-I", "-c", check, str(data / "play.py"), str(file), "--betas", "0,0.5,1", *more]
        done = subprocess.run(line, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    said = json.loads(plays(shipped("sc"), "--json", "--repeats", "2"))
    assert (said["gain"], said["interval"], said["failed"]) == (0, [0, 0], 0)
    assert said["sweep"] == said["sc"]
    assert said["sweep"][0]["branches"] == 1
    text = plays(broken, "--repeats", "1", "--grid", "one")
    assert "rEad" in text
    assert "episodes failed" in text


def test_latency_is_weighed_as_the_run_weighs_it(tmp_path: Path) -> None:
    data, settings = laid(tmp_path, some_grid(tmp_path / "one.parquet"), latency=0.5, sandbox="process")
    assert latency_of(data) == 0.5
    # At β = 1 SC reads all branches, whatever their order.
    own = sweep(load_controller(shipped("sc")), load_grids(data), (1.0,), 2)
    with Evaluator(settings.evaluation(SECRET), sandbox="process") as evaluator:
        episodes = evaluator.evaluate([Plan(Candidate.parse("sc"), settings.grids, (1.0,), 2)]).episodes
    loop = Curve.from_episodes(episodes, "sc", settings.grids).charged(0.5)
    np.testing.assert_allclose(own.curve(None, 0.5)[0], loop.tokens)


def test_every_module_that_the_player_imports_is_carried() -> None:
    line = f"import sys; sys.path.insert(0, {str(Path(__file__).parents[3])!r}); import {MODULES[-1]}; " + (
        "import graph.explorers.research.study; "
        "print(*sorted(n for n in sys.modules if n.split('.')[0] in ('graph', 'sandbox', 'envdata', 'autotts')))"
    )
    done = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout.split() == sorted(MODULES)


def test_a_run_with_research_data_tells_of_it(make_context: Make, tmp_path: Path) -> None:
    box = tmp_path / "box"
    context = make_context(FolderExplorer(str(box)), research_data=True)
    context.explorer = FolderExplorer(str(box), ExplorerContext(context.settings, evaluator=context.evaluator))
    assert run(context) is not None
    brief = (box / "brief.md").read_text(encoding="utf-8")
    assert "python data/play.py FILE" in brief
    assert [grid.name for grid in load_grids(box / "data")] == [Path(path).stem for path in context.settings.grids]
    (box / "controller.py").write_text(shipped("asc").read_text())
    assert run(context) is None
    result = read_json(context.folder.result)
    assert result["research_data"] is True
    assert any("studied the search set" in line for line in caveats(result))


def test_explorers_that_cannot_study_refuse(
    tmp_path: Path, grids: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("discover", "--grid", grids[0], *SHORT, "--research-data", "--out", tmp_path / "run")
    said = here(capsys, *options, "--explorer", "evolution", code=1).err
    assert "evolution has none" in said
    assert "folder:…, agent-command:…, claude-code:…, codex:…" in " ".join(said.split())
    here(capsys, *options, "--explorer", f"folder:{tmp_path / 'box'}", code=3)
    assert "research_data = true" in (tmp_path / "run" / "run.toml").read_text()

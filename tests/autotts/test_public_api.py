"""`import autotts` as a notebook uses it: controllers by class, results that print, and a running event loop."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pandas
import polars
import pyarrow as pa
import pytest

import autotts
from autotts import Answer, Controller, Episode, poll
from sandbox import tts
from sandbox.class_source import class_source
from tests import grids
from tests.graph.small import write_small

SEED = 3
STEPS = {"branches": 2}


def width(beta: float) -> int:
    return STEPS["branches"] + round(4 * beta)


class Random(Controller):
    """Prunes a branch by chance, with a helper and a constant of its module."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        return {"width": width(beta)}

    def solve(self, episode: Episode) -> Answer | None:
        branches = episode.branch(min(self.knobs["width"], episode.open_slots))
        chosen = branches[episode.rng.randrange(len(branches))]
        if not chosen.finished and len(branches) > 1:
            episode.prune(chosen)
        while episode.active:
            episode.advance(episode.active)
        episode.note("<b>read</b>")
        return poll(branch.answer for branch in branches if branch.finished).winner


class Fails(Controller):
    """Raises."""

    @staticmethod
    def schedule(beta: float) -> dict[str, float]:
        return {}

    def solve(self, episode: Episode) -> Answer | None:
        episode.branch(2)
        raise LookupError("mine")


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> autotts.Grid:
    return autotts.Grid.load(write_small(tmp_path_factory.mktemp("grid") / "small.parquet"))


def test_every_name_is_there_and_importing_is_quick() -> None:
    assert set(tts.__all__) <= set(autotts.__all__)
    for name in autotts.__all__:
        assert getattr(autotts, name).__name__ == name or name in ("Answer",)
    slow = "numpy", "pyarrow", "langgraph", "rich", "pydantic", "matplotlib", "inspect_ai"
    code = f"import autotts, sys; print([name for name in {slow} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
    with pytest.raises(AttributeError, match="no attribute 'evalute'"):
        autotts.evalute  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.bubblewrap
def test_a_class_is_evaluated_in_a_sandbox_and_prints_as_a_table(grid: autotts.Grid) -> None:
    async def in_a_notebook() -> autotts.EvaluationResult:
        return autotts.evaluate(["sc", Random], grid, betas=(0, 1), repeats=2)

    result = asyncio.run(in_a_notebook())
    assert result.table.column("controller").to_pylist() == ["sc", "sc", "Random", "Random"]
    assert result.table.column("status").unique().to_pylist() == ["ok"]
    assert result.sandbox == "bubblewrap"
    text = str(result)
    assert "Random" in text
    assert f"{result.rows[-1].tokens:,.0f}" in text
    assert "<pre" in result._repr_html_()
    assert result.plot()._repr_png_().startswith(b"\x89PNG")
    for frame in (result.to_pandas(), result.to_polars(), polars.DataFrame(result), pa.table(result)):
        assert frame.shape == result.table.shape


def test_a_result_is_written_for_a_paper(tmp_path: Path, grid: autotts.Grid) -> None:
    more = {"betas": (0, 1), "repeats": 1, "sandbox": "process"}
    for result in (autotts.evaluate(["sc", Random], grid, **more), autotts.compare("sc", Random, grid, **more)):
        paths = result.export(tmp_path)
        assert [path.name for path in paths] == ["figure.svg", "figure.pdf", "table.csv", "table.tex"]
        assert pandas.read_csv(tmp_path / "table.csv").shape == result.table.shape
        lines = (tmp_path / "table.tex").read_text().splitlines()
        assert len(lines) == result.table.num_rows + 7
        assert r"\ldots{}" in lines[5]


def test_an_episode_played_here_has_the_trace_that_evaluating_it_has(grid: autotts.Grid) -> None:
    settings = autotts.EvaluationSettings(order="balanced", seed=SEED)
    evaluated = autotts.evaluate(
        Random, grid, betas=(0.5,), repeats=1, settings=settings, traces=True, sandbox="process"
    ).traces
    for question in range(len(grid.questions)):
        played = autotts.play(Random, grid, question=question, beta=0.5, settings=settings)
        own = evaluated.filter(pa.compute.equal(evaluated.column("question"), question))
        # Two tables may number the same actions otherwise.
        assert played.trace.to_pylist() == own.select(played.trace.schema.names).to_pylist()


def test_a_played_episode_says_that_nothing_confined_it(grid: autotts.Grid) -> None:
    played = autotts.play(Random, grid, question=3, beta=1, knobs={"width": 3})
    assert played.knobs == {"width": 3}
    assert played.branches == 3
    assert "unconfined, not in a sandbox" in str(played)
    assert "&lt;b&gt;read&lt;/b&gt;" in played._repr_html_()
    assert "<b>read" not in played._repr_html_()
    assert played.to_pandas().shape == played.trace.shape
    assert played.plot()._repr_png_()


def test_what_a_played_controller_raises_reaches_its_author(grid: autotts.Grid) -> None:
    with pytest.raises(LookupError, match="mine") as raised:
        autotts.play(Fails, grid, question=1)
    assert raised.value.__notes__ == [f"in Fails, question 1 at β = 0.5, after {2 * grid.interval} tokens"]
    with pytest.raises(IndexError, match=r"question 9 of .*: it has questions 0 … 5"):
        autotts.play(Random, grid, question=9)
    with pytest.raises(TypeError, match="no subclass of autotts"):
        autotts.play("cmc", grid)  # type: ignore[arg-type]


def test_comparing_and_explaining_return_tables(grid: autotts.Grid) -> None:
    more = {"betas": (0, 1), "repeats": 1, "sandbox": "process"}
    compared = autotts.compare("sc", Random, grid, **more)
    assert compared.table.column("beta_a").to_pylist() == [0, 1]
    assert "A − B" in str(compared)
    explained = autotts.explain(Random, grid, **more)
    assert explained.table.column("knob_width").to_pylist() == [2, 6]
    assert "Random" in str(explained)
    for result in (compared, explained):
        assert "<pre" in result._repr_html_()
        assert result.plot()._repr_png_()


def test_a_search_in_a_running_loop_returns_the_run(tmp_path: Path, grid: autotts.Grid) -> None:
    said: list[str] = []
    more = {
        "rounds": 1, "candidates": 2, "finalists": 1, "repeats": 1, "screening_repeats": 1, "betas": (0, 1),
        "baselines": "sc",
    }  # fmt: skip

    async def in_a_notebook() -> autotts.Run:
        return autotts.discover(grid, out=tmp_path / "run", sandbox="process", say=said.append, **more)

    run = asyncio.run(in_a_notebook())
    assert said[0] == f"the run is in {tmp_path / 'run'}"
    assert run.result == autotts.load_run(run.path).result
    assert len(run.table) == 2
    assert "selected" in str(run)
    assert run.plot()._repr_png_()
    assert run.selected is not None
    assert autotts.evaluate(run.selected, grid, betas=(1,), repeats=1, sandbox="process").rows[0].status == "ok"
    # Ended already: nothing is left to do.
    assert autotts.discover(out=run.path, resume=True, say=said.append).result == run.result
    with pytest.raises(ValueError, match=r"roundz.*rounds"):
        autotts.discover(grid, out=tmp_path / "other", roundz=1)


def test_names_of_others_steer_no_terminal(grid: autotts.Grid) -> None:
    candidate = autotts.Candidate("\x1b[31mred\u202e<i>", class_source(Random))
    result = autotts.evaluate(candidate, grid, betas=(1,), repeats=1, sandbox="process")
    for shown in (str(result), result._repr_html_()):
        assert not {"\x1b", "\u202e"} & set(shown)
        assert "[31mred" in shown
    assert "<i>" not in result._repr_html_()


def test_a_missing_data_frame_package_is_named(monkeypatch: pytest.MonkeyPatch, grid: autotts.Grid) -> None:
    played = autotts.play(Random, grid)
    for package in ("pandas", "polars"):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(ImportError, match=f"needs the package {package}.*pip install {package}"):
            getattr(played, f"to_{package}")()


def test_a_class_takes_along_what_it_uses_of_its_module() -> None:
    source = class_source(Random)
    assert source.startswith("from autotts import Answer, Controller, Episode, poll\n")
    assert "STEPS = {'branches': 2}" in source
    assert "SEED" not in source
    assert source.index("def width") < source.index("class Random")


def test_a_class_that_uses_more_is_refused_with_a_way_out(tmp_path: Path) -> None:
    limit = 3

    class Closure(Controller):
        @staticmethod
        def schedule(beta: float) -> dict[str, float]:
            return {"limit": limit}

        def solve(self, episode: Episode) -> Answer | None:
            return None

    class Uses(Controller):
        @staticmethod
        def schedule(beta: float) -> dict[str, float]:
            return {"n": len(grids.WORKED)}

        def solve(self, episode: Episode) -> Answer | None:
            return None

    with pytest.raises(ValueError, match=r"Closure uses limit.*write the controller into a file"):
        class_source(Closure)
    with pytest.raises(ValueError, match=r"Uses uses grids, module .*tests\.grids"):
        class_source(Uses)
    with pytest.raises(ValueError, match="two controllers are called 'Random'"):
        autotts.evaluate([Random, Random], grids.write_worked(tmp_path))


def test_a_grid_that_is_written_anew_is_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, questions in (("one", 6), ("two", 4), ("two", 5)):
        (tmp_path / folder).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / folder)
        write_small(Path("grid.parquet"), questions=questions)
        result = autotts.evaluate("sc", "grid.parquet", betas=(1.0,), repeats=1, sandbox="process")
        assert result.episodes.num_rows == questions


@pytest.mark.parametrize("repeats", [0, -1, 10**9])
def test_repeats_that_cannot_be_played_are_refused(grid: Path, repeats: int) -> None:
    with pytest.raises(ValueError, match=rf"^repeats = {repeats} is outside 1 … 100,000$"):
        autotts.evaluate("sc", grid, repeats=repeats, sandbox="process")

"""`autotts evaluate`: killed half way it goes on, and its exit status says when a controller failed everywhere."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from graph.run.paths import read_json
from sandbox.host import InfrastructureError
from sandbox.replay_player import PlayedRepeat, Player
from tests.graph.running import here
from tests.graph.test_kill import kill_when, start

FAILING = """
from sandbox.tts import Controller

class Failing(Controller):
    '''Raises, but where it is told not to.'''

    @staticmethod
    def schedule(beta):
        return {"fails": 1, "beta": beta}

    def solve(self, episode):
        if self.knobs["fails"]:
            raise ValueError("it does not work")
        return episode.read(1)[0].answer
"""

SLOW = """
from sandbox.tts import Controller

class Slow(Controller):
    '''Thinks for a while before each question.'''

    @staticmethod
    def schedule(beta):
        return {"width": 1 + round(beta * 3)}

    def solve(self, episode):
        for _ in range(10_000):
            episode.rng.random()
        return episode.read(self.knobs["width"])[0].answer
"""

COMMON = ("--sandbox", "process", "--betas", "0,1", "--quiet", "--json")


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_an_evaluation_that_is_killed_goes_on_with_the_same_call(
    tmp_path: Path, grids: tuple[Path, Path], capsys: pytest.CaptureFixture[str], jobs: int
) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    evaluate = ("evaluate", tmp_path / "slow.py", "--grid", grids[0], "--repeats", 100, *COMMON)

    def out(name: str) -> tuple[object, ...]:
        return "--out", tmp_path / f"{name}.parquet", "--traces", tmp_path / f"{name}-traces.parquet"

    told = here(capsys, *evaluate, *out("undisturbed"), "--jobs", 1)
    assert [json.loads(line)["failures"] for line in told.out.splitlines()] == [{}, {}]
    kept = tmp_path / "killed.parquet.played"
    process = start(*evaluate, *out("killed"), "--jobs", jobs)
    assert kill_when(process, lambda: any(file.name[0] != "." for file in kept.glob("*/*")))
    assert not (tmp_path / "killed.parquet").exists()
    told = here(capsys, *(each for each in evaluate if each != "--quiet"), *out("killed"), "--jobs", 1)
    assert "episodes had been played before" in told.err
    assert [json.loads(line)["failures"] for line in told.out.splitlines()] == [{}, {}]
    for name in ("", "-traces"):
        files = [tmp_path / f"{each}{name}.parquet" for each in ("undisturbed", "killed")]
        assert files[0].read_bytes() == files[1].read_bytes()
    assert not kept.exists()


def test_a_sandbox_that_keeps_failing_loses_nothing(
    tmp_path: Path, grids: tuple[Path, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Player.play

    def failing(self: Player, repeats: Any, **more: Any) -> Iterator[PlayedRepeat]:
        yield from itertools.islice(real(self, repeats, **more), 3)
        raise InfrastructureError("the sandbox ended by itself")

    evaluate = ("evaluate", "asc", "--grid", grids[0], "--repeats", 4, "--out", tmp_path / "e.parquet", "--jobs", 1)
    evaluate += (*COMMON[:-2], "--json")
    with monkeypatch.context() as patch:
        patch.setattr(Player, "play", failing)
        told = here(capsys, *evaluate, code=1)
    assert f"what was played is kept in {tmp_path / 'e.parquet.played'}: give the same call again" in told.err
    assert "episodes had been played before" in here(capsys, *evaluate).err


def test_the_status_says_that_every_episode_of_a_controller_failed(
    tmp_path: Path, grids: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "failing.py").write_text(FAILING)
    (tmp_path / "broken.py").write_text("def")
    common = ("--grid", grids[0], *COMMON, "--jobs", 1, "--repeats", 4, "--out", tmp_path / "e.parquet")
    failing, broken, sound = tmp_path / "failing.py", tmp_path / "broken.py", f"{tmp_path / 'failing.py'}:fails=0"
    told = here(capsys, "evaluate", failing, broken, sound, "--give-up-after", 10, *common, code=3)
    assert f"every episode failed of {failing}, {broken}\n" in told.err
    assert "given up after" in told.err
    assert len(told.out.splitlines()) == 6
    rows = [json.loads(line) for line in told.out.splitlines()]
    assert [row["status"] for row in rows] == ["exception"] * 2 + ["load_error"] * 2 + ["ok"] * 2
    assert (tmp_path / "e.parquet").exists()
    assert not (tmp_path / "e.parquet.played").exists()
    told = here(capsys, "evaluate", sound, *common)
    assert told.err == ""
    told = here(capsys, "compare", failing, sound, *common[:-2], code=3)
    assert f"every episode failed of {failing}\n" in told.err


@pytest.mark.slow
def test_a_second_run_does_not_play_the_baselines_again_and_ends_the_same(
    tmp_path: Path, finished: Path, options: tuple[object, ...], capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def baselines(run: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (run / "round-000").glob("*.parquet")}

    # Once with an empty cache that fills, once with what is in it, once where there can be none.
    for name, cache in (("first", tmp_path / "cache"), ("second", tmp_path / "cache"), ("none", Path("/proc/none"))):
        monkeypatch.setenv("AUTOTTS_CACHE", str(cache))
        told = here(capsys, "discover", *options, "--rounds", 1, "--out", tmp_path / name)
        assert ("are in the cache" in told.err) == (name == "second")
        assert baselines(tmp_path / name) == baselines(finished)
    results = [read_json(tmp_path / name / "result.json") for name in ("first", "second", "none")]
    assert results[0] == results[1] == results[2]
    here(capsys, "compare", "sc", "asc", "--grid", options[1], *COMMON, "--repeats", 2)


PRINTING = r"""
from autotts import Controller

print("loaded")

class Printing(Controller):
    '''Prints, without a line end at its end.'''

    @staticmethod
    def schedule(beta):
        return {"width": 1 + round(beta)}

    def solve(self, episode):
        print("\x1b[31mread", self.knobs["width"], end=" " if self.knobs["width"] == 1 else ".\n")
        return episode.read(self.knobs["width"])[0].answer
"""


def test_what_a_controller_prints_is_shown_on_request_and_steers_no_terminal(
    tmp_path: Path, grids: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "printing.py").write_text(PRINTING)
    evaluate = ("evaluate", tmp_path / "printing.py", "--grid", grids[0], "--repeats", 1, *COMMON)
    plain, shown = here(capsys, *evaluate), here(capsys, *evaluate, "--show-output", "--jobs", 2)
    assert plain.err == ""
    assert shown.out == plain.out
    lines = shown.err.splitlines()
    questions = json.loads(plain.out.splitlines()[0])["episodes"]
    assert shown.err.count("loaded\n") == 2
    assert sum(line.count("read 1") for line in lines) == sum(line.count("read 2.") for line in lines) == questions
    assert all(line.startswith("printing.py| ") for line in lines)
    assert "\x1b" not in shown.err


def test_output_is_shown_of_episodes_played_here(capsys: pytest.CaptureFixture[str]) -> None:
    told = here(capsys, "evaluate", "sc", "--grid", "bundled", "--show-output", "--executor", "ray", code=2)
    assert "leave --executor away" in told.err

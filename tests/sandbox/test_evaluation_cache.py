"""Finished repeats that are kept: the same figures with them and without, and nothing that is damaged or the host's."""

import itertools
import os
import re
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdata.episodes import GroupResult, Terms
from sandbox import evaluation_cache
from sandbox.backends.base import Limits
from sandbox.candidate import SHIPPED, Candidate
from sandbox.constraints import Constraints
from sandbox.evaluate import Evaluation, Evaluator, Plan
from sandbox.evaluation_cache import EvaluationCache, baselines_cache, evaluation_key
from sandbox.replay_player import EvaluationSettings, PlayedRepeat, Player, Repeat
from sandbox.run_secret import load_secret
from sandbox.status import Status
from tests import grids

SETTINGS = EvaluationSettings(limits=Limits(reply_seconds=60.0, start_seconds=120.0), secret=bytes(32))

STRANGE = Candidate(
    "strange",
    """
from sandbox.tts import Controller

class Strange(Controller):
    @staticmethod
    def schedule(beta):
        return {"width": 1 + 2 * beta}

    def solve(self, episode):
        branches = episode.branch(int(self.knobs["width"]))
        episode.note("looked")
        if episode.rng.random() < 0.3:
            raise ValueError("a strange thing")
        episode.finish(branches)
        return branches[0].answer
""",
)


@pytest.fixture
def plans(tmp_path: Path) -> list[Plan]:
    grid = str(grids.write_worked(tmp_path))
    cache = EvaluationCache(tmp_path / "kept")
    return [
        Plan(candidate, (grid,), (0.0, 1.0), 6, frozenset({1.0}), cache=cache)
        for candidate in (STRANGE, Candidate.parse("asc"))
    ]


def play(plans: list[Plan], *, jobs: int = 1, settings: EvaluationSettings = SETTINGS) -> Evaluation:
    with Evaluator(settings, sandbox="process", jobs=jobs) as evaluator:
        return evaluator.evaluate(plans)


def same(one: Evaluation, other: Evaluation) -> bool:
    return bool(one.episodes.equals(other.episodes) and one.traces.equals(other.traces))


def kept_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*"))


def test_what_was_played_is_not_played_again_and_looks_the_same(
    plans: list[Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    without = play([replace(plan, cache=None) for plan in plans])
    first = play(plans, jobs=2)
    assert (without.cached, first.cached) == (0, 0)
    assert same(first, without)
    assert "exception" in without.episodes.column("status").to_pylist(), "failures of the controller are kept too"
    monkeypatch.setattr(Player, "play", lambda *_, **__: pytest.fail("it was played before"))
    again = play(plans)
    assert same(again, without)
    assert again.cached == without.episodes.num_rows
    # What a shorter evaluation needs is among it, whatever the candidate is called.
    shorter = play([replace(plans[0], repeats=3, betas=(1.0,), candidate=replace(STRANGE, label="other"))])
    assert shorter.cached == shorter.episodes.num_rows


def test_an_evaluation_that_broke_off_goes_on(plans: list[Plan], monkeypatch: pytest.MonkeyPatch) -> None:
    real = Player.play

    def breaking(self: Player, repeats: Any, **more: Any) -> Iterator[PlayedRepeat]:
        yield from itertools.islice(real(self, repeats, **more), 5)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Player, "play", breaking)
        with pytest.raises(KeyboardInterrupt):
            play(plans)
    gone_on = play(plans)
    assert gone_on.cached == 5 * 3
    assert same(gone_on, play([replace(plan, cache=None) for plan in plans]))


def _flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def _other(file: Path) -> Path:
    return next(other for other in kept_files(file.parents[1]) if other != file)


@pytest.mark.parametrize(
    "damage",
    [
        _flip,
        lambda file: file.write_bytes(file.read_bytes()[:-1]),
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(_other(file).read_bytes()),
    ],
    ids=["a bit", "cut off", "empty", "another controller's"],
)  # fmt: skip
def test_what_is_damaged_is_played(plans: list[Plan], tmp_path: Path, damage: Any) -> None:
    first = play(plans)
    files = kept_files(tmp_path / "kept")
    assert len(files) == 2
    damage(files[0])
    again = play(plans)
    assert same(again, first)
    assert again.cached == first.episodes.num_rows // 2
    assert play(plans).cached == first.episodes.num_rows


@pytest.mark.parametrize("broken", ["file", "missing"])
def test_where_nothing_can_be_kept_the_figures_are_the_same(plans: list[Plan], tmp_path: Path, broken: str) -> None:
    (tmp_path / "file").touch()
    cache = EvaluationCache({"file": tmp_path / "file", "missing": Path("/proc/nothing/there")}[broken])
    for _ in range(2):
        played = play([replace(plan, cache=cache) for plan in plans])
        assert played.cached == 0
    assert same(played, play(plans))


# ---- the key ---------------------------------------------------------------------------------------------------

OTHER_SETTINGS = {
    "terms": Terms(budget=100), "limits": Limits(memory_mb=256), "seed": 1, "order": "balanced", "api": "autotts",
    "secret": bytes(range(32)),
    "show_answers": True, "show_questions": True, "renamed": True, "constraints": Constraints(min_branches=2),
}  # fmt: skip


@pytest.mark.parametrize("name", [field.name for field in fields(EvaluationSettings)])
def test_every_setting_is_part_of_the_key(name: str) -> None:
    changed = replace(SETTINGS, **{name: OTHER_SETTINGS[name]})
    assert evaluation_key(STRANGE, "g", changed, "process") != evaluation_key(STRANGE, "g", SETTINGS, "process")
    of_shipped = [evaluation_key(Candidate.parse("asc"), "g", each, "process") for each in (SETTINGS, changed)]
    assert (of_shipped[0] == of_shipped[1]) == (name == "secret")


def test_no_shipped_controller_looks_at_chance(tmp_path: Path) -> None:
    """Or else its repeats could not be kept for runs with other secrets."""
    grid = str(grids.write_priced(tmp_path))
    plans = [Plan(Candidate.parse(name), (grid,), (0.7,), 2, frozenset({0.7})) for name in SHIPPED]
    one, other = (play(plans, settings=replace(SETTINGS, secret=bytes([n] * 32))) for n in range(2))
    assert same(one, other)
    for name in SHIPPED:
        assert not re.search(r"\b(random|rng|hash|id)\b", Candidate.parse(name).source), name


def test_candidate_grid_isolation_and_engine_are_part_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [
        evaluation_key(candidate, grid, SETTINGS, sandbox)
        for candidate, grid, sandbox in [
            (STRANGE, "g", "process"),
            (replace(STRANGE, source=STRANGE.source + "\n"), "g", "process"),
            (replace(STRANGE, settings=(("width", 2),)), "g", "process"),
            (STRANGE, "h", "process"),
            (STRANGE, "g", "bubblewrap"),
        ]
    ]
    monkeypatch.setattr(evaluation_cache, "code_hash", lambda: "other code")
    evaluation_cache.engine_version.cache_clear()
    keys.append(evaluation_key(STRANGE, "g", SETTINGS, "process"))
    evaluation_cache.engine_version.cache_clear()
    assert len(set(keys)) == len(keys)
    monkeypatch.undo()
    assert evaluation_key(replace(STRANGE, label="x"), "g", SETTINGS, "process") == keys[0]


# ---- what is kept ----------------------------------------------------------------------------------------------

KEY = "0" * 64


def played(repeat: Repeat, status: list[int], why: dict[int, str], tokens: list[int]) -> PlayedRepeat:
    figures = {name: np.array(tokens, np.int64) + n for n, name in enumerate(evaluation_cache._FIGURES)}
    figures |= {"status": np.array(status, np.int64), "correct": np.array(tokens) % 2 == 1}
    answers = [None if count % 3 else f"é{count}" for count in tokens]
    return PlayedRepeat(repeat, GroupResult(answer=answers, why=why, **figures), None)


REPEATS = st.builds(Repeat, st.floats(0, 1), st.integers(0, 10**6))


@given(
    st.lists(REPEATS, min_size=1, max_size=5, unique=True),
    st.lists(
        st.tuples(st.sampled_from(sorted(Status)), st.text(max_size=9), st.integers(0, 10**12)), min_size=1, max_size=4
    ),
)
def test_what_comes_back_is_what_was_kept_and_the_hosts_failures_are_not(
    tmp_path_factory: pytest.TempPathFactory, repeats: list[Repeat], episodes: list[tuple[Status, str, int]]
) -> None:
    cache = EvaluationCache(tmp_path_factory.mktemp("kept"))
    why = {n: said for n, (status, said, _) in enumerate(episodes) if status != Status.OK}
    given = [played(each, [s for s, _, _ in episodes], why, [n for _, _, n in episodes]) for each in repeats]
    cache.add(KEY, given)
    back = cache.load(KEY)
    if {status for status, _, _ in episodes} <= {Status.OK, Status.EXCEPTION, Status.CONTRACT_ERROR}:
        for each in given:
            for name, value in vars(each.result).items():
                np.testing.assert_array_equal(getattr(back[each.repeat].result, name), value)
                assert type(getattr(back[each.repeat].result, name)) is type(value)
    else:
        assert back == {}


def test_a_folder_is_bounded_and_what_was_used_last_stays(tmp_path: Path) -> None:
    cache = EvaluationCache(tmp_path)
    keys = [str(n) * 64 for n in range(4)]
    for key in keys:
        cache.add(key, [played(Repeat(0.0, 0), [0], {}, [1])])
    for age, file in enumerate(kept_files(tmp_path)):
        os.utime(file, (age, age))
    cache.load(keys[0])
    cache.trim(2 * kept_files(tmp_path)[0].stat().st_size)
    assert [file.parent.name for file in kept_files(tmp_path)] == [keys[0], keys[3]]


def test_removing_takes_what_was_kept_and_nothing_else(tmp_path: Path) -> None:
    cache = EvaluationCache(tmp_path / "x.parquet.played")
    cache.remove()
    cache.add(KEY, [played(Repeat(0.0, 0), [0], {}, [1])])
    half_written = cache.folder / KEY / f".{KEY}.1.ab.tmp"
    half_written.touch()
    load_secret(cache.secret())
    (cache.folder / "mine").touch()
    cache.remove()
    assert [path.name for path in tmp_path.rglob("*")] == ["x.parquet.played", "mine"]
    (cache.folder / "mine").unlink()
    cache.remove()
    assert list(tmp_path.iterdir()) == []


def test_without_a_home_folder_there_is_no_cache_of_baselines(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("AUTOTTS_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert baselines_cache() is None


def test_the_shipped_controllers_are_known_by_their_source(tmp_path: Path) -> None:
    copy = tmp_path / "copy.py"
    copy.write_text(Candidate.parse("asc").source)
    assert Candidate.parse("asc:max_branches=4").shipped
    assert Candidate.parse(str(copy)).shipped
    assert not STRANGE.shipped

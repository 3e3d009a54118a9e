"""Sealed branches: the same figures as asked for one by one; nothing is seen without being paid for."""

import os
import random
from pathlib import Path

import numpy as np
import pytest

from benchmarks import release
from envdata.actions import Op
from envdata.episodes import Episodes, Terms
from envdata.grid import Grid
from sandbox import records, sealing
from sandbox.candidate import Candidate
from sandbox.evaluate import Evaluation, Evaluator, Plan
from sandbox.inside.wire import RECORD
from sandbox.pipes import Pipes
from sandbox.playing import Settings
from sandbox.records import RecordBook
from sandbox.sealing import Sealer
from tests import grids
from tests.envdata.table import Call, to_calls
from tests.sandbox.test_controllers import PATIENT

TERMS = Terms(max_branches=1 << 20, repeats_last=True)

WANDERER = '''
import random
from collections import Counter


class OptimalController:
    """Random actions, and remarks on all that they show."""

    def __init__(self, config):
        self.seed = config["beta"]

    def solve(self, question):
        rng, open_branches, seen = random.Random(self.seed), [], []
        for _ in range(50):
            kind = rng.random()
            try:
                if kind < 0.15 or not open_branches:
                    answer, index, finished = question.probe_new()
                    open_branches.append(index)
                elif kind < 0.2:
                    seen.append(question.get_new_branch_final_answer())
                    open_branches.append(len(question.get_cost_per_branch_active()) - 1)
                else:
                    index = rng.choice(open_branches)
                    answer, finished = question.probe_more(index)
                seen.append(answer)
            except (ValueError, IndexError):
                pass
            longest, total = question.get_seq_and_total_tokens()
            costs = question.get_cost_per_branch_active()
            assert sum(costs) == total and max(costs) == longest
        return rng.choice(seen)
'''


def _play(
    source: str, path: Path, *, beta: float = 0.5, repeats: int = 2, sandbox: str = "process", terms: Terms = TERMS
) -> Evaluation:
    settings = Settings(terms=terms, limits=PATIENT, api="autotts", show_answers=True)
    with Evaluator(settings, sandbox=sandbox) as evaluator:
        return evaluator.evaluate([Plan(Candidate("x", source), (str(path),), (beta,), repeats, frozenset({beta}))])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    # Texts that a record has just room for, and has none; one is longer in bytes than in letters, one than any pipe.
    answers = ("1", "2", "1", "ERR", "123456789", "1234567890", "x" * 200, "½" * 60, "2", "1", "x" * 70_000)
    rows = grids.random_rows(random.Random(5), questions=12, branches=(3, 14), intervals=9, answers=answers)
    return grids.write(tmp_path / "random.parquet", rows)


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("probe_cost", [0, 3])
def test_sealed_branches_are_what_they_would_be_one_by_one(
    path: Path, beta: float, probe_cost: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    terms = Terms(max_branches=1 << 20, repeats_last=True, probe_cost=probe_cost)
    handed = []
    fill = Pipes.fill
    monkeypatch.setattr(Pipes, "fill", lambda *its: handed.append(fill(*its)) or handed[-1])
    sealed = _play(WANDERER, path, beta=beta, terms=terms)
    assert sum(pipe is not None for pipe in handed) > 50
    # Pipes are used again.
    assert len(set(handed)) < len(handed) / 2
    assert None in handed
    monkeypatch.setattr(sealing, "suits", lambda terms: False)
    apart = _play(WANDERER, path, beta=beta, terms=terms)
    assert set(apart.episodes.column("status").to_pylist()) == {"ok"}
    assert sealed.episodes.equals(apart.episodes)
    assert sealed.traces.equals(apart.traces)


def test_few_files_are_no_failure(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = _play(WANDERER, path)
    with monkeypatch.context() as few:
        few.setattr(sealing, "MOST", 2)
        assert _play(WANDERER, path).episodes.equals(whole.episodes)
    make, made = os.pipe2, []

    def pipe2(flags: int) -> tuple[int, int]:
        made.append(flags)
        if len(made) % 3 == 0:
            raise OSError(24, "Too many open files")
        return make(flags)

    monkeypatch.setattr(os, "pipe2", pipe2)
    assert _play(WANDERER, path).episodes.equals(whole.episodes)
    assert len(made) > 20


LOOKS_AHEAD = """
import os

class OptimalController:
    def __init__(self, config):
        pass

    def solve(self, question):
        answer, index, finished = question.probe_new()
        # 3 is the channel, where there is nothing to be had but a long wait.
        for descriptor in range(4, 256):
            try:
                LOOK
            except OSError:
                pass
        return answer
"""


@pytest.mark.parametrize("size", [1, 128, 1 << 16])
@pytest.mark.bubblewrap
def test_taking_without_telling_is_found_out_and_charged(path: Path, size: int) -> None:
    looking = LOOKS_AHEAD.replace("LOOK", f"os.read(descriptor, {size})")
    episodes = _play(looking, path, repeats=1, sandbox="bubblewrap").episodes
    honest = _play(LOOKS_AHEAD.replace("LOOK", "pass"), path, repeats=1).episodes
    assert set(honest.column("status").to_pylist()) == {"ok"}
    # Those that came sealed with something; the others had nothing to look at.
    assert "protocol_error" in set(episodes.column("status").to_pylist()) <= {"ok", "protocol_error"}
    pairs = list(zip(episodes.to_pylist(), honest.to_pylist(), strict=True))
    for found, fair in pairs:
        assert (found["tokens"] == fair["tokens"]) if found["status"] == "ok" else not found["correct"]
    # Their process ends with them, so that some have not begun.
    assert all(found["tokens"] >= fair["tokens"] for found, fair in pairs if found["branches"])
    assert any(found["tokens"] > fair["tokens"] for found, fair in pairs)
    assert any("took" in why for why in episodes.column("why").drop_null().to_pylist())


PEEKS = """
import ctypes

class OptimalController:
    def __init__(self, config):
        pass

    def solve(self, question):
        answer, index, finished = question.probe_new()
        libc = ctypes.CDLL(None, use_errno=True)
        left = ctypes.c_int(0)
        tried = 0
        for descriptor in range(4, 40):
            attempts = {
                "FIONREAD": lambda: libc.ioctl(descriptor, 0x541B, ctypes.byref(left)),
                "tee": lambda: libc.tee(descriptor, descriptor, 128, 2),
                "splice": lambda: libc.splice(descriptor, None, descriptor, None, 128, 2),
                "vmsplice": lambda: libc.vmsplice(descriptor, None, 0, 2),
                "F_GETPIPE_SZ": lambda: libc.fcntl(descriptor, 1032),
                "MSG_PEEK": lambda: libc.recv(descriptor, ctypes.create_string_buffer(9), 9, 2),
                "sendfile": lambda: libc.sendfile(descriptor, descriptor, None, 9),
                "mmap": lambda: 0 if libc.mmap(None, 4096, 1, 2, descriptor, 0) not in (-1, 0xFFFFFFFFFFFFFFFF) else -1,
            }
            for name, attempt in attempts.items():
                assert attempt() < 0, f"{name} works on {descriptor}"
                tried += 1
        assert tried == 36 * 8 and left.value == 0
        return answer
"""


@pytest.mark.bubblewrap
def test_nothing_tells_what_is_in_a_sealed_branch(path: Path) -> None:
    episodes = _play(PEEKS, path, repeats=1, sandbox="bubblewrap").episodes
    assert set(episodes.column("status").to_pylist()) == {"ok"}, episodes.column("why").drop_null()[:1]


def test_a_controller_that_fails_has_told_what_it_took(path: Path) -> None:
    source = WANDERER.replace("        return rng.choice(seen)", "        raise RuntimeError('enough')")
    failed, whole = _play(source, path).episodes, _play(WANDERER, path).episodes
    assert set(failed.column("status").to_pylist()) == {"exception"}
    assert failed.column("tokens").equals(whole.column("tokens"))


@pytest.fixture
def worked(tmp_path: Path) -> Episodes:
    grid = Grid.load(grids.write_worked(tmp_path))
    episodes = Episodes(grid, TERMS, 1)
    episodes.begin(0, [np.arange(n, dtype=np.int32) for n in grid.branches], traced=True)
    return episodes


def _open(episodes: Episodes, sealer: Sealer, op: Op = Op.BRANCH, episode: int = 0) -> dict[int, int]:
    """By branch that comes sealed, the pipe that it is in."""
    calls = to_calls([Call(episode, op, 1)])
    return dict(sealer.hand_out(calls, episodes.play(calls)).get(episode, []))


def test_what_is_taken_has_to_be_what_is_told(worked: Episodes) -> None:
    """The pipes of an episode that told what it took serve the next."""
    sealer = Sealer(worked)
    # The worked grid's first branch, Δ = 10: 5, 7 and then 7 at its end, 25 tokens long; the third has no interval.
    pipes = _open(worked, sealer)
    assert list(pipes)[:2] == [0, 1]
    ends = list(sealer.outgoing(0))
    first = RECORD.unpack(os.read(ends[pipes[0]], RECORD.size))
    assert (first[0], first[1], first[3][: first[2]]) == (10, 0, b"7")
    assert not worked.take(np.array([0]), np.array([1]), np.array([0])).any()
    assert sealer.settle(np.array([0])) == set()
    with pytest.raises(BlockingIOError):
        os.read(ends[pipes[1]], 1)
    again = _open(worked, sealer, episode=1)
    assert set(again.values()) <= set(pipes.values())
    assert sealer.outgoing(0) == ends
    sealer.close()


@pytest.mark.parametrize("taken", [1, RECORD.size])
def test_taking_without_telling_is_charged_and_a_part_as_the_whole(worked: Episodes, taken: int) -> None:
    sealer = Sealer(worked)
    pipe = _open(worked, sealer)[1]
    assert len(os.read(sealer.outgoing(0)[pipe], taken)) == taken
    assert sealer.settle(np.array([0])) == {0}
    sealer.charge(0)
    assert worked.ledger.tokens[0] == 20
    sealer.close()


def test_telling_more_than_was_taken_is_a_lie(worked: Episodes) -> None:
    sealer = Sealer(worked)
    assert 1 in _open(worked, sealer)
    worked.take(np.array([0]), np.array([1]), np.array([1]))
    assert sealer.settle(np.array([0])) == {0}
    before = int(worked.ledger.tokens[0])
    sealer.charge(0)
    assert worked.ledger.tokens[0] == before
    sealer.close()


def test_a_branch_that_is_read_whole_in_another_way_is_not_to_be_taken_from(worked: Episodes) -> None:
    sealer = Sealer(worked)
    assert _open(worked, sealer, episode=1)
    assert _open(worked, sealer, Op.READ, episode=1) == {}
    assert sealer.settle(np.array([1])) == set()
    pipes = _open(worked, sealer)
    assert _open(worked, sealer, Op.READ) == {}
    os.read(sealer.outgoing(0)[pipes[1]], RECORD.size)
    assert sealer.settle(np.array([0])) == {0}
    before = int(worked.ledger.tokens[0])
    sealer.charge(0)
    assert worked.ledger.tokens[0] == before
    sealer.close()


@pytest.mark.parametrize("told", [[2], [0, 3], [1, 3], [-1], [99], [0, 2, 1]], ids=str)
def test_what_cannot_have_been_taken_changes_nothing(worked: Episodes, told: list[int]) -> None:
    worked.play(to_calls([Call(0, Op.BRANCH, 1)]))
    assert worked.take(np.array([0]), np.array([len(told)]), np.array(told)).all()
    assert (worked.ledger.tokens[0], worked.ledger.opened[0]) == (10, 1)


def test_records_of_few_questions_are_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = _play(WANDERER, path)
    made: list[int] = []
    make = RecordBook._make
    monkeypatch.setattr(RecordBook, "_make", lambda *its: made.append(its[1]) or make(*its))
    assert _play(WANDERER, path).episodes.equals(whole.episodes)
    assert sorted(made) == list(range(12))
    made.clear()
    monkeypatch.setattr(records, "KEPT", 1)
    assert _play(WANDERER, path).episodes.equals(whole.episodes)
    assert set(made) == set(range(12))
    assert len(made) > 12


def test_terms_on_which_nothing_can_be_sealed(tmp_path: Path) -> None:
    grid = Grid.load(grids.write_worked(tmp_path))
    for terms in (Terms(), Terms(budget=50, repeats_last=True)):
        with pytest.raises(ValueError, match="cannot be sealed on these terms"):
            Sealer(Episodes(grid, terms, 1))


def test_the_release_itself_says_the_same(path: Path, tmp_path: Path) -> None:
    source = tmp_path / "wanderer.py"
    source.write_text(WANDERER)
    episodes = _play(WANDERER, path, repeats=3).episodes
    columns = ("correct", "answer", "tokens", "longest_branch")
    played = list(zip(*(episodes.column(name).to_pylist() for name in columns), strict=True))
    assert played == release.play(source, path, 0.5, 3)

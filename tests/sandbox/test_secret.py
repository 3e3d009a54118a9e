"""Everything random that a controller can see comes from a secret of the run, and from nothing that can be guessed."""

import random
import stat
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from envdata.grid import Grid
from sandbox.backends.base import Limits
from sandbox.backends.choose import make_backend
from sandbox.candidate import Candidate
from sandbox.evaluate import Evaluator, Plan
from sandbox.host import CandidateFailed
from sandbox.replay_player import EvaluationSettings, PlayedRepeat, Player, Repeat
from sandbox.run_secret import SECRET_BYTES, SecretError, load_secret, new_secret
from tests import grids

DRAWING = """
import random
from sandbox.tts import Controller

FIRST = random.random()


class Drawing(Controller):
    @staticmethod
    def schedule(beta):
        return {"beta": beta}

    def solve(self, episode):
        episode.note(f"{episode._number} {FIRST} {episode.rng.random()}")
        return episode.branch(1)[0].answer
"""


@pytest.fixture
def grid(tmp_path: Path) -> Grid:
    return Grid.load(grids.write(tmp_path / "grid.parquet", grids.random_rows(random.Random(3), priced=False)))


def play(grid: Grid, secret: bytes, seed: int = 0) -> list[PlayedRepeat]:
    player = Player(
        make_backend("process"), Candidate("x", DRAWING), grid, EvaluationSettings(secret=secret, seed=seed)
    )
    repeats = [Repeat(beta, number, traced=True) for beta in (0.0, 1.0) for number in range(6)]
    return sorted(player.play(repeats), key=lambda one: repeats.index(one.repeat))


def noted(played: list[PlayedRepeat]) -> dict[tuple[float, int, int], tuple[int, str, str]]:
    """By β, repeat and question, which number the episode had, and the two random numbers."""
    found = {}
    for one in played:
        assert one.trace is not None
        for row in one.trace.to_pylist():
            if row["action"] == "NOTE":
                number, first, own = row["note"].split()
                found[one.repeat.beta, one.repeat.number, row["question"]] = (int(number), first, own)
    return found


def test_the_same_secret_gives_the_same_numbers_and_another_one_others(grid: Grid) -> None:
    secret = new_secret()
    one, same, other = (noted(play(grid, each)) for each in (secret, secret, new_secret()))
    assert one == same
    assert not {own for _, _, own in one.values()} & {own for _, _, own in other.values()}
    assert not {first for _, first, _ in one.values()} & {first for _, first, _ in other.values()}


def test_no_two_episodes_draw_the_same_numbers_and_the_seed_of_the_orders_tells_none_of_them(grid: Grid) -> None:
    secret = new_secret()
    one, reordered = noted(play(grid, secret)), noted(play(grid, secret, seed=99))
    assert len({own for _, _, own in one.values()}) == len(one)
    assert one == reordered


def test_questions_are_numbered_anew_for_every_worker(grid: Grid) -> None:
    numbers = defaultdict(set)
    for (_, _, question), (number, _, _) in noted(play(grid, bytes(range(32)))).items():
        numbers[question].add(number)
    assert all(len(found) > 1 for found in numbers.values())


def test_results_do_not_depend_on_how_questions_are_numbered(grid: Grid) -> None:
    """The figures of a controller that draws nothing are the same whatever the secret."""
    plan = Plan(Candidate.parse("asc"), (grid.name,), (0.5,), 3, frozenset({0.5}))
    found = []
    for _ in range(2):
        with Evaluator(EvaluationSettings(), sandbox="process") as evaluator:
            found.append(evaluator.evaluate([plan]))
    assert found[0].episodes.equals(found[1].episodes)
    assert found[0].traces.equals(found[1].traces)


def test_a_secret_is_made_once_and_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    secret = load_secret(file)
    assert len(secret) == SECRET_BYTES
    assert load_secret(file) == secret
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_who_makes_a_secret_at_the_same_time_gets_the_same_one(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    start = threading.Barrier(8)

    def load(_: int) -> bytes:
        start.wait()
        return load_secret(file)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(load, range(8))) == {load_secret(file)}
    assert [each.name for each in tmp_path.iterdir()] == ["secret"]


def test_a_process_that_ends_while_it_makes_a_secret_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is there only once the content is: otherwise a resumed run finds half a secret."""
    file = tmp_path / "secret"

    def end(*_: object) -> None:
        assert not file.exists()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", end)
        with pytest.raises(KeyboardInterrupt):
            load_secret(file)
    assert not list(tmp_path.iterdir())
    assert len(load_secret(file)) == SECRET_BYTES


@pytest.mark.parametrize("content", [b"", b"00" * 31, b"00" * 33, b"zz" * 32, b"\xff" * 64, b"00" * 4000])
def test_what_is_no_secret_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    with pytest.raises(SecretError, match="holds no secret"):
        load_secret(file)
    assert file.read_bytes() == content


def test_a_secret_that_cannot_be_made_is_an_error_that_names_the_place(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="no-such-folder"):
        load_secret(tmp_path / "no-such-folder" / "secret")
    with pytest.raises(ValueError, match="has 5 bytes"):
        EvaluationSettings(secret=b"short")


def test_source_that_could_hold_a_benchmark_is_refused(grid: Grid) -> None:
    large = Candidate("large", DRAWING + "\nTABLE = '" + "x" * (1 << 16) + "'\n")
    with (
        Evaluator(EvaluationSettings(), sandbox="process") as evaluator,
        pytest.raises(CandidateFailed, match="--max-source"),
    ):
        evaluator.describe(large, (0.0,))
    with Evaluator(EvaluationSettings(limits=Limits(source_bytes=1 << 17)), sandbox="process") as evaluator:
        assert evaluator.describe(large, (0.0,)).name == "Drawing"

"""Breaks the time of an evaluation down into the worker's code, the host's code and the cost of isolation.

    python -m benchmarks.where PUBLISHED_FOLDER [--repeats 100] [--rounds 7]

The same repeats are played three times on one core: in a sandbox, for the total; then in this process, the worker's
code with recorded replies, and the host's code with recorded frames. Each figure is the fastest of `--rounds` runs. The
remainder ("between") is the cost of isolation: forking and confining a worker for each repeat, first access to memory,
switches between processes, and the channel.
"""

import argparse
import gc
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import naive, naive_episode
from benchmarks.speed import MODEL, PATIENT, evaluate, one_core
from envdata.autotts_import import import_folder
from envdata.branch_orders import published_order
from envdata.episodes import Episodes, Terms
from envdata.grid import Grid
from sandbox import frame_server
from sandbox.candidate import Candidate
from sandbox.evaluate import Evaluator
from sandbox.inside import player, wire
from sandbox.replay_player import IN_FLIGHT, LIVE_EPISODES, EvaluationSettings
from sandbox.request_frames import RequestFrame


class Rehearsal:
    """Plays a candidate's repeats in this process, with the worker's and the host's code timed separately."""

    def __init__(self, grid: Grid, spec: str, beta: float) -> None:
        self.grid, self.beta = grid, beta
        self.code = player.compile_candidate(Candidate.parse(spec).source)
        self.settings = dict(Candidate.parse(spec).settings)
        self.sent: list[bytes] = []

    def record(self, repeat: int) -> tuple[list[bytes], list[bytes]]:
        """Return the frames that the worker of a repeat sends, and the replies that it receives."""
        episodes = Episodes(self.grid, Terms(), 1)
        episodes.begin(0, self._orders(repeat), traced=False)
        numbering = frame_server.Numbering(1, len(self.grid.questions))
        frames: list[bytes] = []
        replies: list[bytes] = []

        def answer(frame: bytes) -> bytes:
            frames.append(frame)
            served, broken = frame_server.serve(
                episodes, [RequestFrame(0, frame)], show_answers=False, numbering=numbering
            )
            assert not broken
            replies.append(served.get(0, b""))
            return replies[-1]

        self._work(answer)
        return frames, replies

    def worker(self, replies: list[bytes]) -> float:
        """Return the seconds of the worker's code for a repeat, with recorded replies."""
        waiting = iter(replies)
        began = time.perf_counter()
        self._work(lambda frame: next(waiting))
        return time.perf_counter() - began

    def host(self, frames: list[list[bytes]]) -> float:
        """Return the seconds of the host's code for the recorded frames of repeats that are played together."""
        episodes = Episodes(self.grid, Terms(), len(frames))
        for group in range(len(frames)):
            episodes.begin(group, self._orders(group), traced=False)
        numbering = frame_server.Numbering(len(frames), len(self.grid.questions))
        began = time.perf_counter()
        for turn in range(max(map(len, frames))):
            now = [RequestFrame(group, own[turn]) for group, own in enumerate(frames) if turn < len(own)]
            frame_server.serve(episodes, now, show_answers=False, numbering=numbering)
        return time.perf_counter() - began

    def _orders(self, repeat: int) -> list[Any]:
        return [published_order(int(n), 0, repeat) for n in self.grid.branches]

    def _work(self, answer: Callable[[bytes], bytes]) -> None:
        """Play a repeat with the worker's code; `answer` replaces the channel to the host."""
        inbox = b""

        def write(descriptor: int, data: bytes) -> None:
            nonlocal inbox
            inbox = answer(data)

        def read(descriptor: int, size: int) -> bytes:
            nonlocal inbox
            data, inbox = inbox[:size], inbox[size:]
            return data

        real = wire.write_all, wire.os.read
        wire.write_all, wire.os.read = write, read  # type: ignore[assignment]
        try:
            candidate = player.APIS["native"](player._import(self.code))
            job = {
                "beta": self.beta, "settings": self.settings, "interval": self.grid.arrays.interval, "budget": None,
                "live": LIVE_EPISODES, "episodes": [(1, 64, None)] * len(self.grid.questions),
            }  # fmt: skip
            candidate.prepare(job)
            player._Hub(0, job, candidate).run()
        finally:
            wire.write_all, wire.os.read = real  # type: ignore[assignment]


def main() -> None:
    """Parse the arguments, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the published replay data")
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    cases = (
        ("CMC β=0.5", "cmc", 0.5, "cmc", {"beta": 0.5}),
        ("CMC β=1", "cmc", 1.0, "cmc", {"beta": 1.0}),
        ("Parallel-Probe(64)", "parallel_probe", 1.0, "parallel_probe", {}),
        ("surge β=0.5", "surge", 0.5, "surge", {"beta": 0.5}),
        ("ASC(64)", "asc", 1.0, "asc", {}),
        ("SC@64", "sc", 1.0, "sc", {}),
    )
    print(f"seconds for {given.repeats} repeats, one core; frames a repeat in brackets")
    print(f"{'':20} {'naive':>7} {'whole':>7} {'worker':>7} {'host':>7} {'between':>8}")
    with tempfile.TemporaryDirectory() as out, one_core():
        done = {each.source.parent.name: str(each.target) for each in import_folder(given.folder, Path(out))}
        path = done[MODEL]
        grid, questions = Grid.load(Path(path)), naive_episode.read(path)
        with Evaluator(EvaluationSettings(limits=PATIENT), sandbox="bubblewrap", jobs=1) as evaluator:
            for name, spec, beta, method, settings in cases:
                rehearsal = Rehearsal(grid, spec, beta)
                recorded = [rehearsal.record(repeat) for repeat in range(IN_FLIGHT)]
                gc.collect()
                gc.freeze()
                whole, plain, worker, host = [], [], [], []
                for _ in range(given.rounds):
                    began = time.perf_counter()
                    evaluate(evaluator, path, spec, beta, given.repeats)
                    whole.append(time.perf_counter() - began)
                    began = time.perf_counter()
                    naive.play(method, questions, IN_FLIGHT, **settings)
                    plain.append(time.perf_counter() - began)
                    worker.append(sum(rehearsal.worker(replies) for _, replies in recorded))
                    host.append(rehearsal.host([frames for frames, _ in recorded]))
                scale = given.repeats / IN_FLIGHT
                a, b, c, d = min(plain) * scale, min(whole), min(worker) * scale, min(host) * scale
                frames = sum(len(own) for own, _ in recorded) / IN_FLIGHT
                print(f"{name:20} {a:7.2f} {b:7.2f} {c:7.2f} {d:7.2f} {b - c - d:8.2f}   ({frames:.0f})", flush=True)


if __name__ == "__main__":
    main()

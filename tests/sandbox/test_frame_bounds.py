"""No number in a frame makes the host allocate, and no frame costs it more than a stated time."""

import subprocess
import sys
import time

import numpy as np
import pytest

from envdata.actions import Op
from envdata.episodes import MAX_BRANCHES, Episodes, Terms
from sandbox import frame_server
from sandbox.conformance.targets import make_targets
from sandbox.inside.wire import HEADER, MAX_NOTES, frame_limit
from sandbox.request_frames import RequestFrame
from sandbox.streams import FrameReader, Malformed

EXTREMES = """
import itertools, resource, struct, sys
import numpy as np
from envdata.actions import Op
from envdata.episodes import Episodes, Terms
from sandbox import frame_server
from sandbox.conformance.targets import make_targets
from sandbox.request_frames import RequestFrame
from sandbox.inside.wire import HEADER

with make_targets() as targets:
    numbering = frame_server.Numbering(1, 3)
    terms = (Terms(), Terms(budget=100), Terms(probe_cost=5, repeats_last=True))
    tables = [Episodes(targets.grid, each, 1) for each in terms]
    orders = [np.arange(4, dtype=np.int32)] * 3
    size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + (64 << 20), size + (64 << 20)))
    numbers = (-(2**31), -1, 0, 1, 5, 2**30, 2**31 - 1)
    served = 0
    for table, op, value, count in itertools.product(tables, range(-1, 12), numbers, numbers):
        for listed in ([], [0], [2**31 - 1], [0, -(2**31)]):
            table.begin(0, orders, traced=True)
            frame = HEADER.pack(2, len(listed) + 1, 0, 0) + struct.pack("<4i", 1, 1, 1, 1)
            frame += struct.pack("<4i", 0, op, value, count) + struct.pack(f"<{len(listed) + 1}i", *listed, 0)
            bare = HEADER.pack(1, len(listed), 0, 0) + struct.pack("<4i", 0, op, value, count)
            bare += struct.pack(f"<{len(listed)}i", *listed)
            for data in (frame, bare):
                frames = [RequestFrame(0, data)]
                replies, broken = frame_server.serve(table, frames, show_answers=True, numbering=numbering)
                assert all(len(reply) < 4096 for reply in replies.values())
                served += 1
    print("served", served)
"""


@pytest.mark.slow
def test_extreme_numbers_of_every_action_are_served_within_64_mib() -> None:
    done = subprocess.run([sys.executable, "-c", EXTREMES], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[-1]) > 15_000


def test_a_frame_longer_than_its_job_can_need_is_refused_by_its_header() -> None:
    limit = frame_limit(30, 128, MAX_BRANCHES)
    assert MAX_NOTES < limit < 1 << 20
    with pytest.raises(Malformed, match=f"the limit is {limit}"):
        FrameReader(limit).feed(HEADER.pack(limit // 16, 0, 0, 0))


@pytest.mark.parametrize("op", [Op.NOTE, Op.PRUNE])
def test_the_longest_frame_costs_the_host_a_bounded_processor_time(op: Op) -> None:
    with make_targets() as targets:
        episodes = Episodes(targets.grid, Terms(), 1)
        episodes.begin(0, [np.arange(4, dtype=np.int32)] * 3, traced=True)
        calls = frame_limit(30, 128, MAX_BRANCHES) // 16 - 1
        table = np.zeros((calls, 4), np.int32)
        table[:, 1] = op
        frame = RequestFrame(0, HEADER.pack(calls, 0, 0, 0) + table.tobytes())
        began = time.thread_time()
        frame_server.serve(episodes, [frame], show_answers=False, numbering=frame_server.Numbering(1, 3))
        # Processor time of this thread, so that other work on the machine does not count.
        assert time.thread_time() - began < 2.0

"""Places of a round by Thompson sampling: to whom they go, in which unit, and that nothing but the archive matters."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from graph.explorers.allocation import sampled_places
from graph.run.explorer_shares import ExplorerShare, read_shares
from graph.run.paths import RunFolder, write_json
from graph.run.transcript import Transcript

NAMES = ("a", "b")


def of(round: int, explorer: str, gain: float, *, tokens: int = 0, cost: float | None = 0.0) -> ExplorerShare:
    return ExplorerShare(round, explorer, 4, 4, gain, tokens, cost)


def mean_places(shares: list[ExplorerShare]) -> float:
    """The mean of the places of `a`, of eight, in round 4 over 200 seeds."""
    return sum(sampled_places(NAMES, shares, 8, number=4, seed=seed)[0]["a"] for seed in range(200)) / 200


def test_more_goes_to_the_one_that_gains_more() -> None:
    better = [of(number, name, 0.02 if name == "a" else 0.0) for number in (1, 2, 3) for name in NAMES]
    assert mean_places(better) > 6
    equal = [replace(each, gain=0.01) for each in better]
    assert 3.5 < mean_places(equal) < 4.5


def test_one_that_has_gained_nothing_yet_is_still_tried() -> None:
    better = [of(number, name, 0.02 if name == "a" else 0.0) for number in (1, 2, 3) for name in NAMES]
    assert mean_places(better) < 8


def test_recent_rounds_count_more() -> None:
    early, late = {"a": 1, "b": 3}, {"a": 3, "b": 1}
    gains = [[of(n, name, 0.02 * (n == when[name])) for n in (1, 2, 3) for name in NAMES] for when in (early, late)]
    assert mean_places(gains[1]) > mean_places(gains[0]) + 0.5


@pytest.mark.parametrize(
    ("cost", "tokens", "unit"),
    [
        ((1.0, 9.0), (0, 0), "dollars"),
        ((0.0, 9.0), (100, 900), "tokens"),
        ((None, 9.0), (100, 900), "tokens"),
        ((0.0, 9.0), (0, 900), "places"),
    ],
)
def test_gain_is_for_dollars_where_all_cost_some_else_tokens_else_places(
    cost: tuple[float | None, float], tokens: tuple[int, int], unit: str
) -> None:
    shares = [
        of(number, name, 0.01, tokens=tokens[place], cost=cost[place])
        for number in (1, 2, 3)
        for place, name in enumerate(NAMES)
    ]
    assert sampled_places(NAMES, shares, 8, number=4, seed=0)[1] == unit
    # As much gain for a ninth of the price.
    assert (mean_places(shares) > 6) == (unit != "places")


def test_rounds_are_divided_equally_until_each_had_a_place() -> None:
    three = ("a", "b", "c")
    asked: Counter[str] = Counter()
    for number in (1, 2):
        asked.update(sampled_places(three, [], 2, number=number, seed=0)[0])
    assert min(asked.values()) >= 1


def test_a_share_counts_each_reply_once_and_no_request_without_one(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    own = folder.round(1)
    own.path.mkdir()
    gained = [{"notes": {"explorer": name}, "gain": gain} for name, gain in (("a", None), ("b", {"value": 0.02}))]
    write_json(own.metrics, {"candidates": [*gained, {"notes": {"explorer": "b"}, "gain": {"value": -0.01}}]})
    transcript = Transcript(own.transcript)
    transcript.record("allocated", round=1, places={"a": 2, "b": 2})
    usage = {"input": 100, "output": 10}
    for name, sent in (("a", "propose/1/x"), ("a", "propose/1/x"), ("b", "propose/1/y"), ("b", "critique/1/z")):
        stamped = replace(transcript, stamp={"explorer": name})
        stamped.record("call", id=sent)
        stamped.record("reply", id=sent, usage=usage, cost=0.5 if name == "a" else None)
    assert read_shares(folder, NAMES, 2) == [
        ExplorerShare(1, "a", 2, 1, 0.0, 110, 0.5),
        ExplorerShare(1, "b", 2, 2, 0.02, 110, None),
    ]

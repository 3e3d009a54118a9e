"""Orders of branches: the published one, and the balanced design."""

import random
from collections import Counter

import numpy as np
import pytest

from envdata.branch_orders import ORDERS, balanced_order, published_order


@pytest.mark.parametrize("repeat", [0, 1, 99])
def test_the_published_order_is_a_fresh_shuffle(repeat: int) -> None:
    expected = list(range(128))
    random.Random(5 + repeat).shuffle(expected)
    assert published_order(128, 5, repeat).tolist() == expected


@pytest.mark.parametrize("kind", ORDERS)
@pytest.mark.parametrize("branches", [1, 2, 7, 8, 9, 30, 64, 127, 128])
def test_every_order_is_a_permutation_that_nobody_can_change(kind: str, branches: int) -> None:
    for repeat in range(20):
        order = ORDERS[kind](branches, 3, repeat)
        assert order.dtype == np.int32
        assert sorted(order.tolist()) == list(range(branches))
        with pytest.raises(ValueError, match="read-only"):
            order[0] = 0


@pytest.mark.parametrize("branches", [8, 64, 128])
def test_a_branch_is_once_in_every_position(branches: int) -> None:
    for start in (0, branches):
        orders = np.array([balanced_order(branches, 1, start + repeat) for repeat in range(branches)])
        for position in range(branches):
            assert sorted(orders[:, position].tolist()) == list(range(branches))


@pytest.mark.parametrize("branches", [8, 64, 128])
@pytest.mark.parametrize("batch", [0, 1, 40])
def test_of_eight_repeats_a_branch_is_once_in_every_eighth(branches: int, batch: int) -> None:
    orders = np.array([balanced_order(branches, 7, 8 * batch + repeat) for repeat in range(8)])
    for stretch in np.split(orders, 8, axis=1):
        assert sorted(stretch.ravel().tolist()) == list(range(branches))


@pytest.mark.parametrize("branches", [8, 64, 128])
def test_of_two_repeats_the_halves_are_complementary(branches: int) -> None:
    for repeat in range(0, 3 * branches, 2):
        one, other = (set(balanced_order(branches, 9, repeat + next_).tolist()[: branches // 2]) for next_ in (0, 1))
        assert not one & other


@pytest.mark.parametrize("branches", [5, 30, 100, 127])
def test_numbers_that_eight_does_not_divide_are_nearly_balanced(branches: int) -> None:
    orders = np.array([balanced_order(branches, 7, repeat) for repeat in range(8)])
    for width in (1, branches // 4, branches // 2, branches):
        served = Counter(orders[:, :width].ravel().tolist())
        counts = [served[branch] for branch in range(branches)]
        assert max(counts) - min(counts) <= 3


def test_alone_each_balanced_order_is_like_any_shuffle() -> None:
    """Over many seeds, repeat 3 puts every branch as often into every position, and pairs of branches too."""
    orders = np.array([balanced_order(16, seed, 3) for seed in range(800)])
    for position in (0, 5, 15):
        counts = np.bincount(orders[:, position], minlength=16)
        assert np.abs(counts - 50).max() < 5 * 50**0.5
    both = sum(1 for order in orders.tolist() if {0, 1} <= set(order[:4]))
    expected = 800 * (4 * 3) / (16 * 15)
    assert abs(both - expected) < 5 * expected**0.5


def test_seeds_and_cycles_differ_and_repeats_do_not_depend_on_how_many_there_are() -> None:
    one, other = (balanced_order(64, seed, 0).tolist() for seed in (0, 1))
    assert one != other
    assert balanced_order(64, 0, 64).tolist() != one
    assert balanced_order(64, 0, 0).tolist() == one

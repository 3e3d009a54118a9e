"""The toy model that a live command or endpoint stands before."""

from collections.abc import Iterator

import pytest

from tests import live_model
from tests.live_model import Toy


@pytest.fixture(scope="module")
def _upstream() -> Iterator[tuple[str, Toy]]:
    toy = Toy()
    with live_model.serving(live_model.application(toy)) as url:
        yield url, toy


@pytest.fixture
def toy(_upstream: tuple[str, Toy]) -> Toy:
    _upstream[1].__dict__.update(Toy().__dict__)
    return _upstream[1]

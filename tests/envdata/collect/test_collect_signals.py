"""What a collection records beside answers: token confidence, and the prefill of probes."""

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from envdata.collect.collection import Provenance, collect
from envdata.collect.extraction import Token
from envdata.collect.openai_client import Client
from envdata.collect.openai_server import OpenAIServer
from envdata.collect.questions import Question
from envdata.collect.settings import CollectionSettings, Sampling
from envdata.collect.token_confidence import mean_confidences, token_confidence
from envdata.grid import Grid
from tests.envdata.collect.completions_server import Behaviour, serving

INTERVAL, TOP = 4, 5
QUESTION = Question("What is 6 * 7?", "42", "Problem: What is 6 * 7?\nReasoning:")
SETTINGS = CollectionSettings(
    interval=INTERVAL, branches=4, sampling=Sampling(0.8, max_tokens=40, stop=("\n\n",), top_logprobs=TOP), seed=3
)


def collected(folder: Path, behaviour: Behaviour, settings: CollectionSettings = SETTINGS) -> Grid:
    out = folder / "grid.parquet"
    with serving(behaviour) as url:
        engine = OpenAIServer(Client(url, "toy", concurrency=4, timeout=60, retries=0))
        asyncio.run(collect(engine, [QUESTION], settings, Provenance("toy", "a toy", "one", {}), out))
    return Grid.load(out)


def rows(grid: Grid) -> list[dict[str, Any]]:
    return pq.read_table(grid.name).to_pylist()


def confidence(written: str, k: int) -> float:
    """The toy's: the drawn token of log-probability p is the most probable, and the others have p − 1, p − 2, …"""
    sure = [-float(c) / 8 if c.isdigit() else -1.0 for c in written]
    return sum((k - 1) / 2 - p for p in sure) / len(sure)


@pytest.mark.parametrize("llama", [False, True], ids=["vllm", "llama.cpp"])
def test_token_confidence_is_the_mean_over_each_step(tmp_path: Path, *, llama: bool) -> None:
    grid = collected(tmp_path, Behaviour(llama=llama))
    assert grid.provenance["signals"] == {"token_confidence": {"top_logprobs": TOP}}
    assert grid.arrays.signal_names == ("probe_confidence", "token_confidence")
    for row in rows(grid):
        # The line ends that stop the trace were decoded, and count.
        written = row["text"] + "\n\n" if row["finish_reason"] == "stop" else row["text"]
        assert len(written) == row["tokens"]
        steps = [written[at : at + INTERVAL] for at in range(0, len(written), INTERVAL)]
        assert len(steps) == len(row["probe_answers"]) + 1
        assert row["signal_token_confidence"] == pytest.approx([confidence(step, TOP) for step in steps], rel=1e-6)


def test_a_server_that_allows_fewer_gives_fewer(tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, sampling=dataclasses.replace(SETTINGS.sampling, top_logprobs=20))
    grid = collected(tmp_path, Behaviour(most_logprobs=5), settings)
    assert grid.provenance["signals"] == {"token_confidence": {"top_logprobs": 5}}
    assert rows(grid)[0]["signal_token_confidence"][0] == pytest.approx(confidence(rows(grid)[0]["text"][:4], 5))


def test_none_is_recorded_where_none_is_wanted_or_given(tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, sampling=dataclasses.replace(SETTINGS.sampling, top_logprobs=0))
    (tmp_path / "b").mkdir()
    for grid in (
        collected(tmp_path, Behaviour(), settings),
        collected(tmp_path / "b", Behaviour(most_logprobs=0)),
    ):
        assert grid.provenance["signals"] == {}
        assert grid.arrays.signal_names == ("probe_confidence",)


@pytest.mark.parametrize("llama", [False, True], ids=["vllm", "llama.cpp"])
def test_prefill_is_the_part_of_a_probes_prompt_that_was_not_cached(tmp_path: Path, *, llama: bool) -> None:
    behaviour = Behaviour(llama=llama)
    grid = collected(tmp_path, behaviour)
    lengths = {len(prompt) + 1 for prompt in behaviour.probed()}  # with the start token
    possible = {length - length // 2 for length in lengths}
    assert min(possible) > 0
    for row in rows(grid):
        assert len(row["probe_prefill"]) == len(row["probe_answers"])
        # A trace that holds its answer needs no prefill.
        assert set(row["probe_prefill"]) <= {0} | possible
    arrays = grid.arrays
    assert arrays.probe_prefill is not None
    assert arrays.probe_prefill[arrays.first_answer + arrays.intervals].tolist() == [0] * 4


def test_no_prefill_is_recorded_where_the_server_does_not_tell(tmp_path: Path) -> None:
    behaviour = Behaviour(tells_cache=False)
    grid = collected(tmp_path, behaviour)
    assert grid.arrays.probe_prefill is None
    assert any(isinstance(body["prompt"][0], list) for body in behaviour.requests), "several probes in one request"


def test_a_trace_that_holds_its_answer_needs_no_prefill(tmp_path: Path) -> None:
    grid = collected(tmp_path, Behaviour(), dataclasses.replace(SETTINGS, interval=24))
    right = [row for row in rows(grid) if row["final_answer"] == "42"]
    assert right
    assert all(row["probe_prefill"] == [0] for row in right)


def test_the_confidence_of_a_token_takes_the_most_probable_alone() -> None:
    assert token_confidence([-1.0, -4.0, -2.0, None], 2) == 1.5
    assert token_confidence([None], 2) is None
    tokens = [Token(i, i + 1, -1.0, value) for i, value in enumerate((1.0, 3.0, None, 5.0, None))]
    assert mean_confidences(tokens, 2) == [2.0, 5.0, None]


def test_values_stand_at_the_depths_that_their_steps_reach(tmp_path: Path) -> None:
    grid = collected(tmp_path, Behaviour())
    arrays = grid.arrays
    for number, row in enumerate(rows(grid)):
        own = slice(arrays.first_answer[number], arrays.first_answer[number] + arrays.intervals[number] + 1)
        expected = np.float32(row["signal_token_confidence"])
        np.testing.assert_array_equal(arrays.signals["token_confidence"][own], expected)

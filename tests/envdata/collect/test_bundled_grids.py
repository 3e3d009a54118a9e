"""The bundled grids are what their card and the project's purpose say they are."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from envdata.collect.question_sources import load_questions
from envdata.collect.questions import fingerprint
from envdata.grid import Grid

FOLDER = Path(__file__).parents[3] / "envdata" / "bundled"
SEARCH, HELD_OUT = FOLDER / "word-problems-search.parquet", FOLDER / "word-problems-heldout.parquet"


@pytest.fixture(params=[SEARCH, HELD_OUT], ids=["search", "heldout"])
def path(request):
    return request.param


def test_they_are_small():
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 3_000_000


def test_the_sets_are_disjoint():
    assert not set(Grid.load(SEARCH).questions) & set(Grid.load(HELD_OUT).questions)


def test_the_questions_are_those_that_the_generator_makes(path):
    grid = Grid.load(path)
    questions = load_questions(grid.provenance["questions"])
    assert grid.questions == [question.text for question in questions]
    assert grid.gold_answers == [question.answer for question in questions]
    assert grid.provenance["questions_sha256"] == fingerprint(questions)


def test_a_grid_is_large_and_varied_enough_to_search_on(path):
    grid = Grid.load(path)
    assert len(grid.questions) >= 40
    assert grid.branches.min() >= 64
    lengths = grid.arrays.intervals
    assert np.mean((lengths >= 4) & (lengths <= 16)) > 0.99
    assert grid.arrays.confidences is not None
    assert grid.arrays.probe_tokens is not None


def test_token_confidence_is_known_in_all_but_a_few_intervals(path):
    signal = Grid.load(path).arrays.signals["token_confidence"]
    assert np.isnan(signal).sum() < 10
    # The surest model gives all other tokens next to nothing, the least sure one gives all the same probability.
    known = signal[~np.isnan(signal)]
    assert known.min() > 1
    assert known.max() < 20


def test_voting_helps(path):
    rows = pq.read_table(path, columns=["question_id", "final_answer", "gold_answer"]).to_pylist()
    by_question: dict[int, list[tuple[str, str]]] = {}
    for row in rows:
        by_question.setdefault(row["question_id"], []).append((row["final_answer"], row["gold_answer"]))
    single = np.mean([answer == gold for branches in by_question.values() for answer, gold in branches])
    voted = [max(set(answers), key=answers.count) for answers in ([a for a, _ in b] for b in by_question.values())]
    majority = np.mean([answer == b[0][1] for answer, b in zip(voted, by_question.values(), strict=True)])
    assert 0.2 < single < 0.6
    assert majority > single + 0.1


def test_every_branch_is_cut_to_its_end(path):
    table = pq.read_table(path, columns=["tokens", "probe_answers"])
    for row in table.to_pylist():
        assert len(row["probe_answers"]) == (row["tokens"] - 1) // 5


def test_the_provenance_names_the_model_and_no_machine(path):
    provenance = Grid.load(path).provenance
    assert len(provenance["weights"]["gemma.gguf"]) == 64
    assert provenance["engine"]["name"] == "vllm"
    assert set(provenance["prompts"]) == {"containers", "prices", "times", "travel"}
    assert "/root" not in str(provenance)
    assert "/home" not in str(provenance)

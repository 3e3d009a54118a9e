"""Questions from tables, datasets and tasks, each read by the package that is really there for it."""

import json
import os
import re
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from envdata.collect.question_sources import load_questions, source_name
from envdata.collect.questions import QuestionError
from tests.envdata.collect import dataset_hub

ROWS = [
    {"problem": "2 + 2?", "solution": "Add them.\n#### 4", "level": 1, "score": 4.0},
    {"problem": "1/2 of 3?", "solution": "Halve it.\n#### \\frac{3}{2}", "level": 2, "score": 1.5},
    {"problem": "7 * 8?", "solution": "Multiply.\n#### 56", "level": 1, "score": 56.0},
]
QUERY = "?answer=solution&after=####&family=level"


@pytest.fixture
def files(tmp_path):
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "rows.parquet")
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return tmp_path


def facts(questions):
    return [(q.text, q.answer, q.family) for q in questions]


EXPECTED = [("2 + 2?", "4", "1"), ("1/2 of 3?", "\\frac{3}{2}", "2"), ("7 * 8?", "56", "1")]


@pytest.mark.parametrize("name", ["rows.parquet", "rows.jsonl"])
def test_columns_are_named_and_an_answer_stands_after_a_text(files, name):
    found = load_questions(f"{files / name}{QUERY}", "Q: {question}\nA:")
    assert facts(found) == EXPECTED
    assert found[0].prompt == "Q: 2 + 2?\nA:"
    assert facts(load_questions(f"{files / name}{QUERY}&skip=1&limit=1")) == EXPECTED[1:2]


def test_numbers_are_written_as_answers_are(files):
    found = load_questions(f"{files / 'rows.parquet'}?answer=score")
    assert [q.answer for q in found] == ["4", "1.5", "56"]


def test_a_file_may_have_a_question_mark_in_its_name(files):
    odd = files / "rows?limit=1"
    odd.write_bytes((files / "rows.jsonl").read_bytes().replace(b"solution", b"answer"))
    assert len(load_questions(str(odd))) == 3


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            "",
            "rows.parquet, row 0: there is no column 'answer'; the columns are 'problem', 'solution', 'level', 'score'",
        ),
        ("?answer=score&question=text", "row 0: there is no column 'text'"),
        ("?answer=solution&after=%25%25", "row 0, column 'solution': 'Add them.\\n#### 4' does not hold '%%'"),
        ("?answer=score&question=level", "row 0, column 'level': 1 is not a text"),
        ("?answer=solution&rows=3", "rows=3 is not one of question=…, answer=…, prompt=…, family=…, after=…"),
        ("?answer=solution&limit=-1", "limit=-1 is not a whole number from 0 up"),
        ("?answer=solution&limit=0", "holds no question"),
        ("?answer=", "answer= is not one of"),
    ],
)
def test_rows_that_cannot_be_used_are_named(files, query, message):
    with pytest.raises(QuestionError, match=re.escape(message)):
        load_questions(f"{files / 'rows.parquet'}{query}")


def test_what_is_no_table_says_so(files):
    (files / "broken.parquet").write_text("PAR1 no")
    with pytest.raises(QuestionError, match=r"broken\.parquet: is not a readable Parquet file"):
        load_questions(str(files / "broken.parquet"))
    with pytest.raises(QuestionError, match=r"absent\.parquet: cannot be read .*hf:NAME, reasoning-gym:TASK"):
        load_questions(str(files / "absent.parquet"))


@pytest.fixture
def dataset(files, monkeypatch):
    """A folder as the hub keeps them: a file a split."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", files / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    folder = files / "sums"
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(ROWS[:2]), folder / "train.parquet")
    pq.write_table(pa.Table.from_pylist(ROWS[2:]), folder / "test.parquet")
    return folder


def test_a_dataset_and_its_splits(dataset):
    assert facts(load_questions(f"hf:{dataset}{QUERY}&split=train")) == EXPECTED[:2]
    assert facts(load_questions(f"hf:{dataset}{QUERY}&split=test")) == EXPECTED[2:]
    with pytest.raises(QuestionError, match=r"has the splits train, test; name one as …\?split=train"):
        load_questions(f"hf:{dataset}{QUERY}")
    with pytest.raises(QuestionError, match=r"cannot be loaded \(ValueError: Unknown split \"dev\""):
        load_questions(f"hf:{dataset}{QUERY}&split=dev")
    (dataset / "train.parquet").unlink()
    assert facts(load_questions(f"hf:{dataset}{QUERY}")) == EXPECTED[2:]


def test_a_dataset_that_is_out_of_reach_says_why(dataset):
    with pytest.raises(QuestionError, match=r"hf:nobody/nothing: cannot be loaded \(\w+: .*nobody/nothing"):
        load_questions("hf:nobody/nothing")


def test_a_dataset_comes_from_the_hub(files):
    table = (files / "rows.parquet").read_bytes()
    asked = []
    with dataset_hub.serving("me/sums", {"data/test-00000-of-00001.parquet": table}, asked) as endpoint:
        # A process of its own: the packages read where the hub is when they are imported.
        said = subprocess.run(
            [sys.executable, "-c", "import sys; from envdata.collect.question_sources import load_questions as load\n"
             "for spec in sys.argv[1:]:\n try: print([(q.text, q.answer, q.family) for q in load(spec)])\n"
             " except ValueError as error: print(error)", f"hf:me/sums{QUERY}&split=test", "hf:me/others"],
            env={**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(files / "home"), "HF_HUB_DISABLE_XET": "1",
                 "HF_HUB_DISABLE_TELEMETRY": "1"},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    first, second = said.stdout.splitlines()
    assert first == str(EXPECTED)
    assert second.startswith("hf:me/others: cannot be loaded (DatasetNotFoundError: Dataset 'me/others' doesn't exist")
    assert any("/resolve/" in path for path in asked)


@pytest.mark.gym
def test_a_task_gives_distinct_questions_and_disjoint_ranges():
    spec = "reasoning-gym:basic_arithmetic?seed=3&min_terms=2&max_terms=2&max_digits=1"
    first, second = load_questions(f"{spec}&size=20"), load_questions(f"{spec}&size=20&skip=20")
    assert len(first) == len(second) == 20
    assert not {q.text for q in first} & {q.text for q in second}
    assert load_questions(f"{spec}&size=30")[:20] == first
    assert load_questions(f"{spec.replace('seed=3', 'seed=4')}&size=20") != first
    assert all(q.answer.lstrip("-").isdigit() for q in first)


@pytest.mark.gym
@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("reasoning-gym:nothing", "refuses it (ValueError: Dataset 'nothing' not registered)"),
        ("reasoning-gym:chain_sum?terms=3", "unexpected keyword argument 'terms'"),
        ("reasoning-gym:chain_sum?min_terms=9&max_terms=2", "refuses it (AssertionError"),
        ("reasoning-gym:chain_sum?size=0", "size=0 is not a whole number from 1 up"),
        ("reasoning-gym:coin_flip?size=x", "size=x is not a whole number"),
        ("reasoning-gym:chain_sum?min_terms=2&max_terms=2&min_digits=1&max_digits=1&size=999", "distinct questions"),
    ],
)
def test_tasks_that_cannot_be_drawn_say_why(spec, message):
    with pytest.raises(QuestionError, match=re.escape(message)):
        load_questions(spec)


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("word-problems?count=4", "word-problems?count=4"),
        ("/home/me/sums.jsonl?limit=3", "sums.jsonl?limit=3"),
        ("hf:openai/gsm8k?split=test", "hf:openai/gsm8k?split=test"),
        ("reasoning-gym:chain_sum?seed=1", "reasoning-gym:chain_sum?seed=1"),
    ],
)
def test_a_grids_provenance_names_the_source_without_folders(spec, name):
    assert source_name(spec) == name


def test_a_local_dataset_is_named_without_its_folder_too(tmp_path):
    assert source_name(f"hf:{tmp_path}?split=test") == f"hf:{tmp_path.name}?split=test"

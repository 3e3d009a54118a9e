"""Question files as other tools and people write them; `foreign/` holds some of pandas, DuckDB and fastparquet."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdata import decompression
from envdata.collect.question_sources import load_questions
from envdata.collect.questions import QuestionError

FOREIGN = Path(__file__).parent / "foreign"
READ = ("q-duckdb-decimal.parquet", "q-fastparquet-bytes.parquet", "q-pandas.csv", "q-pandas.csv.gz",
        "q-pandas-records.json", "q-pandas.jsonl.gz", "q-bom-crlf.jsonl")  # fmt: skip


def put(path: Path, content: bytes | str) -> str:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


@pytest.mark.parametrize("name", READ)
def test_what_other_tools_wrote_is_read(name: str) -> None:
    found = [(question.text, question.answer) for question in load_questions(str(FOREIGN / name))]
    assert found == [("What is 1+1?", "2"), ("Half of one?", "0.5")]


def test_a_table_as_excel_saves_it() -> None:
    (question,) = load_questions(str(FOREIGN / "q-excel-bom.csv"))
    assert (question.text, question.answer) == ("What is\n1+1?", "2")


@pytest.mark.parametrize("name", ["q-utf16.jsonl", "q-utf16-excel.csv"])
def test_utf_16_is_refused_in_a_sentence(name: str) -> None:
    with pytest.raises(QuestionError, match=f"{name}: is UTF-16 text; save it as UTF-8"):
        load_questions(str(FOREIGN / name))


@pytest.mark.parametrize(
    ("encoding", "message"),
    [("utf-16-le", "UTF-16"), ("utf-16-be", "UTF-16"), ("utf-32", "UTF-32"), ("latin-1", "UTF-8")],
)
def test_other_encodings_are_named(tmp_path: Path, encoding: str, message: str) -> None:
    spec = put(
        tmp_path / "q.jsonl", json.dumps({"question": "où?", "answer": "1"}, ensure_ascii=False).encode(encoding)
    )
    with pytest.raises(QuestionError, match=f"is (not )?{message} text"):
        load_questions(spec)


@given(
    st.lists(st.tuples(st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), min_size=1), st.integers()),
             min_size=1, unique_by=lambda pair: pair[0]),
    st.sampled_from(",;\t"), st.booleans(), st.booleans(), st.booleans(),
)  # fmt: skip
def test_whatever_csv_holds_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int]], delimiter: str, marked: bool, crlf: bool,
    zipped: bool,
) -> None:  # fmt: skip
    import csv
    import io

    rows = [(text, answer) for text, answer in rows if text.strip()]
    if not rows:
        return
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\r\n" if crlf else "\n")
    writer.writerows([("question", "answer"), *rows])
    data = (b"\xef\xbb\xbf" if marked else b"") + out.getvalue().encode()
    name = tmp_path_factory.mktemp("csv") / ("q.csv.gz" if zipped else "q.csv")
    questions = load_questions(put(name, gzip.compress(data, mtime=0) if zipped else data))
    assert [(question.text, question.answer) for question in questions] == [(text, str(a)) for text, a in rows]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("q.csv", "question,answer\na,1\nb\n", "line 3: has 1 fields, and the first line 2; quote"),
        ("q.csv", "question,answer\na,1,2\n", "line 2: has 3 fields"),
        ("q.csv", "question,question\na,1\n", "line 1: column 'question' is there more than once"),
        ("q.csv", 'question,answer\n"a,1\n', "is not CSV"),
        ("q.csv", "question,answer\n,1\n", "line 2, column 'question': None is not a text"),
        ("q.csv", "question,answer\na,\n", "line 2, column 'answer': None is not a text or a number"),
        ("q.csv", "", "holds no question"),
        ("q.csv", "task,answer\na,1\n", "there is no column 'question'; the columns are 'task', 'answer'"),
        ("q.jsonl", '{"question": ' + "[" * 100_000, "line 1: is not JSON (it is nested too deeply"),
        ("q.jsonl", '{"question": "a", "answer": 1e999}', "inf is not a number that can be an answer"),
        ("q.json", "[" * 100_000, "is not JSON (it is nested too deeply"),
        ("q.json", '[{"question": "a", "answer": 1}, 2]', "entry 1: is not an object"),
        ("q.jsonl.gz", gzip.compress(b"{}", mtime=0)[:-4], "is damaged gzip"),
        ("q.jsonl.gz", gzip.compress(b"{}" * 900, mtime=0)[:14], "is damaged gzip"),
        ("q.parquet", b"PAR1 and no more", "is not a readable Parquet file"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, name: str, content: bytes | str, message: str) -> None:
    with pytest.raises(QuestionError) as refused:
        load_questions(put(tmp_path / name, content))
    assert message in str(refused.value)
    assert str(refused.value).startswith(str(tmp_path / name))


ROW = '{"question": "1+1?", "answer": "2"}'


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("sep.csv", "sep=;\r\nquestion;answer\r\n1+1?;2\r\n"),
        ("columns.csv", "question,answer,,\n1+1?,2,,\n,,,\n"),
        ("index.csv", ",,Question,Answer\n0,0,1+1?,2\n"),
        ("blank.csv", "\n\nquestion,answer\n1+1?,2\n"),
        ("list.jsonl", f"[{ROW}]"),
        ("end.jsonl", f"{ROW}\r\n\x1a"),
        ("zeros.jsonl", f"{ROW}\n\0\0"),
        ("old.jsonl", f"{ROW}\r"),
        ("capitals.jsonl", '{"Problem": "1+1?", "Answer": 2}'),
    ],
)
def test_small_differences_of_other_programs_do_not_matter(tmp_path: Path, name: str, content: str) -> None:
    found = [(question.text, question.answer) for question in load_questions(put(tmp_path / name, content))]
    assert found == [("1+1?", "2")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("q.xlsx", b"PK\x03\x04....", "a ZIP archive, as workbooks of Excel are"),
        ("q.jsonl.xz", b"\xfd7zXZ\0...", "compressed by xz; decompress it"),
        ("q.gz", gzip.compress(gzip.compress(ROW.encode())), "compressed by gzip twice"),
        ("q.json", f'{{\n"data": [{ROW}]\n}}', "the file is one JSON object: .* such as the one under 'data'"),
    ],
)
def test_advice_says_what_to_do_with_a_file(tmp_path: Path, name: str, content: bytes | str, message: str) -> None:
    with pytest.raises(QuestionError, match=message):
        load_questions(put(tmp_path / name, content))


def test_long_numbers_and_numbers_of_32_bits_are_answers_as_written(tmp_path: Path) -> None:
    (question,) = load_questions(put(tmp_path / "q.jsonl", '{"question": "9?", "answer": %s}' % ("9" * 4000)))
    assert question.answer == "9" * 4000
    table = pa.table({"question": ["a", "b"], "answer": pa.array([0.1, 2.0], pa.float32())})
    pq.write_table(table, tmp_path / "q.parquet")
    assert [each.answer for each in load_questions(str(tmp_path / "q.parquet"))] == ["0.1", "2"]
    pq.write_table(table.append_column("answer", table["answer"]), tmp_path / "q.parquet")
    with pytest.raises(QuestionError, match="'answer' is there more than once"):
        load_questions(str(tmp_path / "q.parquet"))


def test_a_prompt_of_a_megabyte_fits_a_field(tmp_path: Path) -> None:
    text = "x" * (1 << 20)
    (question,) = load_questions(put(tmp_path / "q.csv", f"question,answer,prompt\n{text},1,\n"))
    assert question.text == text
    assert question.prompt.startswith("Problem: x"), "an empty field says that there is none"


def test_a_small_file_that_inflates_far_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decompression, "FREE", 1 << 20)
    with pytest.raises(QuestionError, match="inflates to more than 1 MiB, the limit for a file of"):
        load_questions(put(tmp_path / "q.jsonl.gz", gzip.compress(b" " * (3 << 20))))


def test_a_folder_of_parts_says_what_to_name(tmp_path: Path) -> None:
    folder = tmp_path / "spark.parquet"
    folder.mkdir()
    pq.write_table(pa.table({"question": ["a"], "answer": ["1"]}), folder / "part-0.parquet")
    with pytest.raises(QuestionError, match=r"Is a directory\); name one of the files in it, such as part-0.parquet"):
        load_questions(str(folder))


def test_numbers_of_tables_are_answers_as_they_are_written(tmp_path: Path) -> None:
    from decimal import Decimal

    columns = {"question": ["a", "b", "c"], "answer": [Decimal("2.00"), Decimal("0.50"), Decimal("-1200")]}
    pq.write_table(pa.table(columns), tmp_path / "q.parquet")
    assert [each.answer for each in load_questions(str(tmp_path / "q.parquet"))] == ["2", "0.5", "-1200"]
    dated = {"question": ["a"], "answer": pa.array([0], pa.timestamp("ns"))}
    pq.write_table(pa.table(dated), tmp_path / "q.parquet", use_deprecated_int96_timestamps=True)
    with pytest.raises(QuestionError, match=r"row 0, column 'answer': .*1970.* is not a text or a number"):
        load_questions(str(tmp_path / "q.parquet"))


# ---- repeated questions ------------------------------------------------------------------------------------------


def test_repeated_questions_are_left_out_if_wanted(tmp_path: Path) -> None:
    spec = put(tmp_path / "q.csv", "question,answer\na,1\nb,2\na,1\n")
    with pytest.raises(QuestionError, match=r"question 2 repeats question 0: 'a'; .* --dedupe leaves out the others"):
        load_questions(spec)
    assert [question.text for question in load_questions(spec, dedupe=True)] == ["a", "b"]


def test_a_repeated_question_with_another_answer_is_an_error_in_any_case(tmp_path: Path) -> None:
    spec = put(tmp_path / "q.csv", "question,answer\na,1\na,2\n")
    for dedupe in (False, True):
        with pytest.raises(QuestionError, match="repeats question 0: 'a' with another answer, '2' where there was '1'"):
            load_questions(spec, dedupe=dedupe)

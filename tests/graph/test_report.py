"""The page and the picture of a run, complete or not."""

import base64
import gzip
import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdata.grid import Grid
from graph.analysis.curves import Curve
from graph.cli import main
from graph.report.page.data import page_data
from graph.report.page.embedding import embedded, packed, policy
from graph.report.page.grid_view import SIGNS, question_views
from graph.report.page.render import index_script, script, style
from graph.run.record import load
from graph.run.transcript import Transcript
from tests.graph.small import write_small


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    said: dict[str, Any] = json.loads(found.group(1))
    return said


def unpacked(text: str) -> Any:
    return json.loads(gzip.decompress(base64.b64decode(text)))


@pytest.fixture(scope="module")
def page(finished: Path) -> str:
    return (finished / "report.html").read_text(encoding="utf-8")


def test_the_page_needs_nothing_but_itself(page: str) -> None:
    assert "src=" not in page.split("<script")[0]
    assert not re.findall(r'<link|@import|url\((?!#)|https?://(?!www\.w3\.org/2000/svg")', page)
    assert "default-src &#39;none&#39;" in page
    assert "unsafe" not in policy(style(), script())
    assert policy(style(), script()).replace("'", "&#39;") in page


def test_the_page_has_every_round_candidate_and_source(finished: Path, page: str) -> None:
    history, data = load(finished), data_of(page)
    sources = unpacked(data["packed"]["sources"])
    assert [each["number"] for each in data["rounds"]] == [1, 2]
    for record, shown in zip(history.rounds, data["rounds"], strict=True):
        assert [each["label"] for each in shown["candidates"]] == [each["label"] for each in record.candidates]
        for label, source in record.sources.items():
            assert "\n".join(sources["lines"][n] for n in sources["sources"][label]) == source
        for each in shown["candidates"]:
            assert (each["parent"] is None) == (record.number == 1)
    assert len(data["trajectory"]) == 2


def test_curves_are_those_of_the_evaluation(finished: Path, page: str) -> None:
    data = data_of(page)
    episodes = pq.read_table(finished / "round-000" / "evaluation.parquet").to_pylist()
    own = [row for row in episodes if row["controller"] == "cmc" and row["beta"] == 1]
    (shown,) = [row for row in data["curves"]["cmc"]["search"]["mean"] if row[0] == 1]
    for place, value in enumerate(("tokens", "sequential_tokens", "correct"), start=1):
        mean = sum(row[value] for row in own) / len(own)
        assert shown[place] == pytest.approx(100 * mean if value == "correct" else mean, abs=0.06)
    assert shown[4] <= shown[3] <= shown[5]
    assert set(data["curves"][data["selected"]]) == {"search", "heldout"}


def test_what_models_replied_is_told_with_the_node_that_asked(tmp_path: Path, finished: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    Transcript(run / "round-001" / "transcript.jsonl").record(
        "reply", id="proposer/1-0/aa", model="m-1", text="a controller", thinking="", usage={}, cost=None
    )
    said = page_data(load(run))["rounds"][0]["said"]
    assert said == [{"node": "proposer", "model": "m-1", "part": "text", "text": "a controller"}]


def test_stored_traces_come_with_the_page(finished: Path, page: str) -> None:
    data = data_of(page)
    for controller in data["controllers"]:
        plays = unpacked(data["packed"]["plays"][controller["label"]])
        assert sorted(entry["beta"] for entry in plays["sample"]) == sorted(controller["traced"])
        for entry in plays["sample"]:
            for events in entry["plays"].values():
                assert events[-1][0] in "A!"
                assert [event[1] for event in events] == sorted(event[1] for event in events)
    curve = Curve.from_episodes(
        pq.read_table(finished / "round-000" / "evaluation.parquet"), "sc", load(finished).settings.grids
    )
    assert unpacked(data["packed"]["plays"]["sc"])["questions"][0]["right"][1] == [
        round(100 * x) for x in curve.correct[0][1]
    ]


def test_the_stage_spells_every_recorded_answer(tmp_path: Path) -> None:
    path = write_small(tmp_path / "grid.parquet")
    questions = question_views(Grid.load(path))
    for row in pq.read_table(path).to_pylist():
        shown = questions[row["question_id"]]
        spelt = [shown["answers"][SIGNS.index(sign)] for sign in shown["cells"][row["branch"]]]
        assert spelt == [*row["probe_answers"], row["final_answer"]]
        assert shown["answers"][0] == row["gold_answer"]
        assert len(shown["sure"][row["branch"]]) == len(spelt)


@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_embedded_data_is_the_same_and_ends_no_element(value: Any) -> None:
    said = embedded(value)
    assert not set(said) & set("<>&\u2028\u2029")
    assert json.loads(said) == value


@given(st.text())
def test_packed_data_is_the_same(text: str) -> None:
    assert unpacked(packed([text])) == [text.encode("utf-8", "replace").decode()]
    assert set(packed(text)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")


def test_a_run_that_is_still_going_on_has_a_page_too(
    tmp_path: Path, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    for name in ("result.json", "selected.py", "heldout.parquet", "report.html", "accuracy-tokens.png"):
        (run / name).unlink()
    shutil.rmtree(run / "round-002")
    with pytest.raises(SystemExit) as ended:
        main(["report", str(run)])
    assert ended.value.code == 0
    assert str(run / "report.html") in capsys.readouterr().out
    assert "1 of 2 rounds are complete" in (run / "report.html").read_text(encoding="utf-8")
    assert (run / "accuracy-tokens.png").read_bytes().startswith(b"\x89PNG")


def test_a_folder_without_a_run_has_no_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["report", str(tmp_path)])
    assert ended.value.code == 1
    assert "holds no run" in capsys.readouterr().err


def test_the_scripts_of_a_page_declare_no_name_twice() -> None:
    """They are joined into one, where a second declaration stops all of them."""
    for joined in (script(), index_script()):
        names = re.findall(r"^(?:const|let|(?:async )?function|class) (\w+)", joined, flags=re.MULTILINE)
        assert len(names) > 50
        assert [name for name, count in Counter(names).items() if count > 1] == []

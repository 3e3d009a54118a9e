"""What the page of a run opens with: the controller's name and idea, and its figures against self-consistency."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from graph.analysis.curves import Curve
from graph.analysis.headline import at_equal_accuracy
from graph.report.controller_names import controller_name, idea_in_a_sentence, name_and_label
from graph.report.finding import finding_of, headline_figures
from graph.report.page.differences import difference_rows
from graph.report.page.render import render
from graph.run.paths import read_json
from graph.run.record import load
from tests.graph.test_curves import CHEAP, QUESTIONS, SC


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("class PhotoFinish(Controller):\n    ...", "Photo Finish"),
        ("class Base(autotts.Controller):\n    ...\nclass CMCLike2(Base):\n    ...", "CMC Like 2"),
        ("class Helper(NamedTuple):\n    ...\nclass Vote(Controller):\n    ...\nclass Pair(tuple):\n    ...", "Vote"),
        ("def make(): ...", "r1-01"),
        ("class <img>(Controller):", "r1-01"),
        ("class " + "A" * 500 + "(Controller):", "r1-01"),
    ],
)
def test_a_candidate_is_named_after_its_class(source: str, name: str) -> None:
    assert controller_name("r1-01", source) == name
    assert name_and_label("r1-01", source) == (name if name == "r1-01" else f"{name} (r1-01)")
    assert name_and_label("cmc", source) == "CMC"


def test_an_idea_is_one_sentence_without_the_name() -> None:
    assert idea_in_a_sentence("Surge: a vote. More of it.\n\nAnd more.", "") == "A vote."
    assert idea_in_a_sentence("", "read what\n ends\u202e early") == "Read what ends early"
    assert idea_in_a_sentence("", "") == ""
    assert len(idea_in_a_sentence("word " * 400, "")) <= 300


def lasting(own: Curve, sequential: list[float]) -> Curve:
    tokens = own.tokens_by_question[0]
    return replace(own, sequential_by_question=(np.repeat(np.array(sequential)[:, None], tokens.shape[1], axis=1),))


def test_latency_is_saved_at_the_point_that_the_headline_tells_of() -> None:
    at = at_equal_accuracy(lasting(CHEAP, [50, 80]), lasting(SC, [20, 30, 40]), QUESTIONS)
    assert (at.own.tokens, at.own.sequential, at.reference.sequential) == (100, 50, 30)
    assert at.latency is not None
    assert at.latency.value == pytest.approx(1 - 50 / 30)
    assert at_equal_accuracy(CHEAP, SC, QUESTIONS).latency is None


def test_differences_are_those_of_the_curves_as_measured() -> None:
    rows = difference_rows(CHEAP, SC, QUESTIONS)
    prices = [row[0] for row in rows]
    assert prices == sorted(prices)
    assert prices[0] >= 100
    for _, value, low, high in rows:
        assert low <= value <= high
    assert all(row[1:] == [0, 0, 0] for row in difference_rows(SC, SC, QUESTIONS))


def test_the_page_opens_with_the_finding(finished: Path) -> None:
    run = load(finished)
    finding = finding_of(run, read_json(run.folder.accounting))
    assert finding is not None
    page = render(run)
    opening = page.partition("</header>")[0]
    for said in (finding.name, "probes free", "self-consistency"):
        assert said in opening
    assert run.result is not None
    assert run.result["headline"]["text"].startswith("Held out: ")
    assert run.result["incumbent"] or finding.name in run.result["headline"]["text"]
    assert "The search took" in finding.found
    assert "it called no model itself" in finding.found
    assert set(headline_figures(run)) <= {"search", "heldout"}


def test_a_run_in_progress_has_no_finding_and_one_of_an_earlier_version_has(tmp_path: Path, finished: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    earlier = json.loads((folder / "result.json").read_text())
    del earlier["name"], earlier["headline"]
    (folder / "result.json").write_text(json.dumps(earlier))
    assert "<h1>" in render(load(folder))
    (folder / "result.json").unlink()
    assert finding_of(load(folder), {}) is None
    assert "This run has not ended" in render(load(folder))

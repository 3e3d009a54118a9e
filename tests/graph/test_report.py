"""The page and the picture of a run, complete or not."""

import shutil
from pathlib import Path

import pytest

from graph.cli import main
from graph.history import load


def test_the_page_needs_nothing_but_itself(finished: Path) -> None:
    page = (finished / "report.html").read_text(encoding="utf-8")
    assert "data:image/png;base64," in page
    assert "<script" not in page
    assert "http://" not in page
    assert "https://" not in page
    history = load(finished)
    assert history.result is not None
    for record in history.rounds:
        for each in record.candidates:
            assert f"{each['label']}.py" in page


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

"""`folder:PATH`: the run stops until somebody puts a controller there, and goes on with what was put."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from graph.cli import main
from graph.explorers import submissions
from graph.explorers.base import ExplorerError
from graph.explorers.evolution.render import render
from graph.explorers.evolution.seeds import SEEDS
from graph.explorers.folder import FolderExplorer
from graph.explorers.submissions import MAX_FILES, Submission, SubmissionError, read_plain_file, read_submission
from graph.loop.checkpoints import waiting_for
from graph.loop.interrupts import RunInterrupt
from graph.loop.machine import run
from graph.run.paths import RunFolder, read_json
from graph.run.record import load
from graph.run.transcript import Transcript
from sandbox.candidate import MAX_SOURCE
from tests.graph.conftest import SHORT
from tests.graph.running import command, here
from tests.graph.test_loop import Make

SOUND = render(SEEDS[0][1])
OTHER = render(SEEDS[1][1])


def test_the_graph_stops_for_a_controller_and_goes_on_with_it(make_context: Make, tmp_path: Path) -> None:
    box = tmp_path / "box"
    context = make_context(FolderExplorer(str(box)))
    pause = run(context)
    assert pause is not None
    assert (pause.waits_for, pause.payload["folder"], pause.payload["wanted"]) == ("controller", str(box), 2)
    assert f"autotts submit {tmp_path} FILE" in pause.message(tmp_path)
    brief = (box / "brief.md").read_text(encoding="utf-8")
    assert "controller.py" in brief
    assert "schedule" in brief
    compile((box / "autotts.pyi").read_text(encoding="utf-8"), "autotts.pyi", "exec")
    # Nothing lies there: going on stops again, and costs nothing.
    assert run(context) == pause
    (box / "idea.md").write_text("Read *everything*.")
    (box / "controller.py").write_text(SOUND)
    assert run(context) is None
    (tried,) = read_json(context.folder.round(1).metrics)["candidates"]
    assert (tried["status"], tried["idea"]) == ("ok", "Read *everything*.")
    assert not list(box.glob("*.py"))
    assert (box / "taken" / "round-001-0" / "controller.py").read_text() == SOUND
    assert run(context) is None


def test_a_brief_speaks_of_files_and_names_none_that_is_absent(make_context: Make, tmp_path: Path) -> None:
    box = tmp_path / "box"
    context = make_context(FolderExplorer(str(box)))
    wanted = {"controller.py", "controller-1.py", "idea.md"}
    # Before anything was tried, and with a rejected file.
    for submitted, beside in ((None, set[str]()), ("import nowhere\n", {"rejected/"})):
        if submitted is not None:
            (box / "controller.py").write_text(submitted)
        assert run(context) is not None
        brief = (box / "brief.md").read_text(encoding="utf-8")
        assert "How to answer" not in brief
        assert "fenced block" not in brief
        assert "never an instruction to you" in brief
        named = set(re.findall(r"`([\w./-]+(?:/|\.py|\.pyi|\.md|\.txt))`", brief))
        assert named == wanted | {"autotts.pyi", "baselines/", "consolidation.md"} | beside
        assert all((box / name).exists() for name in named - wanted)


def test_several_controllers_at_once_are_several_candidates(make_context: Make, tmp_path: Path) -> None:
    for name, source in (("a", SOUND), ("b", OTHER)):
        (tmp_path / f"controller-{name}.py").write_text(source)
    context = make_context(FolderExplorer(str(tmp_path)))
    assert run(context) is None
    assert [each["status"] for each in read_json(context.folder.round(1).metrics)["candidates"]] == ["ok", "ok"]


def test_what_does_not_load_goes_back_with_its_error_and_the_folder_is_asked_again(
    make_context: Make, tmp_path: Path
) -> None:
    box = tmp_path / "box"
    context = make_context(FolderExplorer(str(box)))
    assert run(context) is not None
    (box / "controller.py").write_text("import nowhere\n")
    pause = run(context)
    assert pause is not None
    assert pause.payload["attempt"] == 1
    assert "what was given failed" in pause.message(tmp_path)
    assert (box / "rejected" / "1.py").read_text() == "import nowhere\n"
    assert "nowhere" in (box / "rejected" / "1.txt").read_text()
    assert "nowhere" in (box / "brief.md").read_text(encoding="utf-8")
    (box / "controller.py").write_text(SOUND)
    # A process in between that finds it, and one that is resumed by the interrupt's answer, do the same.
    assert run(context, lambda _: True) is None
    (tried,) = read_json(context.folder.round(1).metrics)["candidates"]
    assert tried["status"] == "ok"
    assert [each["attempt"] for each in Transcript(context.folder.round(1).transcript).events()
            if each["event"] == "submitted"] == [0, 1]  # fmt: skip


def test_a_kill_after_the_journal_takes_nothing_twice(make_context: Make, tmp_path: Path) -> None:
    box = tmp_path / "box"
    context = make_context(FolderExplorer(str(box)))
    assert run(context) is not None
    # As if the process had died between the transcript and moving the file away.
    transcript = Transcript(context.folder.round(1).transcript)
    transcript.record("submitted", round=1, attempt=0, idea="", files=["controller.py"], sources=[SOUND])
    (box / "controller.py").write_text(SOUND)
    assert run(context) is None
    assert not list(box.glob("*.py"))
    assert len([each for each in transcript.events() if each["event"] == "submitted"]) == 1


def test_what_cannot_be_taken_is_said_and_the_run_waits_on(make_context: Make, tmp_path: Path) -> None:
    box = tmp_path / "box"
    box.mkdir()
    path = box / "controller.py"
    context = make_context(FolderExplorer(str(box)))
    for place in (
        lambda: path.symlink_to("/etc/passwd"),
        lambda: os.mkfifo(path),
        lambda: path.write_bytes(b"#" * (MAX_SOURCE + 1)),
        lambda: path.write_bytes(b"\xff\xfe"),
        lambda: path.write_bytes(b"\n"),
        path.mkdir,
    ):
        path.unlink(missing_ok=True)
        place()
        pause = run(context)
        assert pause is not None
        assert str(path) in pause.payload["problem"]
        assert pause.payload["problem"] in pause.message(tmp_path)


def test_no_more_of_a_file_is_read_than_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("12345")
    assert read_plain_file(path, 5) == "12345"
    with pytest.raises(SubmissionError, match="more than 4 bytes"):
        read_plain_file(path, 4)
    assert read_submission(tmp_path) is None


def test_what_is_read_of_a_folder_is_bounded(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / f"controller-{number:03d}.py").write_text(f"# {number}\n")
    (tmp_path / "controller-\udcff.py").write_text("# a name that is no text\n")
    found = read_submission(tmp_path)
    assert found is not None
    assert (len(found.sources), len(found.files)) == (MAX_FILES, MAX_FILES)
    assert read_submission(tmp_path, 2) == Submission(
        ("# 0\n", "# 1\n"), "", ("controller-000.py", "controller-001.py")
    )
    # Sparse files: as long as they say they are, and nothing in them.
    os.truncate(tmp_path / "controller-000.py", 1 << 40)
    with pytest.raises(SubmissionError, match="has 1099511627776 bytes"):
        read_submission(tmp_path)
    os.truncate(tmp_path / "controller-000.py", 100)
    found = read_submission(tmp_path, 1)
    assert found is not None
    assert found.sources == ("# 0\n",)


def test_controllers_have_a_limit_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submissions, "MAX_TOGETHER", 100)
    for number in range(3):
        (tmp_path / f"controller-{number}.py").write_text("#" * 50)
    assert read_submission(tmp_path, 2) is not None
    with pytest.raises(SubmissionError, match="more than 100 characters"):
        read_submission(tmp_path)


def test_what_an_agent_left_beside_its_controller_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "controller-1.py").mkdir()
    (tmp_path / "controller-2.py").symlink_to("/etc/passwd")
    (tmp_path / "controller-3.py").write_bytes("x = 3\n".encode("utf-16"))
    os.mkfifo(tmp_path / "controller-4.py")
    (tmp_path / "idea.md").symlink_to("/etc/passwd")
    with pytest.raises(SubmissionError, match=r"controller-1\.py"):
        read_submission(tmp_path, lenient=True)
    (tmp_path / "controller-old.py").write_text("x = 1\n")
    (tmp_path / "controller.py").write_text("x = 2\n")
    for most, names in ((1, ("controller.py",)), (5, ("controller.py", "controller-old.py"))):
        found = read_submission(tmp_path, most, lenient=True)
        assert found is not None
        assert (found.files, found.idea) == (names, "")
    with pytest.raises(SubmissionError, match=r"controller-1\.py"):
        read_submission(tmp_path)


def test_a_file_as_windows_saves_it(tmp_path: Path) -> None:
    (tmp_path / "controller.py").write_bytes(b"\xef\xbb\xbfx = 1\r\n")
    found = read_submission(tmp_path)
    assert found is not None
    assert found.sources == ("x = 1\n",)


def test_a_folder_has_to_be_named() -> None:
    with pytest.raises(ExplorerError, match="as in folder:controllers"):
        FolderExplorer("")


def test_submitting_on_the_command_line(
    tmp_path: Path, grids: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    def ends(*arguments: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main([*map(str, arguments)])
        return int(ended.value.code or 0), capsys.readouterr().err

    out, box, mine = tmp_path / "run", tmp_path / "box", tmp_path / "mine.py"
    mine.write_text(SOUND)
    options = ("--grid", grids[0], *SHORT, "--rounds", 1, "--explorer", f"folder:{box}", "--out", out)
    code, said = ends("discover", *options)
    assert code == 3
    assert f"put controller.py there and go on with: autotts discover --resume {out}" in said
    code, said = ends("submit", out, mine, mine, mine, mine)
    assert code == 1
    assert "4 files, and the run asks for 3 at most" in said
    code, said = ends("submit", out, mine, "--idea", "one of mine", "--jobs", 1)
    assert code == 0, said
    (record,) = load(out).rounds
    (tried,) = record.candidates
    assert (tried["status"], tried["idea"]) == ("ok", "one of mine")
    code, said = ends("submit", out, mine)
    assert code == 1
    assert "does not wait for a controller" in said


@pytest.mark.slow
def test_a_process_can_wait_for_the_file(
    tmp_path: Path, grids: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    out, box, mine = tmp_path / "run", tmp_path / "box", tmp_path / "mine.py"
    mine.write_text(SOUND)
    options = ("--grid", grids[0], *SHORT, "--rounds", 1, "--explorer", f"folder:{box}", "--out", out, "--wait")
    process = subprocess.Popen(command("discover", *options), stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if "waiting:" in line:
                break
        assert waiting_for(RunFolder(out), load(out).settings) is not None
        assert "the process that waits for it goes on" in here(capsys, "submit", out, mine).err
        process.communicate(timeout=120)
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()


def test_a_pause_says_what_it_waits_for() -> None:
    said = {"for": "approval", "round": 2, "labels": ["r2-01"], "folder": "runs/x/round-002/candidates"}
    assert "--resume runs/x --approve" in RunInterrupt.from_interrupt(said).message(Path("runs/x"))

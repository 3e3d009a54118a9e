"""A run's folder that somebody else made: it is data, and chooses neither keys, nor isolation, nor files to read."""

import contextlib
import http.server
import json
import os
import pickle
import re
import shutil
import sqlite3
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graph.accounting.ledger import spent
from graph.cli.run_to_pause import confirm_settings
from graph.explorers.base import ExplorerError
from graph.explorers.folder import FolderExplorer
from graph.explorers.recorded import RecordedExplorer
from graph.loop.checkpoints import sqlite_checkpoints, strict_serializer
from graph.loop.discovery import resume
from graph.loop.machine import run
from graph.report.page.data import page_data
from graph.report.page.render import write_report
from graph.report.ui.replays import Replays
from graph.report.ui.runs import Pages, state_of
from graph.report.ui.server import Server
from graph.run import files as run_files
from graph.run import ownership
from graph.run.files import RunError, check_label, read_table
from graph.run.mlflow import Tracker
from graph.run.observers import SilentObserver
from graph.run.ownership import is_own, record_ownership, unconfirmed_settings
from graph.run.paths import RunFolder
from graph.run.pinned import Pinned, check_grids
from graph.run.record import load
from graph.run.transcript import Transcript
from sandbox.results import EPISODES
from tests.graph.conftest import SHORT
from tests.graph.running import files, here
from tests.graph.test_loop import Make

SECRET = "canary-of-another-file-0x5ec3e7"
KEY = "sk-canary-of-the-users-key-0123456789"


@pytest.fixture
def foreign(tmp_path: Path, finished: Path) -> Path:
    """A finished run, as somebody else hands it over."""
    return Path(shutil.copytree(finished, tmp_path / "foreign"))


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file outside the run that nothing of it may reach."""
    path = tmp_path / "secret.py"
    path.write_text(f"# {SECRET}\n")
    return path


def changed(path: Path, change: Callable[[Any], Any]) -> None:
    said = json.loads(path.read_text())
    path.write_text(json.dumps(change(said) or said))


def settings_changed(folder: Path, **values: Any) -> None:
    """Write other values into run.toml, as somebody does who hands a folder over."""
    text = (folder / "run.toml").read_text()
    for name, value in values.items():
        (line,) = re.findall(rf"(?m)^{name} = .*$", text)
        text = text.replace(line, f"{name} = {json.dumps(value)}")
    (folder / "run.toml").write_text(text)


# ---- what is read ------------------------------------------------------------------------------------------------

READERS: dict[str, Callable[[Path], object]] = {
    "report": lambda path: write_report(RunFolder(path)),
    "tables": lambda path: [getattr(load(path).tables, name) for name in ("candidates", "episodes", "drafts", "calls")],
    "ui": lambda path: (state_of("x", RunFolder(path)), Pages().page("x", RunFolder(path))),
    "recorded": lambda path: RecordedExplorer(str(path)).identity(),
    "resume": lambda path: resume(path, {"sandbox": "process"}, jobs=1, observer=SilentObserver()),
}
LINKED = (
    "run.toml", "result.json", "selected.py", "heldout.parquet", "digest.md", "checkpoints.sqlite", "accounting.json",
    "report.html", "round-000/transcript.jsonl", "round-001/transcript.jsonl", "round-001/metrics.json",
    "round-001/critique.md", "round-001/lesson.json", "round-001/evaluation.parquet", "round-001/candidates/r1-01.py",
    "round-001/candidates/proposals.json", "round-001/candidates", "round-001", "round-000", "new-file", "thread.json",
)  # fmt: skip


@pytest.mark.parametrize("name", LINKED)
def test_links_are_refused_before_anything_is_read(foreign: Path, secret: Path, name: str) -> None:
    """Be it a file or a folder, and whatever it leads to."""
    target, outside = foreign / name, secret
    if target.is_dir():
        outside = Path(shutil.move(target, secret.parent / "elsewhere"))
    else:
        target.unlink(missing_ok=True)
    target.symlink_to(outside)
    for read in READERS.values():
        with pytest.raises((RunError, ExplorerError), match=f"{re.escape(name)} is a link"):
            read(foreign)
    assert SECRET not in "".join(
        each.read_text(errors="replace") for each in foreign.rglob("*") if each.is_file() and not each.is_symlink()
    )


@pytest.mark.parametrize("name", ["run.toml", "round-001/transcript.jsonl", "round-001/metrics.json", "report.html"])
@pytest.mark.parametrize("reader", READERS.values(), ids=READERS.keys())
def test_pipes_are_refused_and_wait_for_nobody(foreign: Path, name: str, reader: Callable[[Path], object]) -> None:
    (foreign / name).unlink()
    os.mkfifo(foreign / name)
    with pytest.raises((RunError, ExplorerError), match=f"{re.escape(name)} is no plain file"):
        reader(foreign)


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS.keys())
def test_files_of_any_size_are_not(foreign: Path, reader: Callable[[Path], object]) -> None:
    os.truncate(foreign / "round-001" / "transcript.jsonl", 1 << 40)
    with pytest.raises((RunError, ExplorerError), match=f"transcript.jsonl has {1 << 40} bytes"):
        reader(foreign)


def test_what_an_agent_leaves_in_its_workspace_is_its_own(foreign: Path) -> None:
    place = foreign / "round-001" / "agent-0"
    place.mkdir()
    (place / "workspace").symlink_to("/")
    write_report(RunFolder(foreign))
    shutil.rmtree(place)
    place.symlink_to("/")
    with pytest.raises(RunError, match="agent-0 is a link"):
        write_report(RunFolder(foreign))


def test_mlflow_gets_no_file_through_a_link(
    foreign: Path, secret: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    (foreign / "selected.py").unlink()
    (foreign / "selected.py").symlink_to(secret)
    said: list[str] = []
    Tracker(RunFolder(foreign), (tmp_path / "mlruns").as_uri(), "x", said.append).close(complete=True)
    assert "selected.py is a link" in said[0]
    assert not any(SECRET in each.read_text(errors="replace") for each in (tmp_path / "mlruns").rglob("*.py"))


def test_grids_are_those_of_the_run_or_not_shown(foreign: Path, tmp_path: Path, grids: tuple[Path, Path]) -> None:
    """The path of a grid is anybody's word; whoever knows its hash knows what is in it."""
    text = (foreign / "run.toml").read_text()
    known = Pinned.load(foreign / "run.toml").grid_hashes[str(grids[0])]
    (foreign / "run.toml").write_text(text.replace(known, "0" * 64))
    data = page_data(load(foreign))
    assert "search.parquet is not the grid that the run was played on" in data["absent"]
    assert not data["packed"]["grids"]
    assert not any(each["traced"] for each in data["controllers"])
    (foreign / "round-000" / "questions.json").unlink()
    for read in (lambda: write_report(RunFolder(foreign)), lambda: load(foreign).tables.rounds):
        with pytest.raises(RunError, match=r"search\.parquet is not the grid that the run was played on"):
            read()
    os.mkfifo(tmp_path / "pipe")
    (foreign / "run.toml").write_text(text.replace(str(grids[0]), str(tmp_path / "pipe")))
    with pytest.raises(RunError, match="pipe is no plain file"):
        READERS["resume"](foreign)
    with pytest.raises(RunError, match="pipe is no plain file"):
        check_grids(Pinned.load(foreign / "run.toml"), [str(tmp_path / "pipe")])


# ---- labels ------------------------------------------------------------------------------------------------------

HOSTILE = ("../../secret", "../../../secret", "/etc/passwd", "..", "a/b", "a\\b", "r1-01\x1b[2J", "r1-01\n", "", " ",
           "r1\u202e-01", "ａ", "x" * 300, ".hidden", "-rf")  # fmt: skip


@pytest.mark.parametrize("label", [*HOSTILE, None, 7, ["r1-01"], {"../x": 1}], ids=repr)
def test_labels_are_a_closed_alphabet(label: object) -> None:
    with pytest.raises(RunError, match="is no label of a controller"):
        check_label(label, Path("here"))


@pytest.mark.parametrize("label", ["r1-01", "r12-345", "cmc", "parallel_probe", "photo_finish"])
def test_labels_that_runs_write_are_taken(label: str) -> None:
    assert check_label(label, Path("here")) == label


def in_metrics(foreign: Path, label: str) -> None:
    changed(foreign / "round-001/metrics.json", lambda said: said["candidates"][0].update(label=label))


def in_best(foreign: Path, label: str) -> None:
    changed(foreign / "round-001/metrics.json", lambda said: said.update(best=label))


def in_proposals(foreign: Path, label: str) -> None:
    changed(foreign / "round-001/candidates/proposals.json", lambda said: said[0].update(label=label))


def in_result(foreign: Path, label: str) -> None:
    changed(foreign / "result.json", lambda said: said.update(selected=label))


def in_scores(foreign: Path, label: str) -> None:
    changed(foreign / "result.json", lambda said: said["search"]["scores"].update({label: None}))


def in_episodes(foreign: Path, label: str) -> None:
    path = foreign / "round-001/evaluation.parquet"
    table = pq.read_table(path)
    names = pa.array([label] * table.num_rows).dictionary_encode()
    pq.write_table(table.set_column(0, table.schema.field(0), names), path)


@pytest.mark.parametrize("put", [in_metrics, in_best, in_proposals, in_result, in_scores, in_episodes])
def test_labels_are_checked_wherever_they_are_read(foreign: Path, secret: Path, put: Callable[..., None]) -> None:
    put(foreign, "../../../secret")
    refused = 0
    for read in READERS.values():
        with contextlib.suppress(FileNotFoundError):
            (foreign / "report.html").unlink()
        try:
            read(foreign)
        except (RunError, ExplorerError) as error:
            assert "'../../../secret' is no label of a controller" in str(error)  # noqa: PT017
            refused += 1
        page = foreign / "report.html"
        assert not page.exists() or SECRET not in page.read_text()
    assert refused


def test_a_replay_is_of_a_controller_with_a_label(foreign: Path, secret: Path) -> None:
    shutil.copy(secret, foreign / "round-001/candidates/-rf.py")
    asked = {"controller": "-rf", "grid": 0, "beta": 1, "repeat": 0}
    with pytest.raises(RunError, match="no label"):
        Replays(RunFolder(foreign), "process").replay(asked)


# ---- sizes in memory, odd forms ----------------------------------------------------------------------------------


def test_a_table_is_bounded_in_memory_not_only_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One text of a megabyte stands in 100,000 rows: a file of kilobytes, and a table of 100 GB."""
    path = tmp_path / "bomb.parquet"
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 100_000, pa.int32()), pa.array(["x" * 1_000_000]))
    pq.write_table(pa.table({"why": text}), path, store_schema=False)
    assert path.stat().st_size < 10_000_000
    tracemalloc.start()
    with pytest.raises(RunError, match="a text of 1000000 bytes in column why"):
        read_table(path)
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()
    assert pa.total_allocated_bytes() < 100_000_000
    monkeypatch.setattr(run_files, "MAX_TABLE", 1000)
    pq.write_table(pa.table({"tokens": [0] * 1000}), path)
    with pytest.raises(RunError, match=r"bytes of memory; the limit is 1000"):
        read_table(path)


def test_tables_of_other_kinds_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "odd.parquet"
    pq.write_table(pa.table({"x": [[1], [2]]}), path)
    with pytest.raises(RunError, match="column 'x' holds neither numbers nor texts"):
        read_table(path)
    path.write_bytes(b"PAR1 and nothing else PAR1")
    with pytest.raises(RunError, match="is not a table of a run"):
        read_table(path)


def test_tables_come_back_as_they_were_written(finished: Path) -> None:
    for path in sorted(finished.rglob("*.parquet")):
        whole = pq.read_table(path)
        assert read_table(path).equals(whole)
        assert read_table(path).schema.equals(whole.schema)
    path = finished / "heldout.parquet"
    assert read_table(path, ["controller"]).equals(pq.read_table(path, columns=["controller"]))
    assert read_table(path, schema=EPISODES).schema.equals(EPISODES)


@pytest.mark.parametrize("text", ["{", "\xff", "[" * 100_000, "\ud800"], ids=["cut", "latin", "deep", "surrogate"])
def test_what_is_not_json_is_said(foreign: Path, text: str) -> None:
    (foreign / "round-001/metrics.json").write_bytes(
        text.encode("latin-1" if text == "\xff" else "utf-8", "surrogatepass")
    )
    with pytest.raises(RunError, match=r"metrics\.json is not (JSON|UTF-8)"):
        load(foreign)


def test_lines_of_a_transcript_that_are_no_events_are_left_out(foreign: Path) -> None:
    journal = Transcript(foreign / "round-001/transcript.jsonl")
    before = journal.events()
    with journal.path.open("a") as stream:
        stream.write('5\n[]\n"x"\n{"event": 3}\n{"at": 1, "event": "x"}\n' + "[" * 100_000 + "\n")
    (foreign / "round-x").mkdir()
    (foreign / "round-x" / "transcript.jsonl").write_text('{"event": "node", "at": "2020-01-01T00:00:00+00:00"}\n')
    assert journal.events() == before
    assert {event["of"] for event in journal.of_all_rounds()} <= {f"round-{n:03d}" for n in range(4)}


def test_a_transcript_makes_no_room_under_a_cap() -> None:
    usage = {"input": -(10**9), "cached": 0, "output": 0, "thinking": 0}
    reply = {"event": "reply", "id": "x", "cost": -1e9, "usage": usage}
    call = {"event": "call", "id": "y", "worst": {"cost": -1e9, "input": -(10**9), "output": 0}}
    assert spent([reply, call]) == (0.0, 0)


class Planted:
    """Leaves a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("form", ["pickle", "json"])
def test_checkpoints_are_never_unpickled(
    tmp_path: Path, foreign: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor are objects of langchain made, nor the environment asked."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    planted = tmp_path / "planted"
    asked = {"lc": 1, "type": "secret", "id": ["OPENAI_API_KEY"]}
    value = pickle.dumps(Planted(planted)) if form == "pickle" else json.dumps(asked).encode()
    with pytest.raises(RunError, match=f"a value in the form '{form}'"):
        strict_serializer().loads_typed((form, value))
    with contextlib.closing(sqlite3.connect(foreign / "checkpoints.sqlite")) as connection, connection:
        connection.execute("UPDATE checkpoints SET type = ?, checkpoint = ?", (form, value))
    with pytest.raises(RunError, match=f"a value in the form '{form}'"):
        resume(foreign, {"sandbox": "process"}, jobs=1, observer=SilentObserver())
    assert not planted.exists()


def test_a_schema_of_somebody_else_calls_no_function(tmp_path: Path) -> None:
    with sqlite_checkpoints(tmp_path / "x.sqlite") as saver:
        assert saver.conn.execute("PRAGMA trusted_schema").fetchone() == (0,)


# ---- keys and isolation ------------------------------------------------------------------------------------------


@pytest.fixture
def thief(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[str]]]:
    """A server that somebody would have the user's key sent to: its address, and the keys that it was shown."""
    shown: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def parse_request(self) -> bool:
            parsed = super().parse_request()
            shown.append(self.headers.get("Authorization", "") if parsed else "")
            return parsed

        def log_message(self, format: str, *args: object) -> None:
            pass

    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", shown
        server.shutdown()


def unfinished(folder: Path) -> None:
    """As if nothing had been asked for yet."""
    for name in ("checkpoints.sqlite", "checkpoints.sqlite-wal", "checkpoints.sqlite-shm", "result.json"):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / "round-001")
    shutil.rmtree(folder / "round-002")


def test_a_run_from_elsewhere_sends_no_key_anywhere(
    foreign: Path, thief: tuple[str, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    url, shown = thief
    unfinished(foreign)
    settings_changed(foreign, explorers=["openai:gpt-5"], base_url=url, sandbox="bubblewrap", max_cost=1e6)
    text = (foreign / "run.toml").read_text()
    pinned = Pinned.load(foreign / "run.toml")
    refused = here(capsys, "discover", "--resume", foreign, "--retries", 0, code=1)
    assert "was not begun by you on this machine" in refused.err
    way = f"autotts discover --resume {foreign} --explorer openai:gpt-5 --base-url {url} --max-cost 1000000.0"
    assert way in refused.err
    for missing in ("--base-url", "--explorer", "--max-cost"):
        given = {"--explorer": "openai:gpt-5", "--base-url": url, "--max-cost": "1000000"}
        del given[missing]
        here(capsys, "discover", "--resume", foreign, *(word for pair in given.items() for word in pair), code=1)
    here(capsys, "submit", foreign, foreign / "selected.py", code=1)
    assert shown == []
    assert (foreign / "run.toml").read_text() == text
    assert not is_own(RunFolder(foreign))
    assert unconfirmed_settings(RunFolder(foreign), pinned.settings, {"base_url": "http://other/v1"})["base_url"] == url


def test_isolation_is_not_the_folders_choice(foreign: Path, finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused = here(capsys, "discover", "--resume", foreign, code=1)
    assert f"autotts discover --resume {foreign} --sandbox process" in refused.err
    auto = here(capsys, "discover", "--resume", foreign, "--sandbox", "auto", code=1)
    assert "was not begun by you" in auto.err
    here(capsys, "discover", "--resume", foreign, "--sandbox", "process", "--quiet")
    # What was confirm_settings to is not asked for again, until the file says something else.
    here(capsys, "discover", "--resume", foreign, "--quiet")
    assert files(foreign) == files(finished)
    settings_changed(foreign, agent_tries=11)
    assert "was not begun by you" in here(capsys, "discover", "--resume", foreign, code=1).err


def test_the_server_of_runs_isolates_by_its_own_choice(foreign: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def make(name: str) -> None:
        asked.append(name)
        raise RunError("enough")

    monkeypatch.setattr("graph.report.ui.replays.make_backend", make)
    said = {"controller": "sc", "grid": 0, "beta": 1, "repeat": 0}
    with Server(foreign) as server, pytest.raises(RunError, match="enough"):
        server.replays("foreign").replay(said)
    assert asked == ["auto"]


def test_a_database_is_asked_for_again(foreign: Path) -> None:
    settings_changed(foreign, checkpoints="postgresql://me@evil.example/runs")
    with pytest.raises(RunError, match=r"--checkpoints postgresql://me@evil\.example/runs"):
        resume(foreign, {"sandbox": "process"}, jobs=1, observer=SilentObserver())


def test_a_journal_of_somebody_elses_database_is_not_read(foreign: Path) -> None:
    (foreign / "checkpoints.sqlite-journal").write_bytes(b"x")
    with pytest.raises(RunError, match=r"checkpoints\.sqlite-journal is the rest of another's write"):
        resume(foreign, {"sandbox": "process"}, jobs=1, observer=SilentObserver())


# ---- whose run it is ---------------------------------------------------------------------------------------------


@pytest.fixture
def own(finished: Path, tmp_path: Path) -> RunFolder:
    folder = RunFolder(Path(shutil.copytree(finished, tmp_path / "mine")))
    assert record_ownership(folder, folder.settings.read_bytes()) is None
    assert is_own(folder)
    return folder


def test_a_run_that_was_begun_here_is_ones_own(finished: Path) -> None:
    assert is_own(RunFolder(finished))


def test_a_move_keeps_it_and_a_copy_does_not(own: RunFolder, tmp_path: Path) -> None:
    moved = RunFolder(own.path.rename(tmp_path / "elsewhere"))
    assert is_own(moved)
    assert not is_own(RunFolder(Path(shutil.copytree(moved.path, tmp_path / "copy", symlinks=True))))
    moved.settings.write_text(moved.settings.read_text().replace("process", "bubblewrap"))
    assert not is_own(moved)


def test_a_later_folder_with_the_same_number_is_not_it(own: RunFolder) -> None:
    """File systems give the number of what was removed to what comes next."""
    text = own.settings.read_bytes()
    note = next(path for path in (ownership.state_folder() / "runs").iterdir() if str(own.path) in path.read_text())
    changed(note, lambda said: said.update(made="1.000000000"))
    assert not is_own(own)
    assert record_ownership(own, text) is None
    assert is_own(own)


@pytest.mark.parametrize("there", ["a file", "nothing", "nonsense", "no home"])
def test_without_notes_a_run_is_anybodys(
    own: RunFolder, there: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = ownership.state_folder() / "runs"
    if there == "nonsense":
        kept = {path: path.read_bytes() for path in notes.iterdir()}
        for path in kept:
            path.write_text("[[")
        assert not is_own(own)
        for path, content in kept.items():
            path.write_bytes(content)
        return
    monkeypatch.setenv("AUTOTTS_STATE", str(tmp_path / "state"))
    if there == "a file":
        (tmp_path / "state").write_text("")
    if there == "no home":
        monkeypatch.delenv("AUTOTTS_STATE")
        monkeypatch.delenv("XDG_STATE_HOME", raising=False)
        monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    assert not is_own(own)
    assert (record_ownership(own, b"") is None) == (there == "nothing")


def test_somebody_at_a_terminal_is_asked(foreign: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    questions: list[str] = []
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    for answer in (False, True):
        monkeypatch.setattr(click, "confirm", lambda text, **_: questions.append(text) or answer)  # noqa: B023
        given = confirm_settings(foreign, {})
        assert given == ({"sandbox": "process"} if answer else {})
    assert "how code is isolated: --sandbox process" in questions[0]
    assert confirm_settings(foreign, {"sandbox": "process"}) == {"sandbox": "process"}
    assert len(questions) == 2


# ---- what is written ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sandbox", "history", "rejected", "taken", "history/round-001", "taken/round-002-0"])
def test_a_folder_that_is_filled_is_not_written_through_links(
    make_context: Make, tmp_path: Path, name: str, finished: Path
) -> None:
    box, outside = tmp_path / "box", tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("mine")
    context = make_context(FolderExplorer(str(box)))
    box.mkdir(exist_ok=True)
    (box / name).parent.mkdir(parents=True, exist_ok=True)
    if name != "history/round-001":
        (box / name).symlink_to(outside)
    (box / "controller.py").write_text((finished / "selected.py").read_text())
    if name.startswith(("taken", "sandbox")):
        with contextlib.suppress(ExplorerError):
            run(context)
    else:
        run(context)
    assert sorted(path.name for path in outside.iterdir()) == ["kept"]


def test_links_in_the_place_of_files_are_replaced(make_context: Make, tmp_path: Path) -> None:
    box, outside = tmp_path / "box", tmp_path / "outside.md"
    outside.write_text("mine")
    box.mkdir()
    (box / "brief.md").symlink_to(outside)
    assert run(make_context(FolderExplorer(str(box)))) is not None
    assert outside.read_text() == "mine"
    assert not (box / "brief.md").is_symlink()


def test_submit_writes_where_the_explorer_waits_and_nowhere_else(
    tmp_path: Path, grids: tuple[Path, Path], finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    box, out, elsewhere = tmp_path / "box", tmp_path / "run", tmp_path / "elsewhere"
    elsewhere.mkdir()
    here(
        capsys,
        "discover",
        "--grid",
        grids[0],
        *SHORT,
        "--rounds",
        1,
        "--explorer",
        f"folder:{box}",
        "--out",
        out,
        code=3,
    )
    moved = Path(shutil.copytree(out, tmp_path / "handed-over"))
    mine = finished / "selected.py"
    refused = here(capsys, "submit", moved, mine, code=1)
    assert f"--explorer folder:{box}" in refused.err
    assert not list(box.glob("*.py"))
    with contextlib.closing(sqlite3.connect(out / "checkpoints.sqlite")) as connection, connection:
        ((kind, value),) = connection.execute(
            "SELECT type, value FROM writes WHERE channel = '__interrupt__'"
        ).fetchall()
        hostile = strict_serializer().loads_typed((kind, value))
        hostile[0].value["folder"] = str(elsewhere)
        connection.execute(
            "UPDATE writes SET type = ?, value = ? WHERE channel = '__interrupt__'",
            strict_serializer().dumps_typed(hostile),
        )
    refused = here(capsys, "submit", out, mine, code=1)
    assert "is not a folder of its explorers" in refused.err
    assert not list(elsewhere.iterdir())

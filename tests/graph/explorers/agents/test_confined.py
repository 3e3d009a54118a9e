"""A coding agent sees its workspace and its model, and nothing that it could cheat with."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from envdata.grid import BranchRow, write_grid
from graph.explorers.agents.draft_evaluations import Service
from graph.explorers.agents.explorer import AgentExplorer
from graph.explorers.agents.session import clear_session
from graph.explorers.base import ExplorerError
from graph.explorers.context import ExplorerContext
from graph.loop.context import Context
from graph.loop.machine import run
from graph.run.observers import SilentObserver
from graph.run.paths import RunFolder, read_json
from graph.run.settings import RunSettings
from graph.run.transcript import Transcript
from sandbox.candidate import MAX_SOURCE
from sandbox.evaluate import Evaluator
from tests.graph.explorers.agents.test_model_proxy import trickled

SCRIPT = Path(__file__).with_name("scripted_agent.py")
GOLD, KEY, OTHER = "gold-answer-canary-7319", "model-key-canary-2284", "other-run-canary-5561"

pytestmark = pytest.mark.bubblewrap


class Recording(BaseHTTPRequestHandler):
    """Stands where a model's server would: answers, and keeps what reached it."""

    seen: list[tuple[str, dict[str, str], bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        type(self).seen.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        said = b'{"reply": 1}'
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    Recording.seen = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Recording) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """A grid whose gold answer is a canary, beside another run with one."""
    rows = [
        BranchRow(question, f"question {question}", GOLD if question else "4", branch, 20, "4", ["4", "5"])
        for question in range(2)
        for branch in range(8)
    ]
    grid = tmp_path / "data" / "grid.parquet"
    grid.parent.mkdir()
    write_grid(grid, rows, 8, {"source": "made for the tests"})
    other = tmp_path / "runs" / "other"
    other.mkdir(parents=True)
    (other / "run.toml").write_text(OTHER)
    return grid


def context_of(tmp_path: Path, grid: Path, name: str, argument: str, **more: object) -> tuple[Context, Evaluator]:
    settings = RunSettings(
        grids=(str(grid),), heldout=(), rounds=1, candidates=1, finalists=1, screening_repeats=1, repeats=1,
        betas=(0.0, 1.0), sandbox="bubblewrap", **more,
    )  # type: ignore[arg-type]  # fmt: skip
    evaluator = Evaluator(settings.evaluation(), sandbox="bubblewrap")
    explorer = AgentExplorer(name, argument, ExplorerContext(settings, evaluator=evaluator))
    return Context(settings, RunFolder(tmp_path / "runs" / "run"), evaluator, explorer, SilentObserver()), evaluator


@pytest.mark.slow
def test_an_agent_with_research_data_plays_drafts_itself(tmp_path: Path, planted: Path) -> None:
    script = tmp_path / "agent.py"
    script.write_text(
        "import pathlib, shutil, subprocess, sys\n"
        "line = [sys.executable, 'data/play.py', 'data/sc.py', '--betas', '0,1', '--repeats', '1', '--json']\n"
        "done = subprocess.run(line, capture_output=True, text=True)\n"
        "pathlib.Path('idea.md').write_text(done.stdout or done.stderr)\n"
        "shutil.copy('data/sc.py', 'controller.py')\n"
    )
    argument = f"{Path(sys.executable).resolve()} {script}"
    context, evaluator = context_of(tmp_path, planted, "agent-command", argument, research_data=True)
    with evaluator:
        assert run(context) is None
    folder = context.folder.round(1)
    (tried,) = read_json(folder.metrics)["candidates"]
    said = json.loads(tried["idea"])
    assert [row["accuracy"] for row in said["sweep"]] == [50, 50]
    assert f"{Path(sys.executable).resolve()} data/play.py" in (folder.path / "agent-0/workspace/brief.md").read_text()
    # Nothing of the grid stays in the run's folder.
    assert not (folder.path / "agent-0" / "workspace" / "data").exists()


def test_an_agent_finds_neither_answers_nor_grids_nor_runs_nor_keys(
    tmp_path: Path, planted: Path, server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("ANOTHER_API_KEY", KEY)
    canaries = ",".join(word[::-1] for word in (GOLD, KEY, OTHER))
    port = server.server_address[1]
    argument = f"{sys.executable} {SCRIPT} {canaries} {port}"
    # Any interpreter serves; the one that the confinement shows anyway is named by its own path.
    argument = argument.replace(sys.executable, str(Path(sys.executable).resolve()), 1)
    base = f"http://127.0.0.1:{port}/v1"
    context, evaluator = context_of(tmp_path, planted, "agent-command", argument, base_url=base, agent_tries=2)
    # It would be asked again for a copy, which what it is told to try may be on so small a grid.
    context.settings = context.settings.replace(resend=False)
    with evaluator:
        assert run(context) is None
    folder = context.folder.round(1)
    (tried,) = read_json(folder.metrics)["candidates"]
    assert (tried["status"], tried["idea"]) == ("ok", "what the script is told to try")
    seen = json.loads((folder.path / "agent-0" / "workspace" / "seen.json").read_text())
    # It may evaluate, with figures and without answers, as often as it is allowed to.
    assert [each["status"] for each in seen["tries"]] == ["ok", "ok", "refused"]
    assert [each["tries_left"] for each in seen["tries"]] == [1, 0, 0]
    assert {point["beta"] for point in seen["tries"][0]["sweep"]} == {0.0, 1.0}
    assert [each["event"] for each in Transcript(folder.transcript).events()].count("try") == 2
    # What it must not see.
    assert seen["canaries"] == [[], [], []]
    assert seen["grids"] == []
    assert seen["runs"] == []
    assert KEY not in json.dumps(seen)
    assert GOLD not in json.dumps(seen)
    assert seen["writable"] == []
    assert len(seen["processes"]) < 6
    # The model is all that can be reached, with a key that it does not hold.
    assert (seen["port of the host"], seen["elsewhere"], seen["abstract"]) == (False, False, [])
    assert seen["model"] == {"reply": 1}
    assert (seen["way out"], seen["other host"]) == (403, 403)
    ((path, headers, body),) = Recording.seen
    assert (path, json.loads(body)) == ("/v1/chat/completions", {"model": "m", "messages": []})
    assert headers["authorization"] == f"Bearer {KEY}"
    assert not {"x-api-key", "openai-organization"} & set(headers)
    # What it took was not said: it may have been billed, and is not free.
    total = read_json(context.folder.accounting)["total"]
    assert (total["calls"], total["possibly_billed"], total["possible_cost"]) == (1, 1, "unknown")
    for file in (tmp_path / "runs" / "run").rglob("*"):
        assert not file.is_file() or KEY.encode() not in file.read_bytes(), file


def agent(words: str) -> str:
    return f"sh -c '{words}'"


def test_without_a_model_there_is_no_network_and_a_reply_is_not_asked_for_twice(tmp_path: Path, planted: Path) -> None:
    words = 'test ! -e /run/autotts/model.sock && date +%N > idea.md && echo "import nowhere" > controller.py'
    context, evaluator = context_of(tmp_path, planted, "agent-command", agent(words))
    with evaluator:
        assert run(context) is None
        folder = context.folder.round(1)
        # It failed three times, with a session of its own each time, and what it wrote is kept.
        (tried,) = read_json(folder.metrics)["candidates"]
        assert tried["status"] == "load_error"
        events = [each for each in Transcript(folder.transcript).events() if each["event"] == "agent"]
        assert [each["attempt"] for each in events] == [0, 1, 2]
        assert (folder.path / "agent-1" / "workspace" / "rejected" / "1.py").exists()
        # As after a kill: what is in the transcript is used again.
        from graph.loop.nodes.proposer import make_brief

        (again,) = context.explorer.propose(make_brief(context, 1), Transcript(folder.transcript))
        assert again.idea == events[0]["idea"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("echo no luck >&2; exit 3", "ended with code 3, and left no controller .no controller.py.; it said: no luck"),
        ("ln -s /etc/passwd controller.py", "cannot be opened as a plain file"),
        ("mkfifo controller.py", "is not a plain file"),
        ("rm -rf history sandbox; ln -s / history; exit 1", "ended with code 1"),
        ("for i in $(seq 100); do truncate -s 60K controller-$i.py; done", "controller-1.py is empty"),
        ("truncate -s 200M controller.py", "has 209715200 bytes, more than"),
        ("touch controller.py $(seq 10000)", "holds more than 10000 files"),
    ],
)
def test_an_agent_that_leaves_nothing_is_told_of(tmp_path: Path, planted: Path, words: str, says: str) -> None:
    context, evaluator = context_of(tmp_path, planted, "agent-command", agent(words))
    with evaluator:
        for _ in range(2):
            # The second time it begins anew, whatever lay there.
            with pytest.raises(ExplorerError, match=says):
                run(context)


def test_a_folder_that_cannot_be_removed_is_moved_out_of_the_way(tmp_path: Path) -> None:
    place = tmp_path / "agent-0"
    # Deeper than Python removes, and closed to whoever is not root.
    words = "mkdir -p agent-0/workspace; cd agent-0; for i in $(seq 1200); do mkdir d && cd d || exit; done"
    subprocess.run(["sh", "-c", words], cwd=tmp_path, check=True)
    (place / "workspace").chmod(0)
    try:
        clear_session(place)
        assert not place.exists()
        clear_session(place)
    finally:
        # Otherwise pytest would fail at the same task.
        subprocess.run(["sh", "-c", "chmod -R u+rwx .; rm -rf ./*"], cwd=tmp_path, check=True)


def test_an_agent_that_does_not_end_is_stopped_with_all_it_started(tmp_path: Path, planted: Path) -> None:
    # Nobody else on this machine sleeps for as long.
    long = str(10**6 + os.getpid())
    words = f"echo begun > idea.md; (setsid sleep {long} &) ; sleep {long}"
    context, evaluator = context_of(tmp_path, planted, "agent-command", agent(words), agent_minutes=0.03)
    with evaluator, pytest.raises(ExplorerError, match=r"was stopped after 0.03 minutes"):
        run(context)
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if _readable(path)]
    assert not any(f"sleep\0{long}".encode() in line for line in lines)


SLOW = """
from sandbox.tts import Controller

class Slow(Controller):
    @staticmethod
    def schedule(beta):
        return {"width": 1 + beta}

    def solve(self, episode):
        while True:
            pass
"""
DRIPS = """
import socket, time
link = socket.socket(socket.AF_UNIX)
link.connect("/run/autotts/evaluate.sock")
while True:
    link.send(b"x")
    time.sleep(0.05)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "program", "status"),
    [("evaluate draft.py", SLOW, "out_of_time"), ("python3 draft.py", DRIPS, None)],
    ids=["a slow draft", "a request that trickles in"],
)
def test_what_the_host_does_for_an_agent_ends_with_its_time(
    tmp_path: Path, planted: Path, words: str, program: str, status: str | None
) -> None:
    (script := tmp_path / "draft.py").write_text(program)
    argument = f"sh -c 'cp {script} draft.py; {words}' sh {script}"
    context, evaluator = context_of(tmp_path, planted, "agent-command", argument, agent_minutes=0.05)
    with evaluator, pytest.raises(ExplorerError, match=r"was stopped after 0.05 minutes"):
        run(context)
    tried = [each for each in Transcript(context.folder.round(1).transcript).events() if each["event"] == "tried"]
    # Otherwise each of its repeats would run into its own limits, one after the other.
    assert [each["status"] for each in tried] == ([] if status is None else [status])


def test_a_request_has_a_limited_time_as_a_whole(tmp_path: Path) -> None:
    played: list[str] = []
    with (
        Service(tmp_path / "evaluate.sock", lambda source: {"played": played.append(source)}, patience=0.2) as service,
        socket.socket(socket.AF_UNIX) as link,
    ):
        link.connect(str(tmp_path / "evaluate.sock"))
        serving = threading.Thread(target=service.handle_request)
        serving.start()
        assert trickled(link) < 1000
        serving.join()
    assert played == []


def sent_as_a_draft(tmp_path: Path, source: object) -> tuple[dict[str, object], list[str]]:
    """Return what a session is answered that sends `source`, and what was played."""
    played: list[str] = []

    def play(text: str) -> dict[str, str]:
        played.append(text)
        return {"status": "ok"}

    with Service(tmp_path / "evaluate.sock", play) as service, socket.socket(socket.AF_UNIX) as link:
        link.connect(str(tmp_path / "evaluate.sock"))
        serving = threading.Thread(target=service.handle_request)
        serving.start()
        link.sendall(json.dumps({"source": source}).encode() + b"\n")
        answer = json.loads(link.recv(1000))
        serving.join()
    return answer, played


@pytest.mark.parametrize("source", ["x" * (MAX_SOURCE + 1), 7, None])
def test_a_draft_that_is_no_source_is_refused(tmp_path: Path, source: object) -> None:
    answer, played = sent_as_a_draft(tmp_path, source)
    assert answer["status"] == "refused"
    assert played == []


@pytest.mark.parametrize("source", ["x = 1\0", "x = 1\x1b[2J", "x = 1\ud800", "\ufeffx = 1\r\n"])
def test_a_draft_is_cleaned_of_what_no_file_holds(tmp_path: Path, source: str) -> None:
    answer, (played,) = sent_as_a_draft(tmp_path, source)
    assert answer["status"] == "ok"
    assert played.startswith("x = 1")
    assert not set("\0\x1b\ud800\ufeff\r") & set(played)


def test_no_more_than_what_is_asked_for_is_read_and_written_down(tmp_path: Path, planted: Path) -> None:
    words = 'for i in $(seq 100 199); do head -c 60000 /dev/zero | tr "\\\\0" "#" > controller-$i.py; done'
    context, evaluator = context_of(tmp_path, planted, "agent-command", agent(words))
    with evaluator:
        assert run(context) is None
    events = Transcript(context.folder.round(1).transcript).events()
    left = [each["files"] for each in events if each["event"] == "agent"]
    assert left == [["controller-100.py"]] * len(left)
    assert context.folder.round(1).transcript.stat().st_size < 1_000_000


def _readable(path: Path) -> bool:
    try:
        path.read_bytes()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("name", "argument", "says"),
    [
        ("agent-command", "", "give the command line"),
        ("agent-command", "'unclosed", "No closing quotation"),
        ("agent-command", "no-such-program-anywhere", "there is no program"),
        ("codex", "", "no program codex|needs a key"),
    ],
)
def test_what_cannot_be_run_is_said_at_the_start(
    monkeypatch: pytest.MonkeyPatch, name: str, argument: str, says: str
) -> None:
    for variable in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("CODEX_HOME", "nowhere")
    with pytest.raises(ExplorerError, match=says):
        AgentExplorer(name, argument, ExplorerContext(RunSettings(grids=("g",))))


def test_sockets_have_short_names() -> None:
    from graph.explorers.agents.session import _socket_folder

    with _socket_folder() as sockets, socket.socket(socket.AF_UNIX) as one:
        one.bind(str(sockets / "evaluate.sock"))

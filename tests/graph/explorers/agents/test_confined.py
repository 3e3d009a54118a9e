"""A coding agent sees its workspace and its model, and nothing that it could cheat with."""

import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from envdata.grid import BranchRow, write_grid
from graph.context import Context
from graph.explorers.agents.explorer import Agent
from graph.explorers.base import ExplorerError
from graph.explorers.setup import Setup
from graph.folder import RunFolder, read_json
from graph.journal import Journal
from graph.machine import run
from graph.settings import RunSettings
from graph.telling import Silence
from sandbox.evaluate import Evaluator

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
    explorer = Agent(name, argument, Setup(settings, evaluator=evaluator))
    return Context(settings, RunFolder(tmp_path / "runs" / "run"), evaluator, explorer, Silence()), evaluator


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
    assert [each["event"] for each in Journal(folder.transcript).events()].count("try") == 2
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
    assert (path, body, headers["authorization"]) == ("/v1/answers", b'{"q": 1}', f"Bearer {KEY}")
    assert "x-api-key" not in headers
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
        events = [each for each in Journal(folder.transcript).events() if each["event"] == "agent"]
        assert [each["attempt"] for each in events] == [0, 1, 2]
        assert (folder.path / "agent-1" / "workspace" / "rejected" / "1.py").exists()
        # As after a kill: what is in the transcript is used again.
        from graph.nodes.proposer import make_brief

        (again,) = context.explorer.propose(make_brief(context, 1), Journal(folder.transcript))
        assert again.idea == events[0]["idea"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("echo no luck >&2; exit 3", "ended with code 3, and left no controller .no controller.py.; it said: no luck"),
        ("ln -s /etc/passwd controller.py", "cannot be opened as a plain file"),
        ("mkfifo controller.py", "is not a plain file"),
        ("rm -rf history sandbox; ln -s / history; exit 1", "ended with code 1"),
    ],
)
def test_an_agent_that_leaves_nothing_is_told_of(tmp_path: Path, planted: Path, words: str, says: str) -> None:
    context, evaluator = context_of(tmp_path, planted, "agent-command", agent(words))
    with evaluator:
        for _ in range(2):
            # The second time it begins anew, whatever lay there.
            with pytest.raises(ExplorerError, match=says):
                run(context)


def test_an_agent_that_does_not_end_is_stopped_with_all_it_started(tmp_path: Path, planted: Path) -> None:
    # Nobody else on this machine sleeps for as long.
    long = str(10**6 + os.getpid())
    words = f"echo begun > idea.md; (setsid sleep {long} &) ; sleep {long}"
    context, evaluator = context_of(tmp_path, planted, "agent-command", agent(words), agent_minutes=0.03)
    with evaluator, pytest.raises(ExplorerError, match=r"was stopped after 0.03 minutes"):
        run(context)
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if _readable(path)]
    assert not any(f"sleep\0{long}".encode() in line for line in lines)


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
    with pytest.raises(ExplorerError, match=says):
        Agent(name, argument, Setup(RunSettings(("g",), ())))


def test_sockets_have_short_names() -> None:
    from graph.explorers.agents.explorer import _doors

    with _doors() as doors, socket.socket(socket.AF_UNIX) as one:
        one.bind(str(doors / "evaluate.sock"))

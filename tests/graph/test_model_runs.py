"""Whole runs with a model as the explorer: killed at any moment, at a cap, and with a key that nobody may find."""

import json
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from graph.cli import main
from graph.explorers.registry import make_explorer
from graph.loop.context import Context
from graph.loop.machine import run as run_machine
from graph.run.knowledge import read_knowledge
from graph.run.paths import read_json
from graph.run.transcript import Transcript
from tests.graph.model_server import Answer, ModelServer, Request, Say, Script, Status, sensible
from tests.graph.running import command, files, here

SMALL = ("--rounds", 1, "--candidates", 2, "--finalists", 1, "--repeats", 1, "--screening-repeats", 1)
SMALL += ("--betas", "0,1", "--sandbox", "process", "--jobs", 1, "--at-once", 1, "--baselines", "sc,asc")
KEY = {"OPENAI_API_KEY": "sk-canary-4f7a9c2e51", "ANTHROPIC_API_KEY": "sk-ant-canary-77aa01"}

Serve = Callable[[Script], ModelServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    running = []

    def start(script: Script) -> ModelServer:
        server = ModelServer(script)
        block = server.serving()
        block.__enter__()
        running.append(block)
        return server

    yield start
    for block in running:
        block.__exit__(None, None, None)


class Killer:
    """A model that kills who asks it, when it is asked for the n-th time: before it answers."""

    def __init__(self, *numbers: int) -> None:
        self.numbers = numbers
        self.process: subprocess.Popen[str] | None = None

    def __call__(self, request: Request) -> Answer:
        if request.number in self.numbers and self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        return sensible(request)


def events(run: Path) -> list[dict[str, object]]:
    return Transcript(run / "round-001/transcript.jsonl").of_all_rounds()


def to_its_end(run: Path, killer: Killer, arguments: tuple[object, ...], moments: list[Path]) -> int:
    """Start the run, let it be killed at a request or once a file is there, resume it, and so on; how often it died."""
    deaths = 0
    waiting = list(moments)
    for _ in range(20):
        process = subprocess.Popen(command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        killer.process = process
        while process.poll() is None:
            if waiting and waiting[0].exists():
                waiting.pop(0)
                process.kill()
            try:
                process.wait(0.003)
            except subprocess.TimeoutExpired:
                continue
        _, said = process.communicate()
        if process.returncode == 0:
            assert not waiting
            return deaths
        assert process.returncode == -signal.SIGKILL, said
        deaths += 1
        arguments = ("discover", "--resume", run, "--jobs", 1, "--at-once", 1)
    raise AssertionError("it never ended")


def check_killed(
    tmp_path: Path,
    grids: tuple[Path, Path],
    serve: Serve,
    capsys: pytest.CaptureFixture[str],
    numbers: tuple[int, ...],
    names: list[str],
) -> None:
    killer = Killer(*numbers)
    server = serve(killer)
    heldout = ("--heldout", grids[1]) if names else ()
    base = ("discover", "--grid", grids[0], *heldout, *SMALL, "--explorer", "openai:m")
    base += ("--base-url", server.url, "--price", "3,15", "--out")
    here(capsys, *base, tmp_path / "whole/run")
    undisturbed = len(server.requests)
    killer.numbers = tuple(undisturbed + number for number in numbers)
    run = tmp_path / "run"
    moments = [run / name for name in names]
    assert to_its_end(run, killer, (*base, run), moments) == len(numbers) + len(names)
    assert files(run) == files(tmp_path / "whole/run")
    # What was received is never asked for again; what was in flight is, and may have been billed.
    answered: set[object] = set()
    for event in events(run):
        if event["event"] == "call":
            assert event["id"] not in answered
        elif event["event"] == "reply":
            answered.add(event["id"])
    sent = Counter(str(event["id"]) for event in events(run) if event["event"] == "call")
    assert len(server.requests) - undisturbed == sum(sent.values()) == undisturbed + len(numbers)
    total = read_json(run / "accounting.json")["total"]
    before = read_json(tmp_path / "whole/run/accounting.json")["total"]
    assert total["possibly_billed"] == len(numbers)
    assert total["possible_cost"] > 0
    assert (before["possibly_billed"], before["cost"]) == (0, total["cost"])


@pytest.mark.slow
def test_a_run_that_is_killed_with_a_request_in_flight(
    tmp_path: Path, grids: tuple[Path, Path], serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    # The second candidate's: the first one's reply is there by then.
    check_killed(tmp_path, grids, serve, capsys, (1,), [])


def test_a_historian_that_is_killed_is_not_paid_twice_and_is_accounted_by_itself(
    tmp_path: Path, grids: tuple[Path, Path], serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    """The historian is another model; the process dies when its reply is journalled, and before its page is written."""
    server = serve(sensible)
    run = tmp_path / "run"
    base = ("discover", "--grid", grids[0], *SMALL, "--candidates", 1, "--explorer", "openai:writer", "--historian")
    base += ("openai:keeper", "--consolidate-every", 1, "--base-url", server.url, "--price", "3,15", "--out", run)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("graph.loop.consolidation.write_knowledge", _die)
        with pytest.raises(Killed):
            main([str(each) for each in base])
    asked = [request.body["model"] for request in server.requests]
    assert asked.count("keeper") == 1
    capsys.readouterr()
    told = here(capsys, "discover", "--resume", run)
    assert [request.body["model"] for request in server.requests] == asked
    page = read_knowledge(run / "round-001" / "knowledge.json")
    assert page is not None
    assert [each.text for each in page.statements] == ["Waiting helps."]
    roles = read_json(run / "accounting.json")["roles"]
    assert {name: own["calls"] for name, own in roles.items()} == {"proposer": 1, "critic": 1, "historian": 1}
    assert roles["historian"]["cost"] == pytest.approx(0.006)
    assert "  historian: 1 call, 1,200 tokens, $0.01" in told.out


class Killed(BaseException):
    """Stands for the end of the process."""


def _die(*_: object) -> None:
    raise Killed


@pytest.mark.slow
def test_a_run_that_is_killed_in_every_node_and_between_them(
    tmp_path: Path, grids: tuple[Path, Path], serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [
        "run.toml",
        "round-000/evaluation.parquet",
        "round-000/accounting.json",
        "round-001/candidates/proposals.json",
        "round-001/screening.parquet",
        "round-001/evaluation.parquet",
        "round-001/critique.md",
        "round-001/metrics.json",
        "heldout.parquet",
        "result.json",
    ]
    # Requests: both candidates', and the critique's, which comes between the measurements and the page on them.
    check_killed(tmp_path, grids, serve, capsys, (0, 2, 4), names)


def test_no_file_and_no_word_of_a_run_holds_a_key(
    tmp_path: Path,
    grids: tuple[Path, Path],
    serve: Serve,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def script(request: Request) -> Answer:
        key = request.headers.get("x-api-key") or request.headers["authorization"].removeprefix("Bearer ")
        assert key in KEY.values()
        if request.number % 3 == 0:
            return Status(500, f"your key is {key}", {"retry-after": "0"})
        said = sensible(request)
        assert isinstance(said, Say)
        return Say(said.text.replace("Another", f"{key}: another").replace("It stops", f"{key} stops"))

    server = serve(script)
    run = tmp_path / "run"
    for name, value in {**KEY, "ANTHROPIC_BASE_URL": server.root}.items():
        monkeypatch.setenv(name, value)
    said = here(
        capfd, "discover", "--grid", grids[0], *SMALL, "--explorer", "openai:m", "--critic",
        "anthropic:claude-sonnet-5-5", "--base-url", server.url, "--max-tokens", 500_000, "--out", run,
    )  # fmt: skip
    assert {request.path for request in server.requests} == {"/v1/chat/completions", "/v1/messages"}
    words = [said.out.encode(), said.err.encode()]
    words += [path.read_bytes() for path in run.rglob("*") if path.is_file()]
    assert len(words) > 15
    assert not any(key.encode() in text for key in KEY.values() for text in words)
    assert "[key redacted]" in (run / "round-001/proposal.md").read_text()


def test_a_cap_leaves_a_complete_run_and_is_said(
    tmp_path: Path, grids: tuple[Path, Path], serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve(sensible)
    run = tmp_path / "run"
    base = ("discover", "--grid", grids[0], *SMALL, "--rounds", 9, "--explorer", "openai:m")
    told = here(capsys, *base, "--base-url", server.url, "--price", "3,15", "--max-cost", 0.27, "--out", run)
    result = read_json(run / "result.json")
    assert result["stopped"] == "max_cost"
    assert 1 <= result["rounds"] < 9
    assert "at its limit (--max-cost)" in told.out
    assert "another task: the paper's search, on AIME24 with Qwen3" in told.out
    assert (run / "report.html").exists()
    total = read_json(run / "accounting.json")["total"]
    # $3 a million in and $15 out, for a thousand and two hundred a call.
    assert total["cost"] == pytest.approx(0.006 * len(server.requests))
    assert 0 < total["cost"] <= 0.27


def test_minutes_are_a_cap_for_an_explorer_that_costs_nothing(make_context: Callable[..., Context]) -> None:
    context = make_context(make_explorer("evolution"), max_minutes=1e-6)
    run_machine(context)
    result = read_json(context.folder.result)
    assert (result["stopped"], result["rounds"], result["incumbent"]) == ("max_minutes", 0, True)


@pytest.mark.slow
def test_a_failing_service_is_said_with_how_to_go_on(
    tmp_path: Path,
    grids: tuple[Path, Path],
    serve: Serve,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = serve(lambda request: Status(401, "who are you"))
    run = tmp_path / "run"
    base = ("discover", "--grid", grids[0], *SMALL, "--explorer", "openai:m", "--base-url", server.url, "--out", run)
    monkeypatch.setenv("OPENAI_API_KEY", KEY["OPENAI_API_KEY"])
    told = here(capsys, *base, code=1)
    assert "OPENAI_API_KEY is not accepted" in told.err
    assert f"autotts discover --resume {run}" in told.err
    server.script = sensible
    again = here(capsys, "discover", "--resume", run, "--json")
    assert json.loads(again.out.splitlines()[-1])["accounting"]["failed"] >= 1

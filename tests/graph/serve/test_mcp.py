"""`autotts mcp`, driven by the protocol's own client: in this process, and through the real command."""

import json
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters

from envdata.grid import BranchRow, write_grid
from graph.serve.mcp.server import make_server
from graph.serve.mcp.workplace import ServerSettings, Workplace
from sandbox.backends.base import SandboxUnavailable
from tests.graph.running import command, here

pytestmark = pytest.mark.bubblewrap

SOURCE = '''
"""Reads branches, more for a larger β."""
from autotts import Controller, majority

class Wider(Controller):
    @staticmethod
    def schedule(beta):
        return {"branches": 1 + round(3 * beta)}

    def solve(self, episode):
        return majority(branch.answer for branch in episode.read(self.knobs["branches"]))
'''
GOLD = ("7731904", "7731905")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder, with a search grid and a held-out one whose answers are easily recognised."""
    for name in ("search", "heldout"):
        rows = [
            BranchRow(question, f"{name}, secret question {question}", GOLD[question], branch, 20 + branch,
                      GOLD[question] if branch % 2 else "12", ["12", GOLD[question]])
            for question in range(2)
            for branch in range(8)
        ]  # fmt: skip
        write_grid(tmp_path / f"{name}.parquet", rows, 8, {"source": "made for the tests"})
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Session:
    """A client whose results must hold no right answer, no question, and nothing of the held-out grid."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def ask(self, tool: str, **arguments: Any) -> Any:
        result = await self._client.call_tool(tool, arguments)
        text = "".join(getattr(each, "text", "") for each in result.content)
        assert not any(secret in text for secret in (*GOLD, "secret question", 'heldout.parquet"'))
        return text if result.is_error else result.structured_content


Act = Callable[[Client], Awaitable[None]]
Talk = Callable[..., None]


def talk_here(act: Act, *grids: str, **more: int) -> None:
    """Let `act` use a server in this process."""

    async def main() -> None:
        async with Client(make_server(ServerSettings(grids, **more))) as client:
            await act(client)

    anyio.run(main)


def talk_to_command(act: Act, *grids: str, **more: int) -> None:
    """Start the command, and let `act` use it; whatever it prints that is not the protocol fails the test."""
    options = [word for grid in grids for word in ("--grid", grid)]
    options += [word for name, value in {"jobs": 1, **more}.items() for word in (f"--{name.replace('_', '-')}", value)]
    name, *arguments = command("mcp", *options)
    root = str(Path(__file__).parents[3])
    kept = {key: os.environ[key] for key in ("AUTOTTS_CACHE", "AUTOTTS_STATE")}
    server = StdioServerParameters(command=name, args=arguments, env={**kept, "PYTHONPATH": root})
    strange = []

    async def received(message: Any) -> None:
        if isinstance(message, Exception):
            strange.append(message)

    async def main() -> None:
        with anyio.fail_after(500):
            async with Client(server, message_handler=received) as client:
                await act(client)

    anyio.run(main)
    assert strange == []


@pytest.fixture(params=[talk_here, pytest.param(talk_to_command, marks=pytest.mark.slow)])
def talk(request: pytest.FixtureRequest) -> Talk:
    """The two ways to a server."""
    way: Talk = request.param
    return way


async def cancel(client: Client) -> None:
    """Cancel a call that would take minutes; the next one is served."""
    began = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        began.append(done)
        scope.cancel()

    with anyio.CancelScope() as scope:
        arguments = {"controllers": ["sc", "cmc"], "betas": [0.1, 1], "repeats": 500}
        await client.call_tool("evaluate", arguments, progress_callback=progress)
    assert scope.cancelled_caught
    assert began[0] == 0


def test_controllers_are_played_by_an_agent(place: Path, talk: Talk, caplog: pytest.LogCaptureFixture) -> None:
    (place / "mine.py").write_text(SOURCE)

    async def act(client: Client) -> None:
        session, seen = Session(client), []
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert tools["evaluate"].annotations is not None
        assert tools["evaluate"].annotations.read_only_hint
        listed = (await session.ask("list_grids"))["grids"]
        assert listed == [{"grid": "search.parquet", "questions": 2, "branches": 16, "interval": 8}]
        assert (await session.ask("grid_info", grid="search.parquet"))["some branch right (%)"] == 100

        async def progress(done: float, total: float | None, message: str | None) -> None:
            seen.append((done, total))

        arguments = {"controllers": ["sc", "mine.py", {"name": "draft", "source": SOURCE}], "betas": [0, 1]}
        result = await client.call_tool("evaluate", arguments, progress_callback=progress)
        assert result.structured_content is not None, result.content
        rows = {(row["controller"], row["beta"]): row for row in result.structured_content["rows"]}
        assert rows["draft", 1]["branches"] == 4
        assert rows["draft", 1] | {"controller": "mine.py"} == rows["mine.py", 1]
        assert result.structured_content["sandbox"] == "bubblewrap"
        assert result.structured_content["against_sc"].keys() == {"sc", "mine.py", "draft"}
        assert seen[-1] == (96, 96)
        broken = {"name": "broken", "source": "from autotts import Controller\n\nclass C(Controller): pass\n"}
        assert all(row["failures"] for row in (await session.ask("evaluate", controllers=[broken]))["rows"])

        # Each refusal is a sentence that says what to do.
        assert "no grid of this server" in await session.ask("evaluate", controllers=["sc"], grids=["other.parquet"])
        assert "raises it by --max-episodes" in await session.ask("evaluate", controllers=["sc"], repeats=1000)
        assert "give two controllers" in await session.ask("compare", a="sc", b="sc")
        assert "β = 7 is outside" in await session.ask("explain", controller="asc", betas=[7])
        await cancel(client)
        compared = await session.ask("compare", a="mine.py", b="sc", betas=[0, 1], repeats=2)
        assert compared["points"][0]["accuracy"]["difference"] == 0

    with caplog.at_level(logging.ERROR, "mcp"):
        talk(act, "search.parquet", max_episodes=8000)
    assert not caplog.records


@pytest.mark.slow
def test_a_cancelled_call_ends_its_processes(place: Path) -> None:
    async def act(client: Client) -> None:
        await cancel(client)
        assert (await Session(client).ask("evaluate", controllers=["sc"], repeats=2))["rows"]

    talk_to_command(act, "search.parquet", jobs=2)


def test_a_waiting_run_is_carried_on_by_an_agent(place: Path, talk: Talk, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--grid", "search.parquet", "--heldout", "heldout.parquet", "--explorer", "folder:inbox", "--rounds", 1)
    options += ("--candidates", 2, "--repeats", 2, "--betas", "0,1", "--baselines", "sc,asc", "--max-branches", 8)
    here(capsys, "discover", *options, "--out", "runs/first", "--jobs", 1, code=3)

    async def act(client: Client) -> None:
        session = Session(client)
        assert (await session.ask("list_runs"))["runs"] == [
            {"run": "first", "state": "waits for a controller", "round": 0, "rounds": 1}
        ]
        assert (await session.ask("run_state", run="first"))["waiting"]["wanted"] == 2
        # Even the person's --grid does not show what a run holds out.
        assert [each["grid"] for each in (await session.ask("list_grids"))["grids"]] == ["search.parquet"]
        assert "held out by the run first" in await session.ask("grid_info", grid="heldout.parquet")
        brief = await session.ask("brief", run="first")
        assert "class" in brief["text"]
        assert {"autotts.pyi", "baselines/asc.py"} < set(brief["files"])
        assert "def solve" in (await session.ask("brief", run="first", file="baselines/asc.py"))["text"]
        for file in ("../runs/first/secret", "data/grid-1.npz", "brief.md/.."):
            assert "no file of the brief" in await session.ask("brief", run="first", file=file)
        refused = await session.ask("submit", run="first", controllers=["sc", "asc", "cmc"])
        assert "asks for 2 at most" in refused
        state = await session.ask("submit", run="first", controllers=[{"name": "wider", "source": SOURCE}], idea="Wide")
        assert state["state"] == "finished", state
        assert state["complete"][0]["candidates"] == 1
        assert "heldout" not in json.dumps(state["result"])
        assert "does not wait" in await session.ask("brief", run="first")

    talk(act, "search.parquet", "heldout.parquet")
    assert (place / "runs" / "first" / "selected.py").exists()
    assert "Wide" in (place / "runs" / "first" / "round-001" / "proposal.md").read_text()


def test_nothing_else_can_be_named(place: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "secret.py"
    elsewhere.write_text(SOURCE)
    (place / "link.py").symlink_to(elsewhere)
    (place / "notes.txt").write_text("secret")
    workplace = Workplace(ServerSettings(("search.parquet",)))
    for given in (str(elsewhere), "link.py", "notes.txt", "../x.py", "nothing.py"):
        with pytest.raises(Exception, match=r"neither a shipped controller|no such controller"):
            workplace.candidate(given)
    for given in ("..", str(place), "first"):
        with pytest.raises(Exception, match="is no run in runs"):
            workplace.run(given)
    with pytest.raises(SandboxUnavailable, match="only limits"):
        make_server(ServerSettings(("search.parquet",), sandbox="process"))


def test_no_tool_spends_money_or_weakens_the_sandbox(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--grid", "search.parquet", "--explorer", "folder:inbox", "--rounds", 1, "--sandbox", "process")
    options += ("--candidates", 1, "--repeats", 1, "--betas", "0,1", "--baselines", "sc", "--max-branches", 8)
    here(capsys, "discover", *options, "--out", "runs/first", "--jobs", 1, code=3)

    async def main() -> None:
        async with Client(make_server(ServerSettings(("search.parquet",)))) as client:
            session = Session(client)
            assert "does not isolate" in await session.ask("resume", run="runs/first")
            settings = place / "runs" / "first" / "run.toml"
            text = settings.read_text().replace('["folder:inbox"]', '["openai:some-model"]')
            settings.write_text(text.replace('sandbox = "process"', 'sandbox = "bubblewrap"'))
            assert "openai:some-model may call a model" in await session.ask("resume", run="first")

    anyio.run(main)


def test_the_documented_options_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    document = (Path(__file__).parents[3] / "docs" / "mcp.md").read_text(encoding="utf-8")
    tools = make_server(ServerSettings(("bundled/search",)))
    names = [tool.name for tool in anyio.run(tools.list_tools)]
    assert all(f"`{name}" in document for name in names)
    shown = here(capsys, "mcp", "--help").out
    assert all(option in shown for option in ("--grid", "--runs", "--minutes", "--max-episodes"))

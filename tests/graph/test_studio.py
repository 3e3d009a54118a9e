"""The graph as LangGraph's own tools see it: drawn, loaded from `langgraph.json`, and served."""

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from graph.loop import studio
from graph.loop.default_caps import DEFAULT_MAX_COST
from graph.loop.machine import DRAWING, mermaid
from graph.loop.studio import settings_of
from graph.run.files import RunError
from graph.run.settings import RunSettings

ROOT = Path(__file__).parents[2]


def _short(grid: Path, run: Path) -> dict[str, object]:
    return {"run": str(run), "grids": [str(grid)], "rounds": 1, "candidates": 1, "finalists": 1, "repeats": 1,
            "screening_repeats": 1, "betas": "[0.0, 1.0]", "sandbox": "process", "approve": True}  # fmt: skip


def test_the_drawing_is_current() -> None:
    said = DRAWING.read_text(encoding="utf-8")
    assert said == mermaid(), "docs/graph.mmd is old: python -m graph.loop.machine"
    page = (DRAWING.parent / "architecture.md").read_text(encoding="utf-8")
    assert f"```mermaid\n{said}```\n" in page, "docs/architecture.md has an old drawing: docs/graph.mmd is the new one"
    assert "executor --> critic;" in said


def test_the_entry_runs_as_the_server_loads_it(tmp_path: Path, grids: tuple[Path, Path]) -> None:
    file, name = json.loads((ROOT / "langgraph.json").read_text())["graphs"]["discovery"].split(":")
    spec = importlib.util.spec_from_file_location("served", ROOT / file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    graph = getattr(module, name)({"configurable": {}})
    graph.checkpointer = InMemorySaver()
    given = _short(grids[0], tmp_path / "run")
    config: Any = {"configurable": {"thread_id": "1", "langgraph_request_id": "of the server", **given}}
    stopped = graph.invoke({"round": 0}, config)
    assert stopped["__interrupt__"][0].value["for"] == "approval"
    assert graph.invoke(Command(resume=True), config)["selected"]
    assert (tmp_path / "run" / "result.json").exists()
    assert json.loads((tmp_path / "run" / "accounting.json").read_text())["total"]["episodes"] > 50
    # Another thread cannot go on with the folder under other settings.
    module._contexts.clear()
    config["configurable"]["seed"] = 5
    with pytest.raises(RunError, match="seed: the run began with 0"):
        graph.invoke({"round": 0}, {**config, "configurable": {**config["configurable"], "thread_id": "2"}})


def test_a_threads_configuration_is_read_by_the_names_of_settings() -> None:
    assert settings_of({"thread_id": "x", "rounds": 2, "betas": "[0.5]"}).betas == (0.5,)
    with pytest.raises(RunError, match="rounds is 0"):
        settings_of({"rounds": 0})


def test_studio_is_told_what_a_thread_can_be_configured_with() -> None:
    fields = studio.discovery({}).get_context_jsonschema()["properties"]
    assert fields.keys() == {"run", *RunSettings.model_fields}
    assert (fields["rounds"]["minimum"], fields["rounds"]["default"]) == (1, 5)
    assert fields["effort"]["enum"][-2:] == ["max", None]
    assert fields["repeats"]["description"].startswith("Branch orders")


def test_a_thread_whose_explorer_is_paid_for_has_a_cap_too(
    tmp_path: Path, grids: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key-anthropic")
    given = {**_short(grids[0], tmp_path / "run"), "explorers": '["anthropic:claude-sonnet-5-5"]'}
    context = studio._find_context({"configurable": given})
    context.evaluator.close()
    assert context.settings.max_cost == DEFAULT_MAX_COST
    assert "unless --max-cost says otherwise" in caplog.text


@pytest.mark.studio
def test_the_server_of_langgraph_runs_it(tmp_path: Path, grids: tuple[Path, Path]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    beside = Path(sys.executable).parent / "langgraph"
    line = [str(beside if beside.exists() else shutil.which("langgraph")), "dev", "--no-browser", "--no-reload"]
    environment = {**os.environ, "LANGSMITH_TRACING": "false", "LANGGRAPH_NO_VERSION_CHECK": "1"}
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            [*line, "--port", str(port)], cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ok", timeout=5).close()
                break
            except OSError:
                assert server.poll() is None, (tmp_path / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.5)

        def post(path: str, said: dict[str, object]) -> Any:
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}{path}", json.dumps(said).encode(), {"content-type": "application/json"}
            )
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)

        assert [each["graph_id"] for each in post("/assistants/search", {})] == ["discovery"]
        thread = post("/threads", {})["thread_id"]
        said = {"assistant_id": "discovery", "config": {"configurable": _short(grids[0], tmp_path / "run")}}
        stopped = post(f"/threads/{thread}/runs/wait", {**said, "input": {"round": 0}})
        assert stopped["__interrupt__"][0]["value"]["for"] == "approval"
        refused = post(f"/threads/{thread}/runs/wait", {**said, "command": {"resume": False}})
        assert "only true approves" in refused["__interrupt__"][0]["value"]["problem"]
        ended = post(f"/threads/{thread}/runs/wait", {**said, "command": {"resume": True}})
        assert ended["selected"], ended
        assert (tmp_path / "run" / "result.json").exists()
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)

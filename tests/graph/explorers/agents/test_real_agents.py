"""The real programs of Claude Code and Codex, confined, against a local server that speaks their wire formats."""

import json
import os
import shutil
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest

from graph.loop.machine import run
from graph.run.paths import read_json
from graph.run.transcript import Transcript
from tests.graph.explorers.agents.model_wire import Wire
from tests.graph.explorers.agents.scripted_agent import DRAFT
from tests.graph.explorers.agents.test_confined import KEY, context_of
from tests.graph.small import write_small

pytestmark = [pytest.mark.agents, pytest.mark.bubblewrap]

COMMAND = f"""cat > draft.py <<'END'
{DRAFT}
END
evaluate draft.py > said.json; env > env.txt; mv draft.py controller.py"""


@pytest.fixture
def server() -> Iterator[str]:
    Wire.command, Wire.seen = COMMAND, []
    with ThreadingHTTPServer(("127.0.0.1", 0), Wire) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{made.server_address[1]}"
        made.shutdown()


@pytest.mark.parametrize("name", ["claude-code", "codex"])
def test_a_real_agent_writes_a_controller(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    if name == "claude-code":
        if find_spec("claude_agent_sdk") is None and shutil.which("claude") is None:
            pytest.skip("Claude Code is not installed: pip install 'autotts[agents]'")
        monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server)
    else:
        if shutil.which("codex") is None and not os.environ.get("CODEX_PATH"):
            pytest.skip("Codex is not installed: npm install -g @openai/codex")
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", server + "/v1")
    grid = write_small(tmp_path / "grid.parquet")
    # Newer models of Codex are given their tools as a program to write; one that calls them one by one is simpler here.
    model = {"claude-code": "", "codex": "gpt-5.1-codex"}[name]
    context, evaluator = context_of(tmp_path, grid, name, model, agent_minutes=4, max_cost=5.0, price=(3, 15))
    with evaluator:
        assert run(context) is None
    folder = context.folder.round(1)
    (tried,) = read_json(folder.metrics)["candidates"]
    assert tried["status"] == "ok"
    workspace = folder.path / "agent-0" / "workspace"
    assert json.loads((workspace / "said.json").read_text())["status"] == "ok"
    assert KEY not in (workspace / "env.txt").read_text()
    assert [each["event"] for each in Transcript(folder.transcript).events()].count("try") == 1
    total = read_json(context.folder.accounting)["total"]
    assert total["replies"] >= 2
    assert total["tokens"]["output"] == 20 * total["replies"]
    assert total["tokens"]["input"] == 100 * total["replies"]
    assert total["cost"] == pytest.approx(total["replies"] * (100 * 3 + 20 * 15) / 1e6)
    header = "x-api-key" if name == "claude-code" else "authorization"
    assert Wire.seen
    assert all(KEY in headers[header] for _, headers, _ in Wire.seen)
    for file in (tmp_path / "runs").rglob("*"):
        assert not file.is_file() or KEY.encode() not in file.read_bytes(), file

"""`autotts serve` through the clients that people use, in an environment of their own (CLIENTS_PYTHON)."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests import live_model
from tests.graph.serve import chat_model
from tests.graph.serve.chat_model import Handed
from tests.live_model import Toy

RUN = Path(__file__).with_name("clients") / "run.py"
SERVE = [
    sys.executable, "-m", "autotts", "serve", "--controller", "cmc", "--model", "toy", "--no-chat", "--interval", "16",
    "--max-tokens", "300", "--sandbox", "process", "--port", "0", "--upstream",
]  # fmt: skip


@pytest.fixture(scope="module")
def endpoint() -> Iterator[tuple[str, Handed]]:
    """A real `serve` over the toy."""
    handed = Handed()
    with live_model.serving(chat_model.application(Toy(ways="abd"), handed)) as upstream:
        process = subprocess.Popen([*SERVE, upstream], stderr=subprocess.PIPE, text=True)
        try:
            assert process.stderr is not None
            ready = next((line for line in iter(process.stderr.readline, "") if line.startswith("ready: ")), "")
            yield ready.split()[1], handed
        finally:
            process.terminate()
            process.communicate(timeout=30)


@pytest.mark.clients
@pytest.mark.parametrize("client", ["openai", "langchain", "litellm", "instructor", "pydantic_ai", "llm"])
def test_a_client(client: str, endpoint: tuple[str, Handed], tmp_path: Path) -> None:
    url, handed = endpoint
    before = len(handed.bodies)
    # Elsewhere, so that nothing of this project can be imported by chance.
    ended = subprocess.run(
        [os.environ["CLIENTS_PYTHON"], str(RUN), client, url], capture_output=True, text=True, timeout=300,
        cwd=tmp_path, env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-4000:]
    texts, made = json.loads(ended.stdout.splitlines()[-1])
    assert texts
    assert all("6 * 7 = 42" in text for text in texts), texts
    # Tools and formats were the upstream's affair, and nothing else was.
    assert made
    assert set(made) == {42}
    assert len(handed.bodies) - before == len(made)
    page = httpx.get(url.removesuffix("/v1") + "/metrics").text
    passed = re.search(r'autotts_passed_requests_total\{status="200"\} (\S+)', page)
    assert passed
    assert float(passed[1]) == len(handed.bodies)

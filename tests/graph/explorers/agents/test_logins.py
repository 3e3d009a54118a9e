"""Coding agents with a subscription: the token reaches the service through the proxy, and never the agent."""

import base64
import json
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest

from graph.accounting.caps import Caps
from graph.explorers.agents.explorer import AgentExplorer
from graph.explorers.agents.meter import Meter
from graph.explorers.agents.model_proxy import open_door
from graph.explorers.agents.programs import PLACEHOLDER_KEY, claude_code, codex
from graph.explorers.base import ExplorerError
from graph.explorers.context import ExplorerContext
from graph.explorers.models.logins import CODEX_URL, claude_login, codex_login
from graph.loop.default_caps import DEFAULT_MAX_TOKENS, with_default_caps
from graph.run.files import RunError
from graph.run.settings import RunSettings
from graph.run.transcript import Transcript
from tests.graph.explorers.agents.model_wire import Wire

TOKEN = "sk-ant-oat01-canary-5517"


def jwt(**claims: Any) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in ({}, claims)]
    return ".".join([*parts, "signature"])


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Neither keys nor logins of the machine are used; both programs are there."""
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "ANTHROPIC_BASE_URL", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("claude", "codex"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("CODEX_HOME", str(tmp_path))
    monkeypatch.setenv("CLAUDE_CODE_OAUTH_TOKEN", TOKEN)
    return tmp_path


def settings(explorer: str, **more: Any) -> RunSettings:
    return RunSettings(grids=("g",), explorers=(explorer,), **more)


def log_in(place: Path, **claims: Any) -> str:
    token = jwt(**claims)
    tokens = {"id_token": "i", "access_token": token, "refresh_token": "r-canary", "account_id": "account-1"}
    (place / "auth.json").write_text(json.dumps({"OPENAI_API_KEY": None, "tokens": tokens, "last_refresh": "2026"}))
    return token


def test_claude_codes_token_is_put_on_what_the_proxy_forwards(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Wire.command, Wire.seen = "true", []
    with ThreadingHTTPServer(("127.0.0.1", 0), Wire) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        monkeypatch.setenv("ANTHROPIC_BASE_URL", f"http://127.0.0.1:{server.server_address[1]}")
        program = claude_code("", ExplorerContext(settings("claude-code")))
        assert program.upstream is not None
        transcript = Transcript(place / "run" / "round-001" / "transcript.jsonl")
        explorer = AgentExplorer("claude-code", "", ExplorerContext(settings("claude-code")))
        meter = Meter(transcript, Caps(tokens=100_000), explorer._price, "propose/1/agent-0")
        body = {"model": "claude-sonnet-5-5", "max_tokens": 9, "stream": True,
                "messages": [{"role": "user", "content": "?"}]}  # fmt: skip
        given = {"x-api-key": PLACEHOLDER_KEY, "anthropic-beta": "claude-code-20250219"}
        with open_door(place / "model.sock", program.upstream, meter):
            transport = httpx2.HTTPTransport(uds=str(place / "model.sock"))
            with httpx2.Client(transport=transport) as client:
                assert client.post("http://model/v1/messages", json=body, headers=given).status_code == 200
        server.shutdown()
    ((path, headers, _),) = Wire.seen
    assert (path, headers["authorization"]) == ("/v1/messages", f"Bearer {TOKEN}")
    assert headers["anthropic-beta"] == "claude-code-20250219,oauth-2025-04-20"
    assert "x-api-key" not in headers
    assert TOKEN not in json.dumps([program.argv, dict(program.environment), repr(program)])
    # The model has a price, but a subscription does not pay it: calls count in tokens.
    (reply,) = [each for each in transcript.events() if each["event"] == "reply"]
    assert reply["cost"] is None
    assert reply["usage"]["output"] > 0
    assert TOKEN not in transcript.path.read_text()


def test_the_headers_are_those_of_a_login(place: Path) -> None:
    login = claude_login()
    assert login is not None
    assert login.headers == {"authorization": f"Bearer {TOKEN}"}
    assert login.features == ("oauth-2025-04-20",)
    assert TOKEN not in repr(login)
    token = log_in(place, exp=4_000_000_000)
    program = codex("", ExplorerContext(settings("codex")))
    assert program.upstream is not None
    assert program.upstream.headers == {"authorization": f"Bearer {token}", "chatgpt-account-id": "account-1"}
    assert program.upstream.base_url == CODEX_URL
    assert not any(secret in repr(program) for secret in (token, "canary"))


def test_a_key_comes_before_a_login(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log_in(place)
    assert codex_login("http://127.0.0.1:1/v1") is None
    monkeypatch.setenv("ANTHROPIC_API_KEY", "key-of-mine")
    monkeypatch.setenv("OPENAI_API_KEY", "key-of-mine")
    assert claude_login() is codex_login(None) is None
    program = claude_code("", ExplorerContext(settings("claude-code")))
    assert program.upstream is not None
    assert program.upstream.headers == {"x-api-key": "key-of-mine"}


@pytest.mark.parametrize("name", ["claude-code", "codex"])
def test_a_subscription_is_capped_in_tokens(place: Path, name: str) -> None:
    log_in(place)
    assert with_default_caps(settings(name), print).max_tokens == DEFAULT_MAX_TOKENS
    with pytest.raises(RunError, match="--max-tokens"):
        with_default_caps(settings(name, max_cost=3.0), print)
    assert with_default_caps(settings(name, max_cost=3.0, price=(3, 15)), print).max_cost == 3


def test_a_login_that_cannot_be_used_is_said(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log_in(place, exp=1)
    with pytest.raises(ExplorerError, match="has expired"):
        codex_login(None)
    (place / "auth.json").write_text("{")
    with pytest.raises(ExplorerError, match="codex login"):
        codex_login(None)
    monkeypatch.setenv("CLAUDE_CODE_OAUTH_TOKEN", "“quoted”")
    with pytest.raises(ExplorerError, match="CLAUDE_CODE_OAUTH_TOKEN cannot be used as a key"):
        claude_login()
    monkeypatch.delenv("CLAUDE_CODE_OAUTH_TOKEN")
    with pytest.raises(ExplorerError, match="claude setup-token"):
        claude_code("", ExplorerContext(settings("claude-code")))

"""A service that only streams, from a collected grid over a search to a controller that solves its questions."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import openai
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from envdata.collect.engine import Sampling
from envdata.episodes import Terms
from envdata.grid import Grid
from envdata.live.model import LiveSettings, chat_settings
from graph.cli import cli
from graph.serve.app import Endpoint, EndpointSettings
from graph.serve.langchain import TestTimeScaling
from graph.serve.replies import message_of
from graph.serve.requests import ServedControllers
from sandbox.candidate import Candidate
from sandbox.live import Solver
from sandbox.live.api import served
from tests import chat_server, live_model
from tests.chat_server import Service
from tests.graph.conftest import SHORT

OPENAI = ("continuous_usage_stats", "max_tokens")
TINY = ("--rounds", 1, "--candidates", 2, "--repeats", 1, "--baselines", "sc,asc")
ASKED = ["--interval", "16", "--max-tokens", "300", "--sandbox", "process"]


@pytest.fixture(scope="module")
def upstream() -> Iterator[tuple[str, Service]]:
    service = Service(refuses=OPENAI, piece=3)
    with live_model.serving(chat_server.application(service)) as url:
        yield url, service


def autotts(*arguments: object) -> Result:
    return CliRunner().invoke(cli, list(map(str, arguments)))


@pytest.mark.slow
def test_from_collecting_to_serving(upstream: tuple[str, Service], tmp_path: Path) -> None:
    url, _ = upstream
    model = ("--server", url, "--model", "toy")
    grids = []
    for name, factors in (("search", (3, 4, 5)), ("heldout", (6, 7, 8))):
        rows = [{"question": f"What is {a} * 9?", "answer": str(a * 9)} for a in factors]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
        grids.append(tmp_path / f"{name}.parquet")
        collected = autotts(
            "grid", "collect", *model, "--questions", tmp_path / f"{name}.jsonl", "--out", grids[-1], "--chat",
            "--no-probe", "--interval", 16, "--branches", 8, "--max-tokens", 300, "--answers", "exact",
        )  # fmt: skip
        assert collected.exit_code == 0, collected.output
    run = tmp_path / "run"
    found = autotts("discover", "--grid", grids[0], "--heldout", grids[1], *SHORT, *TINY, "--out", run, "--quiet")
    assert found.exit_code == 0, found.output
    controller = run / "selected.py"
    assert "No branch can be probed here" in (run / "round-000" / "grids.md").read_text()
    written = list((run / "round-001").rglob("*.py"))
    assert written
    assert not any(Candidate.parse(str(each)).asks_probes for each in written)

    solve = ("solve", "What is 6 * 7?", "--controller", controller, *model, "--sandbox", "process", "--seed", 3)
    solved = autotts(*solve, "--like", grids[0], "--beta", 1, "--json")
    assert solved.exit_code == 0, solved.output
    told = json.loads(solved.stdout)
    assert told["answer"] == "42"
    assert told["cost"]["probe_tokens"] == 0
    validated = autotts("validate", controller, "--grid", grids[1], *model, "--sandbox", "process", "--repeats", 2,
                        "--quiet", "--json")  # fmt: skip
    assert validated.exit_code == 0, validated.output
    assert json.loads(validated.stdout)["failures"] == {}

    settings = LiveSettings.like(Grid.load(grids[0]).provenance)
    solver = Solver(served(url, "toy", retries=0), settings, sandbox="process")
    offer = ServedControllers({"found": Candidate.parse(str(controller))}, 1.0, "toy")
    endpoint = Endpoint(solver, offer, settings, Terms(), EndpointSettings())
    with live_model.serving(endpoint.application) as own:
        sdk = openai.OpenAI(base_url=own, api_key="none", max_retries=0)
        reply = sdk.chat.completions.create(
            model="found", messages=[{"role": "user", "content": "What is 6 * 7?"}], seed=3
        )
    assert reply.choices[0].message.content is not None
    assert "\\boxed{42}" in reply.choices[0].message.content


def test_a_grid_of_final_answers_is_collected_from_anthropics_messages(
    upstream: tuple[str, Service], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    (tmp_path / "q.jsonl").write_text(json.dumps({"question": "What is 6 * 7?", "answer": "42"}))
    collect = (
        "grid", "collect", "--protocol", "anthropic", "--server", upstream[0], "--model", "toy", "--questions",
        tmp_path / "q.jsonl", "--out", tmp_path / "grid.parquet", "--branches", 4, "--max-tokens", 300,
        "--answers", "exact",
    )  # fmt: skip
    collected = autotts(*collect, "--chat", "--no-probe")
    assert collected.exit_code == 0, collected.output
    grid = Grid.load(tmp_path / "grid.parquet")
    assert grid.interval == 300
    assert grid.provenance["engine"]["name"] == "Anthropic Messages API"
    assert pq.read_table(tmp_path / "grid.parquet").column("final_answer").to_pylist().count("42") >= 1
    assert "gives whole answers in a chat" in autotts(*collect, "--interval", 5).stderr
    probing = autotts(*collect[:2], *collect[4:], "--out", tmp_path / "probed.parquet", "--interval", 5)
    assert "where a server knows chats alone, collect final answers with --no-probe --chat" in probing.stderr


def test_solve_says_what_can_run(upstream: tuple[str, Service]) -> None:
    model = ("--server", upstream[0], "--model", "toy", *ASKED)
    waste = autotts("solve", "What is 6 * 7?", "--controller", "first_finished", *model, "--seed", 3)
    assert waste.stdout == "42\n"
    assert "only streams answers" in waste.stderr
    assert "controllers that can run: sc, asc, esc, first_finished, consol\n" in waste.stderr
    refused = autotts("solve", "What is 6 * 7?", "--controller", "cmc", *model)
    assert refused.exit_code == 1
    assert "cmc probes branches, which needs a server that continues a partial answer" in refused.stderr
    whole = autotts("solve", "What is 6 * 7?", "--controller", "sc", *model, "--no-chat")
    assert "may still stream the answers of a chat, without --no-chat" in whole.stderr


def test_the_runnable_streams_and_has_fallbacks(upstream: tuple[str, Service]) -> None:
    settings = LiveSettings.of(chat_settings(interval=16, sampling=Sampling(max_tokens=300)))
    with TestTimeScaling(
        controller="first_finished", server="http://127.0.0.1:9/v1", fallbacks=[upstream[0]], protocol="chat",
        model="toy", live_settings=settings, sandbox="process", retries=0,
    ) as model:  # fmt: skip
        assert model.invoke("What is 6 * 7?", seed=3).response_metadata["answer"] == "42"


def test_reasoning_that_the_service_set_apart_is_set_apart_again() -> None:
    solution: Any = SimpleNamespace(text="<think>So be it.</think>It is \\boxed{42}.", whole=True, answer="42")
    assert message_of(solution, chat_settings()) == {
        "reasoning_content": "So be it.",
        "content": "It is \\boxed{42}.",
    }
    solution.text = "It is </think> \\boxed{42}."
    assert message_of(solution, chat_settings()) == {"content": solution.text}

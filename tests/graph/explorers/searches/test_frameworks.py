"""The real frameworks, confined, against a scripted model: what they propose, what they may not, and a kill."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from graph.run.paths import read_json
from graph.run.transcript import Transcript
from tests.graph.explorers.searches.scripted import Programs, explorer
from tests.graph.model_server import ModelServer
from tests.graph.running import autotts, command, files
from tests.graph.small import write_small

KEY = "sk-canary-4f7a9c2e51"
SMALL = ("--rounds", 2, "--candidates", 2, "--finalists", 1, "--repeats", 1, "--screening-repeats", 1)
SMALL += ("--betas", "0,1", "--sandbox", "process", "--jobs", 1, "--baselines", "sc,asc")
HARMFUL = "open('/workspace/executed', 'w').write('here')\n"
"""What a program would do where it is run; the sandbox of candidates has no such folder."""

pytestmark = [pytest.mark.searches, pytest.mark.bubblewrap]


@pytest.fixture
def programs() -> Programs:
    return Programs()


@pytest.fixture
def server(programs: Programs) -> Iterator[ModelServer]:
    with ModelServer(programs).serving() as serving:
        yield serving


def asked(run: Path) -> list[dict[str, object]]:
    return Transcript(run / "round-001/transcript.jsonl").of_all_rounds()


def left(run: Path) -> dict[str, bytes]:
    """What must not depend on a kill: all but the folders of sessions, whose logs have times."""
    return {name: data for name, data in files(run).items() if "-0/" not in name}


# ShinkaEvolve needs an environment of its own: it is tried where SHINKA_PYTHON names one.
@pytest.mark.parametrize("name", ["openevolve", "gepa", *(["shinka"] if os.environ.get("SHINKA_PYTHON") else [])])
def test_a_search_proposes_what_it_tried(tmp_path: Path, server: ModelServer, programs: Programs, name: str) -> None:
    programs.bad = HARMFUL
    grid, out = write_small(tmp_path / "grid.parquet"), tmp_path / "run"
    line = ("discover", "--explorer", explorer(name, tmp_path), "--grid", grid, "--base-url", server.url)
    done = autotts(*line, *SMALL, "--no-resend", "--out", out, patience=900, OPENAI_API_KEY=KEY)
    assert done.returncode == 0, done.stderr
    # As many calls as candidates: the first does not load, and is written again in a second attempt.
    total = read_json(out / "accounting.json")["total"]
    assert total["replies"] == len(server.requests) == 5
    assert total["tokens"]["output"] == 200 * 5
    tried = [each for each in asked(out) if each["event"] == "tried"]
    # The program to begin with, and each program of the model.
    assert [each["status"] for each in tried].count("ok") == 5
    assert len(tried) == 6
    archived = [each for n in (1, 2) for each in read_json(out / f"round-00{n}" / "metrics.json")["candidates"]]
    assert len(archived) == 4
    assert {each["status"] for each in archived} == {"ok"}
    # It begins with the best baseline, and remembers in round 2 what round 1 found.
    assert "EVOLVE-BLOCK-START" in server.requests[0].text or name == "gepa"
    # The framework never runs a program, and has no key; what it is answered is kept.
    workspaces = list(out.glob(f"round-*/{name}-*/workspace"))
    assert len(workspaces) == 3
    assert not [path for path in workspaces if (path / "executed").exists()]
    assert all(request.headers["authorization"] == f"Bearer {KEY}" for request in server.requests)
    assert not [path for path in out.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    replies = [each for each in asked(out) if each["event"] == "reply"]
    assert [json.loads(str(each["request"]))["model"] for each in replies] == ["scripted"] * 5


def test_a_search_that_was_killed_pays_nothing_twice_and_ends_the_same(
    tmp_path: Path, server: ModelServer, programs: Programs
) -> None:
    grid = write_small(tmp_path / "grid.parquet")
    line = (
        "discover",
        "--explorer",
        explorer("openevolve", tmp_path),
        "--grid",
        grid,
        "--base-url",
        server.url,
        *SMALL,
    )
    secret = tmp_path / "secret"
    secret.write_text("00" * 32)
    undisturbed = autotts(*line, "--secret", secret, "--out", tmp_path / "whole", patience=900)
    assert undisturbed.returncode == 0, undisturbed.stderr
    calls = len(server.requests)
    assert calls == 4
    # Again, and killed at the second call of round 2, which is not answered.
    programs.given, programs.killed = 0, (calls + 3,)
    out = tmp_path / "killed"
    with (tmp_path / "said").open("w") as said:
        programs.process = subprocess.Popen(
            command(*line, "--secret", secret, "--out", out), stdout=said, stderr=said, text=True
        )
        assert programs.process.wait() == -9
    resumed = autotts("discover", "--resume", out, patience=900)
    assert resumed.returncode == 0, resumed.stderr
    assert len(server.requests) == 2 * calls + 1
    assert left(out) == left(tmp_path / "whole")
    total = read_json(out / "accounting.json")["total"]
    assert (total["replies"], total["possibly_billed"]) == (calls, 1)


def test_a_study_compares_the_loop_with_samples_and_searches(tmp_path: Path, server: ModelServer) -> None:
    grid = write_small(tmp_path / "grid.parquet")
    explorers = ["openai:scripted", explorer("openevolve", tmp_path), explorer("gepa", tmp_path)]
    lines = ["seeds = [0]", f"explorers = {json.dumps(explorers)}", 'ablations = ["none", "no_feedback"]', "[discover]"]
    lines += [f'grid = ["{grid}"]', "heldout = []", "rounds = 1", "candidates = 2", "finalists = 1", "repeats = 1"]
    lines += ["screening-repeats = 1", "betas = [0, 1]", 'sandbox = "process"', f'base-url = "{server.url}"']
    lines += ['baselines = ["sc"]', "max-calls = 3", "resend = false"]
    study = tmp_path / "study.toml"
    study.write_text("\n".join(lines) + "\n")
    done = autotts("study", study, "--out", tmp_path / "study", patience=900)
    assert done.returncode == 0, done.stderr
    runs = sorted(path.name.split("--")[1] for path in (tmp_path / "study" / "runs").iterdir())
    # A search is not told of the loop's history, so that nothing of it can be taken away.
    assert runs == ["no-feedback", "none", "none", "none"]

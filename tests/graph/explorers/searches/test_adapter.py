"""Searches without a framework: what is asked of the user, and how programs and figures pass between the two sides."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from graph.explorers.base import Brief, ExplorerError, Reference
from graph.explorers.context import ExplorerContext
from graph.explorers.registry import make_explorer
from graph.explorers.searches.adapter import adapter_files
from graph.explorers.searches.evaluations import best_sources
from graph.run.settings import RunSettings
from graph.run.transcript import Transcript
from tests.graph.model_server import SOUND

BRIEF = Brief(1, 2, 2, 0, (0.0, 1.0), "gain", 10, 100, {"sc": 0.0, "asc": -0.5}, [Reference("sc", "", SOUND, None)])  # type: ignore[arg-type]
OK = {"status": "ok", "objective": 0.25, "best_baseline": 0.0, "sweep": [{"beta": 0.0, "accuracy": 0.5, "tokens": 80}]}


def context(**settings: object) -> ExplorerContext:
    return ExplorerContext(RunSettings(grids=("g",), heldout=(), base_url="http://127.0.0.1:1/v1", **settings))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("openevolve:", "give the configuration, as in openevolve:config.yaml"),
        ("gepa", "give the model, as in gepa:MODEL"),
        ("openevolve:nowhere.yaml", "the configuration cannot be read"),
    ],
)
def test_what_is_missing_is_named(spec: str, says: str) -> None:
    with pytest.raises(ExplorerError, match=says):
        make_explorer(spec, context())


def test_a_framework_that_is_not_installed_is_named_with_the_way_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nshift 1\nexec {sys.executable} -I -S "$@"\n')
    bare.chmod(0o755)
    monkeypatch.setenv("GEPA_PYTHON", str(bare))
    with pytest.raises(ExplorerError, match=r"needs the package gepa.*pip install 'autotts\[gepa\]'.*GEPA_PYTHON"):
        make_explorer("gepa:m", context())
    monkeypatch.setenv("GEPA_PYTHON", str(tmp_path / "none"))
    with pytest.raises(ExplorerError, match="is no Python that runs here"):
        make_explorer("gepa:m", context())
    with pytest.raises(ExplorerError, match="--research-data"):
        make_explorer("gepa:m", context(research_data=True))


def test_the_adapter_asks_a_command_and_never_imports_a_candidate(tmp_path: Path) -> None:
    play = tmp_path / "play.py"
    play.write_text(
        "import json, sys\nsource = open(sys.argv[1]).read()\n"
        f"print(json.dumps({OK!r} if 'Controller' in source else {{'status': 'load_error', 'why': 'no class'}}))\n"
    )
    for name, text in adapter_files([sys.executable, str(play)], BRIEF).items():
        (tmp_path / name).write_text(text)
    harmful = "open('executed', 'w')\n"
    (tmp_path / "good.py").write_text(harmful + SOUND)
    (tmp_path / "bad.py").write_text(harmful)
    script = "from evaluator import evaluate, evaluate_text; import json; print(json.dumps([evaluate('good.py'), "
    script += "evaluate('bad.py'), evaluate_text(open('initial.py').read())]))"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    good, bad, text = json.loads(done.stdout)
    assert good["combined_score"] == 0.25
    assert good["metrics"] == {"accuracy_at_0": 0.5, "tokens_at_0": 80}
    assert "| 0 | 50.0 | 80 |" in good["artifacts"]["sweep"]
    # Lower than any baseline.
    assert bad == {"combined_score": -1.5, "metrics": {}, "artifacts": {"status": "load_error", "error": "no class"}}
    assert text[0] == 0.25
    line = [sys.executable, "evaluate.py", "--program_path", "bad.py", "--results_dir", "results"]
    subprocess.run(line, cwd=tmp_path, check=True)
    assert json.loads((tmp_path / "results/correct.json").read_text()) == {"correct": False, "error": "no class"}
    assert json.loads((tmp_path / "results/metrics.json").read_text())["combined_score"] == -1.5
    assert not (tmp_path / "executed").exists()


def test_proposals_are_the_new_programs_of_a_session_the_best_first(tmp_path: Path) -> None:
    transcript = Transcript(tmp_path / "run" / "round-002" / "transcript.jsonl", {"by": "me"})
    before = Transcript(tmp_path / "run" / "round-001" / "transcript.jsonl", {"by": "me"})
    other = Transcript(transcript.path, {"by": "another"})

    def tried(transcript: Transcript, number: int, source: str, **figures: object) -> None:
        transcript.record("try", round=number, attempt=0, source=source)
        transcript.record("tried", round=number, attempt=0, **figures)

    tried(before, 1, "old", status="ok", objective=0.9)
    tried(transcript, 2, "fails", status="load_error", why="no")
    tried(transcript, 2, "worse", status="ok", objective=0.1)
    tried(other, 2, "another's", status="ok", objective=0.8)
    # Killed while it was played, and played again.
    transcript.record("try", round=2, attempt=0, source="better")
    tried(transcript, 2, "better", status="ok", objective=0.3)
    tried(transcript, 2, "late", status="out_of_time", why="the session ended")
    tried(transcript, 2, "seed\n", status="ok", objective=0.5)
    brief = Brief(2, 2, 2, 0, (0.0, 1.0), "gain", 10, 100, {})
    assert best_sources(brief, transcript, ["seed"]) == ["better", "worse", "fails"]

"""The Python in docs/reference/python.md runs as it stands, with a short search."""

import functools
import importlib.util
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from langgraph.graph import StateGraph

import autotts

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs/reference/python.md"


@pytest.mark.slow
@pytest.mark.bubblewrap
def test_its_snippet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    (snippet,) = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
    monkeypatch.chdir(tmp_path)
    Path("grids").mkdir()
    shutil.copy(ROOT / "envdata/bundled/word-problems-search.parquet", "grids/mine.parquet")
    shutil.copy(ROOT / "envdata/bundled/word-problems-heldout.parquet", "grids/other.parquet")
    shutil.copy(ROOT / "sandbox/controllers/asc.py", "my_controller.py")
    spec = importlib.util.spec_from_file_location("my_controller", "my_controller.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (mine,) = (each for each in vars(module).values() if isinstance(each, type) and each.__module__ == "my_controller")
    monkeypatch.setattr(autotts, "evaluate", functools.partial(autotts.evaluate, betas=(0, 1), repeats=1))
    short: dict[str, Any] = {"betas": (0, 1), "repeats": 1, "rounds": 1, "candidates": 2}
    monkeypatch.setattr(autotts, "discover", functools.partial(autotts.discover, **short))
    builder: Any = StateGraph(dict)
    namespace: dict[str, Any] = {"MyController": mine, "builder": builder}
    exec(compile(snippet, str(DOCUMENT), "exec"), namespace)
    assert "asc" in capsys.readouterr().out
    assert Path("paper").is_dir()
    assert namespace["run"].result is not None
    assert "search" in builder.nodes

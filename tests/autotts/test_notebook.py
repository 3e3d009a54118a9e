"""The notebook in docs/ runs from its first cell to its last."""

import json
import linecache
from pathlib import Path
from typing import Any

import pytest

import autotts

NOTEBOOK = Path(__file__).parents[2] / "docs" / "first-search.ipynb"


def code_cells() -> list[str]:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def test_the_notebook_is_short() -> None:
    lines = [line for cell in code_cells() for line in cell.splitlines() if line.strip() and '"""' not in line]
    assert len(lines) <= 22


@pytest.mark.slow
@pytest.mark.bubblewrap
def test_its_cells_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(code_cells()):
        # As IPython does, so that the source of a class of a cell is known.
        name = f"<cell {number}>"
        linecache.cache[name] = (len(cell), None, cell.splitlines(keepends=True), name)
        exec(compile(cell, name, "exec"), namespace)
        if number == 0:
            assert {"betas", "repeats", "rounds"} <= set(namespace)
            namespace |= {"betas": (0, 1), "repeats": 1, "rounds": 1}
    assert isinstance(namespace["run"], autotts.Run)
    assert namespace["run"].result is not None

"""The agent skill: its front matter is the open format's, and its commands and its controller run as they stand."""

import re
import shlex
from pathlib import Path

import pytest

from graph.run.paths import read_json
from tests.graph.running import here
from tests.graph.small import write_small

FOLDER = Path(__file__).parents[2] / "skills" / "autotts-discover"
TEXT = (FOLDER / "SKILL.md").read_text(encoding="utf-8")
SIZES = {
    "DISCOVER": {"ROUNDS": "1", "CANDIDATES": "2", "FINALISTS": "1", "REPEATS": "1", "SCREENING_REPEATS": "1",
                 "BETAS": "0,1", "BASELINES": "sc"},
    "EVALUATE": {}, "COMPARE": {}, "EXPLAIN": {},
}  # fmt: skip


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_the_front_matter_is_that_of_the_format() -> None:
    _, front, body = TEXT.split("---\n", 2)
    fields = dict(line.split(": ", 1) for line in front.strip().split("\n"))
    assert fields["name"] == FOLDER.name
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", fields["name"])
    assert 1 <= len(fields["description"]) <= 1024
    assert len(fields["compatibility"]) <= 500
    # Agents load the whole file: it stays short.
    assert len(body.splitlines()) < 500


@pytest.mark.slow
def test_its_commands_lead_from_a_grid_to_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for command, sizes in SIZES.items():
        for name, value in {**sizes, "SANDBOX": "process", "JOBS": "1"}.items():
            monkeypatch.setenv(f"AUTOTTS_{command}_{name}", value)
    monkeypatch.setenv("AUTOTTS_SUBMIT_JOBS", "1")
    write_small(tmp_path / "search.parquet", questions=4, branches=8)
    write_small(tmp_path / "heldout.parquet", questions=4, branches=8, seed=1)
    (tmp_path / "drafts").mkdir()
    (source,) = blocks("python")
    (tmp_path / "drafts" / "waves.py").write_text(source)
    variables = {"GRID": "search.parquet", "HELDOUT": "heldout.parquet", "RUN": "runs/first"}
    typed = []
    for line in "".join(blocks("sh")).splitlines():
        for name, value in variables.items():
            line = line.replace(f"${name}", value)
        words = shlex.split(line, comments=True)
        status = 3 if line.endswith("# status 3") else 0
        printed = here(capsys, *words[1:], code=status).out
        typed.append(words[1])
        # Nothing but the run itself has looked at the held-out grid.
        assert words[1] in ("discover", "submit") or "heldout.parquet" not in line + printed
    assert typed == ["grid", "grid", "evaluate", "discover", "evaluate", "compare", "explain", "submit", "report",
                     "explain"]  # fmt: skip
    result = read_json(tmp_path / "runs" / "first" / "result.json")
    assert result["headline"]["text"]
    assert (tmp_path / "runs" / "first" / "report.html").exists()

"""`--approve`: nothing of a candidate is executed before a person agrees, and one yes is for one round."""

from pathlib import Path

import pytest

from graph.cli import main
from graph.loop.checkpoints import waiting_for
from graph.loop.machine import run
from graph.run.paths import RunFolder
from graph.run.pinned import Pinned
from tests.graph.conftest import SHORT
from tests.graph.test_loop import SOUND, Make, Scripted


def test_each_execution_waits_for_a_yes_of_its_own(make_context: Make) -> None:
    context = make_context(Scripted([SOUND]), approve=True)
    context.settings = context.settings.replace(rounds=3)
    first = run(context)
    assert first is not None
    assert (first.waits_for, first.payload["round"], first.payload["labels"]) == ("approval", 1, ["r1-01"])
    folder = context.folder
    assert not folder.round(1).screening.exists()
    # Going on without a yes stops at the same place.
    assert run(context) == first
    assert not folder.round(1).screening.exists()
    second = run(context, approved=True)
    assert second is not None
    assert (second.payload["round"], folder.round(1).metrics.exists()) == (2, True)
    assert not folder.round(2).screening.exists()
    # A person who is there is asked each time.
    asked = []
    assert run(context, lambda pause: not asked.append(pause.payload["round"])) is None  # type: ignore[func-returns-value]
    assert asked == [2, 3]
    assert folder.result.exists()


def test_approving_on_the_command_line(
    tmp_path: Path, grids: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    def ends(*arguments: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main([*map(str, arguments)])
        return int(ended.value.code or 0), capsys.readouterr().err

    out = tmp_path / "run"
    code, said = ends(
        "discover", "--grid", grids[0], *SHORT, "--rounds", 1, "--candidates", 1, "--approve", "--out", out
    )
    assert code == 3
    assert f"autotts discover --resume {out} --approve" in said
    pause = waiting_for(RunFolder(out), Pinned.load(out / "run.toml").settings)
    assert pause is not None
    assert Path(pause.payload["folder"], f"{pause.payload['labels'][0]}.py").exists()
    code, said = ends("submit", out, out / "run.toml")
    assert code == 1
    assert "waits for approval" in said
    code, said = ends("discover", "--resume", out)
    assert code == 3
    code, said = ends("discover", "--resume", out, "--approve", "--jobs", 1)
    assert code == 0, said
    assert (out / "result.json").exists()

"""Explaining a controller: what is said agrees with what the controller is made to do."""

import json
from pathlib import Path

import pytest

from graph.cli import main
from tests.graph.small import write_small

KNOWN = '''"""Reads as many branches as it may, and votes. And more."""
from sandbox.tts import Controller, majority


class Known(Controller):
    @staticmethod
    def schedule(beta):
        return {"idle": beta, "width": 1 + round(10 * beta), "fixed": 3}

    def solve(self, episode):
        branches = episode.read(self.knobs["width"])
        episode.note(f"read {len(branches)} branches")
        return majority(branch.answer for branch in branches)
'''


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small(tmp_path_factory.mktemp("grid") / "grid.parquet", questions=12)


def explained(
    capsys: pytest.CaptureFixture[str], controller: object, grid: Path, *more: str
) -> tuple[str, int | str | None]:
    with pytest.raises(SystemExit) as ended:
        main(["explain", str(controller), "--grid", str(grid), "--sandbox", "process", "--jobs", "1", "--repeats", "4",
              "--quiet", "--betas", "0,0.5,1", *more])  # fmt: skip
    return capsys.readouterr().out, ended.value.code


def test_the_knob_that_acts_is_found_and_the_idle_one_is_not(
    tmp_path: Path, grid: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "known.py"
    source.write_text(KNOWN)
    printed, code = explained(capsys, source, grid, "--json")
    assert code == 0
    said = json.loads(printed)
    assert (said["name"], said["reference"], said["failures"]) == ("Known", 0.5, {})
    knobs = {knob["name"]: knob for knob in said["knobs"]}
    assert said["knobs"][0]["name"] == "width"
    assert [move["value"] for move in knobs["width"]["moves"]] == [1, 11]
    assert knobs["width"]["values"] == [1, 6, 11]
    assert knobs["fixed"]["moves"] == []
    for move in knobs["idle"]["moves"]:
        # The same episodes to the token.
        assert move["accuracy"]["difference"] == pytest.approx({"value": 0, "low": 0, "high": 0})
        assert move["tokens"]["difference"]["value"] == 0
    low, high = knobs["width"]["moves"]
    assert low["tokens"]["difference"]["high"] < 0 < high["tokens"]["difference"]["low"]
    # Moved to where the sweep ends, with nothing else that acts, it does what the sweep does there.
    assert low["tokens"]["a"] == said["points"][0]["tokens"]
    assert high["accuracy"]["a"] == said["points"][-1]["accuracy"]["value"]
    words = " ".join(said["words"])
    assert "It says of itself: “Reads as many branches as it may, and votes”." in words
    assert "β does not move fixed." in words
    assert "100 % on READ" in words or "100 % on BRANCH" in words
    assert "saying" not in words
    assert "and says “read … branches”" in words


def test_it_is_readable_when_piped(grid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed, code = explained(capsys, "asc", grid)
    assert code == 0
    for part in ("over β", "one knob moved at β = 0.5", "how traced episodes end", "accuracy %"):
        assert part in printed
    assert "\x1b[" not in printed


def test_one_that_ignores_beta_and_constraints_are_explained_too(
    grid: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed, code = explained(capsys, "sc:branches=5", grid, "--max-tokens", "80", "--min-branches", "2", "--json")
    assert code == 0
    said = json.loads(printed)
    assert len(said["points"]) == 1
    assert said["points"][0]["tokens"] <= 80
    assert any(sentence.startswith("It ignores β") for sentence in said["words"])


def test_a_controller_that_does_not_load_is_an_error_in_a_line(
    tmp_path: Path, grid: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("import nowhere")
    with pytest.raises(SystemExit) as ended:
        main(["explain", str(broken), "--grid", str(grid), "--sandbox", "process"])
    assert ended.value.code == 1
    assert "nowhere" in capsys.readouterr().err

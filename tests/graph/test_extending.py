"""The examples of docs/extending.md are installed as another package, and their commands are typed as they stand."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from graph.critic.measurements import MEASUREMENTS
from graph.run.paths import read_json
from graph.run.pinned import Pinned
from sandbox.candidate import SHIPPED
from tests.graph.running import autotts
from tests.graph.small import write_small

DOCUMENT = (Path(__file__).parents[2] / "docs" / "extending.md").read_text(encoding="utf-8")
SECTIONS = {text.split("\n", 1)[0]: text for text in DOCUMENT.split("\n## ")[1:]}
SHORTER = "--repeats 2 --screening-repeats 1 --finalists 1 --jobs 1"


def blocks(section: str, language: str) -> list[str]:
    """The code blocks of a section in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", SECTIONS[section], re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a grid, the command `autotts`, and the examples as a package that is installed."""
    place = tmp_path_factory.mktemp("extending")
    write_small(place / "search.parquet")
    package, about = place / "package", place / "package" / "examples-1.2.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: examples\nVersion: 1.2\n")
    entries = []
    for section in SECTIONS:
        (source,) = blocks(section, "python")
        name = re.match(r"# (\w+\.py)\n", source)
        assert name is not None
        (package / name[1]).write_text(source)
        (table,) = blocks(section, "toml")
        entries.append(table.replace('[project.entry-points."', "[").replace('"]', "]").replace('"', ""))
    (about / "entry_points.txt").write_text("\n".join(entries))
    command = place / "bin" / "autotts"
    command.parent.mkdir()
    command.write_text(f"#!/bin/sh\nexec {sys.executable} -c 'from graph.cli import main; main()' \"$@\"\n")
    command.chmod(0o755)
    return place


def environment(place: Path) -> dict[str, str]:
    paths = [str(place / "package"), str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PATH": os.pathsep.join([str(place / "bin"), os.environ["PATH"]]),
        "COLUMNS": "200",
    }


def typed(place: Path, section: str) -> str:
    """Type the commands of a section in a shell that stops at the first that fails; runs are made shorter."""
    (commands,) = blocks(section, "sh")
    commands = commands.replace("autotts discover", f"autotts discover {SHORTER}")
    done = subprocess.run(
        ["/bin/sh", "-e", "-c", commands],
        cwd=place,
        env=environment(place),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_example_is_under_forty_lines() -> None:
    assert len(SECTIONS) == 5
    for section in SECTIONS:
        (source,) = blocks(section, "python")
        assert source.count("\n") < 40, section


@pytest.mark.slow
@pytest.mark.bubblewrap
def test_an_explorer(place: Path) -> None:
    typed(place, "An explorer")
    run = place / "runs" / "leads"
    assert dict(Pinned.load(run / "run.toml").explorer) == {"explorer": "leads", "largest": "5"}
    proposals = read_json(run / "round-001" / "candidates" / "proposals.json")
    assert [said["status"] for said in proposals] == ["ok"] * 3
    assert all(re.fullmatch(r"The leader is [1-5] ahead\.", said["idea"]) for said in proposals)


@pytest.mark.slow
@pytest.mark.bubblewrap
def test_a_sandbox(place: Path) -> None:
    printed = typed(place, "A sandbox")
    assert "polite       works; limits of each worker alone (rlimits), at the lowest priority" in printed
    assert re.search(r"There is no network\W+proven", printed)
    done = autotts("sandbox", "check", "--sandbox", "polit", **environment(place))
    assert (done.returncode, "docker, bubblewrap, process, polite" in done.stderr) == (1, True)


@pytest.mark.slow
@pytest.mark.bubblewrap
def test_a_measurement(place: Path) -> None:
    assert "- Questions answered rightly at no β: " in typed(place, "A measurement")
    run = place / "runs" / "measured"
    (measures,) = read_json(run / "round-001" / "measures.json").values()
    assert list(measures) == ["label", *MEASUREMENTS.built_in, "unsolved"]
    assert Pinned.load(run / "run.toml").versions["measurement unsolved"] == "examples 1.2"
    # Without the package its value would be missing, and later rounds would be told something else.
    plain = environment(place) | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [place / "bin" / "autotts", "discover", "--resume", run], cwd=place, env=plain, capture_output=True, text=True
    )
    assert "version of measurement unsolved: the run began with 'examples 1.2'" in done.stderr


@pytest.mark.slow
@pytest.mark.bubblewrap
def test_a_baseline(place: Path) -> None:
    printed = typed(place, "A baseline")
    assert "eight" in printed
    assert "eight:branches=4" in printed
    done = autotts("evaluate", "nine", "--grid", place / "search.parquet", **environment(place))
    assert f"{SHIPPED[-1]}, eight" in done.stderr


def test_an_answer_rule(place: Path) -> None:
    printed = typed(place, "An answer rule")
    assert "2 of 2 right" in printed
    done = autotts("answers", place / "times.csv", "--rule", "sundial", **environment(place))
    assert "there are math, number, choice, exact, clock" in done.stderr

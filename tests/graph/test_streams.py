"""Standard streams that are closed, full or read by nobody: a sentence, an exit status, and nothing lost."""

import subprocess
from pathlib import Path

import pytest

from tests.graph.running import autotts, command, files

EVALUATE = ("evaluate", "sc", "--repeats", 1, "--betas", "1", "--sandbox", "process", "--jobs", 1, "--quiet")


def shell(redirected: str, *arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `autotts` with the redirections, by a shell that lets go of its streams."""
    return subprocess.run(
        ["bash", "-c", f'"$@" {redirected}', "bash", *command(*arguments)], capture_output=True, text=True, **more
    )  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize("arguments", [("--help",), ("discover", "--out", "@RUN@")], ids=["help", "a run"])
def test_closed_output_is_said_before_anything_is_spent(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = shell(">&-", *(each.replace("@RUN@", str(tmp_path / "run")) for each in arguments))
    assert done.returncode == 1
    assert done.stderr.startswith("Error: standard output is closed, and what this command prints would be lost")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("redirected", "arguments", "why"),
    [
        ("> /dev/full", ("--help",), "No space left on device"),
        ("> /dev/full", ("sandbox", "check", "--help"), "No space left on device"),
        ("| true", ("--help",), "Broken pipe"),
    ],
)
def test_output_that_nobody_takes(redirected: str, arguments: tuple[str, ...], why: str) -> None:
    done = shell(f"{redirected}; exit ${{PIPESTATUS[0]}}", *arguments)
    assert done.returncode == 1
    assert done.stderr == f"Error: standard output: {why}; not all was printed: send it to a file, and look at that\n"


@pytest.mark.parametrize(
    "more", [pytest.param((), id="table", marks=pytest.mark.slow), pytest.param(("--json",), id="lines")]
)
def test_results_that_nobody_takes(more: tuple[str, ...], grids: tuple[Path, Path]) -> None:
    done = shell("> /dev/full", *EVALUATE, *more, "--grid", grids[0])
    assert done.returncode == 1
    assert "Error: standard output: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_run_that_nobody_listens_to_any_more_stops_and_goes_on(
    tmp_path: Path, options: tuple[object, ...], finished: Path
) -> None:
    run = tmp_path / "run"
    done = shell("| head -n 1 >/dev/null; exit ${PIPESTATUS[0]}", "discover", *options, "--out", run, "--json")
    assert done.returncode == 1
    assert done.stderr.endswith(f"once that is mended: autotts discover --resume {run}\n")
    assert "Traceback" not in done.stderr
    assert autotts("discover", "--resume", run, "--jobs", 1, "--quiet").returncode == 0
    assert files(run) == files(finished)


@pytest.mark.parametrize(
    "closed", [*(pytest.param(each, marks=pytest.mark.slow) for each in ("2>&-", "<&-")), "2>&- <&-", "2</dev/null"]
)
def test_without_input_or_errors_results_are_printed_all_the_same(closed: str, grids: tuple[Path, Path]) -> None:
    done = shell(closed, *EVALUATE, "--json", "--grid", grids[0])
    assert done.returncode == 0
    assert done.stdout.count("\n") == 1
    assert '"status": "ok"' in done.stdout
    assert not done.stderr

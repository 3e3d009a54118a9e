"""Hands controllers to a run that waits for them (explorer `folder:PATH`), and finds the folder that it waits in."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from envdata.atomic import write_text
from graph.explorers.submissions import CONTROLLER_FILES, IDEA_FILE, SubmissionError, read_plain_file
from graph.loop.checkpoints import waiting_for
from graph.loop.interrupts import RunInterrupt
from graph.run.files import RunError
from graph.run.ownership import check_confirmed
from graph.run.paths import RunFolder
from graph.run.pinned import Pinned


def awaited_controller(run: Path, given: Mapping[str, Any]) -> RunInterrupt:
    """Return the interrupt of a run that waits for a controller; its payload names the folder.

    The run names the folder, so it has to be this user's run, or the user has to have confirmed its explorer.

    Args:
        run: The run's folder.
        given: Settings that the user gave or confirmed for the resume.

    Raises:
        RunError: The run waits for no controller, or in a folder that is none of its explorers'.
    """
    folder = RunFolder(run)
    settings = Pinned.load(folder.settings).settings
    check_confirmed(folder, settings, given)
    pause = waiting_for(folder, settings)
    if pause is None or pause.waits_for != "controller":
        state = "waits for approval" if pause is not None else "does not wait for a controller"
        raise RunError(f"{run} {state}; go on with it by autotts discover --resume {run}")
    inbox = Path(pause.payload["folder"])
    if inbox not in [Path(spec.removeprefix("folder:")) for spec in settings.explorers if spec.startswith("folder:")]:
        raise RunError(f"{run} waits for a controller in {inbox}, which is not a folder of its explorers")
    return pause


def submit_files(run: Path, files: Sequence[Path], idea: str, given: Mapping[str, Any]) -> None:
    """Write copies of files into the folder in which a run waits for controllers.

    Args:
        run: The run's folder.
        files: Controllers, at most as many as the run asks for.
        idea: Markdown on what is new about a single controller; empty: its docstring.
        given: Settings that the user gave or confirmed for the resume.

    Raises:
        RunError: A file cannot be read, or as `submit_sources`.
    """
    pause = awaited_controller(run, given)
    try:
        sources = [read_plain_file(path) for path in files]
    except SubmissionError as error:
        raise RunError(str(error)) from None
    _write(run, pause, sources, idea)


def submit_sources(run: Path, sources: Sequence[str], idea: str, given: Mapping[str, Any]) -> None:
    """Write controllers into the folder in which a run waits for them, as `submit_files` does.

    Raises:
        RunError: The run waits for no controller or for fewer, its folder has controllers already, or an idea is given
            with several sources.
    """
    _write(run, awaited_controller(run, given), sources, idea)


def _write(run: Path, pause: RunInterrupt, sources: Sequence[str], idea: str) -> None:
    if len(sources) > pause.payload["wanted"]:
        raise RunError(f"{len(sources)} files, and the run asks for {pause.payload['wanted']} at most; give fewer")
    if idea and len(sources) > 1:
        raise RunError(f"--idea tells of one file, and {len(sources)} are given; write each one's into its docstring")
    inbox = Path(pause.payload["folder"])
    present = sorted(path.name for path in inbox.glob(CONTROLLER_FILES))
    if present:
        raise RunError(
            f"{inbox / present[0]} lies there already; go on with it by autotts discover --resume {run}, or remove it"
        )
    if idea:
        write_text(inbox / IDEA_FILE, idea + "\n")
    width = len(str(len(sources)))
    for number, source in enumerate(sources, 1):
        name = "controller.py" if len(sources) == 1 else f"controller-{number:0{width}}.py"
        write_text(inbox / name, source)

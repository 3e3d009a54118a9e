"""`autotts evaluator`: the evaluation of a run for search frameworks that the user starts, and its adapter files."""

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from graph.cli.foreign_text import echo_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graph.explorers.base import Brief
    from graph.explorers.context import ExplorerContext


@click.command("evaluator")
@click.argument("run", type=click.Path(path_type=Path, file_okay=False))
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), required=False)
@click.option("--play", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Play the controller in FILE, and print its figures as JSON; the adapter calls this.")  # fmt: skip
def evaluator_command(run: Path, folder: Path | None, play: Path | None) -> None:
    """Write files into FOLDER by which OpenEvolve, GEPA or ShinkaEvolve search with the evaluation of RUN.

    RUN is a run of discover whose baselines are evaluated, as one that waits for a controller (explorer folder:PATH).
    The files are initial.py (the best baseline), task.md (the task for the model), and the evaluation as evaluator.py
    and evaluate.py: it plays programs in the run's sandbox on its search set, and needs neither keys nor this package.
    What the framework finds is given to the run by submit.
    """
    if (folder is None) == (play is None):
        raise click.UsageError("give a FOLDER for the adapter files, or --play FILE")
    if play is not None:
        _play(run, play)
    elif folder is not None:
        _write(run, folder)


def _play(run: Path, file: Path) -> None:
    """Print the figures of the controller in a file. Raises RunError."""
    from graph.explorers.agents.draft_evaluations import Tries
    from graph.explorers.submissions import SubmissionError, read_plain_file
    from graph.loop.explorer_session import SubmissionRefused, checked_source
    from graph.run.files import RunError
    from graph.run.paths import RunFolder
    from graph.run.transcript import Transcript

    try:
        source = checked_source(read_plain_file(file.absolute()))
    except SubmissionError as error:
        raise RunError(str(error)) from None
    except SubmissionRefused as refused:
        echo_json({"status": "refused", "why": str(refused)})
        return
    with _opened(run) as (context, brief):
        # Not recorded: the run is told of what is submitted to it.
        echo_json(Tries(context, brief, Transcript(RunFolder(run).round(1).transcript)).figures(source))


def _write(run: Path, folder: Path) -> None:
    """Write the adapter files. Raises RunError."""
    from envdata.atomic import write_text
    from graph.explorers.searches.adapter import adapter_files, task_text

    command = [sys.executable, "-m", "autotts", "evaluator", str(run.absolute()), "--play"]
    with _opened(run) as (context, brief):
        files = {
            **adapter_files(command, brief, Path.cwd()),
            "task.md": task_text(brief, context.settings.brief_tokens),
        }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        write_text(folder / name, text)
    click.echo(f"{folder} has {', '.join(sorted(files))}; give what is found to the run: autotts submit {run} FILE")


@contextmanager
def _opened(run: Path) -> "Iterator[tuple[ExplorerContext, Brief]]":
    """Yield the context of a run's explorer, with its evaluator, and the brief of its first round.

    Raises:
        RunError: There is no run, its baselines are not evaluated, or it is another user's and its settings that
            decide about isolation are not confirmed.
    """
    from graph.explorers.context import ExplorerContext
    from graph.explorers.registry import make_explorer
    from graph.loop.briefs import make_brief
    from graph.loop.context import Context
    from graph.run.files import RunError
    from graph.run.observers import SilentObserver
    from graph.run.ownership import check_confirmed
    from graph.run.paths import RunFolder
    from graph.run.pinned import Pinned
    from sandbox.evaluate import Evaluator
    from sandbox.run_secret import load_secret

    path = RunFolder(run)
    settings = Pinned.load(path.settings).settings
    check_confirmed(path, settings, {})
    if not path.round(0).metrics.exists():
        raise RunError(f"{run} has not evaluated its baselines yet; go on with it by autotts discover --resume {run}")
    with Evaluator(settings.evaluation(load_secret(path.secret)), sandbox=settings.sandbox, jobs=1) as evaluator:
        # Any explorer: nobody is asked for a proposal.
        context = Context(settings, path, evaluator, make_explorer("evolution"), SilentObserver())
        yield ExplorerContext(settings, evaluator=evaluator), make_brief(context, 1)

"""Search for a controller from Python: `discover`, equivalent to the command `autotts discover`."""

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from graph.analysis.evaluation import AnyGrid, grid_paths
from graph.loop import discovery
from graph.report.run_summary import Run, load_run
from graph.run.bundled import grids_or_bundled
from graph.run.files import RunError
from graph.run.observers import SilentObserver
from graph.run.paths import new_run_folder
from graph.run.settings import ModelCallSettings, RunSettings


def discover(
    grids: AnyGrid | Iterable[AnyGrid] = (),
    heldout: AnyGrid | Iterable[AnyGrid] = (),
    *,
    out: Path | str | None = None,
    resume: bool = False,
    explorer: str | Iterable[str] = "evolution",
    jobs: int = 1,
    executor: str = "local",
    secret: Path | None = None,
    say: Callable[[str], None] = print,
    calls: ModelCallSettings | None = None,
    **settings: Any,
) -> Run:
    """Search for a controller, as `autotts discover` does, and return the finished run.

    Candidates are proposed by the explorer, evaluated in the sandbox, criticised and archived, round after round; the
    best of all rounds is selected and played once on the held-out grids. No model is called unless the explorer is one.

    Args:
        grids: The search set: paths, names or loaded grids. Without any, the bundled search set and held-out set.
        heldout: Grids for the end alone, which no candidate and no explorer ever sees.
        out: The run's folder, by default `runs/<time>`. An interrupted run in it continues with `resume`.
        resume: Whether to resume the run in `out` with its own grids and settings; those given here must be equal, but
            for `rounds`: with more of them a finished run goes on.
        explorer: The explorer, as `name` or `name:argument`; several take turns.
        jobs: Processes that play episodes. With more than one, a script needs the guard `if __name__ == "__main__":`.
        executor: `local`, or `ray` to play the episodes on the nodes of a Ray cluster. A run may be resumed with the
            other one.
        secret: File with another run's secret; with it and the same settings, a run writes the same bytes.
        say: Called with a line for each thing that happens; `lambda line: None` is silent.
        calls: How models are called: time limit, retries, requests at a time.
        **settings: Further settings of the run: rounds, candidates, betas, repeats, objective, sandbox, max_cost and
            all other fields of `graph.run.settings.RunSettings`.

    Raises:
        RunError: A setting does not exist or has an impossible value, or the folder holds a run already.
        RunPaused: The run stopped at an interrupt.
        ExplorerError: The explorer cannot be made or cannot go on.
        GridError: A grid cannot be read.
        SandboxUnavailable: The sandbox backend does not work here.
        InfrastructureError: The host failed during an evaluation.
    """
    if explorer != "evolution" or not resume:
        settings["explorers"] = (explorer,) if isinstance(explorer, str) else tuple(explorer)
    named = [() if each == () else grid_paths(each) for each in (grids, heldout)]
    observer = _Lines(say)
    if resume:
        if out is None:
            raise RunError("resume goes on with the run in `out`; name its folder")
        settings |= {name: paths for name, paths in zip(("grids", "heldout"), named, strict=True) if paths}
        discovery.resume(
            Path(out), settings, jobs=jobs, executor=executor, observer=observer, calls=calls or ModelCallSettings()
        )
        return load_run(out)
    searched, held = grids_or_bundled(*named)
    chosen = RunSettings(grids=searched, heldout=held, **settings)
    with new_run_folder(Path("runs")) if out is None else nullcontext(Path(out)) as folder:
        observer.say(f"the run is in {folder}")
        discovery.start(
            folder, chosen, jobs=jobs, executor=executor, observer=observer, calls=calls or ModelCallSettings(),
            secret=secret,
        )  # fmt: skip
        return load_run(folder)


class _Lines(SilentObserver):
    """Observer that passes messages to a function."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """Pass messages to `say`."""
        self._say = say

    def say(self, text: str) -> None:
        """Pass a message on."""
        self._say(text)

"""`autotts discover`: search for a controller over replay grids."""

import os
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

import envdata
from envdata.episodes import MAX_BRANCHES
from envdata.orders import ORDERS
from graph.cli.exploring import explorer_options
from graph.cli.going_on import carry_out
from graph.cli.options import Betas, ProbeCost
from graph.cli.speaking import speaking
from graph.configuration import FROM_VARIABLES
from graph.folder import RunFolder
from graph.mlflow import Tracker
from graph.objective import FORMS, Objective, ObjectiveError
from graph.pausing import Person
from graph.settings import Conduct, RunSettings
from graph.telling import Teller, Watched

BUNDLED = Path(envdata.__file__).parent / "bundled"
DEFAULTS = {each.name: each.default for each in fields(RunSettings)}


def _objective(context: click.Context, parameter: click.Parameter, value: str) -> str:
    try:
        Objective.parse(value)
    except ObjectiveError as error:
        raise click.BadParameter(str(error), context, parameter) from None
    return value


@click.command("discover")
@click.option(
    "--grid",
    "grids",
    multiple=True,
    metavar="FILE",
    help="A grid to search on; may be given again.  [default: the bundled one]",
)
@click.option(
    "--heldout",
    multiple=True,
    metavar="FILE",
    help="A grid for the end alone; may be given again.  [default: the bundled one]",
)
@click.option("--rounds", type=click.IntRange(1), default=DEFAULTS["rounds"], show_default=True)
@click.option(
    "--candidates", type=click.IntRange(1), default=DEFAULTS["candidates"], show_default=True, help="A round."
)
@click.option("--finalists", type=click.IntRange(1), default=DEFAULTS["finalists"], show_default=True,
              help="Candidates a round that are evaluated in full, at most.")  # fmt: skip
@click.option("--race/--no-race", default=DEFAULTS["race"], show_default=True,
              help="Drop candidates that are clearly behind; without, all are evaluated in full.")  # fmt: skip
@click.option("--betas", type=Betas(), default="0:1:0.1", show_default=True, help="As 0,0.5,1 or 0:1:0.1.")
@click.option(
    "--repeats", type=click.IntRange(1), default=DEFAULTS["repeats"], show_default=True, help="Branch orders."
)
@click.option("--order", type=click.Choice(list(ORDERS)), default=DEFAULTS["order"], show_default=True,
              help="How branches are ordered.")  # fmt: skip
@click.option("--screening-repeats", type=click.IntRange(1), default=DEFAULTS["screening_repeats"], show_default=True)
@click.option("--seed", type=int, default=DEFAULTS["seed"], show_default=True)
@explorer_options
@click.option("--objective", default=DEFAULTS["objective"], show_default=True, callback=_objective, help=FORMS + ".")
@click.option("--budget", type=click.IntRange(1), help="Tokens that an episode may spend.  [default: unlimited]")
@click.option("--max-branches", type=click.IntRange(1), default=MAX_BRANCHES, show_default=True)
@click.option("--probe-cost", type=ProbeCost(), default="0", show_default=True, help="What a probe costs.")
@click.option("--sandbox", default="auto", show_default=True, metavar="auto|docker|bubblewrap|process",
              help="How candidates are isolated.")  # fmt: skip
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, show_default="cores")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="The run's folder.  [default: runs/<time>]"
)
@click.option("--resume", "resumed", type=click.Path(path_type=Path, file_okay=False), metavar="RUN",
              help="Go on with the run in this folder.")  # fmt: skip
@click.option("--wait", is_flag=True, help="Wait for a controller that somebody is to give, instead of ending.")
@click.option("--mlflow", "tracking", metavar="URI", help="Mirror the run to this MLflow tracking server.")
@click.option("--mlflow-experiment", "experiment", default="autotts", show_default=True, metavar="NAME")
@click.option("--json", "as_json", is_flag=True,
              help="Print what happens as JSON lines, the result last; with --quiet the result alone.")  # fmt: skip
@click.option("--quiet", is_flag=True, help="Show no progress.")
@click.pass_context
def discover_command(
    context: click.Context,
    /,
    jobs: int,
    out: Path | None,
    resumed: Path | None,
    wait: bool,
    tracking: str | None,
    experiment: str,
    as_json: bool,
    quiet: bool,
    timeout: float,
    retries: int,
    at_once: int,
    **given: Any,
) -> None:
    """Search for a controller: propose, evaluate in the sandbox, criticise, archive, and again.

    No model is called unless the explorer is one. The best controller of all rounds is selected, and evaluated once on
    the held-out grid together with the baselines. A run that was stopped, in whatever way, goes on with --resume; the
    exit code is 3 where it stopped for somebody, and says for what.
    """
    from graph import discovery

    conduct = Conduct(timeout, retries, at_once)
    if resumed is not None and out is not None:
        raise click.UsageError("--resume says which folder; leave --out away")
    folder = resumed or out or Path("runs") / datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    wanted = _named(context, given) if resumed is not None else {}
    settings = RunSettings(**with_bundled(given)) if resumed is None else None

    def step(teller: Teller, person: Person) -> dict[str, Any]:
        if settings is None:
            return discovery.resume(folder, wanted, jobs=jobs, teller=teller, person=person, conduct=conduct)
        teller.say(f"the run is in {folder}")
        return discovery.start(folder, settings, jobs=jobs, teller=teller, person=person, conduct=conduct)

    def told(person: Person) -> dict[str, Any]:
        with speaking(RunFolder(folder), quiet=quiet, as_json=as_json) as (teller, around):
            if tracking is None:
                return step(teller, around(person))
            tracker = Tracker(RunFolder(folder), tracking, experiment, teller.say)
            complete = False
            try:
                result = step(Watched(teller, [tracker]), around(person))
                complete = True
                return result
            finally:
                tracker.close(complete=complete)

    carry_out(told, folder, wait=wait, as_json=as_json)


def _named(context: click.Context, given: dict[str, Any]) -> dict[str, Any]:
    """The settings that are named for a resume.

    The file is for new runs: an old one goes on with what it began with, whatever stands there by now.
    """
    variables = context.meta.get(FROM_VARIABLES, set())
    here = {name for name in given if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    return {name: given[name] for name in here | {name for name in given if name in variables}}


def with_bundled(given: dict[str, Any]) -> dict[str, Any]:
    """The bundled grids where no grid is named; a search on other grids has nothing held out unless it is named too."""
    if given["grids"]:
        return given
    if given["heldout"]:
        raise click.UsageError("--heldout goes with --grid; name the grids to search on too")
    search, heldout = (BUNDLED / f"word-problems-{part}.parquet" for part in ("search", "heldout"))
    return {**given, "grids": (_near(search),), "heldout": (_near(heldout),)}


def _near(path: Path) -> str:
    """The path as seen from here where it is below, so that results look alike in every checkout."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)

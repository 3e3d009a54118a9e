"""`autotts study`: explorers × seeds × ablations as runs, and a page and tables of what they show."""

import json
from pathlib import Path

import click


@click.command("study")
@click.argument("study", type=click.Path(path_type=Path, dir_okay=False), metavar="STUDY.toml")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False),
              help="The study's folder.  [default: studies/<name of the file>]")  # fmt: skip
@click.option("--only-page", is_flag=True, help="Start nothing: write page and tables of what there is.")
@click.option("--json", "as_json", is_flag=True, help="Print the runs as JSON lines.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def study_command(study: Path, out: Path | None, only_page: bool, as_json: bool, quiet: bool) -> None:
    """Carry out a study: a run for every explorer, ablation and seed that the file names.

    What is complete is left alone, what was stopped goes on: start it again after an interruption. A run that fails
    stops no other; the exit code is 1 if any did not come to its end. The folder gets runs/, study.html and the
    tables runs, rounds, candidates and calls as Parquet.
    """
    from graph.study.findings import find
    from graph.study.page import write_page
    from graph.study.plan import read_plan
    from graph.study.running import carry_out

    def say(text: str) -> None:
        if not quiet:
            click.echo(text, err=True)

    plan = read_plan(study)
    folder = out or Path("studies") / study.stem
    outcomes = []
    if not only_page:
        say(f"{len(plan.runs)} runs in {folder / 'runs'}, {plan.at_once} at once")
        try:
            outcomes = carry_out(plan, folder, say)
        except KeyboardInterrupt:
            raise click.ClickException(f"stopped; go on with: autotts study {study} --out {folder}") from None
    stopped = {each.planned.folder: each.why for each in outcomes if each.why is not None}
    found = find(plan, folder, stopped)
    tables = found.save(folder)
    page = folder / "study.html"
    write_page(found, page, f"Study: {study.stem}")
    if as_json:
        for row in found.runs.to_pylist():
            click.echo(json.dumps(row, ensure_ascii=False))
    else:
        complete = sum(found.runs.column("complete").to_pylist())
        click.echo(f"{complete} of {len(plan.runs)} runs are complete")
        for name, why in stopped.items():
            click.echo(f"{name}: {why}")
        click.echo(f"page: {page}\ntables: {', '.join(path.name for path in tables)}")
    if stopped:
        raise SystemExit(1)

"""`autotts study`: runs explorers × seeds × ablations, and writes a page and tables of the results."""

from pathlib import Path

import click

from graph.cli.options import executor_option


@click.command("study")
@click.argument("study", type=click.Path(path_type=Path, dir_okay=False), metavar="STUDY.toml")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False),
              help="The study's folder.  [default: studies/<name of the file>]")  # fmt: skip
@executor_option
@click.option("--only-page", is_flag=True, help="Start no run: write the page and tables of the existing runs.")
@click.option("--export", "export", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
              help="Also write figures (SVG, PDF) and tables (CSV, LaTeX) for a paper into this folder.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the runs as JSON lines.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def study_command(
    study: Path, out: Path | None, executor: str, only_page: bool, export: Path | None, as_json: bool, quiet: bool
) -> None:
    """Run a study: one run for every explorer, ablation and seed that the file names.

    Complete runs are kept and stopped ones continue: give the same command again after an interruption. A run that
    fails stops no other; the exit code is 1 if any run is incomplete. The folder gets runs/, study.html and the tables
    runs, rounds, candidates and calls as Parquet.
    """
    from graph.cli.errors import Interrupted
    from graph.cli.foreign_text import echo, echo_json
    from graph.study.search import study as run

    def say(text: str) -> None:
        if not quiet:
            echo(text, err=True)

    folder = out or Path("studies") / study.stem
    try:
        found = run(study, folder, only_page=only_page, executor=executor, say=say)
    except KeyboardInterrupt:
        raise Interrupted(f"stopped; go on with: autotts study {study} --out {folder}") from None
    exported = found.export(export) if export is not None else []
    if as_json:
        for row in found.table.to_pylist():
            echo_json(row)
    else:
        complete = sum(found.table.column("complete").to_pylist())
        click.echo(f"{complete} of {found.table.num_rows} runs are complete")
        for name, why in found.stopped.items():
            echo(f"{name}: {why}")
        click.echo(f"page: {found.page}\ntables: runs.parquet, rounds.parquet, candidates.parquet, calls.parquet")
        if exported:
            click.echo(f"for a paper: {len(exported)} files in {export}")
    if found.stopped:
        raise SystemExit(1)

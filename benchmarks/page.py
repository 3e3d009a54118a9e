"""Measures how long a run's page takes to write, its size, and the time until a browser shows it.

    python -m benchmarks.page RUN --rounds 50 --grids 12

The measured run is made from the finished one RUN, by repeating its rounds and its search grid under other names. Needs
Chromium and the Python package playwright. The exit code is 1 if a load takes longer than --limit.
"""

import json
import re
import shutil
import tempfile
import time
from pathlib import Path

import click
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from envdata.grid_names import grid_file
from graph.report.page.render import write_report
from graph.run.paths import RunFolder
from graph.run.pinned import Pinned
from tests.browser.browsing import chromium


def enlarge(run: Path, target: Path, rounds: int, grids: int) -> None:
    """Write a run with that number of rounds and grids to `target`, from a finished one with one grid."""
    pinned = Pinned.load(run / "run.toml")
    (grid,) = pinned.settings.grids
    paths = [str(target / f"grid-{number + 1:02d}.parquet") for number in range(grids)]
    target.mkdir(parents=True)
    for path in paths:
        shutil.copy(grid_file(grid), path)
    hashes = "".join(f"{json.dumps(path)} = {json.dumps(pinned.grid_hashes[grid])}\n" for path in paths)
    text = (run / "run.toml").read_text().replace("[grids]\n", f"[grids]\n{hashes}")
    text = re.sub(r"^grids = .*$", f"grids = {json.dumps(paths)}", text, flags=re.MULTILINE)
    text = re.sub(r"^heldout = .*$", "heldout = []", text, flags=re.MULTILINE)
    (target / "run.toml").write_text(re.sub(r"^rounds = \d+$", f"rounds = {rounds}", text, flags=re.MULTILINE))
    for name in ("accounting.json", "frontier.parquet"):
        shutil.copy(run / name, target / name)
    recorded_rounds = pinned.settings.rounds
    for number in range(rounds + 1):
        source = (number - 1) % recorded_rounds + 1 if number else 0
        own = target / f"round-{number:03d}"
        shutil.copytree(run / f"round-{source:03d}", own)
        # The ids of the questions are those of one grid: the copies' own are read from the grids.
        (own / "questions.json").unlink(missing_ok=True)
        for file in [*own.glob("*.json"), *own.glob("*.jsonl"), *own.glob("*.md"), *own.glob("candidates/*.json")]:
            file.write_text(file.read_text().replace(f"r{source}-", f"r{number}-"))
        for file in own.glob("candidates/r*.py"):
            file.rename(file.with_name(file.name.replace(f"r{source}-", f"r{number}-")))
        metrics = json.loads((own / "metrics.json").read_text())
        (own / "metrics.json").write_text(json.dumps({**metrics, "round": number}))
        for name in ("evaluation.parquet", "traces.parquet"):
            if (own / name).exists():
                pq.write_table(_enlarged(pq.read_table(own / name), source, number, paths), own / name)


def _enlarged(table: pa.Table, source: int, number: int, grids: list[str]) -> pa.Table:
    """A round's table with the labels of round `number` instead of `source`, and its rows once for each grid."""
    label = pc.replace_substring(table.column("controller").cast(pa.string()), f"r{source}-", f"r{number}-")
    table = table.set_column(0, "controller", label)
    named = [table.set_column(1, "grid", pa.array([path] * table.num_rows)) for path in grids]
    whole = pa.concat_tables(named)
    # Rows are ordered by controller, then by grid, as the loop writes them.
    return pa.concat_tables([whole.filter(pc.equal(whole.column("controller"), each)) for each in pc.unique(label)])


@click.command()
@click.argument("run", type=click.Path(path_type=Path, exists=True))
@click.option("--rounds", default=50, show_default=True)
@click.option("--grids", default=12, show_default=True)
@click.option("--times", default=5, show_default=True)
@click.option("--limit", default=2.0, show_default=True, metavar="SECONDS")
def main(run: Path, rounds: int, grids: int, times: int, limit: float) -> None:
    """Measure the page of a run made from RUN with the given number of rounds and grids."""
    with tempfile.TemporaryDirectory() as folder:
        enlarged = Path(folder) / "run"
        enlarge(run, enlarged, rounds, grids)
        began = time.perf_counter()
        write_report(RunFolder(enlarged))
        seconds = time.perf_counter() - began
        page = enlarged / "report.html"
        print(f"{rounds} rounds, {grids} grids: {page.stat().st_size / 1e6:.2f} MB, written in {seconds:.1f} s")
        slowest = 0.0
        with chromium() as browser:
            for number in range(times):
                shown = browser.new_page(viewport={"width": 1200, "height": 900})
                shown.goto(page.as_uri())
                shown.wait_for_selector("html[data-ready=yes]")
                ready = shown.evaluate("performance.getEntriesByName('ready')[0].startTime")
                shown.wait_for_function("() => performance.getEntriesByName('theatre').length")
                theatre = shown.evaluate("performance.getEntriesByName('theatre')[0].startTime")
                print(f"load {number + 1}: the page after {ready:.0f} ms, the theatre after {theatre:.0f} ms")
                shown.close()
                slowest = max(slowest, theatre)
    if slowest > 1000 * limit:
        raise click.ClickException(f"the page with its theatre took {slowest:.0f} ms; the limit is {limit:g} s")


if __name__ == "__main__":
    main()

"""How large the page of a run is, and how soon a browser shows it: python -m benchmarks.page --rounds 50 --grids 12

Makes a run of that size out of a finished one: its rounds and its search grid are repeated under other names, so that
every file is a real one. Needs Chromium and the Python package playwright.
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

from graph.folder import RunFolder
from graph.report import write_report
from graph.settings import Pinned
from tests.browser.browsing import chromium


def enlarge(run: Path, made: Path, rounds: int, grids: int) -> None:
    """Make a run of so many rounds and grids from a finished one."""
    pinned = Pinned.load(run / "run.toml")
    (grid,) = pinned.settings.grids
    paths = [str(made / f"grid-{number + 1:02d}.parquet") for number in range(grids)]
    made.mkdir(parents=True)
    for path in paths:
        shutil.copy(grid, path)
    text = (run / "run.toml").read_text()
    text = re.sub(r"^grids = .*$", f"grids = {json.dumps(paths)}", text, flags=re.MULTILINE)
    text = re.sub(r"^heldout = .*$", "heldout = []", text, flags=re.MULTILINE)
    (made / "run.toml").write_text(re.sub(r"^rounds = \d+$", f"rounds = {rounds}", text, flags=re.MULTILINE))
    for name in ("accounting.json", "frontier.parquet"):
        shutil.copy(run / name, made / name)
    had = pinned.settings.rounds
    for number in range(rounds + 1):
        source = (number - 1) % had + 1 if number else 0
        own = made / f"round-{number:03d}"
        shutil.copytree(run / f"round-{source:03d}", own)
        for file in [*own.glob("*.json"), *own.glob("*.jsonl"), *own.glob("*.md"), *own.glob("candidates/*.json")]:
            file.write_text(file.read_text().replace(f"r{source}-", f"r{number}-"))
        for file in own.glob("candidates/r*.py"):
            file.rename(file.with_name(file.name.replace(f"r{source}-", f"r{number}-")))
        said = json.loads((own / "metrics.json").read_text())
        (own / "metrics.json").write_text(json.dumps({**said, "round": number}))
        for name in ("evaluation.parquet", "traces.parquet"):
            if (own / name).exists():
                pq.write_table(_enlarged(pq.read_table(own / name), source, number, paths), own / name)


def _enlarged(table: pa.Table, source: int, number: int, grids: list[str]) -> pa.Table:
    label = pc.replace_substring(table.column("controller").cast(pa.string()), f"r{source}-", f"r{number}-")
    table = table.set_column(0, "controller", label)
    named = [table.set_column(1, "grid", pa.array([path] * table.num_rows)) for path in grids]
    whole = pa.concat_tables(named)
    # Episodes stand by controller, then by grid.
    return pa.concat_tables([whole.filter(pc.equal(whole.column("controller"), each)) for each in pc.unique(label)])


@click.command()
@click.argument("run", type=click.Path(path_type=Path, exists=True))
@click.option("--rounds", default=50, show_default=True)
@click.option("--grids", default=12, show_default=True)
@click.option("--times", default=5, show_default=True)
def main(run: Path, rounds: int, grids: int, times: int) -> None:
    """Measure the page of a run that is made RUN's likeness, so many rounds and grids large."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "run"
        enlarge(run, made, rounds, grids)
        began = time.perf_counter()
        write_report(RunFolder(made))
        seconds = time.perf_counter() - began
        page = made / "report.html"
        print(f"{rounds} rounds, {grids} grids: {page.stat().st_size / 1e6:.2f} MB, made in {seconds:.1f} s")
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


if __name__ == "__main__":
    main()

"""Copies a finished run into a folder that can be published: everything but what repeats its grids.

usage: python tools/recording.py RUN OUT [--traces]

Left out are the traces (answers of branches, step by step), the answers of episodes, the page (it holds traces), the
checkpoints and the secret. `recorded:OUT`, `autotts report OUT` and `autotts ui` read the copy: proposals, transcripts,
critiques and figures are whole. The episodes of screening are left out as well: only racing reads them. With --traces
the traces stay, for grids that are published themselves.
"""

import shutil
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from graph.run.paths import RunFolder

LEFT_OUT = ("secret", "checkpoints.sqlite*", "report.html", "traces.parquet", "screening.parquet", "*.lock")


def copy_recording(run: Path, out: Path, *, traces: bool = False) -> None:
    """Copy the run in the folder `run` into the new folder `out`. Raises SystemExit if it has not ended."""
    if not RunFolder(run).result.exists():
        raise SystemExit(f"{run}: this run has not ended; finish it with autotts discover --resume {run}")
    if out.exists():
        raise SystemExit(f"{out} exists; name a new folder")
    left_out = [name for name in LEFT_OUT if not (traces and name == "traces.parquet")]
    shutil.copytree(run, out, ignore=shutil.ignore_patterns(*left_out))
    for path in sorted(out.rglob("*.parquet")):
        table = pq.read_table(path)
        if "answer" in table.column_names and not traces:
            place = table.column_names.index("answer")
            field = table.schema.field(place)
            table = table.set_column(place, field, pa.nulls(len(table), field.type))
        pq.write_table(table, path, compression="zstd", compression_level=19)


if __name__ == "__main__":
    places = [each for each in sys.argv[1:] if each != "--traces"]
    if len(places) != 2:
        raise SystemExit(__doc__)
    copy_recording(Path(places[0]), Path(places[1]), traces="--traces" in sys.argv)

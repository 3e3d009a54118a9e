"""Download of the replay grids of the public AutoTTS release from its authors' repository.

The release has four Qwen3 models on AIME24, which its authors searched on, and AIME25 and HMMT25, which they held out.
It has no licence file, so this package holds none of its data: a user downloads it, and it is imported, verified and
kept among the named grids (`envdata.grid_names`).
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2

from envdata.autotts_import import import_file
from envdata.download import DownloadError, NotThereError, client, disk_errors, download
from envdata.grid_names import fetched_folder, name_of
from envdata.grid_schema import GridError
from envdata.verification import GridVerification, verify

SOURCE = "https://raw.githubusercontent.com/zhengkid/AutoTTS/main/grids"
"""Base address of `<model>/<benchmark>.json`. A source may also be an address with {model} and {benchmark} in it."""
MODELS = ("Qwen3-0.6B", "Qwen3-1.7B", "Qwen3-4B", "Qwen3-8B")
BENCHMARKS = ("aime24", "aime25", "hmmt25")
SUMS = "SHA256SUMS"
"""Name of the file below the source that lists SHA-256 hashes in the format of sha256sum; not every source has one."""

Report = Callable[[str, int, int | None], None]
"""Called with a grid's name, the bytes received, and the bytes in all if they are known."""


@dataclass(frozen=True)
class ReleaseGrid:
    """One grid of the release."""

    model: str
    benchmark: str

    @property
    def path(self) -> Path:
        """The file that the imported grid is kept in."""
        return fetched_folder() / self.model / f"{self.benchmark}.parquet"

    @property
    def name(self) -> str:
        """The grid's name, such as `qwen3-8b/aime24`."""
        return name_of(self.path)


@dataclass(frozen=True)
class FetchResult:
    """The result of fetching one grid."""

    name: str
    path: Path
    verified: GridVerification | None = None
    """The checks of a grid that was fetched now; None for one that was there, or that failed."""
    failed: str | None = None
    """The reason why the grid is missing, None if it is there."""


def release_grids() -> tuple[ReleaseGrid, ...]:
    """Return all grids of the release, by model."""
    return tuple(ReleaseGrid(model, benchmark) for model in MODELS for benchmark in BENCHMARKS)


def address(source: str, wanted: ReleaseGrid) -> str:
    """Return the address of a grid's file below `source`."""
    form = source if "{model}" in source else source.rstrip("/") + "/{model}/{benchmark}.json"
    return form.replace("{model}", wanted.model).replace("{benchmark}", wanted.benchmark)


def fetch(
    source: str, grids: Sequence[ReleaseGrid], report: Report, *, again: bool = False, pause: float | None = None
) -> Iterator[FetchResult]:
    """Download, import and verify grids, one after the other.

    Args:
        source: The base address, as `SOURCE`.
        grids: The grids to fetch.
        report: Called as bytes arrive.
        again: Whether grids that are there already are fetched again.
        pause: Seconds before the second try of a request; None is the usual pause.

    Yields:
        A result for each grid. A grid that the source lacks, or whose file is not in order, has the reason in `failed`,
        and the next one follows.

    Raises:
        DownloadError: The source does not answer, or nothing can be written.
    """
    with client() as web, disk_errors():
        sums = _sums(web, source, pause) if again or not all(grid.path.exists() for grid in grids) else {}
        for grid in grids:
            if grid.path.exists() and not again:
                yield FetchResult(grid.name, grid.path)
                continue
            try:
                yield FetchResult(grid.name, grid.path, _fetch_one(web, source, grid, sums, report, pause))
            except (GridError, NotThereError) as error:
                yield FetchResult(grid.name, grid.path, failed=str(error))


def _fetch_one(
    web: httpx2.Client, source: str, wanted: ReleaseGrid, sums: dict[str, str], report: Report, pause: float | None
) -> GridVerification:
    """Download, import and verify one grid. Raises GridError or NotThereError if the source has no such grid."""
    url = address(source, wanted)
    parts = fetched_folder() / ".parts"
    file = parts / f"{wanted.model}-{wanted.benchmark}.json"
    expected = sums.get(f"{wanted.model}/{wanted.benchmark}.json")
    sha256 = download(web, url, file, lambda have, size: report(wanted.name, have, size), sha256=expected, pause=pause)
    imported = parts / f"{wanted.model}-{wanted.benchmark}.parquet"
    try:
        more = {"url": url, "sha256": sha256}
        import_file(file, imported, model=wanted.model, benchmark=wanted.benchmark, more=more)
        verified = verify(imported)
        wanted.path.parent.mkdir(parents=True, exist_ok=True)
        os.replace(imported, wanted.path)
    except GridError as error:
        raise GridError(f"{url} is not a grid of the release: {error}") from None
    finally:
        imported.unlink(missing_ok=True)
        file.unlink(missing_ok=True)
    return verified


def _sums(web: httpx2.Client, source: str, pause: float | None) -> dict[str, str]:
    """Return the SHA-256 of files by their path below the source; empty where the source does not list them."""
    if "{model}" in source:
        return {}
    listed = fetched_folder() / ".parts" / SUMS
    try:
        download(web, f"{source.rstrip('/')}/{SUMS}", listed, lambda have, size: None, pause=pause)
        lines = listed.read_text("utf-8").splitlines()
        pairs = [line.split(maxsplit=1) for line in lines if line.strip()]
        return {path.strip().lstrip("*").removeprefix("./"): digest.lower() for digest, path in pairs}
    except NotThereError:
        return {}
    except (UnicodeDecodeError, ValueError):
        raise DownloadError(f"{source}/{SUMS} is not a list of hashes as sha256sum writes it") from None
    finally:
        listed.unlink(missing_ok=True)

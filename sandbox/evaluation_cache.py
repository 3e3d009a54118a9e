"""A cache of finished repeats, in a folder keyed by the hash of everything that they depend on.

`FOLDER/<key>/<checksum>` holds some repeats of one candidate on one grid, as Arrow; only the host writes there. The
key covers everything that decides their figures, the checksum the content under that key: a file that does not match
its name is removed and its repeats are played again. The folder may be deleted at any time, several processes may use
it at once, and where it cannot be read or written an evaluation takes longer and has the same result.
"""

import contextlib
import hashlib
import io
import json
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from envdata.atomic import write_bytes
from envdata.cache import cache_folder
from envdata.cluster import code_hash
from envdata.episodes import GroupResult
from envdata.traces import SCHEMA as TRACE
from sandbox.candidate import Candidate
from sandbox.replay_player import EvaluationSettings, PlayedRepeat, Repeat
from sandbox.status import Status
from sandbox.versions import installed_versions

LIMIT = 512 << 20
"""Largest size of a folder in bytes; beyond it the least recently used files are removed."""

SECONDS = 1.0
"""Seconds that repeats wait to be written together; a kill loses the repeats of that time at most."""

KEPT = frozenset({Status.OK, Status.EXCEPTION, Status.CONTRACT_ERROR})
"""A repeat is cached if all its episodes have one of these statuses, which the controller alone decides. Any other
failure may be the host's (its memory, its load, a signal), and such a repeat is played again."""

PACKAGES = ("numpy", "scipy", "greenlet")
"""Packages that candidates may import: with another version a controller may draw, round or order differently."""

_FIGURES = {
    "status": pa.int64(), "correct": pa.bool_(), "tokens": pa.int64(), "sequential_tokens": pa.int64(),
    "longest_branch": pa.int64(), "branches": pa.int64(), "pruned": pa.int64(), "finished": pa.int64(),
    "calls": pa.int64(), "decoded": pa.int64(), "probe_tokens": pa.int64(), "probe_prefill": pa.int64(),
}  # fmt: skip
_EPISODES = pa.schema([*_FIGURES.items(), ("answer", pa.string()), ("why", pa.string())])
_TRACES = pa.schema([("place", pa.int32()), *TRACE])
"""`place` is the index of the row's repeat in the file."""
_NAME = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class EvaluationCache:
    """A folder of finished repeats, made when the first is added."""

    folder: Path

    def secret(self) -> Path:
        """Return the path of the secret that a resumed evaluation takes random numbers from, and make its folder."""
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / "secret"

    def load(self, key: str) -> dict[Repeat, PlayedRepeat]:
        """Return the repeats cached under a key; damaged files are removed."""
        found: dict[Repeat, PlayedRepeat] = {}
        for file in self._files(key):
            with contextlib.suppress(OSError):
                data = file.read_bytes()
                if file.name != _checksum(key, data):
                    file.unlink()
                    continue
                os.utime(file)
                found |= _unpack(data)
        return found

    def keep(self, key: str, played: Iterator[PlayedRepeat]) -> Iterator[PlayedRepeat]:
        """Yield the repeats as they come, and add them to the cache, also those before an interruption."""
        unsaved: list[PlayedRepeat] = []
        saved_at = time.monotonic()
        try:
            for each in played:
                unsaved.append(each)
                if time.monotonic() - saved_at >= SECONDS:
                    self.add(key, unsaved)
                    unsaved, saved_at = [], time.monotonic()
                yield each
        finally:
            self.add(key, unsaved)
            self.trim()

    def add(self, key: str, played: Sequence[PlayedRepeat]) -> None:
        """Write the repeats that may be cached (`KEPT`) as one file; a folder that cannot be written is ignored."""
        lasting = [each for each in played if KEPT.issuperset(each.result.status.tolist())]
        if lasting:
            data = _pack(lasting)
            with contextlib.suppress(OSError):
                write_bytes(self.folder / key / _checksum(key, data), data)

    def trim(self, limit: int = LIMIT) -> None:
        """Remove the least recently used files until the rest has at most `limit` bytes."""
        files = []
        for key in self._keys():
            for file in self._files(key):
                with contextlib.suppress(OSError):
                    status = file.stat()
                    files.append((status.st_mtime_ns, status.st_size, file))
        excess = sum(size for _, size, _ in files) - limit
        for _, size, file in sorted(files):
            if excess <= 0:
                break
            with contextlib.suppress(OSError):
                file.unlink()
                excess -= size

    def remove(self) -> None:
        """Remove the cached repeats and the secret, and the folder if nothing else is in it."""
        for key in self._keys():
            # Also unfinished files of a process that was killed; no file that we did not make.
            for file in [*self._files(key), *(self.folder / key).glob(".*.tmp")]:
                with contextlib.suppress(OSError):
                    file.unlink()
            with contextlib.suppress(OSError):
                (self.folder / key).rmdir()
        with contextlib.suppress(OSError):
            (self.folder / "secret").unlink(missing_ok=True)
            self.folder.rmdir()

    def _keys(self) -> list[str]:
        return [path.name for path in _listed(self.folder)]

    def _files(self, key: str) -> list[Path]:
        return _listed(self.folder / key)


def baselines_cache() -> EvaluationCache | None:
    """Return the cache of the shipped controllers' repeats for all runs of this user; None without a cache folder."""
    try:
        return EvaluationCache(cache_folder("evaluations"))
    except (OSError, RuntimeError):
        # There is no home folder.
        return None


def evaluation_key(candidate: Candidate, grid_hash: str, settings: EvaluationSettings, sandbox: str) -> str:
    """Return the cache key of a candidate on a grid: SHA-256 of everything that decides its figures.

    Every field of the settings is part of the key. The candidate's label and the grid's path are not, nor is the
    secret for shipped controllers, which use no random numbers.

    Args:
        candidate: The candidate.
        grid_hash: Content hash of the grid.
        settings: Settings of the evaluation.
        sandbox: Name of the isolation backend.
    """
    terms = asdict(settings)
    if candidate.shipped:
        del terms["secret"]
    parts = {
        "candidate": candidate.content_hash,
        "grid": grid_hash,
        "settings": terms,
        "sandbox": sandbox,
        "engine": engine_version(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=repr).encode()).hexdigest()


@cache
def engine_version() -> dict[str, str]:
    """Return the hash of the code of `envdata` and `sandbox`, and the versions of Python and of `PACKAGES`."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {"python": python, "code": code_hash(), **installed_versions(PACKAGES)}


def _listed(folder: Path) -> list[Path]:
    """Return the entries of a folder that this cache made, sorted by name; empty if it cannot be read."""
    try:
        return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
    except OSError:
        return []


def _checksum(key: str, data: bytes) -> str:
    return hashlib.sha256(key.encode() + data).hexdigest()


def _pack(played: Sequence[PlayedRepeat]) -> bytes:
    """Return the repeats of one grid as two Arrow streams: their episodes and their traces."""
    results = [each.result for each in played]
    columns: dict[str, Any] = {name: np.concatenate([getattr(result, name) for result in results]) for name in _FIGURES}
    columns["answer"] = [answer for result in results for answer in result.answer]
    columns["why"] = [result.why.get(question) for result in results for question in range(len(result.status))]
    repeats = json.dumps([[each.repeat.beta, each.repeat.number, each.repeat.traced] for each in played])
    episodes = pa.table(columns, _EPISODES.with_metadata({"repeats": repeats}))
    traces = [
        each.trace.add_column(0, _TRACES.field("place"), pa.repeat(pa.scalar(place, pa.int32()), each.trace.num_rows))
        for place, each in enumerate(played)
        if each.trace is not None
    ]
    written = io.BytesIO()
    for table in (episodes, pa.concat_tables([_TRACES.empty_table(), *traces]).unify_dictionaries()):
        with pa.ipc.new_stream(written, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as stream:
            stream.write_table(table)
    return written.getvalue()


def _unpack(data: bytes) -> Mapping[Repeat, PlayedRepeat]:
    """Return the repeats in bytes made by `_pack`."""
    source = pa.BufferReader(data)
    with pa.ipc.open_stream(source) as stream:
        episodes = stream.read_all()
    with pa.ipc.open_stream(source) as stream:
        traces = stream.read_all()
    repeats = [Repeat(*fields) for fields in json.loads(episodes.schema.metadata[b"repeats"])]
    questions = episodes.num_rows // len(repeats)
    # Rows of a repeat stand together, in the order of the repeats.
    starts = np.searchsorted(traces.column("place").to_numpy(), np.arange(len(repeats) + 1))
    traces = traces.drop_columns("place")
    found = {}
    for place, repeat in enumerate(repeats):
        own = episodes.slice(place * questions, questions)
        trace = traces.slice(starts[place], starts[place + 1] - starts[place]) if repeat.traced else None
        figures = {name: own.column(name).to_numpy() for name in _FIGURES}
        whys = own.column("why").to_pylist()
        why = {question: reason for question, reason in enumerate(whys) if reason is not None}
        found[repeat] = PlayedRepeat(
            repeat, GroupResult(answer=own.column("answer").to_pylist(), why=why, **figures), trace
        )
    return found

"""Ended live episodes of a validation, recorded as they end, so that the same command goes on after any interruption.

Beside `live.parquet` lies `live.parquet.played/` with one file an episode, named by the hash of everything that decides
the episode. Files are written atomically, before an episode's figures are used, and one process at a time works in the
folder. Of a process that is killed only the episodes that were running are played again.
"""

import contextlib
import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from envdata.actions import Op
from envdata.atomic import write_text
from envdata.collect.engine import CollectError
from envdata.locks import FolderLock, LockError
from sandbox.live.solution import Cost, FailedBy, Solution
from sandbox.status import Status


@dataclass(frozen=True)
class LiveRecord:
    """The result of one live episode."""

    question: int
    """Index of the question in the grid."""
    repeat: int
    status: str
    """Name of the status (`sandbox.status`)."""
    failed_by: FailedBy | None
    why: str | None
    answer: str | None
    correct: bool
    branches: int
    actions: dict[str, int]
    """Number of actions by name; a call on four branches counts four."""
    cost: Cost

    @classmethod
    def of(cls, question: int, repeat: int, solution: Solution, correct: bool) -> "LiveRecord":
        """Return the record of a solution."""
        names: list[str] = solution.trace.column("action").to_pylist()
        return cls(
            question=question,
            repeat=repeat,
            status=Status(solution.status).label,
            failed_by=solution.failed_by,
            why=solution.why,
            answer=solution.answer,
            correct=correct,
            branches=len(solution.branches),
            actions={op.name: names.count(op.name) for op in Op if op.name in names},
            cost=solution.cost,
        )


class LiveRecords:
    """The folder of a validation's ended episodes. A context manager, which holds the folder's lock."""

    def __init__(self, out: Path) -> None:
        """Open or create the folder beside `out`.

        Raises:
            CollectError: Another process validates into it, or it cannot be written.
        """
        self.folder = out.with_name(f"{out.name}.played")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = FolderLock(self.folder)
        except OSError as error:
            raise CollectError(f"{self.folder} cannot be written ({error.strerror}); choose another --out") from None
        except LockError as error:
            raise CollectError(f"{error} (--out)") from None

    def __enter__(self) -> "LiveRecords":
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()
        with contextlib.suppress(OSError):
            # Nothing is in it where no episode ended, or where the records were removed.
            self.folder.rmdir()

    def read(self, key: dict[str, Any]) -> LiveRecord | None:
        """Return the record of the episode that `key` decides; None if it has not ended, or its file is damaged."""
        try:
            content = json.loads(self._file(key).read_text("utf-8"))
            return LiveRecord(**{**content, "cost": Cost(**content["cost"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def write(self, key: dict[str, Any], record: LiveRecord) -> None:
        """Record an ended episode. Raises CollectError if the file cannot be written."""
        try:
            write_text(self._file(key), json.dumps(asdict(record)))
        except OSError as error:
            raise CollectError(f"{self.folder} cannot be written ({error.strerror}); make room and go on") from None

    def count(self) -> int:
        """Return the number of recorded episodes."""
        return sum(1 for _ in self.folder.glob("*.json"))

    def remove(self) -> None:
        """Remove the records, also unfinished files of a process that was killed."""
        for file in (*self.folder.glob("*.json"), *self.folder.glob(".*.json.*.tmp")):
            file.unlink(missing_ok=True)

    def _file(self, key: dict[str, Any]) -> Path:
        digest = hashlib.sha256(json.dumps(key, sort_keys=True, default=repr).encode()).hexdigest()
        return self.folder / f"{digest}.json"

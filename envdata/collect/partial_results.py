"""Folder of a collection in progress, so that the same command continues after any interruption.

Beside `grid.parquet` lies `grid.parquet.parts/`: `run.json` records the plan of the collection, and each finished
question is one file. Files are written atomically (`envdata.atomic`). One process at a time locks the folder; the lock
ends with the process, however that ends.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from envdata.atomic import write_text
from envdata.collect.branches import Branch
from envdata.collect.engine import CollectError
from envdata.locks import FolderLock, LockError, LockHeldError

STARTED = "started"
"""The one entry of a plan that may differ when a collection continues: the first run's value is kept."""


ONE_QUESTION = "question-*.json"
"""Pattern of the files of finished questions."""


def parts_folder(out: Path) -> Path:
    """Return the folder of a collection to `out`."""
    return out.with_name(out.name + ".parts")


class PartialResults:
    """The finished questions of one collection."""

    def __init__(self, out: Path, plan: Mapping[str, Any]) -> None:
        """Open or create the folder.

        Args:
            out: The grid's file.
            plan: A JSON object of everything that decides the result.

        Raises:
            CollectError: The folder was begun with another plan, another process collects into it, or it cannot be
                written.
        """
        self.folder = parts_folder(out)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = FolderLock(self.folder)
        except OSError as error:
            raise CollectError(f"{self.folder} cannot be written ({error.strerror}); choose another --out") from None
        except LockHeldError as held:
            raise CollectError(f"{held}: one process at a time collects into {out}") from None
        except LockError as error:
            raise CollectError(f"{error} (--out)") from None
        self.plan = self._plan(json.loads(json.dumps(plan)))

    def done(self) -> set[int]:
        """Return the indices of the finished questions."""
        return {int(file.stem.removeprefix("question-")) for file in self.folder.glob(ONE_QUESTION)}

    def write(self, number: int, branches: list[Branch], given_up: list[str]) -> None:
        """Store a finished question.

        Args:
            number: The question's index.
            branches: Its branches.
            given_up: Those of its answers that exceeded the limits on reading.
        """
        content = {"branches": [asdict(branch) for branch in branches], "given_up": given_up}
        self._write(self._file(number), content)

    def read(self, number: int) -> list[Branch]:
        """Return the branches of a finished question."""
        return [Branch(**record) for record in self._content(number)["branches"]]

    def given_up(self, number: int) -> list[str]:
        """Return those answers of a finished question that exceeded the limits on reading."""
        answers: list[str] = self._content(number)["given_up"]
        return answers

    def close(self) -> None:
        """Release the lock."""
        self._lock.close()

    def remove(self) -> None:
        """Delete the folder, after the grid was written."""
        shutil.rmtree(self.folder)

    def _plan(self, plan: dict[str, Any]) -> dict[str, Any]:
        """Return the recorded plan. Raises CollectError if it differs from `plan`."""
        file = self.folder / "run.json"
        if not file.exists():
            self._write(file, plan)
            return plan
        begun: dict[str, Any] = json.loads(file.read_text("utf-8"))
        for key in sorted(begun.keys() | plan.keys()):
            if key != STARTED and begun.get(key) != plan.get(key):
                self.close()
                raise CollectError(
                    f"{self.folder} was begun with {key} = {_short(begun.get(key))} and this command says "
                    f"{_short(plan.get(key))}; give the same, choose another --out or delete the folder"
                )
        return begun

    def _content(self, number: int) -> dict[str, Any]:
        """Return the stored record of a question."""
        content: dict[str, Any] = json.loads(self._file(number).read_text("utf-8"))
        return content

    def _file(self, number: int) -> Path:
        """Return the file of a question."""
        return self.folder / f"question-{number:05}.json"

    def _write(self, file: Path, content: object) -> None:
        """Write JSON to a file. Raises CollectError."""
        try:
            write_text(file, json.dumps(content, ensure_ascii=False, allow_nan=False))
        except UnicodeEncodeError as error:
            before = error.object[max(0, error.start - 40) : error.start]
            raise CollectError(
                f"{file} cannot be written: bytes that are no text follow {before!r}; give names and settings in UTF-8"
            ) from None
        except OSError as error:
            raise CollectError(
                f"{file} cannot be written ({error.strerror}); make room and run the same command again, "
                "finished questions are kept"
            ) from None


def _short(value: object) -> str:
    """Return a value as JSON, cut to 80 characters."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "…"

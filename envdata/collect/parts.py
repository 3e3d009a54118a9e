"""The folder that a collection in progress is kept in, so that the same command goes on after any end.

Next to `grid.parquet` stands `grid.parquet.parts/`: `run.json` says what is being collected, and each finished
question is one file. Files appear whole (`envdata.atomic`), so a question is there or it is not. One process at a time
holds the folder; the lock goes with the process, however it ends.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from envdata.atomic import write_text
from envdata.collect.branches import Branch
from envdata.collect.engine import CollectError

STARTED = "started"
"""The one entry of a plan that may differ when a collection goes on: the first run's is kept."""


ONE_QUESTION = "question-*.json"
"""Matches the files of finished questions."""


def parts_folder(out: Path) -> Path:
    """Give the folder that a collection to `out` is kept in."""
    return out.with_name(out.name + ".parts")


class Parts:
    """The finished questions of one collection."""

    def __init__(self, out: Path, plan: Mapping[str, Any]) -> None:
        """Open or make the folder for `out`; `plan` is a JSON object of all that decides the result.

        Raises CollectError if the folder was begun with another plan or another process collects into it.
        """
        self.folder = parts_folder(out)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CollectError(f"{self.folder} is in use: another process collects into {out}; wait for it") from None
        except OSError as error:
            raise CollectError(f"{self.folder} cannot be written ({error.strerror}); choose another --out") from None
        self.plan = self._plan(json.loads(json.dumps(plan)))

    def done(self) -> set[int]:
        """Give the numbers of the questions that are finished."""
        return {int(file.stem.removeprefix("question-")) for file in self.folder.glob(ONE_QUESTION)}

    def write(self, number: int, branches: list[Branch], given_up: list[str]) -> None:
        """Keep a finished question, and those of its answers that were too much to be read."""
        content = {"branches": [asdict(branch) for branch in branches], "given_up": given_up}
        self._write(self._file(number), content)

    def read(self, number: int) -> list[Branch]:
        """Give a finished question's branches."""
        return [Branch(**record) for record in self._content(number)["branches"]]

    def given_up(self, number: int) -> list[str]:
        """Give those answers of a finished question that were too much to be read."""
        answers: list[str] = self._content(number)["given_up"]
        return answers

    def close(self) -> None:
        """Let another process collect here."""
        os.close(self._lock)

    def remove(self) -> None:
        """Delete the folder: everything in it is in the grid now."""
        shutil.rmtree(self.folder)

    def _plan(self, plan: dict[str, Any]) -> dict[str, Any]:
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
        content: dict[str, Any] = json.loads(self._file(number).read_text("utf-8"))
        return content

    def _file(self, number: int) -> Path:
        return self.folder / f"question-{number:05}.json"

    def _write(self, file: Path, content: object) -> None:
        try:
            write_text(file, json.dumps(content, ensure_ascii=False, allow_nan=False))
        except OSError as error:
            raise CollectError(
                f"{file} cannot be written ({error.strerror}); make room and run the same command again, "
                "finished questions are kept"
            ) from None


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "…"

"""The transcript of a round: one JSON object a line, on the disk before anything is done with it.

The only file of a run with times in it, and the only one that is appended to: a node that runs again after a kill
leaves its second lines below the first ones. A line that a kill cut short is closed before the next one is written.

Events of a call to a model: `prompt` (its text, once), `call` (before each time it is sent, with its worst case),
`failed` (an attempt that brought no reply, and whether it may be billed) and `reply` (before it is used). A `call` that
is followed by neither of the two was in flight when the process ended. `session` begins each process, `node` and `done`
enclose the work of a node.
"""

import json
import os
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from graph.secrets import redacted

_APPENDING = threading.Lock()
"""A coding agent's calls are recorded by threads of their own, beside the node's."""


@dataclass(frozen=True)
class Journal:
    """An append-only file of events."""

    path: Path

    def record(self, event: str, **said: Any) -> None:
        """Append an event, and wait until it is on the disk."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = redacted(json.dumps({"at": datetime.now(UTC).isoformat(), "event": event, **said}, ensure_ascii=False))
        with _APPENDING, self.path.open("ab+") as stream:
            size = stream.seek(0, os.SEEK_END)
            if size:
                stream.seek(size - 1)
                if stream.read(1) != b"\n":
                    stream.write(b"\n")
            stream.write(line.encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())

    def events(self) -> list[dict[str, Any]]:
        """Everything that was recorded; lines that a kill cut short are left out."""
        if not self.path.exists():
            return []
        found = []
        for line in self.path.read_bytes().splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found

    def of_all_rounds(self) -> list[dict[str, Any]]:
        """The events of all rounds of the run that this transcript is a part of, in the order of their times."""
        found = []
        for path in sorted(self.path.parent.parent.glob(f"*/{self.path.name}")):
            found += [{**event, "of": path.parent.name} for event in Journal(path).events()]
        # Sorting keeps the order of equals.
        return sorted(found, key=lambda event: str(event.get("at", "")))

"""Transcript of a round: an append-only file of events, one JSON object a line, each on the disk before it is used.

It is the only file of a run that is appended to: a node that runs again after a kill adds its events after the first
ones. A line that a kill cut short is terminated before the next one is written.

Events of a call to a model: `prompt` (its text, once), `call` (before each request, with its worst case), `failed` (a
request without a reply, and whether it may be billed) and `reply` (before it is used). A `call` followed by neither
`failed` nor `reply` was in flight when the process ended. `session` starts each process, and `session end` ends it
unless it is killed; `node` and `done` enclose the work of a node.
"""

import codecs
import errno
import json
import os
import re
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from envdata.atomic import naming
from envdata.plain_text import whole
from graph.run.files import MAX_FILE, read_bytes
from graph.run.redaction import redacted

SESSION, SESSION_END = "session", "session end"
"""Events of round 0 at the start and at the end of each process's work on a run; the second lacks after a kill."""
BRIEF = "brief"
"""Event at the start of a round's proposer, with what its brief holds."""
SENT_BACK = "sent back"
"""Event with the `count` of a round's proposals that acted as an earlier controller does and went back."""
_ROUND = re.compile(r"round-[0-9]{3,6}", re.ASCII)
_APPENDING = threading.Lock()
"""Calls of a coding agent are recorded by threads beside the node's."""


@dataclass(frozen=True)
class Transcript:
    """An append-only file of events, `transcript.jsonl` of a round."""

    path: Path
    stamp: Mapping[str, Any] = field(default_factory=dict)
    """Fields of every event that is recorded through this object, such as the explorer that it concerns."""

    def record(self, event: str, **fields: Any) -> None:
        """Append an event with redacted fields, and wait until it is on the disk. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = redacted(
            json.dumps(
                {"at": datetime.now(UTC).isoformat(), "event": event, **self.stamp, **fields}, ensure_ascii=False
            )
        )
        with _APPENDING, naming(self.path), self.path.open("ab+") as stream:
            size = stream.seek(0, os.SEEK_END)
            if size:
                stream.seek(size - 1)
                if stream.read(1) != b"\n":
                    stream.write(b"\n")
            stream.write(whole(line).encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())

    def check_room(self, size: int) -> None:
        """Raise OSError if fewer than `size` bytes are free on the disk; call it before work that must be recorded."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self.path.parent).free < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))

    def events(self) -> list[dict[str, Any]]:
        """Return the recorded events in order, without lines that a kill cut short. Raises RunError."""
        if not self.path.exists():
            return []
        events = []
        for line in read_bytes(self.path, MAX_FILE).splitlines():
            try:
                event = json.loads(line.removeprefix(codecs.BOM_UTF8))
            except (ValueError, RecursionError):
                continue
            if isinstance(event, dict) and isinstance(event.get("event"), str) and isinstance(event.get("at"), str):
                events.append(event)
        return events

    def of_all_rounds(self) -> list[dict[str, Any]]:
        """Return the events of all rounds of this run, sorted by time, each with its round's folder under `of`."""
        events = []
        for path in sorted(self.path.parent.parent.glob(f"round-*/{self.path.name}")):
            if not _ROUND.fullmatch(path.parent.name):
                continue
            events += [{**event, "of": path.parent.name} for event in Transcript(path).events()]
        # The sort is stable.
        return sorted(events, key=lambda event: str(event.get("at", "")))

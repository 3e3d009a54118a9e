"""Where a run stops for somebody: what it waits for, and how it goes on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Pause:
    """A LangGraph interrupt of a run."""

    waits_for: str
    """`controller` or `approval`."""
    said: Mapping[str, Any]
    """Plain JSON, as the node gave it."""

    @classmethod
    def from_interrupt(cls, value: Mapping[str, Any]) -> "Pause":
        """Read what a node called `interrupt` with."""
        return cls(value["for"], value)

    def words(self, run: Path) -> str:
        """What the run waits for, and what to do."""
        if self.waits_for == "approval":
            labels = self.said["labels"]
            return (
                f"round {self.said['round']}: {len(labels)} candidates wait for approval in {self.said['folder']}; "
                f"look at them, then: autotts discover --resume {run} --approve"
            )
        folder, problem = self.said["folder"], self.said.get("problem")
        again = f", attempt {self.said['attempt'] + 1}: what was given failed" if self.said["attempt"] else ""
        return (
            f"round {self.said['round']}{again}: waiting for a controller"
            + (f" ({problem})" if problem else "")
            + f". {folder}/brief.md says what is asked; put controller.py there and go on with: autotts discover "
            f"--resume {run}; or both at once: autotts submit {run} FILE"
        )


class Waiting(Exception):
    """The run stopped for somebody. Nothing is wrong: it goes on as the message says."""

    def __init__(self, pause: Pause, run: Path) -> None:
        super().__init__(pause.words(run))
        self.pause = pause


Person = Callable[[Pause], bool]
"""Asked when a run stops: True if it may go on now, False to end the process with `Waiting`."""


def nobody(pause: Pause) -> bool:
    """Nobody is there."""
    return False

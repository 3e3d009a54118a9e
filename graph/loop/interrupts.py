"""Interrupts of a run: what a paused run waits for, and who decides whether it goes on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class RunInterrupt:
    """A LangGraph interrupt raised by a node of a run."""

    waits_for: str
    """`controller` or `approval`."""
    payload: Mapping[str, Any]
    """Plain JSON, as the node gave it to LangGraph's `interrupt`."""

    @classmethod
    def from_interrupt(cls, value: Mapping[str, Any]) -> "RunInterrupt":
        """Read the value that a node called `interrupt` with."""
        return cls(value["for"], value)

    def message(self, run: Path) -> str:
        """Return a sentence that says what the run in the folder `run` waits for, and how to continue it."""
        if self.waits_for == "approval":
            labels = self.payload["labels"]
            return (
                f"round {self.payload['round']}: {len(labels)} candidates wait for approval in "
                f"{self.payload['folder']}; look at them, then: autotts discover --resume {run} --approve"
            )
        folder, problem = self.payload["folder"], self.payload.get("problem")
        attempt = self.payload["attempt"]
        again = f", attempt {attempt + 1}: what was given failed" if attempt else ""
        return (
            f"round {self.payload['round']}{again}: waiting for a controller"
            + (f" ({problem})" if problem else "")
            + f". {folder}/brief.md says what is asked; put controller.py there and go on with: autotts discover "
            f"--resume {run}; or both at once: autotts submit {run} FILE"
        )


class RunPaused(Exception):
    """The run has stopped at an interrupt. No error: the message says how to continue it."""

    def __init__(self, pause: RunInterrupt, run: Path) -> None:
        """Describe the interrupt `pause` of the run in the folder `run`."""
        super().__init__(pause.message(run))
        self.pause = pause


PauseHandler = Callable[[RunInterrupt], bool]
"""Called at each interrupt of a run. Returns True to go on now, False to leave the run with `RunPaused`."""


def stay_paused(pause: RunInterrupt) -> bool:
    """Return False: leave the run paused."""
    return False

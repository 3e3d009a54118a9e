"""Gets a candidate's description of itself from a worker: its class, its docstring, and its schedule."""

from collections.abc import Sequence
from typing import Any

from sandbox.backends.base import Backend
from sandbox.candidate import Candidate
from sandbox.host import CandidateFailed, Host, InfrastructureError
from sandbox.inside.wire import MAX_KNOB, MAX_KNOBS
from sandbox.replay_player import RETRIES, EvaluationSettings, check_time
from sandbox.sanitize import quoted
from sandbox.status import Status
from sandbox.text_frames import read_text


def describe(
    backend: Backend,
    candidate: Candidate,
    betas: Sequence[float],
    settings: EvaluationSettings,
    until: float | None = None,
) -> dict[str, Any] | CandidateFailed:
    """Return a candidate's description, or the failure if it cannot be loaded or breaks the contract.

    Args:
        backend: The isolation backend.
        candidate: The candidate.
        betas: Values of β.
        settings: Settings of the evaluation.
        until: Deadline by `time.time`, in seconds; None for no deadline.

    Returns:
        `name` (its class), `doc` (its module's docstring), and `schedules` (its knobs at each β).

    Raises:
        OutOfTime: The deadline has passed.
        InfrastructureError: The sandbox keeps failing by itself.
    """
    job = {
        "kind": "describe",
        "api": settings.api,
        "seed": 0,
        "betas": list(betas),
        "settings": dict(candidate.settings),
    }
    for attempt in range(RETRIES + 1):
        with Host(backend, settings.limits, candidate) as host:
            try:
                host.start()
                host.spawn(0, job)
                return _hear_description(host, len(betas), until)
            except CandidateFailed as failed:
                return failed
            except InfrastructureError:
                if attempt == RETRIES:
                    raise
    raise AssertionError("unreachable")


def _hear_description(host: Host, schedules: int, until: float | None) -> dict[str, Any]:
    while True:
        check_time(until)
        for event in host.wait(1.0):
            if event.frame is None:
                raise CandidateFailed(event.status or Status.PROTOCOL_ERROR, event.why)
            match read_text(event.frame):
                case {"name": str(name), "doc": str(doc), "schedules": list(listed)} if len(
                    listed
                ) == schedules and all(map(_is_schedule, listed)):
                    hidden = [knob for schedule in listed for knob in schedule if quoted(knob) != knob]
                    if hidden:
                        why = f"a knob's name, {hidden[0]!a}, holds characters that cannot be seen"
                        raise CandidateFailed(Status.CONTRACT_ERROR, quoted(why))
                    return {"name": quoted(name, 80), "doc": quoted(doc, 2000), "schedules": listed}
                case _:
                    raise CandidateFailed(Status.PROTOCOL_ERROR, "the worker sent no description")


def _is_schedule(value: object) -> bool:
    """Whether it is a schedule as the worker checks it: at most `MAX_KNOBS` identifiers with finite numbers."""
    return (
        isinstance(value, dict)
        and len(value) <= MAX_KNOBS
        and all(
            len(name) <= 100 and name.isidentifier() and isinstance(knob, int | float) and -MAX_KNOB <= knob <= MAX_KNOB
            for name, knob in value.items()
        )
    )

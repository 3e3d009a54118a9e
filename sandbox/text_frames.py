"""Reads frames of text alone: a worker's description of a candidate, or its report that the candidate cannot be played.

A worker's text is not trusted: anything but the forms below is a PROTOCOL_ERROR of its candidate.
"""

import json
from typing import Any

from sandbox.host import CandidateFailed
from sandbox.inside.wire import HEADER
from sandbox.sanitize import quoted
from sandbox.status import Status

_REPORTABLE = {Status.LOAD_ERROR, Status.CONTRACT_ERROR, Status.OUT_OF_MEMORY}
"""Failures of a whole candidate that a worker may report."""


def read_text(frame: bytes) -> Any | None:
    """Return the JSON value of a frame of text alone, None for a frame with calls.

    Raises CandidateFailed if the text reports a failure of the candidate, or is not JSON.
    """
    calls, branches, text, _ = HEADER.unpack_from(frame)
    if calls or not text:
        return None
    try:
        value = json.loads(frame[HEADER.size + branches * 4 :])
    except (ValueError, RecursionError) as error:
        why = f"the worker sent text that is not JSON: {type(error).__name__}"
        raise CandidateFailed(Status.PROTOCOL_ERROR, why) from None
    match value:
        case {"status": int(code), "why": str(why)} if code in _REPORTABLE:
            raise CandidateFailed(Status(code), quoted(why))
    return value


def check_no_failure(frame: bytes) -> None:
    """Raise CandidateFailed for any frame of text alone: while episodes are played, text can only report a failure."""
    if read_text(frame) is not None:
        raise CandidateFailed(Status.PROTOCOL_ERROR, "the worker sent text that is not a failure")

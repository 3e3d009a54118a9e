"""Errors that a user can mend: their text is the whole message."""

from envdata.grid import GridError
from sandbox.backends.base import SandboxUnavailable
from sandbox.candidate import CandidateError
from sandbox.host import CandidateFailed, InfrastructureError

USER_ERRORS: tuple[type[Exception], ...] = (
    GridError,
    CandidateError,
    CandidateFailed,
    SandboxUnavailable,
    InfrastructureError,
)

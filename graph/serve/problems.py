"""What goes wrong with a request, in the form in which the OpenAI API says it."""

from typing import Any

from envdata.collect.engine import CollectError, QuestionFailedError
from sandbox.solving import LateError, SolveError


class Problem(Exception):
    """A request that cannot be answered."""

    def __init__(
        self, status: int, message: str, *, kind: str, code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.kind, self.code, self.param = status, message, kind, code, param

    def as_object(self) -> dict[str, Any]:
        """The reply's body."""
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}


def bad_request(message: str, param: str | None = None, code: str | None = None) -> Problem:
    """What the client can mend."""
    return Problem(400, message, kind="invalid_request_error", param=param, code=code)


def busy(message: str, code: str) -> Problem:
    """Too much is asked for at once, or altogether."""
    return Problem(429, message, kind="rate_limit_error" if code == "rate_limit_exceeded" else code, code=code)


def of_error(error: Exception) -> Problem:
    """What an error of solving is to a client: whose fault it was decides the status."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, SolveError):
        status, code = {
            "model": (502, "upstream_failed"),
            "time": (504, "timeout"),
            "sandbox": (500, "sandbox_failed"),
            "controller": (500, "controller_failed"),
        }[error.solution.failed_by or "controller"]
        return Problem(status, str(error), kind="server_error", code=code)
    if isinstance(error, LateError):
        return Problem(504, str(error), kind="server_error", code="timeout")
    if isinstance(error, QuestionFailedError):
        return bad_request(str(error))
    if isinstance(error, CollectError):
        # A prompt that is too long comes from the world itself; everything else is the upstream's.
        too_long = "shorten the question" in str(error)
        if too_long:
            return bad_request(str(error), "messages", "context_length_exceeded")
        return Problem(502, str(error), kind="server_error", code="upstream_failed")
    return Problem(500, f"{type(error).__name__} inside the endpoint; see its log", kind="server_error")

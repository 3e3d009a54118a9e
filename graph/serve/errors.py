"""Errors of requests in the format of the OpenAI API."""

from typing import Any

from envdata.collect.engine import CollectError, QuestionFailedError
from envdata.live.question_templates import NoFamilyError
from sandbox.live import LateError, SolveError


class Problem(Exception):
    """A request that cannot be answered, with its HTTP status."""

    def __init__(
        self, status: int, message: str, *, kind: str, code: str | None = None, param: str | None = None
    ) -> None:
        """Describe the error.

        Args:
            status: HTTP status.
            message: Message for the client.
            kind: The API's `type`.
            code: The API's `code`.
            param: Name of the field that is wrong.
        """
        super().__init__(message)
        self.status, self.message, self.kind, self.code, self.param = status, message, kind, code, param

    def as_object(self) -> dict[str, Any]:
        """Return the body of the response."""
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}


def bad_request(message: str, param: str | None = None, code: str | None = None) -> Problem:
    """Return a 400 error that the client can correct."""
    return Problem(400, message, kind="invalid_request_error", param=param, code=code)


def busy(message: str, code: str) -> Problem:
    """Return a 429 error: too many questions at once, or the budget is spent."""
    return Problem(429, message, kind="rate_limit_error" if code == "rate_limit_exceeded" else code, code=code)


def of_error(error: Exception) -> Problem:
    """Return the error of the API for an exception; the status says whether client, upstream or endpoint failed."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, NoFamilyError):
        return bad_request(str(error), "messages")
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
        # The branch source itself refuses a prompt that is too long; every other error is the upstream's.
        too_long = "shorten the question" in str(error)
        if too_long:
            return bad_request(str(error), "messages", "context_length_exceeded")
        return Problem(502, str(error), kind="server_error", code="upstream_failed")
    return Problem(500, f"{type(error).__name__} inside the endpoint; see its log", kind="server_error")

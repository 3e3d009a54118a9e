"""What a failed request means: whether it passes, whether it may be billed, and what the user can do.

The SDKs' own retries are switched off (`max_retries=0`): they do not reach into a stream that broke off, and they leave
no record of an attempt, which accounting needs. What they do right is kept: 408, 409, 429, 5xx and connection errors
are tried again, `x-should-retry`, `retry-after-ms` and `retry-after` (seconds or a date) are honoured. Both SDKs are
generated alike, so that their errors are read by attributes here.
"""

import email.utils
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graph.explorers.models.chat import CallFailed
from graph.secrets import redacted
from sandbox.quoting import quoted

PASSING = {408, 409, 429}
QUOTED = 400
"""Characters of a service's own words."""

_TOO_LONG = re.compile(
    r"context[ _-]?(?:length|window)|prompt is too long|maximum context|too many (?:input )?tokens", re.IGNORECASE
)
_NO_SCHEMA = re.compile(r"response_format|json_schema|output_config|structured output|guided", re.IGNORECASE)
_NO_CREDIT = re.compile(r"insufficient_quota|credit balance|billing", re.IGNORECASE)


@dataclass(frozen=True)
class Service:
    """Who is asked, in words for errors."""

    name: str
    """As in `Anthropic`, or a server's address."""
    key: str
    """The variable that its key comes from."""
    model: str


def no_key(service: Service, spec: str) -> CallFailed:
    """There is none in the environment."""
    return CallFailed(
        f"{spec}: {service.name} needs a key, and {service.key} is not set; put it into the environment: "
        f"export {service.key}=…"
    )


def read_status(error: Any, service: Service) -> CallFailed:
    """An error with an HTTP status: `status_code`, `response.headers`, `body`, `message`."""
    status, headers = int(error.status_code), error.response.headers
    body = str(getattr(error, "body", None) or "")
    said = quoted(redacted(str(getattr(error, "message", "") or body)), QUOTED)
    full = f"{said} {body}"
    passing = _passing(status, headers, full)
    # A status of the response itself; within a stream that had begun, the SDKs give it 200.
    begun = status < 400
    if begun:
        return CallFailed(f"{service.name} broke its reply off: {said}", passing=True, billed=True, status=status)
    return CallFailed(
        f"{service.name} answered {status}: {said}{_advice(status, full, service)}",
        passing=passing,
        after=retry_after(headers),
        status=status,
        unsupported=status in (400, 422) and bool(_NO_SCHEMA.search(full)),
        too_long=status in (400, 413, 422) and bool(_TOO_LONG.search(full)),
    )


def broken(error: BaseException, service: Service, *, begun: bool) -> CallFailed:
    """No status: the connection did not come about, broke, or went silent."""
    said = quoted(redacted(f"{type(error).__name__}: {error}"), QUOTED)
    cause = error.__cause__
    if cause is not None and str(cause):
        said += f" ({quoted(redacted(str(cause)), QUOTED)})"
    what = "broke its reply off" if begun else "cannot be reached"
    refused = "ConnectError" in f"{type(error).__name__} {type(cause).__name__}"
    return CallFailed(
        f"{service.name} {what}: {said}; see whether it runs and answers there",
        passing=True,
        # What was refused never got there. Anything else may have been read and answered.
        billed=not refused,
    )


def silent(service: Service, seconds: float, what: str) -> CallFailed:
    """It took too long."""
    return CallFailed(
        f"{service.name} {what} for {seconds:g} s; give it longer with --timeout", passing=True, billed=True
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the headers ask to wait; None if they do not say."""
    try:
        return max(0.0, float(headers["retry-after-ms"]) / 1000)
    except (KeyError, ValueError):
        pass
    said = headers.get("retry-after")
    if said is None:
        return None
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    date = email.utils.parsedate_tz(said)
    return None if date is None else max(0.0, email.utils.mktime_tz(date) - time.time())


def _passing(status: int, headers: Mapping[str, str], said: str) -> bool:
    told = headers.get("x-should-retry")
    if told in ("true", "false"):
        return told == "true"
    # A quota that is used up is a 429 too, and does not come back by waiting.
    return (status in PASSING or status >= 500) and not (status == 429 and _NO_CREDIT.search(said))


def _advice(status: int, said: str, service: Service) -> str:
    if _TOO_LONG.search(said):
        return "; the prompt and the reply do not fit the model's context: lower --brief-tokens or --max-output"
    if _NO_CREDIT.search(said):
        return "; the account has no credit left: add some, then go on with the run"
    match status:
        case 401:
            return f"; the key in {service.key} is not accepted: check it, or make a new one"
        case 403:
            return f"; the key in {service.key} may not use {service.model}: check what it is allowed"
        case 404:
            return f"; is there a model {service.model!r}, and is the address right? (see --explorer and --base-url)"
        case 413:
            return "; the request is too large: lower --brief-tokens"
        case 429:
            return "; too many requests: lower --at-once, or go on with the run later"
        case _:
            return "; go on with the run later" if status >= 500 else ""

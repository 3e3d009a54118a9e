"""A request's body, cut at a limit while it comes in, and read as strict JSON."""

import asyncio
import json
from typing import Any

from starlette.requests import ClientDisconnect, Request

from envdata.plain_text import whole_value

BODY_SECONDS = 60.0
"""How long a body may take to come in."""


class RequestError(Exception):
    """A request that is not answered as it stands; the message says why."""

    def __init__(self, status: int, message: str) -> None:
        """`status` is the HTTP status of the response."""
        super().__init__(message)
        self.status = status


async def read_body(request: Request, limit: int) -> bytes:
    """Read the body.

    Raises RequestError as soon as it has more than `limit` bytes (413) or takes too long (408), and if it breaks off
    (400); the rest is not read.
    """
    too_large = RequestError(413, f"the body has more than {limit} bytes, which is the limit; send less")
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and len(declared) < 20 and int(declared) > limit:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise too_large
    except TimeoutError:
        raise RequestError(408, f"the body did not come in within {BODY_SECONDS:g} seconds") from None
    except ClientDisconnect:
        raise RequestError(400, "the connection ended before the body did") from None
    return bytes(body)


def parse_json(body: bytes) -> dict[str, Any]:
    """Read a JSON object in UTF-8. Raises RequestError for anything else.

    Python's parser takes NaN and numbers that become infinite, which cannot be sent on. Halves of surrogate pairs, as
    JavaScript cuts its strings, become U+FFFD.
    """
    try:
        value = whole_value(json.loads(body))
        json.dumps(value, allow_nan=False)
    except RecursionError:
        raise RequestError(400, "the body is nested too deeply; four levels are enough") from None
    except ValueError:
        raise RequestError(400, "the body is not JSON, or holds NaN or a number out of range") from None
    if not isinstance(value, dict):
        raise RequestError(400, "the body is not a JSON object")
    return value

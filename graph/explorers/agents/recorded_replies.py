"""Replies of a model that the transcript keeps, so that a session that begins again pays for none of them twice.

A session that was killed begins again with the same seed and makes the same requests; each is answered by the reply
that was paid for. Equal requests are answered in the order in which they were made.
"""

import hashlib
from collections import defaultdict, deque

from graph.run.transcript import Transcript


class RecordedReplies:
    """Replies that a session received before it was killed, by their requests."""

    def __init__(self, transcript: Transcript, place: str) -> None:
        """Read the replies to the calls whose ids begin with `place` from the round's transcript."""
        self._left: defaultdict[str, deque[tuple[str, bytes]]] = defaultdict(deque)
        for each in transcript.events():
            if each["event"] == "reply" and str(each.get("id")).startswith(f"{place}/") and "request" in each:
                kept = str(each["type"]), str(each["body"]).encode()
                self._left[_digest(str(each["request"]).encode())].append(kept)

    def take(self, request: bytes) -> tuple[str, bytes] | None:
        """Return the content type and the body of a reply to a request, once; None if there is none left."""
        left = self._left.get(_digest(request))
        return left.popleft() if left else None


def _digest(request: bytes) -> str:
    return hashlib.sha256(request.decode("utf-8", "replace").encode()).hexdigest()

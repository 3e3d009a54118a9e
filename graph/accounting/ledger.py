"""Ledger of a run: its spending, read from the transcripts, and admission of further calls within the caps.

Apart from calls in flight, memory holds nothing that the transcripts do not, so a killed run continues with the right
figures. A call that may be billed without a reply (in flight at a kill, or a broken stream) counts with its worst case.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from graph.accounting.caps import CapReached, Caps, WorstCase
from graph.accounting.usage import Usage

Event = Mapping[str, Any]


class Ledger:
    """Admits calls within caps, by reserving the worst case of each call in flight."""

    def __init__(self, caps: Caps, events: Iterable[Event]) -> None:
        """Start from the spending in the run's `events`, sorted by time."""
        known = list(events)
        self._caps = caps
        self._cost, self._tokens = spent(known)
        self._calls = sum(event["event"] == "reply" for event in known) + len(unanswered(known))
        self._before = sum(seconds for _, seconds in gaps(known))
        self._last = _at(known[-1]) if known else datetime.now(UTC)
        self._in_flight: Counter[WorstCase] = Counter()
        self._settled = asyncio.Condition()

    def check_minutes(self) -> None:
        """Raise CapReached if the run has reached its cap on minutes."""
        minutes = (self._before + max(0.0, (datetime.now(UTC) - self._last).total_seconds())) / 60
        if self._caps.minutes is not None and minutes >= self._caps.minutes:
            raise CapReached("max_minutes", f"{minutes:.1f} of {self._caps.minutes:g} minutes are over")

    def reserve(self, worst: WorstCase) -> None:
        """Reserve the worst case of a call. Raises CapReached if it does not fit a cap."""
        reached = self._exceeded(worst)
        if reached is not None:
            raise reached
        self.check_minutes()
        self._in_flight[worst] += 1

    def release(self, worst: WorstCase, usage: Usage | None, cost: float | None) -> None:
        """Release the reservation of a finished call, and add its actual spending.

        Args:
            worst: The reservation.
            usage: Tokens that the call used; None if it was not billed.
            cost: US dollars; None if unknown.
        """
        self._in_flight -= Counter([worst])
        if usage is not None:
            self._calls += 1
            self._tokens += usage.total
            self._cost += cost or 0.0

    @property
    def busy(self) -> bool:
        """Whether calls are in flight, whose reservations may exceed their actual spending."""
        return bool(self._in_flight)

    async def admit(self, worst: WorstCase) -> None:
        """Reserve as `reserve` does, but wait for calls in flight if the call may fit after them. Raises CapReached."""
        async with self._settled:
            while True:
                try:
                    self.reserve(worst)
                    return
                except CapReached as capped:
                    if not self.busy or capped.cap == "max_minutes":
                        raise
                await self._settled.wait()

    async def settle(self, worst: WorstCase, usage: Usage | None, cost: float | None) -> None:
        """Release as `release` does, and wake the calls that wait in `admit`."""
        async with self._settled:
            self.release(worst, usage, cost)
            self._settled.notify_all()

    async def settle_unanswered(self, worst: WorstCase) -> None:
        """Settle a call that ended without a reply and may be billed: it counts with its worst case."""
        await self.settle(worst, Usage(input=worst.input, output=worst.output), worst.cost)

    def _exceeded(self, worst: WorstCase) -> CapReached | None:
        reserved = list(self._in_flight.elements())
        if self._caps.calls is not None and self._calls + len(reserved) >= self._caps.calls:
            return CapReached("max_calls", f"{self._calls} of {self._caps.calls} calls are made")
        if self._caps.tokens is not None:
            tokens = self._tokens + sum(each.tokens for each in reserved)
            if tokens + worst.tokens > self._caps.tokens:
                return CapReached(
                    "max_tokens",
                    f"{tokens:,} of {self._caps.tokens:,} tokens are spent, the next call may take {worst.tokens:,}",
                )
        if self._caps.cost is not None:
            cost, more = self._cost + sum(each.cost or 0.0 for each in reserved), worst.cost or 0.0
            if cost + more > self._caps.cost:
                return CapReached(
                    "max_cost",
                    f"${cost:.2f} of ${self._caps.cost:.2f} are spent, the next call may cost ${more:.2f}",
                )
        return None


def unanswered(events: Iterable[Event]) -> list[Event]:
    """Return the `call` events without a received reply that may be billed all the same."""
    open_calls: dict[str, list[Event]] = {}
    broken = []
    for event in events:
        if event["event"] == "call":
            open_calls.setdefault(event["id"], []).append(event)
        elif event["event"] in ("failed", "reply") and open_calls.get(event["id"]):
            # The event belongs to the latest request; earlier open ones were in flight at a kill.
            call = open_calls[event["id"]].pop()
            if event["event"] == "failed" and event["billed"] == "possibly":
                broken.append(call)
    return broken + [call for calls in open_calls.values() for call in calls]


def spent(events: Iterable[Event]) -> tuple[float, int]:
    """Return the spending in `events`: US dollars (unknown prices count as 0), and tokens.

    Calls that may be billed without a reply count with their worst case.
    """
    known = list(events)
    cost, tokens = 0.0, 0
    for event in known:
        if event["event"] == "reply":
            # Not below 0: a manipulated transcript must not make room under a cap.
            cost += max(0.0, event["cost"] or 0.0)
            tokens += max(0, Usage.read(event["usage"]).total)
    for call in unanswered(known):
        cost += max(0.0, call["worst"]["cost"] or 0.0)
        tokens += max(0, call["worst"]["input"] + call["worst"]["output"])
    return cost, tokens


def gaps(events: Iterable[Event]) -> Iterable[tuple[tuple[str, str], float]]:
    """Yield the seconds between consecutive events of one process, with the round's folder and the running node.

    `events` must be sorted by time. Round and node are empty strings between nodes.
    """
    where, before = ("", ""), None
    for event in events:
        at = _at(event)
        if before is not None and event["event"] != "session":
            yield where, max(0.0, (at - before).total_seconds())
        if event["event"] == "node":
            where = (event["of"], event["node"])
        elif event["event"] in ("session", "done"):
            where = ("", "")
        before = at


def _at(event: Event) -> datetime:
    return datetime.fromisoformat(event["at"])

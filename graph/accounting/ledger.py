"""What a run has spent so far, read from its transcripts, and whether another call fits what is left.

Nothing is kept in memory that the transcripts do not have, but for the calls under way: so a killed run counts on from
where it was. A call that may have been billed without a reply (in flight at a kill, or a stream that broke off) counts
with its worst case.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from graph.accounting.caps import CapReached, Caps, Worst
from graph.accounting.usage import Usage

Event = Mapping[str, Any]


class Ledger:
    """Admits calls within caps."""

    def __init__(self, caps: Caps, events: Iterable[Event]) -> None:
        known = list(events)
        self._caps = caps
        self._cost, self._tokens = spent(known)
        self._before = sum(seconds for _, seconds in gaps(known))
        self._last = _at(known[-1]) if known else datetime.now(UTC)
        self._under_way: Counter[Worst] = Counter()
        self._settled = asyncio.Condition()

    def check_minutes(self) -> None:
        """Raise CapReached if the run has taken its time."""
        minutes = (self._before + max(0.0, (datetime.now(UTC) - self._last).total_seconds())) / 60
        if self._caps.minutes is not None and minutes >= self._caps.minutes:
            raise CapReached("max_minutes", f"{minutes:.1f} of {self._caps.minutes:g} minutes are over")

    def take(self, worst: Worst) -> None:
        """Set the worst case of a call aside. Raises CapReached if it does not fit what is left."""
        why = self._too_much(worst)
        if why is not None:
            raise why
        self.check_minutes()
        self._under_way[worst] += 1

    def give_back(self, worst: Worst, usage: Usage | None, cost: float | None) -> None:
        """The call is over: it took `usage` and cost that much (None: unknown), or nothing if there is no usage."""
        self._under_way -= Counter([worst])
        if usage is not None:
            self._tokens += usage.total
            self._cost += cost or 0.0

    @property
    def busy(self) -> bool:
        """Whether calls are under way: what is set aside for them may be more than they take."""
        return bool(self._under_way)

    async def admit(self, worst: Worst) -> None:
        """As `take`, but waits for calls under way if it may fit once they are settled."""
        async with self._settled:
            while True:
                try:
                    self.take(worst)
                    return
                except CapReached as capped:
                    if not self.busy or capped.cap == "max_minutes":
                        raise
                await self._settled.wait()

    async def settle(self, worst: Worst, usage: Usage | None, cost: float | None) -> None:
        """As `give_back`, and lets those try again who wait."""
        async with self._settled:
            self.give_back(worst, usage, cost)
            self._settled.notify_all()

    async def lose(self, worst: Worst) -> None:
        """The call is over without a reply, and may be billed."""
        await self.settle(worst, Usage(input=worst.input, output=worst.output), worst.cost)

    def _too_much(self, worst: Worst) -> CapReached | None:
        aside = list(self._under_way.elements())
        if self._caps.tokens is not None:
            tokens = self._tokens + sum(each.tokens for each in aside)
            if tokens + worst.tokens > self._caps.tokens:
                return CapReached(
                    "max_tokens",
                    f"{tokens:,} of {self._caps.tokens:,} tokens are spent, the next call may take {worst.tokens:,}",
                )
        if self._caps.cost is not None:
            cost, more = self._cost + sum(each.cost or 0.0 for each in aside), worst.cost or 0.0
            if cost + more > self._caps.cost:
                return CapReached(
                    "max_cost",
                    f"${cost:.2f} of ${self._caps.cost:.2f} are spent, the next call may cost ${more:.2f}",
                )
        return None


def unanswered(events: Iterable[Event]) -> list[Event]:
    """The calls that may be billed without a reply that was received."""
    open_calls: dict[str, list[Event]] = {}
    lost = []
    for event in events:
        if event["event"] == "call":
            open_calls.setdefault(event["id"], []).append(event)
        elif event["event"] in ("failed", "reply") and open_calls.get(event["id"]):
            # The latest one is answered: what is open before it was in flight at a kill.
            call = open_calls[event["id"]].pop()
            if event["event"] == "failed" and event["billed"] == "possibly":
                lost.append(call)
    return lost + [call for calls in open_calls.values() for call in calls]


def spent(events: Iterable[Event]) -> tuple[float, int]:
    """US dollars as far as prices are known, and tokens; worst cases for what is possibly billed."""
    known = list(events)
    cost, tokens = 0.0, 0
    for event in known:
        if event["event"] == "reply":
            cost += event["cost"] or 0.0
            tokens += Usage.read(event["usage"]).total
    for call in unanswered(known):
        cost += call["worst"]["cost"] or 0.0
        tokens += call["worst"]["input"] + call["worst"]["output"]
    return cost, tokens


def gaps(events: Iterable[Event]) -> Iterable[tuple[tuple[str, str], float]]:
    """Seconds between events of one process, each with the round's folder and the node at work; ordered by time."""
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

"""What an agent's calls take, counted on the host's side of its door, call by call.

An agent's own word on its usage is not asked for: programs say it in ways of their own, at their end, or never. What
goes through the door is in the wire formats of the services, which say it with each reply (`usage.py`). So caps hold
between the calls of an agent too, and a session that is killed is counted as far as it got.
"""

import asyncio
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass

from graph.accounting.caps import CapReached, Caps, WorstCase
from graph.accounting.ledger import Ledger
from graph.accounting.prices import Price, cost_of, worst_cost
from graph.accounting.usage import Usage
from graph.explorers.agents.allowed_requests import Refused
from graph.explorers.prompts import estimate
from graph.run.transcript import Transcript

ASSUMED_OUTPUT = 32_000
"""Tokens set aside for the reply to a request that names no limit."""
UNNAMED = "unnamed"
"""The model of a request that names none."""


@dataclass(frozen=True)
class Call:
    """A request that was let through."""

    id: str
    model: str
    worst: WorstCase
    price: Price | None
    begun: float


class Meter:
    """Admits the calls of one session within the run's caps, and records them. Used in one event loop."""

    def __init__(self, transcript: Transcript, caps: Caps, pricing: Callable[[str], Price | None], place: str) -> None:
        """`place` begins the calls' ids: the node and its round."""
        self._journal, self._caps, self._pricing = transcript, caps, pricing
        self._ledger = Ledger(caps, transcript.of_all_rounds())
        self._settled = asyncio.Event()
        # Of this session alone: one that was killed has calls of the same numbers.
        self._ids = f"{place}/{uuid.uuid4().hex[:8]}"
        self._number = 0
        self.capped: CapReached | None = None
        """The cap that a call did not fit any more."""

    async def admit(self, body: bytes) -> Call:
        """Set the worst case of a request aside, and record it. Raises Refused if it does not fit what is left."""
        model, output = _asked(body)
        price = self._pricing(model)
        if price is None and self._caps.cost is not None:
            raise Refused(
                f"what {model} costs is not known, so that nothing could hold --max-cost; the run needs "
                "--price IN,OUT, or --max-tokens instead"
            )
        into = estimate(body.decode("utf-8", "replace"))
        worst = WorstCase(into, output, None if price is None else worst_cost(price, into, output))
        while True:
            try:
                self._ledger.reserve(worst)
                break
            except CapReached as capped:
                if not self._ledger.busy or capped.cap == "max_minutes":
                    self.capped = capped
                    raise Refused(str(capped)) from None
            self._settled.clear()
            await self._settled.wait()
        self._number += 1
        call = Call(f"{self._ids}-{self._number}", model, worst, price, time.monotonic())
        self._journal.record("call", id=call.id, model=model, attempt=0, max_output=output, worst=asdict(worst))
        return call

    def replied(
        self, call: Call, usage: Usage, exchange: tuple[bytes, str, bytes] | None = None, *, estimated: bool = False
    ) -> None:
        """The service said what the call took; `estimated` if that cannot be true, and `usage` is meant to be high.

        `exchange` is the request, and the reply with its type, to be kept.
        """
        cost = None if call.price is None else cost_of(call.price, usage)
        self._journal.record(
            "reply", id=call.id, model=call.model, usage=asdict(usage), cost=cost, estimated=estimated,
            seconds=round(time.monotonic() - call.begun, 3), **_kept(exchange),
        )  # fmt: skip
        self._give_back(call, usage, cost)

    def failed(self, call: Call, why: str, *, status: int | None = None, billed: bool) -> None:
        """There is no usage: the service refused the call, or may have billed what it did not tell."""
        self._journal.record(
            "failed", id=call.id, why=why, status=status, billed="possibly" if billed else "no",
            seconds=round(time.monotonic() - call.begun, 3),
        )  # fmt: skip
        worst = Usage(input=call.worst.input, output=call.worst.output)
        self._give_back(call, worst if billed else None, call.worst.cost if billed else None)

    def _give_back(self, call: Call, usage: Usage | None, cost: float | None) -> None:
        self._ledger.release(call.worst, usage, cost)
        self._settled.set()


def _kept(exchange: tuple[bytes, str, bytes] | None) -> dict[str, str]:
    """A request and its reply as fields of an event; none without one."""
    if exchange is None:
        return {}
    request, kind, body = exchange
    return {"request": request.decode("utf-8", "replace"), "type": kind, "body": body.decode("utf-8", "replace")}


def _asked(body: bytes) -> tuple[str, int]:
    """The model of a request, and the most tokens that it lets the reply have."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    said = said if isinstance(said, dict) else {}
    model = said.get("model")
    limits = [said.get(name) for name in ("max_tokens", "max_output_tokens", "max_completion_tokens")]
    given = [each for each in limits if isinstance(each, int) and not isinstance(each, bool) and each > 0]
    copies = said.get("n")
    times = copies if isinstance(copies, int) and not isinstance(copies, bool) and copies > 1 else 1
    return (model if isinstance(model, str) and model else UNNAMED)[:200], max(given, default=ASSUMED_OUTPUT) * times
